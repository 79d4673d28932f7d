package export

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// sought is a leaf of the ledger that is no row of the events table, or may be in
// any of several logs: it is looked for around the time when it was written.
type sought struct {
	near time.Time
	typ  string
	data map[string]string // members of its event_data
}

func registered(l store.Log) sought {
	return sought{l.Registered, event.TypeLogRegistered, map[string]string{"origin": l.Origin}}
}

func enrolled(a store.Agent) sought {
	return sought{a.Enrolled, event.TypeAgentEnrolled, map[string]string{"agentId": a.ID}}
}

// Bounds of the time around which a leaf is looked for first.
const (
	searchBefore = 2 * time.Minute
	searchAfter  = 15 * time.Minute
)

// find looks for a leaf in the ledger's security logs: first around its time, then
// everywhere, because clocks are set and backups put back.
func (s *session) find(ctx context.Context, want sought) (l store.Log, index uint64, found bool, err error) {
	for _, everywhere := range []bool{false, true} {
		for _, l := range s.all {
			if !ownLog(l) || l.Class != event.Security {
				continue
			}
			from, until := uint64(0), time.Time{}
			if !everywhere {
				if want.near.IsZero() {
					continue
				}
				until = want.near.Add(searchAfter)
				if from, err = s.since(ctx, l, want.near.Add(-searchBefore)); err != nil {
					return l, 0, false, err
				}
			}
			index, found, err := s.scan(ctx, l, from, until, want)
			if err != nil || found {
				return l, index, found, err
			}
		}
	}
	return l, 0, false, nil
}

// since returns the first index of the first segment that was received at t or
// later, taking it that the times of arrival rise.
func (s *session) since(ctx context.Context, l store.Log, t time.Time) (uint64, error) {
	low, high := uint64(0), l.Size // the answer is in [low, high]
	for low < high {
		mid := low + (high-low)/2
		seg, err := s.segmentAt(ctx, l, mid)
		if errors.Is(err, store.ErrNotFound) {
			high = mid
			continue
		}
		if err != nil {
			return 0, err
		}
		if seg.Received.Before(t) {
			low = max(seg.First+seg.Count, mid+1)
		} else {
			high = min(seg.First, mid)
		}
	}
	return low, nil
}

func (s *session) segmentAt(ctx context.Context, l store.Log, index uint64) (store.StoredSegment, error) {
	for seg, err := range s.segments(ctx, l.ID, index) {
		return seg, err
	}
	return store.StoredSegment{}, store.ErrNotFound
}

// scan looks at the leaves from an index on, until the segments are newer than until.
func (s *session) scan(ctx context.Context, l store.Log, from uint64, until time.Time, want sought) (uint64, bool, error) {
	if from >= l.Size {
		return 0, false, nil
	}
	for seg, err := range s.segments(ctx, l.ID, from) {
		if err != nil {
			return 0, false, err
		}
		if !until.IsZero() && seg.Received.After(until) {
			break
		}
		if seg.Kind == wire.KindHole {
			continue
		}
		leaves, err := wire.UnpackLeaves(seg.Frame, seg.Count)
		if err != nil {
			return 0, false, err
		}
		for i, leaf := range leaves {
			if want.is(leaf) {
				return seg.First + uint64(i), true, nil
			}
		}
	}
	return 0, false, nil
}

func (w sought) is(leaf []byte) bool {
	for _, v := range w.data {
		if !bytes.Contains(leaf, []byte(`"`+v+`"`)) {
			return false
		}
	}
	if !bytes.Contains(leaf, []byte(`"`+w.typ+`"`)) {
		return false
	}
	e, _, err := event.Parse(leaf)
	// What programs hand in over HTTP is in the ledger too, and says nothing of keys.
	if err != nil || e.Type != w.typ || e.Source == nil || e.Source.Kind != "aggregator" {
		return false
	}
	for name, v := range w.data {
		if got, ok := event.At(e.Data, []string{name}); !ok || string(got) != `"`+v+`"` {
			return false
		}
	}
	return true
}
