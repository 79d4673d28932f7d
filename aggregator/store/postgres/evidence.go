package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// collect reads all rows of a query.
func collect[T any](ctx context.Context, tx pgx.Tx, scan func(pgx.CollectableRow) (T, error), text string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// inSnapshot runs f on one state of the database.
func inSnapshot[T any](ctx context.Context, s *Store, f func(context.Context, pgx.Tx) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var v T
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		v, err = f(ctx, tx)
		return err
	})
	return v, err
}

// one reads the only row of a query, ErrNotFound without one.
func one[T any](ctx context.Context, s *Store, scan func(pgx.CollectableRow) (T, error), text string, args ...any) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var zero T
	rows, err := s.pool.Query(ctx, text, args...)
	if err != nil {
		return zero, err
	}
	v, err := pgx.CollectOneRow(rows, scan)
	return v, notFound(err)
}

// all reads all rows of a query.
func all[T any](ctx context.Context, s *Store, scan func(pgx.CollectableRow) (T, error), text string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.pool.Query(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

const logColumns = `log, origin, agent, class, size, frontier, note, receipt, keys, state, predecessor, copies, registered, reason`

// Log returns the head of a log.
func (s *Store) Log(ctx context.Context, log string) (store.Log, error) {
	l, err := one(ctx, s, scanLog, `SELECT `+logColumns+` FROM logs WHERE log = $1`, log)
	if err != nil {
		return store.Log{}, fmt.Errorf("log %s: %w", log, err)
	}
	return l, nil
}

// Logs returns all logs in the order of their registration.
func (s *Store) Logs(ctx context.Context) ([]store.Log, error) {
	logs, err := all(ctx, s, scanLog, `SELECT `+logColumns+` FROM logs ORDER BY n`)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return logs, nil
}

func scanLog(r pgx.CollectableRow) (store.Log, error) {
	var l store.Log
	var class, state, keys string
	var size, copies int64
	var frontier []byte
	var registered *time.Time
	err := r.Scan(&l.ID, &l.Origin, &l.AgentID, &class, &size, &frontier, &l.Note, &l.Receipt, &keys, &state,
		&l.Predecessor, &copies, &registered, &l.Reason)
	if err != nil {
		return l, err
	}
	l.Class, l.State, l.Size, l.Copies = event.Class(class), store.LogState(state), uint64(size), uint64(copies)
	l.Registered = timeOf(registered)
	if err := l.Frontier.UnmarshalBinary(frontier); err != nil {
		return l, fmt.Errorf("frontier: %w", err)
	}
	if err := json.Unmarshal([]byte(keys), &l.Keys); err != nil {
		return l, fmt.Errorf("keys: %w", err)
	}
	return l, nil
}

// LeafHashes returns the hashes of the leaves [from, to).
func (s *Store) LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error) {
	hashes, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) ([]evidence.Hash, error) {
		nodes, size, err := logNodes(ctx, tx, log)
		if err != nil {
			return nil, err
		}
		return store.LeafHashes(nodes, size, from, to)
	})
	if err != nil {
		return nil, fmt.Errorf("leaf hashes %d to %d of log %s: %w", from, to, log, err)
	}
	return hashes, nil
}

// Proof returns the inclusion proof of a leaf.
func (s *Store) Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error) {
	proof, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) ([]evidence.Hash, error) {
		nodes, stored, err := logNodes(ctx, tx, log)
		if err != nil {
			return nil, err
		}
		if size > stored {
			return nil, fmt.Errorf("stored size is %d: %w", stored, store.ErrNotFound)
		}
		return evidence.InclusionProof(index, size, nodes)
	})
	if err != nil {
		return nil, fmt.Errorf("proof of leaf %d in log %s of size %d: %w", index, log, size, err)
	}
	return proof, nil
}

func logNodes(ctx context.Context, tx pgx.Tx, log string) (evidence.Nodes, uint64, error) {
	var n int32
	var size int64
	if err := tx.QueryRow(ctx, `SELECT n, size FROM logs WHERE log = $1`, log).Scan(&n, &size); err != nil {
		return nil, 0, notFound(err)
	}
	nodes, err := store.Nodes(treeRows{ctx, tx, n})
	return nodes, uint64(size), err
}

// treeRows reads the tree of one log for store.Nodes.
type treeRows struct {
	ctx context.Context
	tx  pgx.Tx
	log int32
}

func (t treeRows) Tile(level int, index uint64) ([]byte, error) {
	var hashes []byte
	err := t.tx.QueryRow(t.ctx, `SELECT hashes FROM tiles WHERE log = $1 AND level = $2 AND tile = $3`,
		t.log, int16(level), int64(index)).Scan(&hashes)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return hashes, err
}

func (t treeRows) Roots(level int, from, to uint64) ([]byte, error) {
	type entry struct {
		Tile int64
		Root []byte
	}
	entries, err := collect(t.ctx, t.tx, pgx.RowToStructByPos[entry],
		`SELECT tile, root FROM tiles WHERE log = $1 AND level = $2 AND tile >= $3 AND tile < $4 ORDER BY tile`,
		t.log, int16(level), int64(from), int64(min(to, math.MaxInt64)))
	var roots []byte
	for i, e := range entries {
		if uint64(e.Tile) != from+uint64(i) {
			break
		}
		roots = append(roots, e.Root...)
	}
	return roots, err
}

