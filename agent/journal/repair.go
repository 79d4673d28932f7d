package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// maxSpans bounds the lists in one audit.gap, so that it stays below the size of a leaf.
const maxSpans = 400

// damaged takes a file out of use in which damage was found. The writer calls it.
func (j *Journal) damaged(e *fileError) error {
	if e.file.bad != nil || !j.listedNow(e.file) {
		return nil // dealt with, or removed, meanwhile
	}
	if j.live != nil && j.live.path == e.file.path && !j.live.inPlace() {
		return j.putBack() // what is wrong is not what is written to
	}
	j.log.Error("journal file is damaged", "file", filepath.Base(e.file.path), "error", e.err)
	e.file.suspect = true
	if _, err := os.Stat(e.file.path); errors.Is(err, os.ErrNotExist) {
		e.file.missing = true
	}
	return j.repair()
}

// repair deals with every file in which damage was seen, the newest first: what
// survives of it is then in its log before an older file turns out to need a
// successor for that log.
func (j *Journal) repair() error {
	for i := len(j.files) - 1; i >= 0; i-- {
		f := j.files[i]
		if !f.suspect {
			continue
		}
		if i == len(j.files)-1 {
			// Damage in the live file's older part: memory knows every frontier,
			// so the next file goes on and this one is treated as a closed one.
			if err := j.begin(f.seq + j.leavesIn(f) + 1); err != nil {
				return fmt.Errorf("replace %s: %w", filepath.Base(f.path), err)
			}
		}
		if err := j.bridge(i); err != nil {
			return fmt.Errorf("bridge %s: %w", filepath.Base(f.path), err)
		}
	}
	return nil
}

// loss is what a damaged file means for one log.
type loss struct {
	log     *logState
	hole    holeRecord
	missing []spanCount
	moved   []movedSpan
	broken  error // the hole can't be bridged
}

// movedSpan says where surviving leaves are now.
type movedSpan struct{ from, count, to uint64 }

// bridge sets a damaged or missing closed file aside. Of each log with leaves in
// it that have no receipt, the whole prefix stays in use; the rest becomes a hole
// made of the commit ranges in the next file; leaves in the hole that can still
// be read and proved are appended again; audit.gap says what is missing.
func (j *Journal) bridge(i int) error {
	f := j.files[i]
	name, err := j.setAside(f)
	if err != nil {
		return err
	}
	rec := badRecord{Good: map[string]uint64{}, At: j.opts.Now().UTC()}
	ranges, err := j.rangesAfter(i)
	if err != nil {
		j.log.Error("commit ranges can't be read", "file", filepath.Base(j.files[i+1].path), "error", err)
	}
	var losses []*loss
	next := i + 1 // the next file whose header can be read
	for next < len(j.files)-1 && len(j.files[next].logs) == 0 {
		next++
	}
	for id, after := range j.files[next].logs {
		l := j.logs[id]
		if l == nil {
			continue
		}
		end := after.Start
		rec.Good[id] = j.goodPrefix(f, id, ranges[id], end)
		if first := max(rec.Good[id], j.newestReceipt(l)); first < end && l.rec.State != stateSuperseded {
			losses = append(losses, j.lossOf(l, f, first, end, ranges[id], after.Note))
		}
	}
	for _, lo := range losses {
		if err := j.rescue(lo, f, ranges[lo.log.id]); err != nil {
			return err
		}
	}
	if err := j.declare(f, name, rec, losses); err != nil {
		return err
	}
	for _, lo := range losses {
		if lo.broken != nil && lo.log.rec.State == stateActive {
			if err := j.succeed(lo.log, fmt.Sprintf("%s is damaged and can't be bridged: %v", name, lo.broken), j.newestReceipt(lo.log)); err != nil {
				return err
			}
		}
	}
	return nil
}

// setAside renames a damaged file to .bad; one that is gone keeps its name in the list.
func (j *Journal) setAside(f *fileInfo) (name string, err error) {
	name = filepath.Base(f.path)
	if f.missing || strings.HasSuffix(name, ".bad") {
		return name, nil
	}
	j.dbMu.Lock()
	err = durable.Rename(f.path, f.path+".bad")
	j.dbMu.Unlock()
	if err != nil {
		return name, fmt.Errorf("set aside %s: %w", name, err)
	}
	j.mu.Lock()
	f.path += ".bad"
	j.mu.Unlock()
	return name + ".bad", nil
}

