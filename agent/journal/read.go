package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// The commits kept in memory for a forwarder that is nearly up to date: reading
// them from the file and hashing them again costs a sixth of the agent's processor
// time at full speed. While nobody asks for more than before, during an outage or
// while the aggregator can't store, little is kept.
const (
	recentBytes = 8 << 20
	quietBytes  = 1 << 20
	quietAfter  = 3 * time.Second
)

// ErrUnbridgeable: the leaves asked for are gone and nothing on disk can take
// their place; the log needs a successor.
var ErrUnbridgeable = errors.New("leaves are gone and can't be bridged")

// Segment is what the forwarder sends next of one log.
type Segment struct {
	Log    string
	Header wire.Header
	Leaves [][]byte // none for a hole; not to be changed
	Bytes  int      // of the leaves with their lengths
	// Keys are the wrapped data keys that the leaves name, by id; Lost the ids of
	// those that are nowhere any more.
	Keys map[string][]byte
	Lost []string
}

// recent holds the newest commits in memory.
type recent struct {
	byLog map[string][]recentCommit
	order []string // log of each commit, oldest first
	bytes int64
	asked atomic.Int64 // when somebody got on in a log, in Unix nanoseconds

	mu sync.Mutex
	at map[string]uint64 // what was asked for last, by log
}

// ask notes from where a log was asked for. Who asks for the same again and again
// does not get on: the newest commits would only lie in memory for him.
func (r *recent) ask(log string, from uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.at[log]
	if known && from > before {
		r.asked.Store(time.Now().UnixNano())
	}
	if r.at == nil {
		r.at = map[string]uint64{}
	}
	r.at[log] = from
}

type recentCommit struct {
	first, end uint64
	leaves     [][]byte
	note       []byte
	bytes      int64
	keys       map[string][]byte
}

func (r *recent) add(log string, p *part, keys map[string][]byte) {
	if r.byLog == nil {
		r.byLog = map[string][]recentCommit{}
	}
	r.byLog[log] = append(r.byLog[log], recentCommit{p.rng.Begin, p.rng.End, p.leaves, p.note, p.bytes, keys})
	r.order = append(r.order, log)
	r.bytes += p.bytes
	limit := int64(recentBytes)
	if time.Since(time.Unix(0, r.asked.Load())) > quietAfter {
		limit = quietBytes
	}
	for r.bytes > limit && len(r.order) > 0 {
		oldest := r.order[0]
		r.order = r.order[1:]
		if list := r.byLog[oldest]; len(list) > 0 {
			r.bytes -= list[0].bytes
			list[0] = recentCommit{}
			r.byLog[oldest] = list[1:]
		}
	}
}

// trim drops what has a receipt. The order list keeps an entry too many; it is
// made anew when it is mostly such.
func (r *recent) trim(log string, size uint64) {
	list := r.byLog[log]
	for len(list) > 0 && list[0].end <= size {
		r.bytes -= list[0].bytes
		list[0] = recentCommit{}
		list = list[1:]
		if i := slices.Index(r.order, log); i >= 0 {
			r.order = slices.Delete(r.order, i, i+1)
		}
	}
	r.byLog[log] = list
}

// from returns successive commits from the leaf with this index on.
func (r *recent) from(log string, index uint64) []recentCommit {
	list := r.byLog[log]
	i := sort.Search(len(list), func(i int) bool { return list[i].first >= index })
	if i == len(list) || list[i].first != index {
		return nil
	}
	return list[i:]
}

