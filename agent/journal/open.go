package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// newestName is the file that names the newest journal file; without it the loss
// of the newest file could not be told from a shorter life.
const newestName = "newest"

var (
	filePattern = regexp.MustCompile(`^[0-9]{20}\.db(\.bad)?$`)
	errLost     = errors.New("newest journal file is lost")
)

// load reads the folder and makes the journal ready for its writer.
func (j *Journal) load(ctx context.Context) error {
	j.recall()
	names, err := j.list()
	if err != nil {
		return err
	}
	if err := j.measure(); err != nil {
		return err
	}
	marker, err := j.marker()
	if err != nil {
		return err
	}
	newest := ""
	if n := len(names); n > 0 && !strings.HasSuffix(names[n-1], ".bad") {
		newest, names = names[n-1], names[:n-1]
	}
	if newest != "" && newest < marker {
		names, newest = append(names, newest), ""
	}
	if n := len(names); n > 0 && newest > marker && marker == names[n-1] && j.unused(newest) {
		// Made, and given up or overtaken by a crash before it was named: what came
		// after is in the file before.
		if err := durable.RemoveAll(filepath.Join(j.opts.Dir, newest)); err != nil {
			return err
		}
		newest, names = marker, names[:n-1]
	}
	for _, name := range names {
		f, err := j.listed(name)
		if err != nil {
			return err
		}
		j.files = append(j.files, f)
	}
	switch {
	case newest != "":
		err = j.loadNewest(newest)
	case marker == "" && len(names) == 0:
		j.orphaned()
		j.removed = len(j.remembered.Lost) > 0
		err = j.begin(1)
	default:
		err = errLost
	}
	if errors.Is(err, errDamaged) || errors.Is(err, errLost) {
		err = j.afterLoss(ctx, err, newest, marker)
	}
	if err != nil {
		return err
	}
	j.dropUnused()
	j.findMissing()
	j.settle()
	return nil
}

