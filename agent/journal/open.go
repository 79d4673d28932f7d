package journal

import (
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
	for _, name := range names {
		j.files = append(j.files, j.listed(name))
	}
	switch {
	case newest != "":
		err = j.loadNewest(newest)
	case marker == "" && len(names) == 0:
		err = j.startFile(1)
	default:
		err = errLost
	}
	if errors.Is(err, errDamaged) || errors.Is(err, errLost) {
		err = j.afterLoss(ctx, err, newest, marker)
	}
	if err != nil {
		return err
	}
	j.findMissing()
	j.settle()
	return nil
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
			j.report("succession", j.succeed(l, "signing key changed", l.receipt.size))
		} else if l.rec.Copies != nil {
			l.copyDue = l.size-1 < l.rec.Copies.Count
			j.report("copying", j.copyRest(l))
		}
	}
	j.report("repair", j.repair())
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
// listed without logs; repair takes it from there.
func (j *Journal) listed(name string) *fileInfo {
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
	if err != nil {
		j.log.Warn("journal file can't be read", "file", name, "error", err)
		f.suspect = true
	}
	return f
}

// loadNewest opens the newest file, re-hashes its end and takes over its state.
func (j *Journal) loadNewest(name string) error {
	path := filepath.Join(j.opts.Dir, name)
	db, err := openBolt(path, j.opts.MaxFile)
	if err != nil {
		if !errors.Is(err, ErrLocked) && !errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		return err
	}
	l := &live{db: db, path: path}
	st, err := l.state()
	if err != nil {
		l.close()
		return err
	}
	j.live = l
	return j.adopt(st, path)
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
