package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// frontierEvery is the number of leaf bytes after which a log's frontier is
// written, so that opening has at most this much to hash.
const frontierEvery = 4 << 20

// batch is what one transaction writes.
type batch struct {
	parts     []*part
	positions []source.Position
	urgent    bool
	puts      []put // into the buckets beside the logs
	changed   []*logState
	done      func()             // after the commit, under mu
	receipts  map[string]receipt // that go with it
	keys      map[string][]byte  // wrapped data keys that the leaves name, by id
	keyed     bool               // keys is complete
}

type put struct {
	bucket     string
	key, value []byte // value nil deletes
}

// part is what a batch appends to one log under one checkpoint. A batch that holds
// more has several parts of a log, one behind the other.
type part struct {
	class  event.Class
	log    *logState // found or made when the batch is prepared, unless given
	leaves [][]byte
	hashes []evidence.Hash // of the leaves, as far as the callers made them
	bytes  int64           // of the leaves with their two bytes of length

	rng   evidence.Range // of these leaves
	front evidence.Range // of the log after them
	note  []byte
	since int64 // bytes behind the last frontier, with these leaves
	saved bool  // a frontier goes with this commit
}

// add appends a leaf to the part of its class.
func (b *batch) add(class event.Class, leaf []byte) {
	b.addHashed(class, leaf, evidence.LeafHash(leaf))
}

func (b *batch) addHashed(class event.Class, leaf []byte, h evidence.Hash) {
	size := int64(len(leaf)) + 2
	for _, p := range slices.Backward(b.parts) {
		if p.class != class || p.log != nil {
			continue
		}
		if len(p.leaves) == MaxCommitLeaves || p.bytes+size > MaxCommitBytes {
			break
		}
		p.leaves, p.hashes, p.bytes = append(p.leaves, leaf), append(p.hashes, h), p.bytes+size
		return
	}
	b.parts = append(b.parts, &part{class: class, leaves: [][]byte{leaf}, hashes: []evidence.Hash{h}, bytes: size})
}

// commitOwn commits leaves of the journal's own.
func (j *Journal) commitOwn(leaves []Leaf) error {
	b := &batch{}
	for _, l := range leaves {
		b.add(l.Class, l.Bytes)
	}
	err := j.commit(b)
	if err != nil && isFull(err) && j.makeRoom(err) && j.space.degree != diskFull {
		b = &batch{}
		for _, l := range leaves {
			b.add(l.Class, l.Bytes)
		}
		err = j.commit(b)
	}
	return err
}

// commit writes one transaction: leaves, positions, receipts, one checkpoint per
// log touched. When it returns nil all of it is durable and published. After any
// failure the file is closed, opened again and compared: see afterError.
func (j *Journal) commit(b *batch) error {
	if err := j.ensureLive(); err != nil {
		return err
	}
	held := j.pending
	b.positions = append(held[:len(held):len(held)], b.positions...)
	err := j.prepare(b)
	if err == nil {
		j.gatherKeys(b)
		err = j.rollIfDue(b)
	}
	if err == nil {
		j.lastWork = time.Now()
		if err = j.write(b); err != nil {
			err = j.afterError(b, err)
		}
		if errors.Is(err, berrors.ErrMaxSizeReached) { // the estimate was too low
			f := j.files[len(j.files)-1]
			if err = j.startFile(f.seq + max(1, j.leavesIn(f))); err == nil {
				if err = j.write(b); err != nil {
					err = j.afterError(b, err)
				}
			}
		}
	}
	if err != nil {
		j.mu.Lock()
		j.lastError = err.Error()
		j.mu.Unlock()
		return err
	}
	j.pending = nil
	j.publish(b)
	j.remember()
	return nil
}

// prepare finds or makes the logs, hashes, and signs one checkpoint per log.
func (j *Journal) prepare(b *batch) error {
	made := map[event.Class]*logState{} // by this batch
	last := map[*logState]*part{}
	for _, p := range b.parts {
		if p.log == nil {
			if p.log = made[p.class]; p.log == nil {
				p.log = j.active[p.class]
			}
			var err error
			switch {
			case p.log == nil:
				err = j.open(p)
				made[p.class] = p.log
			case p.log.copyDue:
				err = j.copyRest(p.log)
			}
			if err != nil {
				return err
			}
		}
		if err := p.sign(last[p.log]); err != nil {
			return err
		}
		last[p.log] = p
	}
	return nil
}

