package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// posBits is the room for transaction ids in a position; the epoch is above it.
const posBits = 48

// Commit stores the change in one transaction.
func (s *Store) Commit(ctx context.Context, c store.Change) (store.Committed, error) {
	for _, a := range c.Segments {
		if err := store.CheckAppend(a); err != nil {
			return store.Committed{}, fmt.Errorf("commit: %w", err)
		}
	}
	// Always in the same order, so that two commits never wait for each other.
	segments := slices.Clone(c.Segments)
	slices.SortStableFunc(segments, func(a, b store.Append) int { return cmp.Compare(a.Log, b.Log) })
	var w *writer
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		w = &writer{tx: tx, known: &s.known}
		if len(segments) > 0 {
			if err := w.begin(ctx, segments); err != nil {
				return err
			}
		}
		if err := commitRegistry(ctx, tx, c); err != nil {
			return err
		}
		if len(segments) > 0 {
			if err := w.segments(ctx, segments); err != nil {
				return err
			}
		}
		for _, d := range c.Drops {
			if err := drop(ctx, tx, d); err != nil {
				return fmt.Errorf("drop of log %s: %w", d.Log, err)
			}
		}
		return setStates(ctx, tx, c.LogStates)
	})
	if err != nil {
		return store.Committed{}, fmt.Errorf("commit: %w", err)
	}
	if len(c.Destroy) > 0 {
		s.forget(ctx)
	}
	if len(segments) > 0 {
		w.learn()
		s.changes.Signal()
	}
	return store.Committed{Refused: w.refused}, nil
}

// writer appends segments and rows within one transaction.
type writer struct {
	tx         pgx.Tx
	known      *known
	prefix     string // of the read model that is written
	generation int64
	pos        int64
	logs       []int32 // numbers of the segments' logs
	rows       []placed
	copied     map[int]store.Copy // by index in rows: stored only when the leaf is new
	refused    []store.RefusedRow
	months     []string
	types      []string
	tail       pgx.Batch // what is written last, in one round trip
}

// begin takes the place in the feed, and makes partitions that are missing. This
// comes first: a commit that waits for another's partition holds nothing yet.
func (w *writer) begin(ctx context.Context, segments []store.Append) error {
	var b pgx.Batch
	b.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, lockReadModel)
	b.Queue(`SELECT (SELECT value FROM meta WHERE key = 'generation'),
		(SELECT value FROM meta WHERE key = 'epoch') << 48 | pg_current_xact_id()::text::bigint`).QueryRow(func(r pgx.Row) error {
		return r.Scan(&w.generation, &w.pos)
	})
	if err := w.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("next position: %w", err)
	}
	var ats []time.Time
	for _, a := range segments {
		ats = append(ats, a.Received.AddDate(0, 0, 7)) // ahead of the first event of a month
		for _, r := range a.Rows {
			ats = append(ats, r.At)
		}
		for _, c := range a.Copies {
			if c.Row.Leaf != nil {
				ats = append(ats, c.Row.At)
			}
		}
	}
	return w.partitions(ctx, ats)
}

