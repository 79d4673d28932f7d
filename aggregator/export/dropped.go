package export

import (
	"context"
	"fmt"
	"iter"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// segments walks a log's segments. One whose leaves were dropped comes as a hole of
// the same range: a bundle shows that they are not in it, and its root still holds.
func (e *Exporter) segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error] {
	return func(yield func(store.StoredSegment, error) bool) {
		for seg, err := range e.Store.Segments(ctx, log, from) {
			if err == nil && seg.Kind == store.KindDropped {
				err = e.asHole(ctx, &seg)
			}
			if !yield(seg, err) {
				return
			}
		}
	}
}

func (e *Exporter) asHole(ctx context.Context, seg *store.StoredSegment) error {
	hashes, err := e.Store.LeafHashes(ctx, seg.Log, seg.First, seg.First+seg.Count)
	if err != nil {
		return err
	}
	seg.Kind = wire.KindHole
	hole := evidence.RangeOf(seg.First, hashes)
	if seg.Frame, err = hole.MarshalBinary(); err != nil {
		return fmt.Errorf("dropped segment at %d: %w", seg.First, err)
	}
	return nil
}
