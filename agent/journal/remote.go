package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// ErrUnproved: the aggregator claims a history of our log that no signature of
// ours supports. Nothing is done about it.
var ErrUnproved = errors.New("aggregator's claim is not signed by this agent")

// states of a log at the aggregator, see wire.LogState.
const (
	remoteForked = "forked"
	remoteClosed = "closed"
)

// Reconcile compares what the aggregator has of a log with what is here and
// returns the index from which to send. A history beyond ours, or one that
// differs (the folder was copied back, two copies ran) ends the log's use: a
// successor takes over and ok is false. An aggregator that has less than our
// newest receipt came back from an old backup and is refilled from the kept files.
func (j *Journal) Reconcile(ctx context.Context, log string, st wire.LogState) (next uint64, ok bool, err error) {
	err = j.do(ctx, func() error {
		next, ok, err = j.reconcile(log, st)
		return err
	})
	return next, ok, err
}

func (j *Journal) reconcile(log string, st wire.LogState) (uint64, bool, error) {
	l := j.logs[log]
	if l == nil || l.rec.State == stateSuperseded {
		return 0, false, nil
	}
	if st.State == remoteForked {
		return 0, false, j.succeed(l, "the aggregator holds another history of this log", j.newestReceipt(l))
	}
	if st.State == remoteClosed && l.rec.State == stateActive {
		// It was told of a successor that this journal does not know: the folder was
		// put away, another one begun, and this one put back.
		return 0, false, j.succeed(l, "the aggregator has closed this log", j.newestReceipt(l))
	}
	if st.Size == 0 {
		return j.refill(l, 0)
	}
	if st.Size > l.size {
		if err := l.provedBy(st); err != nil {
			return 0, false, err
		}
		reason := fmt.Sprintf("the aggregator has %d leaves, this journal only %d: state was rolled back", st.Size, l.size)
		return 0, false, j.succeed(l, reason, j.newestReceipt(l))
	}
	root, known, err := j.rootAt(l, st.Size)
	if err != nil {
		return 0, false, err
	}
	if known && root.String() != st.Root {
		if err := l.provedBy(st); err != nil {
			return 0, false, err
		}
		reason := fmt.Sprintf("the aggregator has another history of %d leaves", st.Size)
		return 0, false, j.succeed(l, reason, j.newestReceipt(l))
	}
	return j.refill(l, st.Size)
}

// newestReceipt is its size; SetReceipt runs in other goroutines.
func (j *Journal) newestReceipt(l *logState) uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return l.receipt.size
}

// provedBy says whether the state's receipt carries our signature over its size
// and root: only then it is a history of ours.
func (l *logState) provedBy(st wire.LogState) error {
	c, err := evidence.OpenCheckpoint([]byte(st.Receipt), l.rec.Origin, l.keyRanges())
	if err != nil || c.Size != st.Size || c.Root.String() != st.Root {
		return fmt.Errorf("log %s at %d: %w", l.rec.Origin, st.Size, ErrUnproved)
	}
	return nil
}

// refill returns where sending begins, and succeeds the log when the aggregator
// lost what is not kept any more.
func (j *Journal) refill(l *logState, size uint64) (uint64, bool, error) {
	newest := j.newestReceipt(l)
	if size >= newest {
		return size, true, nil
	}
	if kept := j.kept(l); size < kept {
		reason := fmt.Sprintf("the aggregator lost leaves %d to %d, which are not kept any more", size, kept)
		return 0, false, j.succeed(l, reason, kept)
	}
	if l.restored == newest { // said already, the refill is under way
		return size, true, nil
	}
	l.restored = newest
	j.log.Warn("aggregator came back with less than it receipted, refilling", "log", l.rec.Origin, "size", size, "receipt", newest)
	j.raise(event.TypeLogRestored, map[string]any{"log": l.rec.Origin, "size": size, "receiptSize": newest})
	return size, true, nil
}

// rootAt finds the root of a log at a size: at its end, in a receipt, in a file's
// header or among the checkpoints. known is false when the size is older than
// what is kept. A size between two commits has no root: nobody ever signed it.
func (j *Journal) rootAt(l *logState, size uint64) (root evidence.Hash, known bool, err error) {
	if size == l.size {
		root, err = l.front.Root()
		return root, err == nil, err
	}
	j.mu.RLock()
	note := bytes.Clone(l.receipt.note)
	j.mu.RUnlock()
	if c, err := evidence.PeekCheckpoint(note); err == nil && c.Size == size {
		return c.Root, true, nil
	}
	for _, f := range j.files {
		if rec, ok := f.logs[l.id]; ok && rec.Start == size {
			t, err := startOf(rec)
			if err != nil {
				return root, false, err
			}
			root, err = t.front.Root()
			return root, err == nil, err
		}
	}
	var r reading
	f, _ := j.fileOf(l.id, size-1, &r)
	if f == nil {
		return root, false, nil
	}
	err = j.readFile(f, func(p *pages) error {
		bucket, err := p.bucket(leafPrefix + l.id)
		if err == nil {
			note, err = bucket.get(checkpointKey(size))
		}
		return err
	})
	if errors.Is(err, errAbsent) {
		return evidence.Hash{}, true, nil
	}
	if err != nil {
		return root, false, fmt.Errorf("%s: %w", filepath.Base(f.path), err)
	}
	c, err := evidence.PeekCheckpoint(note)
	return c.Root, err == nil, err
}

// Succeed ends a log's use under its origin, see docs/formats/journal.md "Damage"; a log that
// is no longer active is left alone.
func (j *Journal) Succeed(ctx context.Context, log, reason string) error {
	return j.do(ctx, func() error {
		l := j.logs[log]
		if l == nil || l.rec.State == stateSuperseded {
			return nil
		}
		return j.succeed(l, reason, j.newestReceipt(l))
	})
}

// CloseLogs ends all logs as planned: log.closed is their last leaf. Events that
// come later open new logs that name them as predecessor.
func (j *Journal) CloseLogs(ctx context.Context, reason string) error {
	return j.do(ctx, func() error {
		b := &batch{}
		for _, l := range j.sortedLogs() {
			if l.rec.State != stateActive {
				continue
			}
			leaf, err := j.ownEvent(event.TypeLogClosed, l.class, map[string]any{"origin": l.rec.Origin, "reason": reason})
			if err != nil {
				return err
			}
			b.parts = append(b.parts, &part{class: l.class, log: l, leaves: [][]byte{leaf.Bytes}})
			b.changed = append(b.changed, l)
			j.setState(l, stateClosed)
		}
		b.done = func() {
			for _, l := range b.changed {
				delete(j.active, l.class)
			}
		}
		if err := j.commit(b); err != nil {
			for _, l := range b.changed {
				j.setState(l, stateActive)
			}
			return err
		}
		return nil
	})
}

func (j *Journal) setState(l *logState, state string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l.rec.State = state
}
