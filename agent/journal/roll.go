package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// maxFileAge is the age at which a file is closed although it has room.
const maxFileAge = 24 * time.Hour

// retryLive is the pause between attempts to open a failed live file again.
const retryLive = time.Second

func classOf(o evidence.Origin) event.Class { return event.Class(o.Class) }

// rollIfDue closes the live file and begins the next one when the batch would
// fill it beyond 7/8, or after a day.
func (j *Journal) rollIfDue(b *batch) error {
	need := int64(64<<10) + b.keyBytes() // pages of the small buckets, the freelist, the tree's upper levels
	for _, p := range b.parts {
		need += p.bytes + p.bytes/8 + int64(len(p.leaves))*48 + int64(len(p.note)) + 16<<10
	}
	for _, p := range b.puts {
		need += int64(len(p.key) + len(p.value) + 32)
	}
	f := j.files[len(j.files)-1]
	leaves := j.leavesIn(f)
	full := j.live.used+need > j.opts.MaxFile/8*7
	old := j.opts.Now().Sub(f.created) > maxFileAge
	if leaves == 0 || !full && !old {
		return nil
	}
	if err := j.startFile(f.seq + leaves); err != nil {
		if full || isFull(err) {
			return fmt.Errorf("next journal file: %w", err)
		}
		j.log.Warn("journal file not rolled", "error", err)
	}
	return nil
}

// leavesIn counts the leaves of the newest file.
func (j *Journal) leavesIn(f *fileInfo) uint64 {
	var n uint64
	for id, rec := range f.logs {
		if l := j.logs[id]; l != nil {
			n += l.size - rec.Start
		}
	}
	return n
}

// begin is startFile while the journal is opened or repaired: a full disk gives up
// its ballast, as it does for a commit.
func (j *Journal) begin(sequence uint64) error {
	err := j.startFile(sequence)
	if err != nil && isFull(err) && j.makeRoom(err) {
		err = j.startFile(sequence)
	}
	return err
}

// startFile creates the file with this sequence from what is in memory, opens it
// and closes the old one. The new file carries all that outlives the old one:
// heads of the logs, positions, receipts, holes, and the commit ranges of the old file.
func (j *Journal) startFile(sequence uint64) error {
	path := filepath.Join(j.opts.Dir, fileName(sequence))
	info := &fileInfo{seq: sequence, path: path, created: j.opts.Now().UTC(), logs: map[string]logRecord{}}
	if n := len(j.files); n > 0 {
		info.prev = j.files[n-1].seq
		j.completeRanges(j.files[n-1])
	}
	for id, l := range j.logs {
		rec := l.rec
		rec.Start, rec.Note = l.size, string(l.note)
		var err error
		if rec.Frontier, err = l.front.MarshalBinary(); err != nil {
			return err
		}
		info.logs[id] = rec
	}
	if err := createFile(path, j.opts.MaxFile, func(tx *bolt.Tx) error { return j.fill(tx, info) }); err != nil {
		return err
	}
	l, err := openBolt(path, j.opts.MaxFile)
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if err := durable.WriteFile(filepath.Join(j.opts.Dir, newestName), []byte(fileName(sequence)+"\n"), 0o600); err != nil {
		return errors.Join(err, l.close(), durable.RemoveAll(path)) // must not come back after a power cut
	}
	j.closeLive()
	j.dbMu.Lock()
	j.live = l
	j.dbMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.files); n > 0 {
		j.files[n-1].closed = info.created
	}
	j.files = append(j.files, info)
	for id, l := range j.logs {
		l.rec, l.ranges, l.whole, l.since = info.logs[id], packer{}, true, 0
	}
	return nil
}

// fill writes the buckets of a new file.
func (j *Journal) fill(tx *bolt.Tx, info *fileInfo) error {
	buckets := map[string]*bolt.Bucket{}
	for _, name := range []string{bucketHead, bucketLogs, bucketPositions, bucketReceipts, bucketRanges, bucketHoles, bucketKeys} {
		b, err := tx.CreateBucket([]byte(name))
		if err != nil {
			return err
		}
		buckets[name] = b
	}
	var puts []put
	add := func(bucket string, key, value []byte) { puts = append(puts, put{bucket, key, value}) }
	add(bucketHead, []byte(keyFormat), binary.BigEndian.AppendUint32(nil, formatVersion))
	add(bucketHead, []byte(keyFile), encode(fileRecord{
		Sequence: info.seq, Previous: info.prev, Agent: j.opts.AgentID, Created: info.created,
	}))
	if len(j.refused.pending.Counts) > 0 {
		add(bucketHead, []byte(keyRefused), encode(j.refused.pending))
	}
	for name, bad := range j.bad {
		add(bucketHead, []byte(badPrefix+name), encode(bad))
	}
	for id, rec := range info.logs {
		add(bucketLogs, []byte(id), encode(rec))
	}
	for source, set := range j.positions {
		for key, value := range set {
			add(bucketPositions, positionKey(source, key), value)
		}
	}
	j.mu.RLock()
	for id, l := range j.logs {
		if l.receipt.size > 0 {
			add(bucketReceipts, []byte(id), l.receipt.note)
		}
		for i, value := range l.ranges.values {
			add(bucketRanges, logKey(id, l.ranges.first[i]), value)
		}
	}
	j.mu.RUnlock()
	for id, holes := range j.holes {
		for _, h := range holes {
			add(bucketHoles, logKey(id, h.First), encode(h))
		}
	}
	for _, p := range puts {
		if err := p.apply(buckets[p.bucket]); err != nil {
			return err
		}
	}
	return nil
}