// open makes a new log for a part and puts log.opened before its leaves.
func (j *Journal) open(p *part) error {
	l, err := j.newLog(p.class, "new")
	if err != nil {
		return err
	}
	for _, old := range j.sortedLogs() { // the newest of the class that was closed
		if old.class == p.class {
			root, err := old.front.Root()
			if err != nil {
				return err
			}
			l.rec.Predecessor, l.rec.PrevSize, l.rec.PrevRoot = old.rec.Origin, old.size, root.String()
		}
	}
	if gone := j.remembered.Lost[string(p.class)]; l.rec.Predecessor == "" && gone != "" {
		l.rec.Predecessor, l.rec.Reason = gone, removedReason
	}
	opened, err := j.ownEvent(event.TypeLogOpened, p.class, l.openedData())
	if err != nil {
		return err
	}
	p.log, p.leaves = l, append([][]byte{opened.Bytes}, p.leaves...)
	p.hashes = append([]evidence.Hash{evidence.LeafHash(opened.Bytes)}, p.hashes...)
	return nil
}

// sign makes the checkpoint behind the leaves; before is the part of the same log
// that the batch holds before this one, or nil.
func (p *part) sign(before *part) error {
	begin, front, since := p.log.size, p.log.front, p.log.since
	if before != nil {
		begin, front, since = before.front.End, before.front, before.since
	}
	p.bytes = 0
	for i, leaf := range p.leaves {
		if i == len(p.hashes) {
			p.hashes = append(p.hashes, evidence.LeafHash(leaf))
		}
		p.bytes += int64(len(leaf)) + 2
	}
	p.rng = evidence.RangeOf(begin, p.hashes)
	p.front = front.Clone()
	if err := p.front.Join(p.rng); err != nil {
		return fmt.Errorf("log %s: %w", p.log.rec.Origin, err)
	}
	root, err := p.front.Root()
	if err != nil {
		return fmt.Errorf("log %s: %w", p.log.rec.Origin, err)
	}
	p.note, err = p.log.signer.SignCheckpoint(evidence.Checkpoint{Origin: p.log.rec.Origin, Size: p.front.End, Root: root})
	if err != nil {
		return fmt.Errorf("log %s: %w", p.log.rec.Origin, err)
	}
	if p.since, p.saved = since+p.bytes, false; p.since >= frontierEvery {
		p.since, p.saved = 0, true
	}
	return nil
}

