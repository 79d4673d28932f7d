package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Waits of a single log, while the others go on.
const (
	firstRefusal = time.Second
	maxRefusal   = 5 * time.Minute
	keysWait     = time.Minute
)

// minRequest is the smallest request that is aimed at, in bytes of leaves.
const minRequest = 64 << 10

// States of a log on the station: a superseded one is not sent, its successor
// carries the leaves; a closed one is sent before its successor.
const (
	superseded = "superseded"
	closed     = "closed"
)

// round sends one request with the next segment of each log that has one,
// security first, and takes the answers. sent is false when there was nothing.
func (f *Forwarder) round(ctx context.Context) (sent bool, err error) {
	segs, err := f.gather(ctx)
	if err != nil || len(segs) == 0 {
		return false, err
	}
	var body []byte
	for _, s := range segs {
		f.keys(s)
		if body, err = wire.AppendSegment(body, s.Header, s.Leaves); err != nil {
			return false, fmt.Errorf("pack segment of %s: %w", s.Header.Origin, err)
		}
	}
	var results []wire.Result
	if err := f.send(ctx, http.MethodPost, f.o.URLs[f.url]+wire.PathSegments, "application/octet-stream", body, &results); err != nil {
		if _, answered := errors.AsType[*statusError](err); answered || errors.Is(err, context.DeadlineExceeded) {
			f.smaller() // what was too much, or came at a bad time, would be so again
		}
		return false, err
	}
	if len(results) != len(segs) {
		return false, fmt.Errorf("aggregator answers %d results to %d segments", len(results), len(segs))
	}
	f.note(nil)
	f.mu.Lock()
	f.stat.Requests++
	f.mu.Unlock()
	var errs []error
	busy, stored := false, false
	for i, s := range segs {
		errs = append(errs, f.take(ctx, s, results[i]))
		busy, stored = busy || results[i].Result == wire.ResultBusy, stored || results[i].Result == wire.ResultStored
	}
	if busy && !stored {
		f.smaller()
	} else {
		f.size = min(f.size*2, f.o.Request)
	}
	return true, errors.Join(errs...)
}

// smaller halves the next request. An aggregator that can't store (its disk is full,
// its database is away) is asked again and again: with all that waits, each time,
// the asking would cost memory, processor time and the network.
func (f *Forwarder) smaller() { f.size = max(f.size/2, minRequest) }

// gather takes the next segment of each log, most important class first, until
// the request is large enough.
func (f *Forwarder) gather(ctx context.Context) ([]*journal.Segment, error) {
	var segs []*journal.Segment
	room := f.size
	logs := f.o.Journal.Logs()
	unsent := map[string]bool{} // closed logs: the aggregator ends one when its successor is registered
	for _, l := range logs {
		unsent[l.Origin] = l.State == closed && l.Receipted < l.Size
	}
	for _, l := range logs {
		if l.State == superseded {
			delete(f.cursors, l.ID)
			continue
		}
		if unsent[l.Predecessor] || l.Unproven {
			continue // the aggregator would refuse to register it
		}
		if room <= 0 || len(segs) == wire.MaxSegments {
			break
		}
		c := f.cursors[l.ID]
		if c == nil {
			c = &cursor{}
			f.cursors[l.ID] = c
		}
		if time.Now().Before(c.wait) {
			continue
		}
		c.wait = time.Time{}
		if !c.synced {
			if err := f.sync(ctx, l, c); err != nil {
				return nil, err
			}
		}
		if !c.synced || c.next >= l.Size {
			continue
		}
		s, err := f.o.Journal.Next(ctx, l.ID, c.next, min(f.o.Segment, room))
		if errors.Is(err, journal.ErrUnbridgeable) {
			err = f.o.Journal.Succeed(ctx, l.ID, err.Error())
			c.synced = false
		}
		if err != nil {
			return nil, err
		}
		if s != nil {
			segs = append(segs, s)
			room -= s.Bytes
		}
	}
	return segs, nil
}

// sync asks what the aggregator has of a log, after each (re)connect, and
// registers the log where it is unknown.
func (f *Forwarder) sync(ctx context.Context, l journal.LogInfo, c *cursor) error {
	var st wire.LogState
	url := f.o.URLs[f.url]
	err := f.call(ctx, http.MethodGet, url+wire.PathLogs+"/"+l.ID, nil, &st)
	if hasStatus(err, http.StatusNotFound) {
		reg, regErr := f.o.Journal.Registration(l.ID)
		if regErr != nil {
			return regErr
		}
		st = wire.LogState{}
		err = f.call(ctx, http.MethodPost, url+wire.PathLogs, reg, &st)
	}
	if e, ok := errors.AsType[*statusError](err); ok && e.status >= 400 && e.status < 500 && e.status != http.StatusTooManyRequests {
		f.refuse(l.Origin, c, e.Error())
		return nil
	}
	if err != nil {
		return err
	}
	f.note(nil)
	return f.reconcile(ctx, l.ID, c, st)
}

