package journal

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
)

// formatVersion is written into every file; a file of a newer version is refused.
const formatVersion = 1

// Names of the top-level buckets; docs/formats/journal.md describes them.
const (
	bucketHead      = "head"
	bucketLogs      = "logs"
	bucketPositions = "positions"
	bucketReceipts  = "receipts"
	bucketRanges    = "ranges"
	bucketHoles     = "holes"
	bucketKeys      = "keys"
	leafPrefix      = "log:"
)

// Keys of the head bucket.
const (
	keyFormat  = "format"
	keyFile    = "file"
	keyRefused = "refused"
	badPrefix  = "bad:"
)

// Suffixes of the keys that stand beside a leaf's index.
const (
	suffixFrontier   = 0xFE
	suffixCheckpoint = 0xFF
)

// States of a log on the station.
const (
	stateActive     = "active"
	stateClosed     = "closed"     // ended with log.closed, still forwarded
	stateSuperseded = "superseded" // a successor carries its unreceipted leaves
)

// fileRecord is the value of head/file.
type fileRecord struct {
	Sequence uint64    `json:"sequence"`
	Previous uint64    `json:"previous"` // sequence of the file before, 0 for none
	Agent    string    `json:"agent"`
	Created  time.Time `json:"created"`
}

// keyRecord is one signing key and the sizes that it signs.
type keyRecord struct {
	Key   []byte `json:"key"` // Ed25519 public key
	ID    string `json:"id"`  // hex SHA-256 of it
	After uint64 `json:"after"`
	Last  uint64 `json:"last"` // 0 = open end
}

// copyRecord is an unfinished or finished succession: which leaves of the
// predecessor follow log.opened.
type copyRecord struct {
	Log    string     `json:"log"`              // id of the predecessor
	Count  uint64     `json:"count"`            // leaves promised in log.opened
	Spans  []copySpan `json:"spans,omitempty"`  // where they are in the predecessor
	Reason string     `json:"reason,omitempty"` // why
}

// copySpan is a run of leaves to be copied. Log is "" for the predecessor, else
// the log that the predecessor itself had not yet copied them from.
type copySpan struct {
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
	Log   string `json:"log,omitempty"`
}

// of is the id of the log that a span is in.
func (c *copyRecord) of(s copySpan) string { return cmp.Or(s.Log, c.Log) }

// left are the spans behind the first done leaves, with the logs that they are in.
func (c *copyRecord) left(done uint64) (out []copySpan, count uint64) {
	for _, s := range c.Spans {
		skip := min(done, s.Count)
		done -= skip
		if skip < s.Count {
			out, count = append(out, copySpan{s.First + skip, s.Count - skip, c.of(s)}), count+s.Count-skip
		}
	}
	return out, count
}

// drop takes [at, end of its span) out of the promise.
func (c copyRecord) drop(log string, at, end uint64) *copyRecord {
	c.Spans = slices.Clone(c.Spans)
	for i, s := range c.Spans {
		if c.of(s) == log && s.First <= at && end == s.First+s.Count {
			c.Spans[i].Count, c.Count = at-s.First, c.Count-(end-at)
		}
	}
	return &c
}

// spanCount is a run of leaves.
type spanCount struct {
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
}

// logRecord is the value of logs/<log id>: the log as it was when the file began
// (start, frontier, note) and as it is now (keys, state).
type logRecord struct {
	Origin      string      `json:"origin"`
	Keys        []keyRecord `json:"keys"`
	State       string      `json:"state"`
	Predecessor string      `json:"predecessor,omitempty"` // origin
	PrevSize    uint64      `json:"predecessor_size,omitempty"`
	PrevRoot    string      `json:"predecessor_root,omitempty"` // base64
	Reason      string      `json:"reason"`
	Opened      time.Time   `json:"opened"`
	Proof       []byte      `json:"proof"` // signature of the first key, see wire.LogRegistration
	Copies      *copyRecord `json:"copies,omitempty"`

	Start    uint64 `json:"start"`          // size when this file began
	Frontier []byte `json:"frontier"`       // compact range [0, start)
	Note     string `json:"note,omitempty"` // checkpoint of size start
	// Note is empty for a log that began in this file.
}

