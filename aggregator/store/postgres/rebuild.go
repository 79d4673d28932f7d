package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// A transaction of a rebuild takes at most so many segments, and no further one
// behind so many leaves.
const (
	rebuildSegments = 64
	rebuildLeaves   = 20_000
)

// newPrefix is before the names of the read model that is being built.
const newPrefix = "new_"

// readModelTables are the tables of one generation.
func readModelTables() []string {
	return []string{"events", "stations", "hours", "types", "copy_rows", "refused", "blind"}
}

// Rebuild makes the read model anew beside the one in use and swaps the two. What
// an interrupted rebuild left is dropped first. Only one runs at a time.
func (s *Store) Rebuild(ctx context.Context, project store.Projector, progress func(done, total uint64)) error {
	if err := s.rebuild(ctx, project, progress); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	s.changes.Signal()
	return nil
}

func (s *Store) rebuild(ctx context.Context, project store.Projector, progress func(done, total uint64)) error {
	guard, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer guard.Release()
	var alone bool
	if err := guard.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, lockRebuild).Scan(&alone); err != nil {
		return err
	}
	if !alone {
		return errors.New("another one is running")
	}
	defer func() {
		if _, err := guard.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockRebuild); err != nil {
			s.log.Warn("unlock after rebuild", "error", err)
		}
	}()
	b := &builder{project: project, known: &known{}}
	if err := s.write(ctx, b.begin); err != nil {
		return err
	}
	for {
		more, err := s.rebuildBatch(ctx, b, false)
		if err != nil {
			return err
		}
		if progress != nil {
			progress(b.done, max(b.done, b.total))
		}
		if !more {
			break
		}
	}
	// What is left is little; commits wait for it.
	_, err = s.rebuildBatch(ctx, b, true)
	if err == nil && progress != nil {
		progress(b.done, max(b.done, b.total))
	}
	return err
}

// rebuildBatch takes a batch; the last one takes all that is left and swaps.
func (s *Store) rebuildBatch(ctx context.Context, b *builder, last bool) (more bool, err error) {
	var step builder
	var w *writer
	err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		step = *b
		w = &writer{tx: tx, known: b.known, prefix: newPrefix, generation: b.generation}
		if last {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockReadModel); err != nil {
				return err
			}
		}
		for {
			var err error
			if more, err = step.batch(ctx, w, last); err != nil {
				return err
			}
			if !last || !more {
				break
			}
		}
		if err := w.finish(ctx); err != nil || !last {
			return err
		}
		return swap(ctx, tx, b.generation)
	})
	if err == nil {
		w.learn()
		*b = step
	}
	return more, err
}

// builder fills a new read model, segment by segment in commit order.
type builder struct {
	project     store.Projector
	known       *known
	generation  int64
	at          key // of the last segment
	done, total uint64
}

func (b *builder) begin(ctx context.Context, tx pgx.Tx) error {
	var total int64
	if err := tx.QueryRow(ctx, `SELECT coalesce(sum(size), 0)::bigint FROM logs`).Scan(&total); err != nil {
		return err
	}
	b.total = uint64(total)
	for _, t := range readModelTables() {
		if _, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+newPrefix+t); err != nil {
			return err
		}
	}
	// The generation in use stays what it is until the swap; numbers are never used twice.
	err := tx.QueryRow(ctx, `INSERT INTO meta (key, value) SELECT 'building', value + 1 FROM meta WHERE key = 'generation'
		ON CONFLICT (key) DO UPDATE SET value = greatest(meta.value + 1, excluded.value) RETURNING value`).Scan(&b.generation)
	if err != nil {
		return err
	}
	return execScript(ctx, tx, readModel(b.generation, newPrefix))
}