// reconcile compares, and takes the receipt that came along.
func (f *Forwarder) reconcile(ctx context.Context, log string, c *cursor, st wire.LogState) error {
	next, ok, err := f.o.Journal.Reconcile(ctx, log, st)
	if errors.Is(err, journal.ErrUnproved) {
		if f.vouched(st) {
			// Signed by a key that this journal does not know: it was put back to before
			// a change of the key. Its logs go on as successors, and nothing is deleted.
			delete(f.cursors, log)
			return f.o.Journal.Succeed(ctx, log, "the aggregator holds a history under a key that this journal does not know: state was rolled back")
		}
		f.refuse(log, c, err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	if !ok {
		delete(f.cursors, log)
		return nil
	}
	if st.Receipt != "" {
		f.receipt(log, st.Origin, st.Receipt)
	}
	c.next, c.synced = next, true
	return nil
}

// vouched says whether a pinned cosigner stands for the state that was answered.
func (f *Forwarder) vouched(st wire.LogState) bool {
	c, _, _, err := evidence.VerifyCosigned([]byte(st.Receipt), st.Origin, f.o.Identity.Cosigners())
	return err == nil && c.Size == st.Size && c.Root.String() == st.Root
}

// receipt verifies a cosigned note against the pinned keys and hands it to the
// journal. A bad one is counted and changes nothing: nothing may be deleted.
func (f *Forwarder) receipt(log, origin, note string) {
	_, _, _, err := evidence.VerifyCosigned([]byte(note), origin, f.o.Identity.Cosigners())
	if err == nil {
		err = f.o.Journal.SetReceipt(log, []byte(note))
	}
	if err != nil {
		f.log.Warn("receipt not accepted", "log", origin, "error", err)
		f.mu.Lock()
		f.stat.BadReceipts++
		f.stat.Error = "receipt not accepted: " + err.Error()
		f.mu.Unlock()
	}
}

// take handles the answer to one segment.
func (f *Forwarder) take(ctx context.Context, s *journal.Segment, r wire.Result) error {
	c := f.cursors[s.Log]
	end := s.Header.First + s.Header.Count
	switch r.Result {
	case wire.ResultStored:
		c.refused = 0
		if r.Size != end {
			return f.reconcile(ctx, s.Log, c, state(s, r))
		}
		f.mu.Lock()
		f.stat.Leaves += s.Header.Count
		f.mu.Unlock()
		f.stored(s)
		c.next = end
		if r.Receipt != "" {
			f.receipt(s.Log, s.Header.Origin, r.Receipt)
		}
		return nil
	case wire.ResultGap:
		f.log.Info("aggregator has less of a log than was sent before", "log", s.Header.Origin, "size", r.Size)
		f.compareSoon() // what happened to this log may have happened to all
		return f.reconcile(ctx, s.Log, c, state(s, r))
	case wire.ResultFork:
		f.log.Error("aggregator holds another history of a log", "log", s.Header.Origin, "size", r.Size)
		delete(f.cursors, s.Log)
		return f.o.Journal.Succeed(ctx, s.Log, "fork: the aggregator holds another history of this log")
	case wire.ResultBusy:
		c.wait = time.Now().Add(min(max(time.Duration(r.RetryAfter)*time.Second, 100*time.Millisecond), maxRetry))
	case wire.ResultKeysWanted:
		if !f.wanted(s, r.Keys) { // it had them: somebody in between keeps them back, or changes them
			f.wait(s.Header.Origin, c, keysWait, fmt.Sprintf("aggregator wants data keys that were sent: %v", r.Keys))
		}
	default:
		f.refuse(s.Header.Origin, c, r.Result+": "+r.Reason)
	}
	return nil
}

func state(s *journal.Segment, r wire.Result) wire.LogState {
	return wire.LogState{Origin: s.Header.Origin, Size: r.Size, Root: r.Root, Receipt: r.Receipt}
}

// refuse lets one log wait, longer each time; the others go on. The log's state
// is asked for again before the next attempt.
func (f *Forwarder) refuse(origin string, c *cursor, reason string) {
	f.wait(origin, c, min(maxRefusal, firstRefusal<<min(c.refused, 10)), reason)
	c.refused++
	c.synced = false
}

func (f *Forwarder) wait(origin string, c *cursor, d time.Duration, reason string) {
	c.wait = time.Now().Add(d)
	f.log.Warn("log waits", "log", origin, "for", d, "reason", reason)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stat.Error = origin + ": " + reason
}
