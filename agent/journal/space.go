package journal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
)

// Shares of the quota, in percent of what has no receipt.
const (
	warnAt          = 80
	warnAgainBelow  = 70
	refuseDebug     = 85
	refusePerf      = 90
	refuseManu      = 95
	refuseAll       = 100
	acceptHysterese = 1 // percent below the limit at which a class is taken again
)

const (
	minQuota     = 2 << 30
	maxQuota     = 20 << 30
	ballastName  = "ballast"
	ballastBlock = 1 << 20
	roomToResume = 16 << 20 // free bytes beyond the ballast that end the reserve
)

// Degrees of a full disk.
const (
	diskFine    = iota
	diskReserve // the ballast is gone: only the security class is written
	diskFull    // nothing is written
)

// space is what the journal knows of its room; only the writer uses it, but for
// unreceipted, which publish changes under mu.
type space struct {
	quota       int64
	unreceipted int64 // bytes of files taken by leaves without a receipt
	total       int64 // bytes of all files
	degree      int
	checked     time.Time
	refusing    map[event.Class]bool
	warned      bool
	rateSince   time.Time // for hours left
	rateBase    uint64
}

// refusals count what was not written, by class.
type refusals struct {
	total   map[event.Class]uint64 // since the journal was opened
	pending refusedRecord          // since the last audit.gap
	dirty   bool
}

func (r *refusals) restore(rec refusedRecord) { r.pending = rec }

// measure finds the quota.
func (j *Journal) measure() error {
	j.refused.total = map[event.Class]uint64{}
	j.space.refusing = map[event.Class]bool{}
	j.space.rateSince = time.Now()
	j.space.quota = j.opts.Quota
	if j.space.quota > 0 {
		return nil
	}
	total, _, err := diskSpace(j.opts.Dir)
	if err != nil {
		return fmt.Errorf("size of the disk: %w", err)
	}
	j.space.quota = min(max(total/10, minQuota), maxQuota)
	return nil
}

// recount measures the files and what of them has no receipt. Within a file the
// leaves are taken as equally large.
func (j *Journal) recount() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.space.total, j.space.unreceipted = 0, 0
	for i, f := range j.files {
		var all, open uint64
		for id, rec := range f.logs {
			l := j.logs[id]
			if l == nil {
				continue
			}
			end := j.endIn(i, id)
			all += end - rec.Start
			if l.rec.State != stateSuperseded {
				open += end - min(max(rec.Start, l.receipt.size), end)
			}
		}
		j.space.total += f.bytes
		if all > 0 {
			j.space.unreceipted += int64(float64(f.bytes) * float64(open) / float64(all))
		}
	}
}

// endIn is the size of a log at the end of file i. Callers hold mu or are the writer.
func (j *Journal) endIn(i int, id string) uint64 {
	for _, f := range j.files[i+1:] {
		if rec, ok := f.logs[id]; ok {
			return rec.Start
		}
	}
	if l := j.logs[id]; l != nil {
		return l.size
	}
	return 0
}

// refuses says whether a class is refused now. Crossing a limit recounts first,
// for receipts and removed files may have made room.
func (j *Journal) refuses(class event.Class) bool {
	if j.space.degree != diskFine {
		j.tryResume()
	}
	if j.space.degree == diskFull || j.space.degree == diskReserve && class != event.Security {
		return true
	}
	limit := int64(refuseAll)
	switch class {
	case event.Debug:
		limit = refuseDebug
	case event.Performance:
		limit = refusePerf
	case event.Manufacturing:
		limit = refuseManu
	}
	if j.space.refusing[class] {
		limit -= acceptHysterese
	}
	over := j.usedPct() >= limit
	if over && time.Since(j.space.checked) > time.Second {
		j.space.checked = time.Now()
		j.recount()
		over = j.usedPct() >= limit
	}
	if over != j.space.refusing[class] {
		j.space.refusing[class] = over
		j.log.Warn("journal quota", "class", class, "refused", over, "used_pct", j.usedPct())
	}
	return over
}

func (j *Journal) usedPct() int64 { return j.space.unreceipted * 100 / j.space.quota }

