package journal

import (
	"fmt"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// succeed ends a log's use under its origin and goes on under a new one: its
// first leaf, log.opened, says so, and every leaf of the old log from index from
// on that can be read follows byte for byte. The writer calls it.
func (j *Journal) succeed(old *logState, reason string, from uint64) error {
	l, err := j.newLog(old.class, reason)
	if err != nil {
		return err
	}
	l.rec.Predecessor, l.rec.PrevSize = old.rec.Origin, old.size
	if old.size > 0 {
		root, err := old.front.Root()
		if err != nil {
			return err
		}
		l.rec.PrevRoot = root.String()
	}
	spans, count := j.spans(old, from)
	if c := old.rec.Copies; c != nil && old.size-1 < c.Count { // it had not got all of its own predecessor
		rest, more := c.left(old.size - 1)
		spans, count = append(spans, rest...), count+more
	}
	l.rec.Copies = &copyRecord{Log: old.id, Count: count, Spans: spans, Reason: reason}
	opened, err := j.ownEvent(event.TypeLogOpened, l.class, l.openedData())
	if err != nil {
		return err
	}
	before := old.rec.State
	j.mu.Lock()
	old.rec.State = stateSuperseded
	j.mu.Unlock()
	l.copyDue = count > 0
	err = j.commit(&batch{
		parts:   []*part{{class: l.class, log: l, leaves: [][]byte{opened.Bytes}}},
		changed: []*logState{old},
	})
	if err != nil {
		j.mu.Lock()
		old.rec.State = before
		j.mu.Unlock()
		return fmt.Errorf("open successor of %s: %w", old.rec.Origin, err)
	}
	j.log.Warn("log succeeded", "log", l.rec.Origin, "predecessor", old.rec.Origin, "reason", reason, "copies", count)
	if err := j.copyRest(l); err != nil {
		return err
	}
	j.raise(event.TypeLogSucceeded, map[string]any{
		"log": l.rec.Origin, "predecessor": old.rec.Origin, "reason": reason, "copies": count, "size": old.size,
	})
	return nil
}

// spans lists the leaves of a log from an index on that are on disk.
func (j *Journal) spans(l *logState, from uint64) (out []copySpan, count uint64) {
	for i, f := range j.files {
		rec, ok := f.logs[l.id]
		if !ok || f.suspect {
			continue
		}
		first, end := max(rec.Start, from), j.endIn(i, l.id)
		if f.bad != nil {
			end = min(end, f.bad.Good[l.id])
		}
		for _, h := range j.holes[l.id] {
			if h.First >= first && h.First < end {
				end = h.First // a hole reaches to the end of its file
			}
		}
		if first < end {
			out, count = append(out, copySpan{First: first, Count: end - first}), count+end-first
		}
	}
	return out, count
}

// copyRest copies the leaves promised in log.opened that are not copied yet, in
// several commits when they are many. After a crash it goes on where it was: the
// log's size says how many there are.
func (j *Journal) copyRest(l *logState) error {
	done := l.size - 1
	if done >= l.rec.Copies.Count {
		l.copyDue = false
		return nil
	}
	left, _ := l.rec.Copies.left(done)
	var chunk [][]byte
	bytes, keys := 0, 0
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		err := j.commit(&batch{parts: []*part{{class: l.class, log: l, leaves: chunk}}})
		chunk, bytes, keys = nil, 0, 0
		return err
	}
	var lost []lostCopies
	for _, s := range left {
		at, end := s.First, s.First+s.Count
		for at < end {
			seg, err := j.next(s.Log, at, 1<<20)
			if err != nil || seg == nil || len(seg.Leaves) == 0 {
				lost = append(lost, lostCopies{s.Log, at, end, err}) // the spans behind may be whole
				break
			}
			for _, leaf := range seg.Leaves[:min(uint64(len(seg.Leaves)), end-at)] {
				ids := len(seal.KeyIDs(leaf))
				if len(chunk) == MaxCommitLeaves || bytes+len(leaf)+2 > MaxCommitBytes || keys+ids > maxKeys {
					if err := flush(); err != nil {
						return err
					}
				}
				keys += ids
				chunk, bytes, at = append(chunk, leaf), bytes+len(leaf)+2, at+1
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	l.copyDue = false
	if err := j.copyFailed(l, lost); err != nil {
		l.copyDue = true
		return err
	}
	return nil
}

// lostCopies are leaves [at, end) of a log that were promised as copies and
// can't be read.
type lostCopies struct {
	log     string
	at, end uint64
	cause   error
}

// copyFailed declares them, and takes them out of the promise in the same commit.
func (j *Journal) copyFailed(l *logState, lost []lostCopies) error {
	if len(lost) == 0 {
		return nil
	}
	b, copies := &batch{changed: []*logState{l}}, l.rec.Copies
	for _, x := range lost {
		origin := l.rec.Predecessor
		if old := j.logs[x.log]; old != nil {
			origin = old.rec.Origin
		}
		leaf, err := j.ownEvent(event.TypeAuditGap, "", map[string]any{
			"source": "journal", "cause": "copy_failed", "from": x.at, "to": x.end,
			"log": origin, "successor": l.rec.Origin, "error": fmt.Sprint(x.cause),
		})
		if err != nil {
			return err
		}
		b.add(leaf.Class, leaf.Bytes)
		l.rec.Copies = l.rec.Copies.drop(x.log, x.at, x.end)
	}
	if err := j.commit(b); err != nil {
		l.rec.Copies = copies
		return fmt.Errorf("declare copies of %s that can't be read: %w", l.rec.Predecessor, err)
	}
	return nil
}
