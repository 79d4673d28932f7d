package journal

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// request is one Append, or one piece of work for the writer (op).
type request struct {
	leaves []Leaf
	hashes []evidence.Hash // made by the caller, so that the writer need not
	at     []source.Position
	bytes  int
	op     func() error
	done   chan result
}

type result struct {
	outcome Outcome
	err     error
}

// gentleGap is the least time between two commits of the gentle mode.
const gentleGap = 100 * time.Millisecond

// checkEvery is how often the writer looks at space and old files.
const checkEvery = 10 * time.Second

// Append writes leaves and positions in one transaction and returns when it is
// durable; leaves that the quota refuses are counted in the outcome. Without
// leaves the positions wait for the next commit, at the latest PositionDelay,
// unless one is urgent. More than MaxAppendLeaves, MaxAppendBytes or maxKeys
// different data keys become several transactions, and the positions go with the
// last: a source that hands over more at once may see some of it twice after a
// crash (docs/limits.md). An error means: not all was taken, hand over again what
// Outcome.Taken leaves, with the positions.
func (j *Journal) Append(ctx context.Context, leaves []Leaf, at []source.Position) (Outcome, error) {
	var sum Outcome
	for {
		n, bytes := 0, 0
		var keys keySet
		for n < len(leaves) && n < MaxAppendLeaves {
			size := len(leaves[n].Bytes)
			if n > 0 && keys.with(leaves[n]) > maxKeys {
				break
			}
			if size == 0 || size > event.MaxLeaf || !leaves[n].Class.Valid() {
				return sum, fmt.Errorf("journal: leaf of %d bytes and class %q can't be written", size, leaves[n].Class)
			}
			if bytes+size+2 > MaxAppendBytes {
				break
			}
			keys.add(leaves[n])
			bytes, n = bytes+size+2, n+1
		}
		r := &request{leaves: leaves[:n], bytes: bytes, done: make(chan result, 1)}
		r.hashes = make([]evidence.Hash, n)
		for i, l := range r.leaves {
			r.hashes[i] = evidence.LeafHash(l.Bytes)
		}
		if leaves = leaves[n:]; len(leaves) == 0 {
			r.at = at
		}
		out, err := j.submit(ctx, r)
		if err != nil {
			return sum, err
		}
		sum.Taken += n
		for class, count := range out.Refused {
			if sum.Refused == nil {
				sum.Refused = map[event.Class]uint64{}
			}
			sum.Refused[class] += count
		}
		if len(leaves) == 0 {
			return sum, nil
		}
	}
}

// submit hands a request to the writer and waits. After ctx ended it may still
// be written: the caller then hands over again, and the repeat is dropped by position.
func (j *Journal) submit(ctx context.Context, r *request) (Outcome, error) {
	select {
	case j.queue <- r:
	case <-j.ended:
		return Outcome{}, ErrClosed
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
	select {
	case res := <-r.done:
		return res.outcome, res.err
	case <-j.ended:
		select { // the writer may have answered before it ended
		case res := <-r.done:
			return res.outcome, res.err
		default:
			return Outcome{}, ErrClosed
		}
	case <-ctx.Done():
		return Outcome{}, ctx.Err()
	}
}

// do runs fn in the writer, between two commits.
func (j *Journal) do(ctx context.Context, fn func() error) error {
	_, err := j.submit(ctx, &request{op: fn, done: make(chan result, 1)})
	return err
}

// run is the one writer.
func (j *Journal) run() {
	defer close(j.ended)
	beat := time.NewTicker(cmp.Or(max(0, j.opts.Heartbeat), math.MaxInt64))
	defer beat.Stop()
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	late := time.NewTimer(j.opts.PositionDelay)
	defer late.Stop()
	for {
		select {
		case r := <-j.queue:
			j.serve(r)
		case <-beat.C:
			j.beat("interval")
		case <-check.C:
			j.housekeep()
		case <-late.C:
			j.flushPositions()
			late.Reset(j.opts.PositionDelay)
			continue
		case <-j.stop:
			j.finish()
			return
		}
		if len(j.pending) > 0 {
			late.Reset(max(0, j.opts.PositionDelay-time.Since(j.oldest)))
		}
	}
}

// serve commits a request together with all that is queued behind it.
func (j *Journal) serve(r *request) {
	if r.op != nil {
		r.done <- result{err: r.op()}
		return
	}
	if j.opts.Gentle {
		if wait := gentleGap - time.Since(j.lastWork); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-j.stop:
				timer.Stop()
			}
		}
	}
	batch := []*request{r}
	leaves, bytes := len(r.leaves), r.bytes
	var keys keySet
	keys.add(r.leaves...)
	for {
		var next *request
		select {
		case next = <-j.queue:
		default:
		}
		if next == nil {
			j.commitRequests(batch)
			return
		}
		full := leaves+len(next.leaves) > MaxCommitLeaves || bytes+next.bytes > MaxCommitBytes || keys.with(next.leaves...) > maxKeys
		if next.op != nil || full {
			j.commitRequests(batch)
			batch, leaves, bytes, keys = nil, 0, 0, nil
		}
		if next.op != nil {
			next.done <- result{err: next.op()}
			return
		}
		batch = append(batch, next)
		leaves, bytes = leaves+len(next.leaves), bytes+next.bytes
		keys.add(next.leaves...)
	}
}