// write runs the transaction.
func (j *Journal) write(b *batch) error {
	b.receipts = j.dirtyReceipts()
	refused := j.refusedPut()
	err := j.live.update(func(tx *bolt.Tx) error {
		if err := j.live.putKeys(tx, b.keys); err != nil {
			return err
		}
		for _, p := range b.parts {
			if err := p.put(tx); err != nil {
				return err
			}
		}
		for _, l := range b.changed {
			if err := tx.Bucket([]byte(bucketLogs)).Put([]byte(l.id), encode(l.rec)); err != nil {
				return err
			}
		}
		for _, at := range b.positions {
			if err := putPosition(tx.Bucket([]byte(bucketPositions)), at); err != nil {
				return err
			}
		}
		for id, r := range b.receipts {
			if err := tx.Bucket([]byte(bucketReceipts)).Put([]byte(id), r.note); err != nil {
				return err
			}
		}
		for _, p := range append(b.puts[:len(b.puts):len(b.puts)], refused...) {
			if err := p.apply(tx.Bucket([]byte(p.bucket))); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		j.live.holds(b.keys)
	}
	return err
}

func (p put) apply(bucket *bolt.Bucket) error {
	if p.value == nil {
		return bucket.Delete(p.key)
	}
	return bucket.Put(p.key, p.value)
}

// put writes the leaves, the checkpoint and, when due, the frontier of one log.
func (p *part) put(tx *bolt.Tx) error {
	name := []byte(leafPrefix + p.log.id)
	bucket := tx.Bucket(name)
	if bucket == nil {
		var err error
		if bucket, err = tx.CreateBucket(name); err != nil {
			return err
		}
		if err := tx.Bucket([]byte(bucketLogs)).Put([]byte(p.log.id), encode(p.log.rec)); err != nil {
			return err
		}
	}
	bucket.FillPercent = 1.0
	keys := make([]byte, 8*len(p.leaves))
	for i, leaf := range p.leaves {
		key := keys[8*i : 8*i+8 : 8*i+8]
		binary.BigEndian.PutUint64(key, p.rng.Begin+uint64(i))
		if err := bucket.Put(key, leaf); err != nil {
			return err
		}
	}
	if p.saved {
		frontier, err := p.front.MarshalBinary()
		if err != nil {
			return err
		}
		if err := bucket.Put(frontierKey(p.front.End), frontier); err != nil {
			return err
		}
	}
	return bucket.Put(checkpointKey(p.front.End), p.note)
}

func putPosition(bucket *bolt.Bucket, at source.Position) error {
	for key, value := range at.Set {
		if err := bucket.Put(positionKey(at.Source, key), value); err != nil {
			return err
		}
	}
	for _, key := range at.Delete {
		if err := bucket.Delete(positionKey(at.Source, key)); err != nil {
			return err
		}
	}
	return nil
}

// publish makes a durable batch visible and wakes who waits for it.
func (j *Journal) publish(b *batch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range b.parts {
		l := p.log
		if j.logs[l.id] == nil {
			j.logs[l.id], j.active[l.class] = l, l
		}
		j.recent.add(l.id, p, b.keys)
		l.size, l.front, l.note, l.since = p.front.End, p.front, p.note, p.since
		if l.whole {
			l.ranges.add(p.rng)
		}
		j.written += uint64(p.bytes)
		if f := j.files[len(j.files)-1]; f.logs[l.id].Origin == "" {
			f.logs[l.id] = l.rec
		}
		j.space.unreceipted += p.bytes + p.bytes/8
	}
	for _, at := range b.positions {
		m := j.positions[at.Source]
		if m == nil {
			m = map[string][]byte{}
			j.positions[at.Source] = m
		}
		maps.Copy(m, at.Set)
		for _, key := range at.Delete {
			delete(m, key)
		}
	}
	for id, r := range b.receipts {
		l := j.logs[id]
		l.receipt.saved = r.size
		l.receipt.dirty = l.receipt.size != r.size
	}
	if b.done != nil {
		b.done()
	}
	j.refused.dirty = false
	j.commits++
	j.files[len(j.files)-1].bytes = j.live.used
	close(j.changed)
	j.changed = make(chan struct{})
}

// dirtyReceipts takes the receipts that are not on disk; they count as saved
// when the commit succeeds.
func (j *Journal) dirtyReceipts() map[string]receipt {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := map[string]receipt{}
	for id, l := range j.logs {
		if l.receipt.dirty {
			out[id] = l.receipt
		}
	}
	return out
}

// afterError is called with the live file in an unknown state: it is closed,
// opened again and compared with the batch. After a failed sync the pages may
// look written and not be; so a batch that seems to be there is written once
// more, to other pages. When that can't be done either the batch stays in doubt:
// its callers are told that it failed, and it is taken back before the next commit.
func (j *Journal) afterError(b *batch, cause error) error {
	for range 3 {
		j.log.Warn("journal commit failed, reopening", "error", cause)
		j.doubt = b
		j.closeLive()
		landed, err := j.reopen(b)
		if err != nil {
			return errors.Join(cause, err)
		}
		if !landed {
			j.doubt = nil
			return cause
		}
		if err = j.write(b); err == nil {
			j.doubt = nil
			j.log.Info("journal commit found after reopening, written again")
			return nil
		}
		cause = errors.Join(cause, err)
	}
	j.closeLive()
	return cause
}

// takeBack removes a batch from the file whose callers were told that it failed.
// It was never published: nobody outside has seen its checkpoints.
func (j *Journal) takeBack(b *batch) error {
	return j.live.update(func(tx *bolt.Tx) error {
		for _, p := range b.parts {
			if j.logs[p.log.id] == nil {
				if tx.Bucket([]byte(leafPrefix+p.log.id)) == nil {
					continue // an earlier part of this log
				}
				if err := tx.DeleteBucket([]byte(leafPrefix + p.log.id)); err != nil {
					return err
				}
				if err := tx.Bucket([]byte(bucketLogs)).Delete([]byte(p.log.id)); err != nil {
					return err
				}
				continue
			}
			c := tx.Bucket([]byte(leafPrefix + p.log.id)).Cursor()
			for k, _ := c.Seek(leafKey(p.log.size)); k != nil; k, _ = c.Seek(leafKey(p.log.size)) {
				if err := c.Delete(); err != nil {
					return err
				}
			}
		}
		for _, at := range b.positions {
			back := source.Position{Source: at.Source, Set: j.positions[at.Source]}
			for key := range at.Set {
				if _, ok := back.Set[key]; !ok {
					back.Delete = append(back.Delete, key)
				}
			}
			if err := putPosition(tx.Bucket([]byte(bucketPositions)), back); err != nil {
				return err
			}
		}
		for _, l := range b.changed {
			if err := tx.Bucket([]byte(bucketLogs)).Put([]byte(l.id), encode(l.rec)); err != nil {
				return err
			}
		}
		for _, p := range b.puts {
			if err := tx.Bucket([]byte(p.bucket)).Delete(p.key); err != nil {
				return err
			}
		}
		return nil
	})
}
