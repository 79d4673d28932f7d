package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Stat is a snapshot of the journal.
type Stat struct {
	Dir         string                 `json:"dir"`
	Files       int                    `json:"files"`
	Damaged     int                    `json:"damaged"` // of them
	Bytes       int64                  `json:"bytes"`
	Quota       int64                  `json:"quota"`
	Unreceipted int64                  `json:"unreceipted"` // bytes of files taken by leaves without a receipt
	UsedPct     int64                  `json:"used_pct"`    // of the quota, by these
	HoursLeft   float64                `json:"hours_left"`  // at the rate since the start, -1 for unknown
	Backlog     uint64                 `json:"backlog"`     // leaves without a receipt
	Commits     uint64                 `json:"commits"`     // since the start
	Leaves      uint64                 `json:"leaf_bytes"`  // since the start
	Refused     map[event.Class]uint64 `json:"refused"`     // since the start
	Disk        string                 `json:"disk"`        // ok, reserve, full
	Holes       int                    `json:"holes"`       // bridged losses that are not forwarded yet, or are kept
	KeyID       string                 `json:"key_id"`      // hex SHA-256 of the public key that signs now
	Scrubbed    time.Time              `json:"scrubbed,omitzero"`
	Error       string                 `json:"error,omitempty"` // of the last failed commit
	Logs        []LogInfo              `json:"logs"`
}

// Stat returns a snapshot.
func (j *Journal) Stat(ctx context.Context) (Stat, error) {
	st := Stat{Dir: j.opts.Dir, Logs: j.Logs(), Backlog: j.Backlog(), Refused: j.Refused()}
	err := j.do(ctx, func() error {
		j.recount()
		j.mu.RLock()
		defer j.mu.RUnlock()
		for _, f := range j.files {
			if f.bad != nil {
				st.Damaged++
			}
		}
		for _, list := range j.holes {
			st.Holes += len(list)
		}
		st.KeyID = j.keyID
		st.Files, st.Bytes, st.Quota = len(j.files), j.space.total, j.space.quota
		st.Unreceipted, st.UsedPct, st.HoursLeft = j.space.unreceipted, j.usedPct(), j.hoursLeft()
		st.Commits, st.Leaves, st.Scrubbed, st.Error = j.commits, j.written, j.scrubbed, j.lastError
		st.Disk = [...]string{diskFine: "ok", diskReserve: "reserve", diskFull: "full"}[j.space.degree]
		return nil
	})
	return st, err
}

// Entry is one leaf with its place.
type Entry struct {
	Origin string
	Index  uint64
	Leaf   []byte
}

// dated is an entry with the time at which it was collected; zero when unknown.
type dated struct {
	Entry
	at time.Time
}

// Tail returns the newest n leaves of all logs, oldest first: each log in its own
// order, the logs between each other by the times at which leaves were collected.
func (j *Journal) Tail(ctx context.Context, n int) ([]Entry, error) {
	var logs [][]dated
	for _, l := range j.Logs() {
		if l.State == stateSuperseded {
			continue
		}
		list, err := j.lastLeaves(ctx, l, n)
		if err != nil {
			return nil, err
		}
		log := make([]dated, len(list))
		for i, e := range list {
			log[i] = dated{Entry: e}
			if ev, _, err := event.Parse(e.Leaf); err == nil {
				log[i].at = ev.CollectedAt
			}
		}
		logs = append(logs, log)
	}
	return newest(logs, n), nil
}

// newest merges from the end: the times within a log may run backwards (a clock
// that was set, a value that waited), its order never does.
func newest(logs [][]dated, n int) []Entry {
	var out []Entry
	for len(out) < n {
		last := -1
		for i, log := range logs {
			if len(log) > 0 && (last < 0 || log[len(log)-1].at.After(logs[last][len(logs[last])-1].at)) {
				last = i
			}
		}
		if last < 0 {
			break
		}
		end := len(logs[last]) - 1
		out, logs[last] = append(out, logs[last][end].Entry), logs[last][:end]
	}
	slices.Reverse(out)
	return out
}