// holeRecord is the value of holes/<log id><first>: leaves that are lost, and
// what bridges them.
type holeRecord struct {
	First uint64   `json:"first"`
	Count uint64   `json:"count"`
	Range []string `json:"range"` // base64 hashes of the compact range
	Note  string   `json:"note"`  // checkpoint of size first + count
	File  string   `json:"file"`
}

// badRecord is the value of head/bad:<file name>: what of a damaged file can
// still be read.
type badRecord struct {
	Good map[string]uint64 `json:"good"` // by log id: size up to which its leaves are whole
	At   time.Time         `json:"at"`
}

// refusedRecord is the value of head/refused: what was refused since the last
// audit.gap that says so.
type refusedRecord struct {
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Cause  string            `json:"cause"`
	Counts map[string]uint64 `json:"counts"` // by class
}

func leafKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

func checkpointKey(size uint64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, size-1), suffixCheckpoint)
}

func frontierKey(size uint64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, size-1), suffixFrontier)
}

// splitKey undoes leafKey, checkpointKey and frontierKey; suffix is 0 for a leaf.
func splitKey(key []byte) (index uint64, suffix byte, err error) {
	switch {
	case len(key) == 8:
		return binary.BigEndian.Uint64(key), 0, nil
	case len(key) == 9 && (key[8] == suffixFrontier || key[8] == suffixCheckpoint):
		return binary.BigEndian.Uint64(key), key[8], nil
	}
	return 0, 0, fmt.Errorf("key %x of no known form: %w", key, errDamaged)
}

func positionKey(source, key string) []byte { return []byte(source + "\x00" + key) }

func splitPosition(key []byte) (source, name string, ok bool) {
	return strings.Cut(string(key), "\x00")
}

func logKey(id string, first uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(id), first)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the record types hold nothing that JSON can't carry
	}
	return b
}

func decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// fileName is the name of a file of the sequence.
func fileName(sequence uint64) string { return fmt.Sprintf("%020d.db", sequence) }

// rangeHashes is the number of hashes of the compact range [begin, end): one per
// perfect, aligned subtree.
func rangeHashes(begin, end uint64) int {
	n := 0
	for begin < end {
		step := uint64(1)
		for begin&step == 0 && begin+2*step <= end && step < 1<<62 {
			step <<= 1
		}
		begin += step
		n++
	}
	return n
}

// rangesValue is the size at which a packed value of the ranges bucket is closed.
const rangesValue = 1000

// packer collects the compact ranges of the commits of one log in one file.
type packer struct {
	first  []uint64
	values [][]byte
	next   uint64 // index that the next commit must begin with
}

// add appends the range of one commit: uvarint count of leaves, hashes.
func (p *packer) add(r evidence.Range) {
	n := len(p.values)
	if n == 0 || len(p.values[n-1]) > rangesValue {
		p.first = append(p.first, r.Begin)
		p.values = append(p.values, make([]byte, 0, rangesValue+200))
		n++
	}
	v := binary.AppendUvarint(p.values[n-1], r.End-r.Begin)
	for _, h := range r.Hashes {
		v = append(v, h[:]...)
	}
	p.values[n-1], p.next = v, r.End
}

// unpackRanges undoes packer.add for one value.
func unpackRanges(first uint64, value []byte) ([]evidence.Range, error) {
	var out []evidence.Range
	for len(value) > 0 {
		count, n := binary.Uvarint(value)
		if n <= 0 || count == 0 || first > evidence.MaxSize || count > evidence.MaxSize-first {
			return nil, fmt.Errorf("commit ranges: %w", errDamaged)
		}
		value = value[n:]
		r := evidence.Range{Begin: first, End: first + count}
		hashes := rangeHashes(r.Begin, r.End)
		if len(value) < hashes*32 {
			return nil, fmt.Errorf("commit ranges: %w", errDamaged)
		}
		for range hashes {
			r.Hashes = append(r.Hashes, evidence.Hash(value[:32]))
			value = value[32:]
		}
		out, first = append(out, r), r.End
	}
	return out, nil
}

func encodeHashes(hashes []evidence.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return out
}