// flushPositions commits positions that no event has carried for too long.
func (j *Journal) flushPositions() {
	if len(j.pending) == 0 {
		return
	}
	if err := j.commit(&batch{}); err != nil {
		j.log.Warn("positions not written", "error", err)
		j.oldest = time.Now() // try again after another delay
	}
}

// finish answers what is queued, writes the last heartbeat and what else has
// waited for a commit, and closes.
func (j *Journal) finish() {
	for {
		select {
		case r := <-j.queue:
			j.serve(r)
			continue
		default:
		}
		break
	}
	j.beat("stop")
	j.flushPositions()
	if len(j.dirtyReceipts()) > 0 { // so that the next start knows what was sent
		if err := j.commit(&batch{}); err != nil {
			j.log.Warn("receipts not written", "error", err)
		}
	}
	j.dbMu.Lock()
	defer j.dbMu.Unlock()
	if j.live != nil {
		_ = j.live.close() // a damaged one may refuse
		j.live = nil
	}
}

// commitRequests commits the requests of one group and answers each. Disk full
// is met once: the ballast goes, and what the reserve is not for is refused.
func (j *Journal) commitRequests(reqs []*request) {
	answers := make([]result, len(reqs))
	for try := 1; ; try++ {
		b := j.admit(reqs, answers)
		// Counted before the commit, so that it carries the counts: no position
		// is on disk without what was refused before it. The first refusal of a
		// time is itself a reason to write, for it is acknowledged at once.
		first := j.account(answers, 1) && j.space.degree != diskFull
		if len(b.parts) == 0 && !b.urgent && !first {
			break // nothing to write; positions wait
		}
		err := j.commit(b)
		if err == nil {
			break
		}
		full := isFull(err) && j.makeRoom(err)
		if full && len(b.parts) == 0 && try == 3 {
			break // counted in memory, as long as the disk takes nothing
		}
		j.account(answers, -1)
		if full && try < 3 {
			continue
		}
		for i := range answers {
			if answers[i].err == nil {
				answers[i] = result{err: fmt.Errorf("journal: %w", err)}
			}
		}
		break
	}
	for i, r := range reqs {
		r.done <- answers[i]
	}
}

// admit applies the quota and sorts the leaves by log, in the order they came.
// It fills answers anew at each call.
func (j *Journal) admit(reqs []*request, answers []result) *batch {
	b := &batch{keyed: true}
	for i, r := range reqs {
		answers[i] = result{}
		if j.refuses(event.Security) && hasClass(r.leaves, event.Security) {
			answers[i].err = ErrFull
			continue
		}
		for k, leaf := range r.leaves {
			if j.refuses(leaf.Class) {
				if answers[i].outcome.Refused == nil {
					answers[i].outcome.Refused = map[event.Class]uint64{}
				}
				answers[i].outcome.Refused[leaf.Class]++
				continue
			}
			b.addHashed(leaf.Class, leaf.Bytes, r.hashes[k])
			b.addKeys(leaf.Keys, j.gone)
		}
		for _, p := range r.at {
			b.positions = append(b.positions, p)
			b.urgent = b.urgent || p.Urgent
		}
	}
	if len(b.parts) == 0 && !b.urgent && len(b.positions) > 0 {
		j.pend(b.positions)
	}
	return b
}

func hasClass(leaves []Leaf, class event.Class) bool {
	for _, l := range leaves {
		if l.Class == class {
			return true
		}
	}
	return false
}

// pend keeps positions for the next commit.
func (j *Journal) pend(at []source.Position) {
	if len(j.pending) == 0 {
		j.oldest = time.Now()
	}
	j.pending = append(j.pending, at...)
}
