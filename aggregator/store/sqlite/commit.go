package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Commit stores the change in one transaction.
func (s *Store) Commit(ctx context.Context, c store.Change) (store.Committed, error) {
	for _, a := range c.Segments {
		if err := store.CheckAppend(a); err != nil {
			return store.Committed{}, fmt.Errorf("commit: %w", err)
		}
	}
	var done store.Committed
	var seen []string
	var insert *inserter
	err := s.write(ctx, func(tx *sql.Tx) error {
		done, seen = store.Committed{}, nil
		if err := commitRegistry(ctx, tx, c); err != nil {
			return err
		}
		if len(c.Segments) == 0 {
			return commitLast(ctx, tx, c)
		}
		insert = s.insert // a rebuild may put another one there
		w := &appender{tx: tx, rows: newRowWriter(tx, insert)}
		var err error
		if err = w.begin(ctx); err != nil {
			return err
		}
		for _, a := range c.Segments {
			if err := w.append(ctx, a); err != nil {
				return fmt.Errorf("append to log %s: %w", a.Log, err)
			}
		}
		if err := w.finish(ctx); err != nil {
			return err
		}
		done.Refused, seen = w.rows.refused, w.rows.newTypes
		return commitLast(ctx, tx, c)
	})
	if err != nil {
		return store.Committed{}, fmt.Errorf("commit: %w", err)
	}
	if len(c.Destroy) > 0 || s.unforgotten.Load() {
		s.forget(ctx, len(c.Destroy) > 0)
	}
	if insert != nil {
		insert.learn(seen)
		s.changes.Signal()
	}
	return done, nil
}

// appender appends segments within one transaction.
type appender struct {
	tx   *sql.Tx
	rows *rowWriter
	pos  int64
}

func (w *appender) begin(ctx context.Context) error {
	err := w.tx.QueryRowContext(ctx, `UPDATE meta SET value = value + 1 WHERE key = 'pos' RETURNING value`).Scan(&w.pos)
	if err != nil {
		return fmt.Errorf("next position: %w", err)
	}
	return w.rows.begin(ctx)
}

func (w *appender) finish(ctx context.Context) error { return w.rows.finish(ctx) }