// completeRanges reads the commit ranges of the file that is being closed, when
// the journal was opened in its middle.
func (j *Journal) completeRanges(f *fileInfo) {
	for id, l := range j.logs {
		if l.whole {
			continue
		}
		var p packer
		w := walk{origin: l.rec.Origin, onGood: func(commit evidence.Range, _ []byte) (bool, error) {
			p.add(commit)
			return true, nil
		}}
		err := w.front.UnmarshalBinary(l.rec.Frontier)
		if err == nil {
			err = j.readFile(f, func(pg *pages) error {
				bucket, err := pg.bucket(leafPrefix + id)
				if err != nil {
					return err
				}
				return w.over(bucket, l.rec.Start)
			})
		}
		if err != nil {
			j.log.Warn("commit ranges of the closed file are incomplete", "log", l.rec.Origin, "error", err)
		}
		l.ranges, l.whole = p, true
	}
}

// readFile reads a file of the sequence by pages, the live one under a read transaction.
func (j *Journal) readFile(f *fileInfo, fn func(*pages) error) error {
	j.dbMu.RLock()
	defer j.dbMu.RUnlock()
	if j.live != nil && j.live.path == f.path {
		return j.live.read(fn)
	}
	return withPages(f.path, fn)
}

func (j *Journal) closeLive() {
	j.dbMu.Lock()
	defer j.dbMu.Unlock()
	if j.live != nil {
		_ = j.live.close() // a damaged one may refuse
		j.live = nil
	}
}

// ensureLive opens the live file again after a failure.
func (j *Journal) ensureLive() error {
	if j.live != nil {
		return j.putBack()
	}
	if now := time.Now(); now.Before(j.retryAt) {
		return errors.New("journal file is not open after a failure")
	}
	doubt := j.doubt
	if doubt == nil {
		doubt = &batch{}
	}
	landed, err := j.reopen(doubt)
	if err == nil && landed {
		if err = j.takeBack(doubt); err != nil {
			j.closeLive()
		}
	}
	if err != nil {
		j.retryAt = time.Now().Add(retryLive)
		return err
	}
	j.doubt = nil
	return nil
}

// reopen opens the live file after a failed commit and compares it with memory:
// landed says that the batch is on disk. A file that agrees with neither is given
// up: memory knows every frontier, so the next file continues the same logs and
// the old one is bridged like any damaged file.
func (j *Journal) reopen(b *batch) (landed bool, err error) {
	f := j.files[len(j.files)-1]
	l, err := openBolt(f.path, j.opts.MaxFile)
	if err == nil {
		var st *fileState
		if st, err = l.state(); err == nil {
			if landed, err = j.compare(st, b); err == nil {
				j.dbMu.Lock()
				j.live = l
				j.dbMu.Unlock()
				return landed, nil
			}
		}
		_ = l.close() // a damaged one may refuse
	}
	if errors.Is(err, ErrLocked) || unavailable(err) {
		return false, fmt.Errorf("reopen: %w", err)
	}
	j.log.Error("journal file given up", "file", filepath.Base(f.path), "error", err)
	f.suspect = true
	if err := j.startFile(f.seq + j.leavesIn(f) + 1); err != nil {
		return false, fmt.Errorf("replace %s: %w", filepath.Base(f.path), err)
	}
	return false, nil
}

// compare tells a file that holds the batch from one that holds none of it.
func (j *Journal) compare(st *fileState, b *batch) (landed bool, err error) {
	with, without := len(b.parts) > 0, true
	for id, l := range j.logs {
		want, t := l, st.tails[id]
		part := b.partOf(id)
		old := t.size == want.size && bytes.Equal(t.note, want.note)
		if part == nil {
			if !old {
				return false, fmt.Errorf("log %s is at %d, not %d: %w", l.rec.Origin, t.size, l.size, errDamaged)
			}
			continue
		}
		without = without && old
		with = with && t.size == part.front.End && bytes.Equal(t.note, part.note)
	}
	for _, p := range b.parts {
		if j.logs[p.log.id] == nil {
			t := st.tails[p.log.id]
			without = without && t.size == 0
			with = with && t.size == b.partOf(p.log.id).front.End
		}
	}
	if !with && !without {
		return false, fmt.Errorf("commit is half written: %w", errDamaged)
	}
	return with, nil
}

// partOf returns the last part of a log, nil when the batch has none.
func (b *batch) partOf(id string) *part {
	for _, p := range slices.Backward(b.parts) {
		if p.log.id == id {
			return p
		}
	}
	return nil
}
