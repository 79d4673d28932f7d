package export

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// ErrTooMuch says that a search finds more events than the caller wants exported.
var ErrTooMuch = errors.New("more events than one bundle may have here")

// Search writes the events that a search finds, usually those of a station in a
// time: of each of the stations' logs everything from the segment of the first to
// the segment of the last, so that nothing can be missing in between; the leaves
// that the search does not find are there with their hash alone. Of the
// aggregator's own logs it writes single proofs. limit bounds the events, 0: none.
func (e *Exporter) Search(ctx context.Context, w *bundle.Writer, q store.EventQuery, limit int) (Exported, error) {
	s, err := e.begin(ctx, w)
	if err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	found, err := s.search(ctx, q, limit)
	if err != nil {
		return s.done, fmt.Errorf("export: %w", err)
	}
	for _, own := range []bool{true, false} {
		for _, l := range s.all {
			indexes := found[l.ID]
			if len(indexes) == 0 || ownLog(l) != own {
				continue
			}
			if own {
				err = s.single(ctx, l, indexes)
			} else {
				err = s.stretch(ctx, l, indexes)
			}
			if err != nil {
				return s.done, fmt.Errorf("export %s: %w", l.Origin, err)
			}
		}
	}
	return s.done, nil
}

// search returns the indexes of the rows found, sorted, by log.
func (s *session) search(ctx context.Context, q store.EventQuery, limit int) (map[string][]uint64, error) {
	q.Limit = 1000
	found, n := map[string][]uint64{}, 0
	for {
		page, err := s.Store.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		if n += len(page.Rows); limit > 0 && n > limit {
			return nil, fmt.Errorf("%w: more than %d", ErrTooMuch, limit)
		}
		for i := range page.Rows {
			found[page.Rows[i].Log] = append(found[page.Rows[i].Log], page.Rows[i].Index)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	for log, list := range found {
		slices.Sort(list)
		found[log] = slices.Compact(list)
	}
	return found, nil
}

func (s *session) single(ctx context.Context, l store.Log, indexes []uint64) error {
	for _, i := range indexes {
		if err := s.event(ctx, l.ID, i); err != nil {
			return err
		}
	}
	return nil
}

// stretch writes the segments of a log from that of the first index to that of
// the last, after the frontier of what comes before.
func (s *session) stretch(ctx context.Context, l store.Log, indexes []uint64) error {
	if err := s.keys(ctx, l); err != nil {
		return err
	}
	last, begun := indexes[len(indexes)-1], false
	show := func(index uint64, _ []byte) bool {
		_, ok := slices.BinarySearch(indexes, index)
		return ok
	}
	for seg, err := range s.segments(ctx, l.ID, indexes[0]) {
		if err != nil {
			return err
		}
		if seg.First > last {
			break
		}
		if !begun && seg.First > 0 {
			if err := s.frontier(ctx, l, seg.First); err != nil {
				return err
			}
		}
		begun = true
		s.done.Segments++
		s.done.Leaves += seg.Count
		if err := s.segment(l, seg, show); err != nil {
			return err
		}
	}
	s.done.Events += uint64(len(indexes))
	return nil
}

func (s *session) frontier(ctx context.Context, l store.Log, first uint64) error {
	path, err := s.Store.Proof(ctx, l.ID, first, first+1)
	if err != nil {
		return err
	}
	r, err := evidence.FrontierBefore(first, path)
	if err != nil {
		return err
	}
	return s.w.Frontier(l.Origin, r)
}