// lastLeaves reads the last n leaves of a log, from as many files as it takes.
func (j *Journal) lastLeaves(ctx context.Context, l LogInfo, n int) ([]Entry, error) {
	j.mu.RLock()
	files := slices.Clone(j.files)
	j.mu.RUnlock()
	var out []Entry
	for i := len(files) - 1; i >= 0 && len(out) < n && ctx.Err() == nil; i-- {
		err := j.readFile(files[i], func(p *pages) error {
			bucket, err := p.bucket(leafPrefix + l.ID)
			if err != nil {
				return err
			}
			return bucket.descend(func(_ uint32, k, v []byte) (bool, error) {
				index, suffix, err := splitKey(k)
				if err == nil && suffix == 0 {
					out = append(out, Entry{l.Origin, index, bytes.Clone(v)})
				}
				return len(out) < n, err
			})
		})
		if err != nil && !errors.Is(err, errAbsent) && !errors.Is(err, errDamaged) && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("tail of %s: %w", l.Origin, err)
		}
	}
	slices.Reverse(out)
	return out, ctx.Err()
}

// FileReport is what Verify found in one file.
type FileReport struct {
	Name   string            `json:"name"`
	Bytes  int64             `json:"bytes"`
	Leaves map[string]uint64 `json:"leaves"` // by origin
	Error  string            `json:"error,omitempty"`
}

// Verify reads every file and computes every root anew, comparing each with its
// checkpoint and each file's beginning with the end of the one before. progress
// may be nil. The error says that the check itself could not be done.
func (j *Journal) Verify(ctx context.Context, progress func(done, total int)) ([]FileReport, error) {
	j.mu.RLock()
	files := slices.Clone(j.files)
	j.mu.RUnlock()
	ends := map[string]evidence.Range{}
	var out []FileReport
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if progress != nil {
			progress(i, len(files))
		}
		r := FileReport{Name: filepath.Base(f.path), Leaves: map[string]uint64{}}
		err := j.readFile(f, func(p *pages) error {
			r.Bytes = p.size
			return verifyAll(p, &r, ends)
		})
		switch {
		case errors.Is(err, os.ErrNotExist) && !f.missing && !j.listedNow(f):
			continue // removed meanwhile
		case err != nil:
			r.Error = err.Error()
			clear(ends) // what follows has nothing to be compared with
		}
		out = append(out, r)
	}
	if progress != nil {
		progress(len(files), len(files))
	}
	return out, nil
}

// verifyAll re-hashes the logs of one file and compares with where they ended before.
func verifyAll(p *pages, r *FileReport, ends map[string]evidence.Range) error {
	st, err := readHeader(p)
	if err != nil {
		return err
	}
	for id, rec := range st.logs {
		t, err := startOf(rec)
		if err != nil {
			return err
		}
		if end, ok := ends[id]; ok && (end.End != t.front.End || !slices.Equal(end.Hashes, t.front.Hashes)) {
			return fmt.Errorf("log %s begins at %d with another history: %w", rec.Origin, rec.Start, errDamaged)
		}
		w := walk{origin: rec.Origin, front: t.front, good: t.front.Clone(), note: t.note}
		bucket, err := p.bucket(leafPrefix + id)
		if err == nil {
			err = w.over(bucket, rec.Start)
		}
		if err != nil && !errors.Is(err, errAbsent) {
			return fmt.Errorf("log %s: %w", rec.Origin, err)
		}
		if w.good.End != w.front.End {
			return fmt.Errorf("log %s: leaves behind the last checkpoint: %w", rec.Origin, errDamaged)
		}
		if w.good.End > 0 {
			if _, err := evidence.OpenCheckpoint(w.note, rec.Origin, keyRangesOf(rec)); err != nil {
				return fmt.Errorf("log %s: %w", rec.Origin, err)
			}
		}
		r.Leaves[rec.Origin] = w.good.End - rec.Start
		ends[id] = w.good
	}
	return nil
}
