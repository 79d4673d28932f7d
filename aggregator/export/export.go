// Package export writes evidence out of the store, for auditors who check it
// offline with linewatch-verify and trust nobody here.
package export

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// Store is what export reads.
type Store interface {
	Logs(ctx context.Context) ([]store.Log, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
}

// Exported counts what a bundle holds.
type Exported struct {
	Logs     int    `json:"logs"`
	Segments int    `json:"segments"`
	Leaves   uint64 `json:"leaves"`
}

// Logs writes a bundle of the whole logs that match, each up to its newest
// receipt, sorted by origin: the same store gives the same bytes.
func Logs(ctx context.Context, s Store, w io.Writer, match func(store.Log) bool) (Exported, error) {
	var done Exported
	logs, err := s.Logs(ctx)
	if err != nil {
		return done, fmt.Errorf("export: %w", err)
	}
	logs = slices.DeleteFunc(logs, func(l store.Log) bool { return l.Size == 0 || match != nil && !match(l) })
	slices.SortFunc(logs, func(a, b store.Log) int {
		if a.Origin < b.Origin {
			return -1
		}
		return 1
	})
	b := bundle.NewWriter(w)
	for _, l := range logs {
		for _, k := range l.Keys {
			if err := b.Key(l.Origin, k); err != nil {
				return done, fmt.Errorf("export: %w", err)
			}
		}
	}
	for _, l := range logs {
		if err := writeLog(ctx, s, b, l, &done); err != nil {
			return done, fmt.Errorf("export %s: %w", l.Origin, err)
		}
		done.Logs++
	}
	return done, nil
}

// writeLog stops at the size that the log had when it was listed: the receipt
// belongs to it.
func writeLog(ctx context.Context, s Store, b *bundle.Writer, l store.Log, done *Exported) error {
	for seg, err := range s.Segments(ctx, l.ID, 0) {
		if err != nil {
			return err
		}
		if seg.First+seg.Count > l.Size {
			break
		}
		h := wire.Header{Origin: l.Origin, First: seg.First, Count: seg.Count, Kind: seg.Kind, Checkpoint: string(seg.Note)}
		frame := seg.Frame
		if seg.Kind == wire.KindHole {
			if h.Range, err = hashesOf(seg.Frame); err != nil {
				return err
			}
			frame = nil
		}
		if err := b.Segment(h, frame); err != nil {
			return err
		}
		done.Segments++
		done.Leaves += seg.Count
	}
	return b.Checkpoint(l.Receipt)
}

// hashesOf turns the stored compact range of a hole into its form on the wire.
func hashesOf(frame []byte) ([]string, error) {
	var r evidence.Range
	if err := r.UnmarshalBinary(frame); err != nil {
		return nil, err
	}
	out := make([]string, len(r.Hashes))
	for i, h := range r.Hashes {
		out[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return out, nil
}