// unused says whether a file holds no leaf: it was made and never written to.
func (j *Journal) unused(name string) bool {
	err := withPages(filepath.Join(j.opts.Dir, name), func(p *pages) error {
		h, err := readHeader(p)
		if err != nil {
			return err
		}
		for id := range h.logs {
			bucket, err := p.bucket(leafPrefix + id)
			if errors.Is(err, errAbsent) {
				continue
			}
			if err == nil {
				err = bucket.scan(nil, func(uint32, []byte, []byte) (bool, error) { return false, errUsed })
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil
}

// errUsed ends the search for a leaf.
var errUsed = errors.New("has leaves")

// dropUnused takes files out that were made and given up because something
// failed, and could not be removed then: the file behind such a one does not name
// it as the one before.
func (j *Journal) dropUnused() {
	for i := len(j.files) - 2; i >= 0; i-- {
		f, next := j.files[i], j.files[i+1]
		if f.suspect || f.bad != nil || next.prev == 0 || next.prev >= f.seq || !j.unused(filepath.Base(f.path)) {
			continue
		}
		if err := durable.RemoveAll(f.path); err != nil {
			j.log.Warn("unused journal file not removed", "file", filepath.Base(f.path), "error", err)
		}
		j.files = slices.Delete(j.files, i, i+1)
	}
}

// settle finishes what a crash or a change outside left: unfinished copies,
// another signing key, a report of refused events; then the first heartbeat.
func (j *Journal) settle() {
	j.makeBallast()
	j.recount()
	for _, l := range j.sortedLogs() {
		if l.rec.State != stateActive {
			continue
		}
		if last := l.rec.Keys[len(l.rec.Keys)-1]; last.ID != j.keyID {
			j.report("succession", j.succeed(l, cmp.Or(j.opts.Reason, "signing key changed"), l.receipt.size))
		} else if l.rec.Copies != nil {
			l.copyDue = l.size-1 < l.rec.Copies.Count
			j.report("copying", j.copyRest(l))
		}
	}
	j.report("repair", j.repair())
	j.reportRemoved()
	j.reportHalved()
	j.beat("start")
	j.reportRefused()
}

func (j *Journal) report(what string, err error) {
	if err != nil {
		j.log.Error("journal could not be settled", "step", what, "error", err)
	}
}

// list returns the journal files, oldest first, and removes unfinished ones.
func (j *Journal) list() ([]string, error) {
	entries, err := os.ReadDir(j.opts.Dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if filePattern.MatchString(e.Name()) {
			names = append(names, e.Name())
		} else if strings.HasSuffix(e.Name(), ".db.tmp") {
			if err := os.Remove(filepath.Join(j.opts.Dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func (j *Journal) marker() (string, error) {
	b, err := os.ReadFile(filepath.Join(j.opts.Dir, newestName))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	name := strings.TrimSpace(string(b))
	if err == nil && !filePattern.MatchString(name) {
		j.log.Warn("journal marker is unreadable", "file", newestName)
		return "", nil
	}
	return name, err
}

func sequenceOf(name string) uint64 {
	n, err := strconv.ParseUint(name[:20], 10, 64)
	if err != nil {
		return 0 // the pattern allows 20 digits, of which a few exceed 64 bits
	}
	return n
}

// listed reads the header of a closed file. A file whose header can't be read is
// listed without logs; repair takes it from there. The error is of one that can't be
// opened, which says nothing of what is in it.
func (j *Journal) listed(name string) (*fileInfo, error) {
	path := filepath.Join(j.opts.Dir, name)
	f := &fileInfo{seq: sequenceOf(name), path: path, logs: map[string]logRecord{}}
	if st, err := os.Stat(path); err == nil {
		f.bytes, f.closed = st.Size(), st.ModTime()
	}
	err := withPages(path, func(p *pages) error {
		h, err := readHeader(p)
		if err == nil {
			f.prev, f.created, f.logs = h.file.Previous, h.file.Created, h.logs
		}
		return err
	})
	if err != nil && unavailable(err) {
		return nil, err
	}
	if err != nil {
		j.log.Warn("journal file can't be read", "file", name, "error", err)
		f.suspect = true
	}
	return f, nil
}

// loadNewest opens the newest file, re-hashes its end and takes over its state.
func (j *Journal) loadNewest(name string) error {
	path := filepath.Join(j.opts.Dir, name)
	halved := false // bbolt goes on with the other meta page and says nothing
	_ = withPages(path, func(p *pages) error { halved = p.halved; return nil })
	l, err := openBolt(path, j.opts.MaxFile)
	if err != nil {
		if !errors.Is(err, ErrLocked) && !unavailable(err) {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		return err
	}
	st, err := l.state()
	if err != nil {
		_ = l.close() // a damaged one may refuse
		return err
	}
	j.live, j.halved = l, halved
	return j.adopt(st, path)
}

// reportHalved declares what a damaged meta page may have hidden: the commit that
// it spoke for. If it was sent, the aggregator's answer shows it.
func (j *Journal) reportHalved() {
	if !j.halved {
		return
	}
	f := j.files[len(j.files)-1]
	j.log.Error("meta page of the newest journal file is damaged", "file", filepath.Base(f.path))
	now := j.opts.Now().UTC().Format(time.RFC3339Nano)
	j.raise(event.TypeAuditGap, map[string]any{
		"source": "journal", "cause": "damaged_meta_page", "file": filepath.Base(f.path),
		"from": f.created.UTC().Format(time.RFC3339Nano), "to": now, "lost": "at most the last commit",
	})
}

// state reads and checks everything of the live file that is not history.
func (l *live) state() (st *fileState, err error) {
	err = l.read(func(p *pages) error {
		l.used = int64(p.high) * p.pageSize
		if st, err = readState(p); err != nil {
			return err
		}
		return st.readTails(p)
	})
	return st, err
}

// adopt makes the state of the newest file the journal's.
func (j *Journal) adopt(st *fileState, path string) error {
	j.files = append(j.files, &fileInfo{
		seq: st.file.Sequence, prev: st.file.Previous, path: path, bytes: j.live.used,
		created: st.file.Created, logs: maps.Clone(st.logs),
	})
	j.positions, j.holes, j.bad = st.positions, st.holes, st.bad
	j.knownBad(j.files)
	if err := j.adoptKey(st.logs); err != nil {
		return err
	}
	if st.refused != nil {
		j.refused.restore(*st.refused)
	}
	for id, rec := range st.logs {
		if err := j.adoptLog(id, rec, st.tails[id], st.receipts[id]); err != nil {
			return err
		}
	}
	return nil
}

// knownBad marks the files whose damage was dealt with before.
func (j *Journal) knownBad(files []*fileInfo) {
	for _, f := range files {
		if bad, ok := j.bad[filepath.Base(f.path)]; ok {
			f.bad, f.suspect = &bad, false
		}
	}
}

func (j *Journal) adoptLog(id string, rec logRecord, t tail, note []byte) error {
	origin, err := evidence.ParseOrigin(rec.Origin)
	if err != nil || origin.Log != id {
		return fmt.Errorf("log %s has origin %q: %w", id, rec.Origin, errDamaged)
	}
	l := &logState{id: id, class: classOf(origin), rec: rec, size: t.size, front: t.front, note: t.note, since: t.since}
	l.whole = t.size == rec.Start
	if l.signer, err = evidence.NewSigner(rec.Origin, j.opts.Signer); err != nil {
		return err
	}
	if len(note) > 0 {
		c, err := evidence.PeekCheckpoint(note)
		if err != nil {
			return fmt.Errorf("receipt of %s: %w", rec.Origin, errDamaged)
		}
		l.receipt = receipt{size: c.Size, saved: c.Size, note: note}
	}
	j.logs[id] = l
	if rec.State == stateActive {
		j.active[l.class] = l
	}
	return nil
}