// account counts what answered requests had refused, or takes it back (sign -1);
// first tells that nothing was counted since the last report.
func (j *Journal) account(answers []result, sign int) (first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, now := &j.refused, j.opts.Now().UTC()
	for _, a := range answers {
		if a.err != nil || len(a.outcome.Refused) == 0 {
			continue
		}
		if len(r.pending.Counts) == 0 {
			r.pending = refusedRecord{Counts: map[string]uint64{}, From: now, Cause: "quota"}
			first = true
		}
		if j.space.degree != diskFine {
			r.pending.Cause = "disk_full"
		}
		r.pending.To, r.dirty = now, true
		for class, n := range a.outcome.Refused {
			n *= uint64(sign) // wraps around for -1, and so does the sum
			r.total[class] += n
			if r.pending.Counts[string(class)] += n; r.pending.Counts[string(class)] == 0 {
				delete(r.pending.Counts, string(class))
			}
		}
	}
	return first
}

// refusedPut is what a transaction writes of the counts, so that a crash forgets
// no more than what was refused since the last commit.
func (j *Journal) refusedPut() []put {
	if !j.refused.dirty {
		return nil
	}
	return []put{{bucketHead, []byte(keyRefused), encode(j.refused.pending)}}
}

// reportRefused makes the counts an event in the record, as soon as no class is
// refused any more.
func (j *Journal) reportRefused() {
	rec := j.refused.pending
	if len(rec.Counts) == 0 || j.space.degree != diskFine {
		return
	}
	for _, class := range event.Classes() {
		if j.refuses(class) {
			return
		}
	}
	lost, sum := map[string]any{}, uint64(0)
	for class, n := range rec.Counts {
		lost[class], sum = n, sum+n
	}
	leaf, err := j.ownEvent(event.TypeAuditGap, "", map[string]any{
		"source": "journal", "cause": rec.Cause, "lost": lost, "count": sum,
		"from": rec.From.Format(time.RFC3339Nano), "to": rec.To.Format(time.RFC3339Nano),
	})
	if err != nil {
		j.log.Warn("refused events not reported", "error", err)
		return
	}
	b := &batch{puts: []put{{bucketHead, []byte(keyRefused), nil}}}
	b.add(leaf.Class, leaf.Bytes)
	held := j.refused
	j.refused.pending, j.refused.dirty = refusedRecord{}, false
	if err := j.commit(b); err != nil {
		j.refused.pending, j.refused.dirty = held.pending, held.dirty
		j.log.Warn("refused events not reported", "error", err)
	}
}

// makeRoom meets a full disk: receipted files go, then the ballast; it returns
// false when neither helps any more.
func (j *Journal) makeRoom(cause error) bool {
	j.log.Warn("disk is full", "error", cause)
	removed := j.removeReceipted(0, true)
	held := j.hasBallast()
	if held {
		held = os.Remove(j.ballastPath()) == nil
	}
	switch {
	case held || removed:
		j.space.degree = max(j.space.degree, diskReserve)
	default:
		j.space.degree = diskFull
	}
	j.space.checked = time.Now()
	return true
}

// tryResume looks once a second whether the disk has room again.
func (j *Journal) tryResume() {
	if time.Since(j.space.checked) < time.Second {
		return
	}
	j.space.checked = time.Now()
	_, free, err := diskSpace(j.opts.Dir)
	if err != nil {
		return
	}
	margin := min(roomToResume, max(j.opts.Ballast, ballastBlock))
	switch {
	case free > max(j.opts.Ballast, 0)+margin:
		j.space.degree = diskFine
		j.makeBallast()
		j.log.Info("disk has room again")
	case free > margin/2:
		j.space.degree = diskReserve
	}
}

func (j *Journal) ballastPath() string { return filepath.Join(j.opts.Dir, ballastName) }

func (j *Journal) hasBallast() bool {
	_, err := os.Stat(j.ballastPath())
	return err == nil
}

// makeBallast writes the file that holds a part of the reserve. Its blocks are
// written, not promised: a sparse file would hold nothing.
func (j *Journal) makeBallast() {
	if j.opts.Ballast <= 0 {
		return
	}
	if st, err := os.Stat(j.ballastPath()); err == nil && st.Size() >= j.opts.Ballast {
		return
	}
	if err := writeBallast(j.ballastPath(), j.opts.Ballast); err != nil {
		os.Remove(j.ballastPath())
		j.log.Warn("journal reserve not made", "error", err)
	}
}