func (w *writer) segments(ctx context.Context, segments []store.Append) error {
	if err := w.heads(ctx, segments); err != nil {
		return err
	}
	for i, a := range segments {
		if err := w.grow(ctx, w.logs[i], a); err != nil {
			return fmt.Errorf("tree of log %s: %w", a.Log, err)
		}
		for _, r := range a.Rows {
			w.add(w.logs[i], w.pos, r)
		}
		for _, c := range a.Copies {
			w.tail.Queue(`INSERT INTO copies (log, idx, leaf_hash) VALUES ($1, $2, $3)`, w.logs[i], int64(c.Index), c.Hash[:])
			if c.Row.Leaf != nil {
				w.addCopy(w.logs[i], w.pos, c)
			}
		}
		w.putKeys(w.logs[i], a)
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	w.tail.Queue(`SELECT pg_notify('linewatch', $1)`, fmt.Sprint(w.pos&(1<<posBits-1)))
	return w.finish(ctx)
}

// heads moves the heads of the logs and stores the segments.
func (w *writer) heads(ctx context.Context, segments []store.Append) error {
	var b pgx.Batch
	w.logs = make([]int32, len(segments))
	for i, a := range segments {
		frontier, err := a.Frontier.MarshalBinary()
		if err != nil {
			return fmt.Errorf("frontier of log %s: %w", a.Log, err)
		}
		if a.First+a.Count > math.MaxInt64 {
			return fmt.Errorf("log %s is full", a.Log)
		}
		b.Queue(`WITH head AS (UPDATE logs SET size = $1, frontier = $2, note = $3, receipt = $4
			WHERE log = $5 AND size = $6 AND state = 'active' RETURNING n)
			INSERT INTO segments (log, first, count, kind, pos, received, clock_offset, note, receipt, frame)
			SELECT n, $6, $7, $8, $9, $10, $11, $3, $4, $12 FROM head RETURNING log`,
			int64(a.First+a.Count), frontier, a.Note, a.Receipt, a.Log, int64(a.OldSize), int64(a.Count), a.Kind, w.pos,
			a.Received, a.Offset.Microseconds(), notNil(a.Frame)).QueryRow(func(r pgx.Row) error {
			err := r.Scan(&w.logs[i])
			if errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("append to log %s at %d: %w", a.Log, a.OldSize, store.ErrConflict)
			}
			return err
		})
	}
	err := w.tx.SendBatch(ctx, &b).Close()
	if errors.Is(err, store.ErrConflict) {
		return w.whyNot(ctx, segments, err)
	}
	return err
}

// whyNot tells a log that is not there from one that has moved.
func (w *writer) whyNot(ctx context.Context, segments []store.Append, conflict error) error {
	for _, a := range segments {
		var n int
		if err := w.tx.QueryRow(ctx, `SELECT n FROM logs WHERE log = $1`, a.Log).Scan(&n); err != nil {
			return fmt.Errorf("append to log %s: %w", a.Log, notFound(err))
		}
	}
	return conflict
}

// grow keeps the leaf hashes: complete tiles at each level, and the leaves behind.
func (w *writer) grow(ctx context.Context, n int32, a store.Append) error {
	var tiles []evidence.Tile
	if size := a.First + a.Count; a.First/evidence.TileWidth != size/evidence.TileWidth {
		stored, err := store.Nodes(treeRows{ctx, w.tx, n})
		if err != nil {
			return err
		}
		sources := []evidence.Nodes{evidence.LeafNodes(a.First, a.Hashes), stored}
		if a.Kind == wire.KindHole {
			var hole evidence.Range
			if err := hole.UnmarshalBinary(a.Frame); err != nil {
				return fmt.Errorf("hole: %w", err)
			}
			sources[0] = evidence.RangeNodes(hole)
		}
		if tiles, err = evidence.GrownTiles(a.First, size, evidence.Combine(sources...)); err != nil {
			return err
		}
	}
	var b pgx.Batch
	for _, t := range tiles {
		root, err := store.TileRoot(t)
		if err != nil {
			return err
		}
		b.Queue(`INSERT INTO tiles (log, level, tile, root, hashes) VALUES ($1, $2, $3, $4, $5)`,
			n, int16(t.Level), int64(t.Index), root[:], t.Hashes)
		if t.Level == 0 {
			first := int64(t.Index) * evidence.TileWidth
			b.Queue(`DELETE FROM tails WHERE log = $1 AND first >= $2 AND first < $3`, n, first, first+evidence.TileWidth)
		}
	}
	for _, run := range store.TailRuns(a.First, a.Hashes, tiles) {
		b.Queue(`INSERT INTO tails (log, first, hashes) VALUES ($1, $2, $3)`, n, int64(run.First), store.PackHashes(run.Hashes))
	}
	// At once: the next segment of the same log may need them.
	return w.tx.SendBatch(ctx, &b).Close()
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
