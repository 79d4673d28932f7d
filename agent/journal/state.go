package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
)

// fileState is all that a file says beside its leaves.
type fileState struct {
	file      fileRecord
	refused   *refusedRecord
	bad       map[string]badRecord
	logs      map[string]logRecord
	positions map[string]map[string][]byte
	receipts  map[string][]byte
	holes     map[string][]holeRecord
	tails     map[string]tail // only from readTails
}

// tail is where a log stands at the end of a file.
type tail struct {
	size  uint64
	front evidence.Range
	note  []byte
	since int64
}

// readHeader reads head and logs: what a closed file is listed with.
func readHeader(p *pages) (*fileState, error) {
	st := &fileState{bad: map[string]badRecord{}, logs: map[string]logRecord{}}
	head, err := p.bucket(bucketHead)
	if err != nil {
		return nil, notAbsent(err)
	}
	version, err := head.get([]byte(keyFormat))
	if err != nil || len(version) != 4 {
		return nil, fmt.Errorf("format version: %w", errDamaged)
	}
	if v := binary.BigEndian.Uint32(version); v != formatVersion {
		return nil, fmt.Errorf("journal file has format %d, this program reads %d", v, formatVersion)
	}
	err = head.scan(nil, func(_ uint32, k, v []byte) (bool, error) {
		name, isBad := strings.CutPrefix(string(k), badPrefix)
		switch {
		case string(k) == keyFile:
			return true, decode(v, &st.file)
		case string(k) == keyRefused:
			st.refused = &refusedRecord{}
			return true, decode(v, st.refused)
		case isBad:
			var r badRecord
			err := decode(v, &r)
			st.bad[name] = r
			return true, err
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return st, readAll(p, bucketLogs, func(k, v []byte) error {
		var rec logRecord
		err := decode(v, &rec)
		st.logs[string(k)] = rec
		return err
	})
}

// notAbsent turns the absence of what every file has into damage.
func notAbsent(err error) error {
	if errors.Is(err, errAbsent) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

func readAll(p *pages, bucket string, fn func(k, v []byte) error) error {
	t, err := p.bucket(bucket)
	if err != nil {
		return notAbsent(err)
	}
	return t.scan(nil, func(_ uint32, k, v []byte) (bool, error) { return true, fn(k, v) })
}

// readState reads the header and all that belongs to the newest file.
func readState(p *pages) (*fileState, error) {
	st, err := readHeader(p)
	if err != nil {
		return nil, err
	}
	st.positions = map[string]map[string][]byte{}
	st.receipts = map[string][]byte{}
	st.holes = map[string][]holeRecord{}
	err = readAll(p, bucketPositions, func(k, v []byte) error {
		source, name, ok := splitPosition(k)
		if !ok {
			return fmt.Errorf("position: %w", errDamaged)
		}
		if st.positions[source] == nil {
			st.positions[source] = map[string][]byte{}
		}
		st.positions[source][name] = bytes.Clone(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = readAll(p, bucketReceipts, func(k, v []byte) error {
		st.receipts[string(k)] = bytes.Clone(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return st, readAll(p, bucketHoles, func(k, v []byte) error {
		var h holeRecord
		if len(k) != 24 {
			return fmt.Errorf("hole: %w", errDamaged)
		}
		err := decode(v, &h)
		st.holes[string(k[:16])] = append(st.holes[string(k[:16])], h)
		return err
	})
}

// readTails re-hashes every log from its last frontier in the file to its end
// and compares with each checkpoint on the way; the last one's signature is verified.
func (st *fileState) readTails(p *pages) error {
	st.tails = map[string]tail{}
	for id, rec := range st.logs {
		t, err := readTail(p, id, rec)
		if err != nil {
			return fmt.Errorf("log %s: %w", rec.Origin, err)
		}
		if t.size > 0 {
			if _, err := evidence.OpenCheckpoint(t.note, rec.Origin, keyRangesOf(rec)); err != nil {
				return fmt.Errorf("log %s: %w: %w", rec.Origin, errDamaged, err)
			}
		}
		st.tails[id] = t
	}
	return nil
}

func startOf(rec logRecord) (tail, error) {
	t := tail{size: rec.Start, note: []byte(rec.Note)}
	if err := t.front.UnmarshalBinary(rec.Frontier); err != nil || t.front.Begin != 0 || t.front.End != rec.Start {
		return t, fmt.Errorf("frontier at %d: %w", rec.Start, errDamaged)
	}
	return t, nil
}

func readTail(p *pages, id string, rec logRecord) (tail, error) {
	t, err := startOf(rec)
	if err != nil {
		return t, err
	}
	bucket, err := p.bucket(leafPrefix + id)
	if errors.Is(err, errAbsent) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	err = bucket.descend(func(_ uint32, k, v []byte) (bool, error) {
		index, suffix, err := splitKey(k)
		if err != nil || suffix != suffixFrontier {
			return err == nil, err
		}
		if err := t.front.UnmarshalBinary(v); err != nil || t.front.End != index+1 {
			return false, fmt.Errorf("frontier at %d: %w", index+1, errDamaged)
		}
		return false, nil
	})
	if err != nil {
		return t, err
	}
	w := walk{front: t.front, origin: rec.Origin}
	if err := w.over(bucket, t.front.End); err != nil {
		return t, err
	}
	if w.good.End != w.front.End {
		return t, fmt.Errorf("leaves after the last checkpoint: %w", errDamaged)
	}
	if w.front.End > rec.Start {
		if err := signed(w.note, rec.Origin, keyRangesOf(rec)); err != nil {
			return t, err
		}
	}
	return tail{size: w.front.End, front: w.front, note: w.note, since: w.bytes}, nil
}

// walk hashes the leaves of one log in one file and checks every checkpoint.
type walk struct {
	origin string
	front  evidence.Range // grows with each leaf
	good   evidence.Range // at the last checkpoint that was right
	note   []byte         // that checkpoint
	bytes  int64
	commit evidence.Range // leaves since good

	keys   []evidence.KeyRange                   // optional: every signature is checked, which costs
	leaf   func(index uint64, leaf []byte) error // optional
	onGood func(commit evidence.Range, note []byte) (more bool, err error)
}

// over walks from the leaf with index from, whose frontier is w.front. When it
// fails, good and note say how far the log is whole.
func (w *walk) over(bucket tree, from uint64) error {
	w.good = w.front.Clone()
	w.commit = evidence.Range{Begin: from, End: from}
	start := leafKey(from)
	if from > 0 {
		start = checkpointKey(from) // of size from: just before the leaf
	}
	return bucket.scan(start, func(_ uint32, k, v []byte) (bool, error) {
		index, suffix, err := splitKey(k)
		if err != nil {
			return false, err
		}
		switch suffix {
		case 0:
			return true, w.take(index, v)
		case suffixCheckpoint:
			return w.check(index+1, v)
		}
		return true, nil
	})
}

func (w *walk) take(index uint64, leaf []byte) error {
	if index != w.front.End {
		return fmt.Errorf("leaf %d where %d should be: %w", index, w.front.End, errDamaged)
	}
	h := evidence.LeafHash(leaf)
	if err := errors.Join(w.front.Append(h), w.commit.Append(h)); err != nil {
		return err
	}
	w.bytes += int64(len(leaf)) + 2
	if w.leaf != nil {
		return w.leaf(index, leaf)
	}
	return nil
}

func (w *walk) check(size uint64, note []byte) (bool, error) {
	c, err := evidence.PeekCheckpoint(note)
	if err != nil || c.Origin != w.origin || c.Size != size || size != w.front.End {
		return false, fmt.Errorf("checkpoint of size %d: %w", size, errDamaged)
	}
	root, err := w.front.Root()
	if err != nil || root != c.Root {
		return false, fmt.Errorf("root of size %d differs: %w", size, errDamaged)
	}
	if w.keys != nil {
		if err := signed(note, w.origin, w.keys); err != nil {
			return false, err
		}
	}
	w.good, w.note = w.front.Clone(), bytes.Clone(note)
	more := true
	if w.onGood != nil && w.commit.End > w.commit.Begin {
		more, err = w.onGood(w.commit, w.note)
	}
	w.commit = evidence.Range{Begin: size, End: size}
	return more, err
}

// signed reports a checkpoint whose signature a bit flip has broken: its root says
// nothing of that, and nobody would take it.
func signed(note []byte, origin string, keys []evidence.KeyRange) error {
	if _, err := evidence.OpenCheckpoint(note, origin, keys); err != nil {
		return fmt.Errorf("%w: %w", err, errDamaged)
	}
	return nil
}