// rangesAfter reads the commit ranges of file i from the header of the next one.
func (j *Journal) rangesAfter(i int) (map[string][]evidence.Range, error) {
	out := map[string][]evidence.Range{}
	err := j.readFile(j.files[i+1], func(p *pages) error {
		return readAll(p, bucketRanges, func(k, v []byte) error {
			if len(k) != 24 {
				return fmt.Errorf("commit ranges: %w", errDamaged)
			}
			id := string(k[:16])
			first, _, err := splitKey(k[16:])
			if err != nil {
				return err
			}
			list, err := unpackRanges(first, v)
			out[id] = append(out[id], list...)
			return err
		})
	})
	return out, err
}

// goodPrefix is the size up to which a log's leaves in a file are whole. Where
// the file's header is lost, its first leaf follows from the commit ranges.
func (j *Journal) goodPrefix(f *fileInfo, id string, ranges []evidence.Range, end uint64) uint64 {
	rec, ok := f.logs[id]
	if !ok {
		if len(ranges) > 0 {
			return ranges[0].Begin
		}
		return end
	}
	t, err := startOf(rec)
	if err != nil || f.missing {
		return rec.Start
	}
	w := walk{origin: rec.Origin, front: t.front, good: t.front}
	if l := j.logs[id]; l != nil {
		w.keys = l.keyRanges()
	}
	_ = withPages(f.path, func(p *pages) error { // the error is what we came for
		bucket, err := p.bucket(leafPrefix + id)
		if err != nil {
			return err
		}
		return w.over(bucket, rec.Start)
	})
	return min(w.good.End, end)
}

// lossOf joins the commit ranges of [first, end) to a hole.
func (j *Journal) lossOf(l *logState, f *fileInfo, first, end uint64, ranges []evidence.Range, note string) *loss {
	lo := &loss{log: l}
	hole := evidence.Range{Begin: first, End: first}
	for _, r := range ranges {
		if r.Begin < first {
			continue
		}
		if err := hole.Join(r); err != nil {
			lo.broken = err
			break
		}
	}
	if lo.broken == nil {
		lo.broken = signed([]byte(note), l.rec.Origin, l.keyRanges())
	}
	if lo.broken == nil && hole.End != end {
		lo.broken = fmt.Errorf("commit ranges reach from %d to %d of %d", first, hole.End, end)
	}
	lo.hole = holeRecord{First: first, Count: end - first, Range: encodeHashes(hole.Hashes), Note: note, File: filepath.Base(f.path)}
	return lo
}

// rescue appends again what can be read of a hole and is proved by a node of a
// commit range, and lists the rest as missing.
func (j *Journal) rescue(lo *loss, f *fileInfo, ranges []evidence.Range) error {
	first, end := lo.hole.First, lo.hole.First+lo.hole.Count
	hashes := map[uint64]evidence.Hash{}
	j.scanLeaves(f, lo.log.id, func(index uint64, leaf []byte) error {
		if index >= first && index < end {
			hashes[index] = evidence.LeafHash(leaf)
		}
		return nil
	})
	proved := map[uint64]bool{}
	for _, r := range ranges {
		if r.Begin >= first {
			prove(r, hashes, proved)
		}
	}
	lo.missing = missingSpans(first, end, proved)
	clear(hashes)
	b, n, size := &batch{}, 0, 0
	var from []uint64
	flush := func() error {
		if n == 0 {
			return nil
		}
		to := lo.target(j).size
		if err := j.commit(b); err != nil {
			return fmt.Errorf("append survivors of %s: %w", lo.log.rec.Origin, err)
		}
		for i, at := range from {
			lo.move(at, to+uint64(i))
		}
		b, n, size, from = &batch{}, 0, 0, nil
		return nil
	}
	var failed error
	j.scanLeaves(f, lo.log.id, func(index uint64, leaf []byte) error {
		if !proved[index] {
			return nil
		}
		delete(proved, index) // a damaged tree may show a leaf twice
		if n == MaxCommitLeaves || size+len(leaf)+2 > MaxCommitBytes {
			if failed = flush(); failed != nil {
				return failed
			}
		}
		b.add(lo.log.class, bytes.Clone(leaf))
		n, size, from = n+1, size+len(leaf)+2, append(from, index)
		return nil
	})
	return errors.Join(failed, flush())
}

// target is the log that survivors go to: the same one, or its class's active one.
func (lo *loss) target(j *Journal) *logState {
	if l := j.active[lo.log.class]; l != nil {
		return l
	}
	return &logState{size: 1} // log.opened comes first
}

func (lo *loss) move(from, to uint64) {
	if n := len(lo.moved); n > 0 {
		if m := &lo.moved[n-1]; m.from+m.count == from && m.to+m.count == to {
			m.count++
			return
		}
	}
	lo.moved = append(lo.moved, movedSpan{from, 1, to})
}