func writeBallast(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, ballastBlock)
	for i := range block {
		block[i] = byte(i*7 + i>>8) // not zero: some file systems store no zeros
	}
	for left := size; left > 0; left -= int64(len(block)) {
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			return err
		}
	}
	return f.Sync()
}

// removeReceipted removes files whose every leaf has a receipt on disk: those
// older than the refill window, and from the oldest on more while the files
// together are larger than room (0: the window alone; all: every one).
func (j *Journal) removeReceipted(room int64, all bool) bool {
	removed := false
	for len(j.files) > 1 {
		f := j.files[0]
		expired := j.opts.Refill < 0 || j.opts.Now().Sub(f.closed) > j.opts.Refill
		if !(expired || all || room > 0 && j.space.total > room) || !j.receipted(0) {
			return removed
		}
		if err := durable.RemoveAll(f.path); err != nil {
			j.log.Warn("journal file not removed", "file", filepath.Base(f.path), "error", err)
			return removed
		}
		removed = true
		j.forget(f)
	}
	return removed
}

// receipted says whether every leaf of file i is covered by a receipt on disk.
func (j *Journal) receipted(i int) bool {
	f := j.files[i]
	if f.suspect {
		return false
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	for id := range f.logs {
		l := j.logs[id]
		if l != nil && l.rec.State != stateSuperseded && l.receipt.saved < j.endIn(i, id) {
			return false
		}
		if j.awaited(id) {
			return false
		}
	}
	return true
}

// awaited says whether a successor has still to copy leaves of this log: until
// then its files are their only place.
func (j *Journal) awaited(id string) bool {
	for _, l := range j.logs {
		if !l.copyDue {
			continue
		}
		for _, s := range l.rec.Copies.Spans {
			if l.rec.Copies.of(s) == id {
				return true
			}
		}
	}
	return false
}

// forget drops the first file and what only it held.
func (j *Journal) forget(f *fileInfo) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.files = j.files[1:]
	j.space.total -= f.bytes
	for id, l := range j.logs {
		if l.rec.State != stateActive && j.kept(l) >= l.size {
			delete(j.logs, id)
			delete(j.holes, id)
		}
	}
	delete(j.bad, filepath.Base(f.path))
}

// housekeep runs every few seconds between commits.
func (j *Journal) housekeep() {
	if j.space.degree != diskFine {
		j.tryResume()
	}
	if err := j.putBack(); err != nil {
		j.log.Error("journal file is not in its place", "error", err)
	}
	j.recount()
	j.removeReceipted(j.space.quota, false)
	j.warnOfSpace()
	j.reportRefused()
	if j.refused.dirty && j.space.degree != diskFull {
		if err := j.commit(&batch{}); err != nil {
			j.log.Warn("counts of refused events not written", "error", err)
		}
	}
	if err := j.repair(); err != nil {
		j.log.Error("journal file can't be repaired", "error", err)
	}
}

// warnOfSpace raises audit.storage_warning when four fifths of the quota have no
// receipt, once until it fell well below.
func (j *Journal) warnOfSpace() {
	used := j.usedPct()
	if used < warnAgainBelow {
		j.space.warned = false
	}
	if used < warnAt || j.space.warned {
		return
	}
	j.space.warned = true
	j.raise(event.TypeAuditStorageWarning, map[string]any{
		"component": "journal", "usedPct": used, "limitPct": int64(warnAt), "hoursLeft": j.hoursLeft(),
	})
}

// hoursLeft is the time until the quota is used up at the rate since the start.
func (j *Journal) hoursLeft() float64 {
	hours := time.Since(j.space.rateSince).Hours()
	if j.written == j.space.rateBase || hours <= 0 {
		return -1
	}
	rate := float64(j.written-j.space.rateBase) * 1.2 / hours
	return float64(int64(max(0, float64(j.space.quota-j.space.unreceipted))/rate*10)) / 10
}

// Refused returns what was refused since the journal was opened, by class.
func (j *Journal) Refused() map[event.Class]uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return maps.Clone(j.refused.total)
}