func (t treeRows) Tails(tile uint64) ([]store.Run, error) {
	first := int64(tile) * evidence.TileWidth
	return collect(t.ctx, t.tx, func(r pgx.CollectableRow) (store.Run, error) {
		var first int64
		var packed []byte
		if err := r.Scan(&first, &packed); err != nil {
			return store.Run{}, err
		}
		hashes, err := store.UnpackHashes(packed)
		return store.Run{First: uint64(first), Hashes: hashes}, err
	}, `SELECT first, hashes FROM tails WHERE log = $1 AND first >= $2 AND first < $3 ORDER BY first`, t.log, first, first+evidence.TileWidth)
}

func (t treeRows) Holes() ([]evidence.Range, error) {
	return collect(t.ctx, t.tx, func(r pgx.CollectableRow) (evidence.Range, error) {
		var frame []byte
		var hole evidence.Range
		if err := r.Scan(&frame); err != nil {
			return hole, err
		}
		return hole, hole.UnmarshalBinary(frame)
	}, `SELECT frame FROM segments WHERE log = $1 AND kind = 'hole' ORDER BY first`, t.log)
}

const segmentColumns = `s.first, s.count, s.kind, s.frame, s.note, s.receipt, s.received, s.clock_offset`

func scanSegment(log string) func(pgx.CollectableRow) (store.StoredSegment, error) {
	return func(r pgx.CollectableRow) (store.StoredSegment, error) {
		g := store.StoredSegment{Log: log}
		var first, count, offset int64
		err := r.Scan(&first, &count, &g.Kind, &g.Frame, &g.Note, &g.Receipt, &g.Received, &offset)
		g.First, g.Count = uint64(first), uint64(count)
		g.Received, g.Offset = g.Received.UTC(), time.Duration(offset)*time.Microsecond
		return g, err
	}
}

// Leaf returns the bytes of one leaf.
func (s *Store) Leaf(ctx context.Context, log string, index uint64) ([]byte, error) {
	leaf, err := s.leaf(ctx, log, index)
	if err != nil {
		return nil, fmt.Errorf("leaf %d of log %s: %w", index, log, err)
	}
	return leaf, nil
}

func (s *Store) leaf(ctx context.Context, log string, index uint64) ([]byte, error) {
	g, err := one(ctx, s, scanSegment(log), `SELECT `+segmentColumns+` FROM logs l JOIN segments s ON s.log = l.n
		WHERE l.log = $1 AND s.first <= $2 ORDER BY s.first DESC LIMIT 1`, log, int64(min(index, math.MaxInt64)))
	if err != nil {
		return nil, err
	}
	return g.Leaf(index)
}

// Segments walks the segments of a log in order, a few at a time, so that a slow
// reader holds no snapshot.
func (s *Store) Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error] {
	return func(yield func(store.StoredSegment, error) bool) {
		if _, err := s.Log(ctx, log); err != nil {
			yield(store.StoredSegment{}, fmt.Errorf("segments: %w", err))
			return
		}
		for next := int64(min(from, math.MaxInt64)); ; {
			batch, err := all(ctx, s, scanSegment(log), `SELECT `+segmentColumns+` FROM logs l JOIN segments s ON s.log = l.n
				WHERE l.log = $1 AND s.first + s.count > $2
				AND s.first >= (SELECT coalesce(max(first), 0) FROM segments WHERE log = l.n AND first <= $2)
				ORDER BY s.first LIMIT 32`, log, next)
			if err != nil {
				yield(store.StoredSegment{}, fmt.Errorf("segments of log %s: %w", log, err))
				return
			}
			for _, g := range batch {
				if !yield(g, nil) {
					return
				}
				next = int64(g.First + g.Count)
			}
			if len(batch) == 0 {
				return
			}
		}
	}
}

// RootLists walks the checkpoint lists of a ledger log.
func (s *Store) RootLists(ctx context.Context, log string, from uint64) iter.Seq2[store.RootList, error] {
	return func(yield func(store.RootList, error) bool) {
		for next := int64(min(from, math.MaxInt64)); ; {
			batch, err := all(ctx, s, func(r pgx.CollectableRow) (store.RootList, error) {
				list := store.RootList{Log: log}
				var idx int64
				err := r.Scan(&idx, &list.Lines)
				list.Index = uint64(idx)
				return list, err
			}, `SELECT idx, lines FROM root_lists WHERE log = $1 AND idx >= $2 ORDER BY idx LIMIT 64`, log, next)
			if err != nil {
				yield(store.RootList{}, fmt.Errorf("root lists of log %s: %w", log, err))
				return
			}
			for _, list := range batch {
				if !yield(list, nil) {
					return
				}
				next = int64(list.Index) + 1
			}
			if len(batch) == 0 {
				return
			}
		}
	}
}
