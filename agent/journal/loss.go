package journal

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
)

// afterLoss goes on when the newest file is lost or damaged: what its logs were
// is taken from its header where that can be read, else from the file before;
// every log gets a successor with copies of all that has no receipt.
func (j *Journal) afterLoss(ctx context.Context, cause error, newest, marker string) error {
	j.log.Error("newest journal file is lost", "error", cause)
	kind := "newest_file_lost"
	last := sequenceOf0(marker)
	if newest != "" {
		kind, last = "newest_file_damaged", max(last, sequenceOf(newest))
		path := filepath.Join(j.opts.Dir, newest)
		if err := durable.Rename(path, path+".bad"); err != nil {
			return err
		}
		bad, err := j.listed(newest + ".bad")
		if err != nil {
			return err
		}
		j.files = append(j.files, bad)
	}
	st := j.inherit()
	for i := range j.files {
		last = max(last, j.files[i].seq)
	}
	if st != nil {
		if err := j.adoptKey(st.logs); err != nil {
			return err
		}
		for id, rec := range st.logs {
			if err := j.adoptLog(id, rec, st.tails[id], st.receipts[id]); err != nil {
				j.log.Error("log can't be inherited", "log", rec.Origin, "error", err)
			}
		}
		for id, l := range j.logs {
			l.ranges, l.whole = packer{}, true
			l.receipt.dirty = l.receipt.size > 0
			j.logs[id] = l
		}
	}
	if st == nil {
		j.orphaned()
	}
	if err := j.begin(last + 1); err != nil {
		return err
	}
	var errs []error
	for _, l := range j.sortedLogs() {
		if l.rec.State == stateActive {
			errs = append(errs, j.succeed(l, kind, l.receipt.size))
		}
	}
	j.raise(event.TypeAuditGap, map[string]any{
		"source": "journal", "cause": kind, "file": newest, "error": cause.Error(),
		"from": j.lastSeen(st).Format(time.RFC3339Nano), "to": j.opts.Now().UTC().Format(time.RFC3339Nano),
	})
	return errors.Join(errs...)
}

func sequenceOf0(marker string) uint64 {
	if marker == "" {
		return 0
	}
	return sequenceOf(marker)
}

// lastSeen is the latest time at which the journal is known to have been whole.
func (j *Journal) lastSeen(st *fileState) time.Time {
	if st != nil {
		return st.file.Created
	}
	return time.Unix(0, 0).UTC()
}

// inherit finds the newest readable header and where its logs end, as far as
// their leaves are whole. The file whose header it is stays in the list with
// these ends.
func (j *Journal) inherit() *fileState {
	for i := len(j.files) - 1; i >= 0; i-- {
		f := j.files[i]
		var st *fileState
		err := withPages(f.path, func(p *pages) (err error) {
			if st, err = readState(p); err != nil {
				return err
			}
			st.tails = map[string]tail{}
			for id, rec := range st.logs {
				st.tails[id] = wholeTail(p, id, rec)
			}
			return nil
		})
		if err != nil {
			j.log.Warn("journal file can't be inherited", "file", filepath.Base(f.path), "error", err)
			continue
		}
		j.positions, j.holes, j.bad = st.positions, st.holes, st.bad
		j.knownBad(j.files[:i])
		if st.refused != nil {
			j.refused.restore(*st.refused)
		}
		good := badRecord{Good: map[string]uint64{}, At: j.opts.Now().UTC()}
		for id, t := range st.tails {
			good.Good[id] = t.size
		}
		for _, g := range j.files[i:] { // those behind have no readable header
			if filepath.Ext(g.path) == ".bad" {
				g.suspect, g.bad = false, &good
				j.bad[filepath.Base(g.path)] = good
			}
		}
		return st
	}
	return nil
}

// wholeTail is the end of a log's whole prefix in a file, whatever comes behind.
func wholeTail(p *pages, id string, rec logRecord) tail {
	t, err := startOf(rec)
	if err != nil {
		return t
	}
	w := walk{origin: rec.Origin, front: t.front, good: t.front.Clone(), note: t.note, keys: keyRangesOf(rec)}
	if bucket, err := p.bucket(leafPrefix + id); err == nil {
		_ = w.over(bucket, rec.Start) // where it ends is what we came for
	}
	return tail{size: w.good.End, front: w.good, note: w.note}
}

// findMissing adds the files that the headers speak of and the folder does not
// have, unless they were removed because all of them was receipted.
func (j *Journal) findMissing() {
	var out []*fileInfo
	for i, f := range j.files {
		lost := f.prev != 0 && (i == 0 && j.startsLate(f) || i > 0 && j.files[i-1].seq != f.prev && !f.suspect)
		if lost {
			name := fileName(f.prev)
			m := &fileInfo{
				seq: f.prev, path: filepath.Join(j.opts.Dir, name), missing: true, suspect: true,
				logs: map[string]logRecord{}, closed: f.created, created: f.created,
			}
			if bad, ok := j.bad[name]; ok {
				m.bad, m.suspect = &bad, false
			}
			out = append(out, m)
		}
		out = append(out, f)
	}
	j.files = out
}

// startsLate says whether the oldest file begins behind a log's newest receipt.
func (j *Journal) startsLate(f *fileInfo) bool {
	for id, rec := range f.logs {
		if l := j.logs[id]; l != nil && l.rec.State != stateSuperseded && l.receipt.size < rec.Start {
			return true
		}
	}
	return false
}