func (w *appender) append(ctx context.Context, a store.Append) error {
	frontier, err := a.Frontier.MarshalBinary()
	if err != nil {
		return fmt.Errorf("frontier: %w", err)
	}
	size := a.First + a.Count
	if size > math.MaxInt64 {
		return errors.New("log is full")
	}
	var n int64
	err = w.tx.QueryRowContext(ctx, `UPDATE logs SET size = ?, frontier = ?, note = ?, receipt = ?
		WHERE log = ? AND size = ? AND state = 'active' RETURNING n`, int64(size), frontier, a.Note, a.Receipt, a.Log, int64(a.OldSize)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return w.whyNot(ctx, a)
	}
	if err != nil {
		return err
	}
	_, err = w.tx.ExecContext(ctx, `INSERT INTO segments (log, first, count, kind, pos, received, clock_offset, note, receipt, frame)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, n, int64(a.First), int64(a.Count), a.Kind, w.pos,
		a.Received.UnixMicro(), a.Offset.Microseconds(), a.Note, a.Receipt, a.Frame)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	if err := w.grow(ctx, n, a); err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	if err := w.putKeys(ctx, n, a); err != nil {
		return err
	}
	for _, row := range a.Rows {
		if err := w.rows.add(ctx, n, w.pos, row); err != nil {
			return err
		}
	}
	for _, c := range a.Copies {
		if err := w.copy(ctx, n, c); err != nil {
			return fmt.Errorf("copy at %d: %w", c.Index, err)
		}
	}
	return nil
}

func (w *appender) whyNot(ctx context.Context, a store.Append) error {
	var size int64
	var state string
	err := w.tx.QueryRowContext(ctx, `SELECT size, state FROM logs WHERE log = ?`, a.Log).Scan(&size, &state)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("log: %w", store.ErrNotFound)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s with size %d, not %d: %w", state, size, a.OldSize, store.ErrConflict)
}

// grow keeps the leaf hashes: complete tiles at each level, and the leaves behind.
func (w *appender) grow(ctx context.Context, n int64, a store.Append) error {
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
		sources = []evidence.Nodes{evidence.RangeNodes(hole), stored}
	}
	tiles, err := evidence.GrownTiles(a.First, a.First+a.Count, evidence.Combine(sources...))
	if err != nil {
		return err
	}
	for _, t := range tiles {
		root, err := store.TileRoot(t)
		if err != nil {
			return err
		}
		_, err = w.tx.ExecContext(ctx, `INSERT INTO tiles (log, level, tile, root, hashes) VALUES (?, ?, ?, ?, ?)`,
			n, t.Level, int64(t.Index), root[:], t.Hashes)
		if err != nil {
			return fmt.Errorf("tile %d/%d: %w", t.Level, t.Index, err)
		}
		if t.Level > 0 {
			continue
		}
		first := int64(t.Index) * evidence.TileWidth
		_, err = w.tx.ExecContext(ctx, `DELETE FROM tails WHERE log = ? AND first >= ? AND first < ?`, n, first, first+evidence.TileWidth)
		if err != nil {
			return err
		}
	}
	for _, run := range store.TailRuns(a.First, a.Hashes, tiles) {
		_, err := w.tx.ExecContext(ctx, `INSERT INTO tails (log, first, hashes) VALUES (?, ?, ?)`,
			n, int64(run.First), store.PackHashes(run.Hashes))
		if err != nil {
			return err
		}
	}
	return nil
}

// copy records a leaf that another log may have stored already.
func (w *appender) copy(ctx context.Context, n int64, c store.Copy) error {
	_, err := w.tx.ExecContext(ctx, `INSERT INTO copies (log, idx, leaf_hash) VALUES (?, ?, ?)`, n, int64(c.Index), c.Hash[:])
	if err != nil {
		return err
	}
	if c.Row.Leaf == nil {
		return nil // its leaf is no row of the events table
	}
	return w.rows.addCopy(ctx, n, w.pos, c)
}

func commitRegistry(ctx context.Context, tx *sql.Tx, c store.Change) error {
	for _, l := range c.Logs {
		if err := insertLog(ctx, tx, l); err != nil {
			return fmt.Errorf("log %s: %w", l.ID, err)
		}
	}
	if err := commitPeople(ctx, tx, c); err != nil {
		return err
	}
	for _, hash := range c.UseTokens {
		if err := useToken(ctx, tx, hash); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	for key, value := range c.Settings {
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
		if err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
	}
	if err := destroy(ctx, tx, c.Destroy); err != nil {
		return fmt.Errorf("destroy keys: %w", err)
	}
	for _, r := range c.Roots {
		_, err := tx.ExecContext(ctx, `INSERT INTO root_lists (log, idx, lines) VALUES (?, ?, ?)`, r.Log, int64(r.Index), r.Lines)
		if err != nil {
			return fmt.Errorf("root list: %w", err)
		}
	}
	return nil
}

// commitLast does what comes behind the segments.
func commitLast(ctx context.Context, tx *sql.Tx, c store.Change) error {
	for _, d := range c.Drops {
		if err := drop(ctx, tx, d); err != nil {
			return fmt.Errorf("drop of log %s: %w", d.Log, err)
		}
	}
	return setStates(ctx, tx, c.LogStates)
}

func setStates(ctx context.Context, tx *sql.Tx, states map[string]store.LogState) error {
	for id, state := range states {
		r, err := tx.ExecContext(ctx, `UPDATE logs SET state = ? WHERE log = ?`, string(state), id)
		if err := oneRow(r, err); err != nil {
			return fmt.Errorf("log %s: %w", id, err)
		}
	}
	return nil
}

func commitPeople(ctx context.Context, tx *sql.Tx, c store.Change) error {
	for _, a := range c.Agents {
		if err := putAgent(ctx, tx, a); err != nil {
			return fmt.Errorf("agent %s: %w", a.ID, err)
		}
	}
	for _, t := range c.Tokens {
		if err := putDoc(ctx, tx, `tokens (hash, doc)`, t.Hash, t); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	for _, u := range c.Users {
		if u.Deleted {
			if _, err := tx.ExecContext(ctx, `DELETE FROM users WHERE name = ?`, u.Name); err != nil {
				return fmt.Errorf("user: %w", err)
			}
			continue
		}
		if err := putDoc(ctx, tx, `users (name, doc)`, u.Name, u); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	return nil
}

func insertLog(ctx context.Context, tx *sql.Tx, l store.Log) error {
	frontier, err := l.Frontier.MarshalBinary()
	if err != nil {
		return fmt.Errorf("frontier: %w", err)
	}
	keys, err := json.Marshal(l.Keys)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if l.State == "" {
		l.State = store.LogActive
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO logs (log, origin, agent, class, size, frontier, note, receipt, keys, state, predecessor, copies, registered, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (log) DO UPDATE SET keys = excluded.keys, copies = excluded.copies, reason = excluded.reason
		WHERE logs.origin = excluded.origin`,
		l.ID, l.Origin, l.AgentID, string(l.Class), int64(l.Size), frontier, l.Note, l.Receipt, string(keys),
		string(l.State), l.Predecessor, int64(l.Copies), micro(l.Registered), l.Reason)
	if err := oneRow(r, err); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("registered with another origin: %w", store.ErrConflict)
	} else if err != nil {
		return err
	}
	return nil
}

// oneRow is ErrNotFound when a statement changed nothing.
func oneRow(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

// micro is a time as the tables keep it; nil for the zero time.
func micro(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
