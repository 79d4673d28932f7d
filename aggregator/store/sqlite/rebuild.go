package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// A transaction of a rebuild takes at most so many segments, and no further one
// behind so many leaves; commits wait for no longer than it needs.
const (
	rebuildSegments = 64
	rebuildLeaves   = 2000
)

// newPrefix is before the names of the read model that is being built.
const newPrefix = "new_"

// readModelTables are the tables of one generation.
func readModelTables() []string {
	return []string{"events", "words", "stations", "hours", "types", "copy_rows", "refused", "blind"}
}

// Rebuild makes the read model anew beside the one in use and swaps the two. What
// an interrupted rebuild left is dropped first.
func (s *Store) Rebuild(ctx context.Context, project store.Projector, progress func(done, total uint64)) error {
	if err := s.rebuild(ctx, project, progress); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	s.changes.Signal()
	return nil
}

func (s *Store) rebuild(ctx context.Context, project store.Projector, progress func(done, total uint64)) error {
	var total int64
	if err := s.reader.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM logs`).Scan(&total); err != nil {
		return err
	}
	if err := s.write(ctx, func(tx *sql.Tx) error { return beginGeneration(ctx, tx) }); err != nil {
		return err
	}
	ins, err := newInserter(ctx, s.writer, newPrefix)
	if err != nil {
		return err
	}
	b := &builder{store: s, ins: ins, project: project}
	for swapped := false; !swapped && err == nil; {
		err = s.write(ctx, func(tx *sql.Tx) error {
			more, err := b.batch(ctx, tx)
			if err != nil || more {
				return err
			}
			swapped = true // nothing is left, and nobody else writes
			return swap(ctx, tx)
		})
		if err == nil {
			ins.learn(b.types)
			if progress != nil {
				progress(b.done, max(b.done, uint64(total)))
			}
		}
	}
	if closeErr := ins.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return s.renewInserter(ctx)
}

// renewInserter prepares the statements again for the tables that are there now.
func (s *Store) renewInserter(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	ins, err := newInserter(ctx, s.writer, "")
	if err != nil {
		return err
	}
	old := s.insert
	s.insert = ins
	return old.Close()
}

func beginGeneration(ctx context.Context, tx *sql.Tx) error {
	for _, t := range readModelTables() {
		if _, err := tx.ExecContext(ctx, `DROP TABLE IF EXISTS `+newPrefix+t); err != nil {
			return err
		}
	}
	var generation int64
	err := tx.QueryRowContext(ctx, `UPDATE meta SET value = value + 1 WHERE key = 'generation' RETURNING value`).Scan(&generation)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, readModel(generation, newPrefix))
	return err
}

func swap(ctx context.Context, tx *sql.Tx) error {
	for _, t := range readModelTables() {
		if _, err := tx.ExecContext(ctx, `DROP TABLE `+t); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `ALTER TABLE `+newPrefix+t+` RENAME TO `+t); err != nil {
			return err
		}
	}
	return nil
}

// builder fills a new read model, segment by segment in commit order.
type builder struct {
	store   *Store
	ins     *inserter
	project store.Projector
	at      key // of the last segment
	done    uint64
	types   []string
}

type builtSegment struct {
	store.StoredSegment
	pos, log     int64
	logID, agent string
	class        string
}

// batch takes the next segments and says whether there may be more.
func (b *builder) batch(ctx context.Context, tx *sql.Tx) (more bool, err error) {
	segments, err := collect(rowsOf(tx.QueryContext(ctx, `SELECT s.pos, s.log, s.first, s.count, s.kind, s.frame, s.received, s.clock_offset,
		l.log, l.agent, l.class FROM segments s CROSS JOIN logs l ON l.n = s.log
		WHERE (s.pos, s.log, s.first) > (?, ?, ?) ORDER BY s.pos, s.log, s.first LIMIT ?`,
		b.at.first, b.at.log, b.at.idx, rebuildSegments)), scanBuilt)
	if err != nil {
		return false, err
	}
	w := newRowWriter(tx, b.ins)
	if err := w.begin(ctx); err != nil {
		return false, err
	}
	more = len(segments) == rebuildSegments
	for i, leaves := 0, uint64(0); i < len(segments); i++ {
		g := segments[i]
		if leaves > rebuildLeaves {
			more = true
			break
		}
		if err := b.segment(ctx, tx, w, g); err != nil {
			return false, fmt.Errorf("segment %s/%d: %w", g.logID, g.First, err)
		}
		b.at, b.done, leaves = key{g.pos, g.log, int64(g.First)}, b.done+g.Count, leaves+g.Count
	}
	b.types = w.newTypes
	return more, w.finish(ctx)
}

func scanBuilt(r scanner) (builtSegment, error) {
	var g builtSegment
	var first, count, received, offset int64
	err := r.Scan(&g.pos, &g.log, &first, &count, &g.Kind, &g.Frame, &received, &offset, &g.logID, &g.agent, &g.class)
	g.First, g.Count = uint64(first), uint64(count)
	g.Received, g.Offset = time.UnixMicro(received).UTC(), time.Duration(offset)*time.Microsecond
	return g, err
}

func (b *builder) segment(ctx context.Context, tx *sql.Tx, w *rowWriter, g builtSegment) error {
	if g.Kind != wire.KindLeaves {
		return nil
	}
	leaves, err := wire.UnpackLeaves(g.Frame, g.Count)
	if err != nil {
		return err
	}
	copies, err := collect(rowsOf(tx.QueryContext(ctx, `SELECT idx FROM copies WHERE log = ? AND idx >= ? AND idx < ?`,
		g.log, int64(g.First), int64(g.First+g.Count))), func(r scanner) (uint64, error) {
		var idx int64
		err := r.Scan(&idx)
		return uint64(idx), err
	})
	if err != nil {
		return err
	}
	copied := map[uint64]bool{}
	for _, idx := range copies {
		copied[idx] = true
	}
	for i, leaf := range leaves {
		at := store.LeafAt{
			Log: g.logID, Index: g.First + uint64(i), AgentID: g.agent, Class: event.Class(g.class),
			Received: g.Received, Offset: g.Offset,
		}
		row, ok := b.project(leaf, at)
		if !ok {
			continue
		}
		if copied[at.Index] {
			err = w.addCopy(ctx, g.log, g.pos, store.Copy{Hash: evidence.LeafHash(leaf), Index: at.Index, Row: row})
		} else {
			err = w.add(ctx, g.log, g.pos, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
