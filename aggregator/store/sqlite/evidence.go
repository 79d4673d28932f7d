package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// queryer is a connection pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const logColumns = `log, origin, agent, class, size, frontier, note, receipt, keys, state, predecessor, copies, registered, reason`

// Log returns the head of a log.
func (s *Store) Log(ctx context.Context, log string) (store.Log, error) {
	l, err := scanLog(s.reader.QueryRowContext(ctx, `SELECT `+logColumns+` FROM logs WHERE log = ?`, log))
	if err != nil {
		return store.Log{}, fmt.Errorf("log %s: %w", log, notFound(err))
	}
	return l, nil
}

// Logs returns all logs in the order of their registration.
func (s *Store) Logs(ctx context.Context) ([]store.Log, error) {
	logs, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT `+logColumns+` FROM logs ORDER BY n`)), scanLog)
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return logs, nil
}

// scanner is *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

func scanLog(r scanner) (store.Log, error) {
	var l store.Log
	var class, state, keys string
	var size, copies int64
	var frontier []byte
	var registered sql.NullInt64
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

// logNumber is the number that other tables know a log by.
func logNumber(ctx context.Context, q queryer, log string) (int64, error) {
	var n int64
	err := q.QueryRowContext(ctx, `SELECT n FROM logs WHERE log = ?`, log).Scan(&n)
	return n, notFound(err)
}

// LeafHashes returns the hashes of the leaves [from, to).
func (s *Store) LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error) {
	hashes, err := inSnapshot(ctx, s, func(tx *sql.Tx) ([]evidence.Hash, error) {
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
	proof, err := inSnapshot(ctx, s, func(tx *sql.Tx) ([]evidence.Hash, error) {
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

// inSnapshot runs f on one state of the database.
func inSnapshot[T any](ctx context.Context, s *Store, f func(*sql.Tx) (T, error)) (T, error) {
	var zero T
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return zero, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return f(tx)
}

func logNodes(ctx context.Context, q queryer, log string) (evidence.Nodes, uint64, error) {
	var n, size int64
	if err := q.QueryRowContext(ctx, `SELECT n, size FROM logs WHERE log = ?`, log).Scan(&n, &size); err != nil {
		return nil, 0, notFound(err)
	}
	nodes, err := store.Nodes(treeRows{ctx, q, n})
	return nodes, uint64(size), err
}

// treeRows reads the tree of one log for store.Nodes.
type treeRows struct {
	ctx context.Context
	q   queryer
	log int64
}

func (t treeRows) Tile(level int, index uint64) ([]byte, error) {
	var hashes []byte
	err := t.q.QueryRowContext(t.ctx, `SELECT hashes FROM tiles WHERE log = ? AND level = ? AND tile = ?`,
		t.log, level, int64(index)).Scan(&hashes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return hashes, err
}

func (t treeRows) Roots(level int, from, to uint64) ([]byte, error) {
	rows, err := t.q.QueryContext(t.ctx, `SELECT tile, root FROM tiles WHERE log = ? AND level = ? AND tile >= ? AND tile < ? ORDER BY tile`,
		t.log, level, int64(from), int64(min(to, math.MaxInt64)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var roots []byte
	for next := from; rows.Next(); next++ {
		var tile int64
		var root []byte
		if err := rows.Scan(&tile, &root); err != nil {
			return nil, err
		}
		if uint64(tile) != next {
			break
		}
		roots = append(roots, root...)
	}
	return roots, rows.Err()
}

func (t treeRows) Tails(tile uint64) ([]store.Run, error) {
	first := int64(tile) * evidence.TileWidth
	return collect(rowsOf(t.q.QueryContext(t.ctx, `SELECT first, hashes FROM tails WHERE log = ? AND first >= ? AND first < ? ORDER BY first`,
		t.log, first, first+evidence.TileWidth)), func(r scanner) (store.Run, error) {
		var first int64
		var packed []byte
		if err := r.Scan(&first, &packed); err != nil {
			return store.Run{}, err
		}
		hashes, err := store.UnpackHashes(packed)
		return store.Run{First: uint64(first), Hashes: hashes}, err
	})
}

func (t treeRows) Holes() ([]evidence.Range, error) {
	return collect(rowsOf(t.q.QueryContext(t.ctx, `SELECT frame FROM segments WHERE log = ? AND kind = 'hole' ORDER BY first`,
		t.log)), func(r scanner) (evidence.Range, error) {
		var frame []byte
		var hole evidence.Range
		if err := r.Scan(&frame); err != nil {
			return hole, err
		}
		return hole, hole.UnmarshalBinary(frame)
	})
}

const segmentColumns = `first, count, kind, frame, note, receipt, received, clock_offset`

func scanSegment(log string) func(scanner) (store.StoredSegment, error) {
	return func(r scanner) (store.StoredSegment, error) {
		g := store.StoredSegment{Log: log}
		var first, count, received, offset int64
		err := r.Scan(&first, &count, &g.Kind, &g.Frame, &g.Note, &g.Receipt, &received, &offset)
		g.First, g.Count = uint64(first), uint64(count)
		g.Received, g.Offset = time.UnixMicro(received).UTC(), time.Duration(offset)*time.Microsecond
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
	n, err := logNumber(ctx, s.reader, log)
	if err != nil {
		return nil, err
	}
	row := s.reader.QueryRowContext(ctx, `SELECT `+segmentColumns+` FROM segments WHERE log = ? AND first <= ? ORDER BY first DESC LIMIT 1`,
		n, int64(min(index, math.MaxInt64)))
	g, err := scanSegment(log)(row)
	if err != nil {
		return nil, notFound(err)
	}
	return g.Leaf(index)
}

// Segments walks the segments of a log in order. A few are read at a time, so
// that a slow reader holds no snapshot.
func (s *Store) Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error] {
	return func(yield func(store.StoredSegment, error) bool) {
		n, err := logNumber(ctx, s.reader, log)
		if err != nil {
			yield(store.StoredSegment{}, fmt.Errorf("segments of log %s: %w", log, err))
			return
		}
		for {
			at := int64(min(from, math.MaxInt64))
			batch, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT `+segmentColumns+` FROM segments
				WHERE log = ? AND first + count > ? AND first >= (SELECT coalesce(max(first), 0) FROM segments WHERE log = ? AND first <= ?)
				ORDER BY first LIMIT 32`, n, at, n, at)), scanSegment(log))
			if err != nil {
				yield(store.StoredSegment{}, fmt.Errorf("segments of log %s: %w", log, err))
				return
			}
			for _, g := range batch {
				if !yield(g, nil) {
					return
				}
				from = g.First + g.Count
			}
			if len(batch) == 0 {
				return
			}
		}
	}
}

// result is what a query returns, as one value.
type result struct {
	rows *sql.Rows
	err  error
}

func rowsOf(rows *sql.Rows, err error) result { return result{rows, err} }

// collect reads all rows of a query.
func collect[T any](r result, scan func(scanner) (T, error)) ([]T, error) {
	if r.err != nil {
		return nil, r.err
	}
	defer r.rows.Close()
	var out []T
	for r.rows.Next() {
		v, err := scan(r.rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.rows.Err()
}

// notFound turns "no rows" into the sentinel of the contract.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

func timeOf(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// RootLists walks the checkpoint lists of a ledger log.
func (s *Store) RootLists(ctx context.Context, log string, from uint64) iter.Seq2[store.RootList, error] {
	return func(yield func(store.RootList, error) bool) {
		for next := int64(min(from, math.MaxInt64)); ; {
			batch, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT idx, lines FROM root_lists
				WHERE log = ? AND idx >= ? ORDER BY idx LIMIT 64`, log, next)), func(r scanner) (store.RootList, error) {
				list := store.RootList{Log: log}
				var idx int64
				err := r.Scan(&idx, &list.Lines)
				list.Index = uint64(idx)
				return list, err
			})
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