// Next returns the segment of a log that begins at leaf from, of about target
// bytes (at least one commit, never more than wire.MaxUnpacked), or nil when the
// log has no more. It ends at a checkpoint and never goes past a key change.
// What is fresh comes from memory; the rest is read from the files and verified
// on the way, so that a damaged file is found here and not at the aggregator.
func (j *Journal) Next(ctx context.Context, log string, from uint64, target int) (*Segment, error) {
	target = min(max(target, 1), wire.MaxUnpacked)
	for range 3 {
		seg, err := j.next(log, from, target)
		damage, ok := errors.AsType[*fileError](err)
		if !ok {
			return seg, err
		}
		if err := j.do(ctx, func() error { return j.damaged(damage) }); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("log %s from %d: %w", log, from, ErrUnbridgeable)
}

func (j *Journal) next(log string, from uint64, target int) (*Segment, error) {
	j.recent.ask(log, from)
	j.mu.RLock()
	l := j.logs[log]
	if l == nil || from >= l.size {
		j.mu.RUnlock()
		return nil, nil
	}
	r := reading{log: log, origin: l.rec.Origin, from: from, target: target, limit: l.size, keyRanges: l.keyRanges()}
	if at, ok := l.cut(from); ok {
		r.limit = min(r.limit, at)
	}
	for _, h := range j.holes[log] {
		if h.First <= from && from < h.First+h.Count {
			j.mu.RUnlock()
			return holeSegment(log, l.rec.Origin, from, h)
		}
		if h.First > from {
			r.limit = min(r.limit, h.First)
		}
	}
	if commits := j.recent.from(log, from); commits != nil {
		seg := r.fromMemory(commits)
		j.mu.RUnlock()
		return seg, nil
	}
	f, rec := j.fileOf(log, from, &r)
	if v, ok := j.verified[log]; ok && v.End == from {
		r.start = v.Clone()
	}
	j.mu.RUnlock()
	if f == nil {
		return nil, fmt.Errorf("log %s: leaf %d is not kept: %w", l.rec.Origin, from, ErrUnbridgeable)
	}
	return j.nextFromFile(&r, f, rec)
}

// fileOf finds the file that holds a leaf and bounds the reading by its end.
func (j *Journal) fileOf(log string, index uint64, r *reading) (*fileInfo, logRecord) {
	for i := len(j.files) - 1; i >= 0; i-- {
		f := j.files[i]
		rec, ok := f.logs[log]
		if !ok || rec.Start > index {
			continue
		}
		end := j.endIn(i, log)
		if f.bad != nil {
			end = min(end, f.bad.Good[log])
		}
		if index >= end {
			return nil, rec
		}
		r.limit = min(r.limit, end)
		return f, rec
	}
	return nil, logRecord{}
}

func holeSegment(log, origin string, from uint64, h holeRecord) (*Segment, error) {
	if from != h.First {
		return nil, fmt.Errorf("log %s: %d is inside a hole: %w", origin, from, ErrUnbridgeable)
	}
	return &Segment{Log: log, Header: wire.Header{
		Origin: origin, First: h.First, Count: h.Count, Kind: wire.KindHole, Checkpoint: h.Note, Range: h.Range,
	}}, nil
}

// reading collects the leaves of one segment.
type reading struct {
	log, origin string
	keyRanges   []evidence.KeyRange
	from, limit uint64
	target      int
	start       evidence.Range // frontier at from, when known

	leaves [][]byte
	bytes  int
	whole  int // leaves up to the last checkpoint
	size   int // bytes up to it
	note   []byte
	front  evidence.Range

	ids      []string          // of the data keys that leaves name, each once
	wholeIDs int               // those up to the last checkpoint
	keys     map[string][]byte // their blobs; nil value: lost
}

func (r *reading) fromMemory(commits []recentCommit) *Segment {
	for _, c := range commits {
		if c.end > r.limit || r.whole > 0 && (r.bytes+int(c.bytes) > wire.MaxUnpacked || r.tooManyKeys(c.keys)) {
			break
		}
		r.addKeys(c.keys)
		r.leaves = append(r.leaves, c.leaves...)
		r.bytes += int(c.bytes)
		r.whole, r.size, r.note = len(r.leaves), r.bytes, c.note
		if r.bytes >= r.target {
			break
		}
	}
	return r.segment()
}

func (r *reading) segment() *Segment {
	if r.whole == 0 {
		return nil
	}
	keys, lost := r.split()
	return &Segment{Log: r.log, Leaves: r.leaves[:r.whole], Bytes: r.size, Keys: keys, Lost: lost, Header: wire.Header{
		Origin: r.origin, First: r.from, Count: uint64(r.whole), Kind: wire.KindLeaves, Checkpoint: string(r.note),
	}}
}

func (j *Journal) nextFromFile(r *reading, f *fileInfo, rec logRecord) (*Segment, error) {
	err := j.readFile(f, func(p *pages) error { return r.read(p, rec) })
	if r.whole > 0 { // what comes before the damage is good; the damage is met next time
		j.mu.Lock()
		j.verified[r.log] = r.front
		j.mu.Unlock()
		return r.segment(), nil
	}
	if err == nil {
		err = fmt.Errorf("log %s: no commit ends in [%d, %d]: %w", r.origin, r.from, r.limit, errDamaged)
	}
	if errors.Is(err, errDamaged) || errors.Is(err, os.ErrNotExist) {
		err = &fileError{f, err}
	}
	return nil, err
}

// fileError is damage found in a file.
type fileError struct {
	file *fileInfo
	err  error
}

func (e *fileError) Error() string { return filepath.Base(e.file.path) + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// read walks from the file's first leaf of the log, or from the frontier of the
// segment before, and keeps the leaves from r.from on.
func (r *reading) read(p *pages, rec logRecord) error {
	bucket, err := p.bucket(leafPrefix + r.log)
	if err != nil {
		return notAbsent(err)
	}
	w := walk{origin: r.origin, front: r.start, leaf: r.take}
	if w.front.End != r.from {
		t, err := startOf(rec)
		if err != nil {
			return err
		}
		w.front = t.front
	}
	w.onGood = func(evidence.Range, []byte) (bool, error) {
		if w.good.End <= r.from {
			return true, nil
		}
		if r.whole > 0 && (r.bytes > wire.MaxUnpacked || len(r.ids) > maxKeys) || w.good.End > r.limit {
			return false, nil
		}
		r.whole, r.size, r.note, r.front, r.wholeIDs = len(r.leaves), r.bytes, w.note, w.good, len(r.ids)
		return r.bytes < r.target && w.good.End < r.limit, nil
	}
	err = w.over(bucket, w.front.End)
	if r.whole > 0 {
		if bad := signed(r.note, r.origin, r.keyRanges); bad != nil {
			r.whole, err = 0, bad
		}
	}
	r.keysOf(p)
	return err
}

func (r *reading) take(index uint64, leaf []byte) error {
	if index >= r.from {
		r.leaves = append(r.leaves, bytes.Clone(leaf))
		r.bytes += len(leaf) + 2
		r.names(leaf)
	}
	return nil
}

// SetReceipt takes the newest cosigned note of a log; the caller has verified
// the cosignature. It goes to disk with the next commit, and only then may a
// file be removed because of it.
func (j *Journal) SetReceipt(log string, note []byte) error {
	c, err := evidence.PeekCheckpoint(note)
	if err != nil {
		return fmt.Errorf("receipt of log %s: %w", log, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.logs[log]
	switch {
	case l == nil:
		return fmt.Errorf("receipt of log %s: %w", log, errAbsent)
	case c.Origin != l.rec.Origin:
		return fmt.Errorf("receipt of log %s is of %s", log, c.Origin)
	case c.Size > l.size:
		return fmt.Errorf("receipt of %s has size %d, the log %d", c.Origin, c.Size, l.size)
	case c.Size == l.size:
		if root, err := l.front.Root(); err != nil || root != c.Root {
			return fmt.Errorf("receipt of %s at %d has another root", c.Origin, c.Size)
		}
	default: // what it deletes must be a history of ours, whatever the cosigner says
		if _, err := evidence.OpenCheckpoint(note, l.rec.Origin, l.keyRanges()); err != nil {
			return fmt.Errorf("receipt of %s at %d: %w", c.Origin, c.Size, err)
		}
	}
	j.recent.trim(log, c.Size)
	if c.Size < l.receipt.size {
		return nil
	}
	l.receipt.size, l.receipt.note, l.receipt.dirty = c.Size, bytes.Clone(note), true
	return nil
}

// Backlog is the number of leaves without a receipt.
func (j *Journal) Backlog() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var n uint64
	for _, l := range j.logs {
		if l.rec.State != stateSuperseded {
			n += l.size - min(l.receipt.size, l.size)
		}
	}
	return n
}