// scanLeaves visits every leaf of a log that can be read, past damaged pages.
func (j *Journal) scanLeaves(f *fileInfo, id string, fn func(index uint64, leaf []byte) error) {
	if f.missing {
		return
	}
	_ = withPages(f.path, func(p *pages) error {
		bucket, err := p.bucket(leafPrefix + id)
		if err != nil {
			return err
		}
		w := walker{p: p, left: p.high + 1, lenient: true, fn: func(_ uint32, k, v []byte) (bool, error) {
			index, suffix, err := splitKey(k)
			if err != nil || suffix != 0 {
				return true, nil
			}
			err = fn(index, v)
			return err == nil, err
		}}
		_, err = w.tree(bucket)
		return err
	})
}

// prove marks the leaves below those nodes of a commit range that the readable
// leaves still give.
func prove(r evidence.Range, hashes map[uint64]evidence.Hash, proved map[uint64]bool) {
	at := r.Begin
	for at < r.End {
		step := uint64(1)
		for at&step == 0 && at+2*step <= r.End {
			step <<= 1
		}
		list := make([]evidence.Hash, 0, step)
		for i := at; i < at+step; i++ {
			h, ok := hashes[i]
			if !ok {
				break
			}
			list = append(list, h)
		}
		node := evidence.RangeOf(at, list)
		if uint64(len(list)) == step && len(node.Hashes) == 1 && len(r.Hashes) > 0 && node.Hashes[0] == r.Hashes[0] {
			for i := at; i < at+step; i++ {
				proved[i] = true
			}
		}
		at, r.Hashes = at+step, r.Hashes[1:]
	}
}

func missingSpans(first, end uint64, proved map[uint64]bool) []spanCount {
	var out []spanCount
	for i := first; i < end; i++ {
		if proved[i] {
			continue
		}
		if n := len(out); n > 0 && out[n-1].First+out[n-1].Count == i {
			out[n-1].Count++
			continue
		}
		out = append(out, spanCount{i, 1})
	}
	return out
}

// declare writes holes, the state of the file and audit.gap in one commit.
func (j *Journal) declare(f *fileInfo, name string, rec badRecord, losses []*loss) error {
	b := &batch{puts: []put{{bucketHead, []byte(badPrefix + name), encode(rec)}}}
	for _, lo := range losses {
		if lo.broken == nil {
			b.puts = append(b.puts, put{bucketHoles, logKey(lo.log.id, lo.hole.First), encode(lo.hole)})
		}
	}
	if len(losses) > 0 {
		leaf, err := j.gapEvent(f, name, losses)
		if err != nil {
			return err
		}
		b.add(leaf.Class, leaf.Bytes)
	}
	b.done = func() {
		j.bad[name] = rec
		f.bad, f.suspect = &rec, false
		for _, lo := range losses {
			if lo.broken == nil {
				j.holes[lo.log.id] = append(j.holes[lo.log.id], lo.hole)
			}
		}
	}
	if err := j.commit(b); err != nil {
		return fmt.Errorf("declare loss of %s: %w", name, err)
	}
	j.log.Error("journal file was damaged", "file", name, "logs_with_losses", len(losses))
	return nil
}

func (j *Journal) gapEvent(f *fileInfo, name string, losses []*loss) (Leaf, error) {
	cause := "damaged_file"
	if f.missing {
		cause = "missing_file"
	}
	var logs []any
	for _, lo := range losses {
		missing, moved := []any{}, []any{}
		for _, s := range lo.missing[:min(len(lo.missing), maxSpans)] {
			missing = append(missing, map[string]any{"first": s.First, "count": s.Count})
		}
		for _, m := range lo.moved[:min(len(lo.moved), maxSpans)] {
			moved = append(moved, map[string]any{"from": m.from, "count": m.count, "to": m.to})
		}
		var lost uint64
		for _, s := range lo.missing {
			lost += s.Count
		}
		logs = append(logs, map[string]any{
			"origin": lo.log.rec.Origin, "first": lo.hole.First, "count": lo.hole.Count, "lost": lost,
			"missing": missing, "moved": moved, "movedTo": lo.target(j).rec.Origin, "bridged": lo.broken == nil,
			"unlisted": max(0, len(lo.missing)-maxSpans) + max(0, len(lo.moved)-maxSpans),
		})
	}
	return j.ownEvent(event.TypeAuditGap, "", map[string]any{
		"source": "journal", "cause": cause, "file": name, "logs": logs,
		"from": f.created.UTC().Format(time.RFC3339Nano), "to": f.closed.UTC().Format(time.RFC3339Nano),
	})
}