func swap(ctx context.Context, tx pgx.Tx, generation int64) error {
	if err := execScript(ctx, tx, view(newPrefix)); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	for _, t := range readModelTables() {
		if err := execScript(ctx, tx, `DROP TABLE `+t, `ALTER TABLE `+newPrefix+t+` RENAME TO `+t); err != nil {
			return fmt.Errorf("swap %s: %w", t, err)
		}
	}
	_, err := tx.Exec(ctx, `UPDATE meta SET value = $1 WHERE key = 'generation'`, generation)
	return err
}

type builtSegment struct {
	store.StoredSegment
	pos          int64
	log          int32
	logID, agent string
	class        string
}

// batch takes segments whose place in the feed is certain; the last one is alone
// with the database and takes all.
func (b *builder) batch(ctx context.Context, w *writer, last bool) (more bool, err error) {
	segments, err := collect(ctx, w.tx, func(r pgx.CollectableRow) (builtSegment, error) {
		var g builtSegment
		var first, count, offset int64
		err := r.Scan(&g.pos, &g.log, &first, &count, &g.Kind, &g.Frame, &g.Received, &offset, &g.logID, &g.agent, &g.class)
		g.First, g.Count = uint64(first), uint64(count)
		g.Received, g.Offset = g.Received.UTC(), time.Duration(offset)*time.Microsecond
		return g, err
	}, `SELECT s.pos, s.log, s.first, s.count, s.kind, s.frame, s.received, s.clock_offset, l.log, l.agent, l.class
		FROM (SELECT * FROM segments WHERE (pos, log, first) > ($1, $2, $3) AND ($4 OR pos < `+horizon+`)
		ORDER BY pos, log, first LIMIT $5) s JOIN logs l ON l.n = s.log ORDER BY s.pos, s.log, s.first`,
		b.at.pos, b.at.log, b.at.idx, last, rebuildSegments)
	if err != nil {
		return false, err
	}
	more = len(segments) == rebuildSegments
	for i, leaves := 0, uint64(0); i < len(segments); i++ {
		g := segments[i]
		if leaves > rebuildLeaves {
			more = true
			break
		}
		if err := b.segment(ctx, w, g); err != nil {
			return false, fmt.Errorf("segment %s/%d: %w", g.logID, g.First, err)
		}
		b.at, b.done, leaves = key{pos: g.pos, log: int64(g.log), idx: int64(g.First)}, b.done+g.Count, leaves+g.Count
	}
	return more, w.put(ctx, w.take())
}

// take returns the rows that wait to be written.
func (w *writer) take() []placed {
	rows := w.rows
	w.rows = nil
	return rows
}

func (b *builder) segment(ctx context.Context, w *writer, g builtSegment) error {
	if g.Kind != wire.KindLeaves {
		return nil
	}
	leaves, err := wire.UnpackLeaves(g.Frame, g.Count)
	if err != nil {
		return err
	}
	copies, err := collect(ctx, w.tx, pgx.RowTo[int64], `SELECT idx FROM copies WHERE log = $1 AND idx >= $2 AND idx < $3`,
		g.log, int64(g.First), int64(g.First+g.Count))
	if err != nil {
		return err
	}
	copied := map[uint64]bool{}
	for _, idx := range copies {
		copied[uint64(idx)] = true
	}
	var ats []time.Time
	for i, leaf := range leaves {
		at := store.LeafAt{
			Log: g.logID, Index: g.First + uint64(i), AgentID: g.agent, Class: event.Class(g.class),
			Received: g.Received, Offset: g.Offset,
		}
		row, ok := b.project(leaf, at)
		if !ok {
			continue
		}
		ats = append(ats, row.At)
		if copied[at.Index] {
			w.addCopy(g.log, g.pos, store.Copy{Hash: evidence.LeafHash(leaf), Index: at.Index, Row: row})
		} else {
			w.add(g.log, g.pos, row)
		}
	}
	if err := w.partitions(ctx, ats); err != nil {
		return err
	}
	if len(copied) > 0 {
		return w.flush(ctx) // what they are copies of came before
	}
	return nil
}
