package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// write takes all windows that wait, stores them in one transaction and answers
// them, again and again. There is no timer: while one transaction runs, the next
// ones gather.
func (s *Service) write(ctx context.Context) {
	for {
		var batch []*window
		select {
		case <-ctx.Done():
			return
		case w := <-s.queue:
			batch = append(batch, w)
		}
		bytes := batch[0].bytes
	gather:
		for bytes < s.pace.bytes() {
			select {
			case w := <-s.queue:
				batch = append(batch, w)
				bytes += w.bytes
			default:
				break gather
			}
		}
		// A transaction that has begun is not cut off by the end of the program.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.CommitWithin)
		begun := time.Now()
		s.store(within, batch)
		cancel()
		s.pace.measured(bytes, time.Since(begun))
		for _, w := range batch {
			close(w.done)
		}
	}
}

// store decides every job of the windows.
func (s *Service) store(ctx context.Context, windows []*window) {
	var jobs []*job
	for _, w := range windows {
		for _, j := range w.jobs {
			if !j.decided {
				jobs = append(jobs, j)
			}
		}
	}
	err := s.commit(ctx, jobs)
	if err == nil {
		return
	}
	// One log that does not fit must not hold up the others: each alone.
	failed := 0
	for _, group := range byLog(jobs) {
		for try := 0; try < 3; try++ {
			if err = s.commit(ctx, group); !errors.Is(err, store.ErrConflict) {
				break
			}
		}
		if err == nil {
			failed = 0
			continue
		}
		s.busy(group, err)
		if failed++; failed == 2 || ctx.Err() != nil { // not the log's fault
			s.busy(jobs, err)
			return
		}
	}
}

// byLog groups jobs by log, keeping their order.
func byLog(jobs []*job) [][]*job {
	place := map[string]int{}
	var out [][]*job
	for _, j := range jobs {
		i, ok := place[j.log]
		if !ok {
			i = len(out)
			place[j.log], out = i, append(out, nil)
		}
		out[i] = append(out[i], j)
	}
	return out
}

// busy answers the jobs that are not decided yet.
func (s *Service) busy(jobs []*job, err error) {
	s.log.Warn("segments not stored", slog.Int("segments", len(jobs)), slog.Any("error", err))
	for _, j := range jobs {
		if j.decided {
			continue
		}
		s.Metrics.Busy.Add(1)
		j.decided = true
		j.result = wire.Result{Result: wire.ResultBusy, Reason: "the store does not take changes now", RetryAfter: s.retrySeconds()}
	}
}

// commit applies the jobs that are not decided to the heads of their logs and
// stores the outcome in one transaction. After an error nothing is decided and
// the heads are read anew.
func (s *Service) commit(ctx context.Context, jobs []*job) error {
	s.mu.Lock()
	b := &batch{s: s, ctx: ctx, heads: map[string]*working{}, forgotten: s.forgotten}
	s.mu.Unlock()
	for _, j := range jobs {
		if j.decided {
			continue
		}
		if err := b.apply(j); err != nil {
			s.forget(b)
			return err
		}
	}
	due := s.reports.due(s.now(), false)
	if b.changes() || len(due) > 0 {
		done, err := s.opts.Ledger.Commit(ctx, b.change, append(b.events, events(due)...)...)
		if err != nil {
			s.Metrics.CommitErrors.Add(1)
			s.reports.putBack(due)
			s.forget(b)
			return err
		}
		s.Metrics.Commits.Add(1)
		b.refusedRows(done.Refused)
	}
	s.adopt(b, jobs)
	return nil
}

// adopt makes the outcome of a commit known: heads, results, counters, reports.
func (s *Service) adopt(b *batch, jobs []*job) {
	s.remember(b)
	for _, j := range jobs {
		if j.decided {
			continue
		}
		j.decided = true
		w := b.heads[j.log]
		if w != nil && j.result.Result == wire.ResultStored {
			// Always the newest receipt, whatever this segment's own size.
			j.result.Size, j.result.Root, j.result.Receipt = w.Size, rootOf(&w.Log), string(w.Receipt)
			s.known.add(j.log, j.keys)
			s.known.lost(j.log, j.lost)
		}
		s.count(j)
	}
	for _, r := range b.reports {
		s.reports.add(r, s.now())
	}
}

// remember keeps the heads that the commit moved: that it succeeded shows that
// they were the newest. What was only looked at may have changed meanwhile, here
// (Forget) or by another aggregator, and is kept only where it was read for it.
func (s *Service) remember(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range b.heads {
		switch {
		case w == nil:
		case s.forgotten != b.forgotten && s.heads[id] == nil:
		case w.Size != w.stored, w.fresh:
			s.heads[id] = &w.Log
		}
	}
}

func (s *Service) count(j *job) {
	switch j.result.Result {
	case wire.ResultStored:
		s.Metrics.Stored.Add(1)
		s.Metrics.Leaves.Add(uint64(len(j.seg.Leaves)))
		s.Metrics.Bytes.Add(uint64(len(j.seg.Frame)))
		if j.seg.Kind == wire.KindHole {
			s.Metrics.Holes.Add(1)
		}
	case wire.ResultGap:
		s.Metrics.Gaps.Add(1)
	case wire.ResultKeysWanted:
		s.Metrics.KeysWanted.Add(1)
	case wire.ResultFork:
		s.Metrics.Forks.Add(1)
	case wire.ResultRefused:
		s.Metrics.Refused.Add(1)
	}
}

// forget drops the heads that a failed commit may have moved.
func (s *Service) forget(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range b.heads {
		delete(s.heads, id)
	}
}

// Forget makes the next segment of a log read its head from the store again;
// for whoever changes logs elsewhere (registration, succession).
func (s *Service) Forget(log string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgotten++
	delete(s.heads, log)
}

// head is the newest known head of a log; fresh when it is from the store.
func (s *Service) head(ctx context.Context, log string) (_ store.Log, fresh bool, _ error) {
	s.mu.Lock()
	h := s.heads[log]
	s.mu.Unlock()
	if h != nil {
		return *h, false, nil
	}
	lg, err := s.opts.Store.Log(ctx, log)
	return lg, true, err
}
