package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

const (
	// sample is how many of the newest rows are looked at for values that may be
	// common, before an index without an order is asked for all rows with them;
	// maxLook is how many when one in a hundred had the value.
	sample  = 1000
	maxLook = 20_000
)

// key is the place of a row in an order: (at, log, idx), or (pos, log, idx); one
// of at and pos is set.
type key struct {
	at  time.Time
	pos int64
	log int64
	idx int64
}

func (p placed) key(arrival bool) key {
	k := key{log: int64(p.log), idx: int64(p.Index)}
	if arrival {
		k.pos = p.pos
	} else {
		k.at = p.At
	}
	return k
}

// lastTime is behind all events.
func lastTime() time.Time { return time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }

func firstKey() key {
	return key{at: lastTime(), pos: math.MaxInt64, log: math.MaxInt32, idx: math.MaxInt64}
}

// cursor is the text of a key.
func (k key) cursor(kind store.CursorKind, filter string) string {
	first := k.pos
	if kind == store.CursorTime {
		first = k.at.UnixMicro()
	}
	return store.EncodeCursor(kind, filter, first, k.log, k.idx)
}

// Events returns one page, newest first.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.Page, error) {
	kind := store.CursorTime
	if q.ByArrival {
		kind = store.CursorArrival
	}
	from := firstKey()
	if q.After != "" {
		n, err := store.DecodeCursor(q.After, kind, q.FilterKey(), 3)
		if err != nil {
			return store.Page{}, err
		}
		from = key{at: time.UnixMicro(n[0]).UTC(), pos: n[0], log: n[1], idx: n[2]}
	}
	page, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (store.Page, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return store.Page{}, err
		}
		rows, last, more, err := f.page(ctx, tx, q, from, store.PageLimit(q.Limit))
		if err != nil {
			return store.Page{}, err
		}
		p := store.Page{Rows: rows}
		if more {
			p.Next = last.cursor(kind, q.FilterKey())
		}
		return p, nil
	})
	if err != nil {
		return store.Page{}, fmt.Errorf("events: %w", err)
	}
	return page, nil
}

// page collects limit rows that match; last is the last row looked at.
func (f *filter) page(ctx context.Context, tx pgx.Tx, q store.EventQuery, from key, limit int) (rows []store.Row, last key, more bool, err error) {
	return store.Fill(q, f.exact, from, limit, func(after key, n int) (found, error) { return f.fetch(ctx, tx, q.ByArrival, after, n) })
}

// Order and bound of lists.
const (
	byTime    = ` ORDER BY e.at DESC, e.log DESC, e.idx DESC`
	byArrival = ` ORDER BY e.pos DESC, e.log DESC, e.idx DESC`
	// The first condition lets PostgreSQL leave out the partitions of later months.
	beforeTime    = ` AND e.at <= ? AND (e.at, e.log, e.idx) < (?, ?, ?)`
	beforeArrival = ` AND (e.pos, e.log, e.idx) < (?, ?, ?)`
)

// behind is the condition on what comes after a key; none for the first page.
func (k key) behind(arrival bool) (string, []any) {
	switch {
	case k == firstKey():
		return ``, nil
	case arrival:
		return beforeArrival, []any{k.pos, k.log, k.idx}
	}
	return beforeTime, []any{k.at, k.at, k.log, k.idx}
}

// fetch reads up to n rows behind a key, newest first; by arrival those of a
// bounded part.
func (f *filter) fetch(ctx context.Context, tx pgx.Tx, arrival bool, after key, n int) (found, error) {
	if arrival {
		return f.arrivals(ctx, tx, after, n)
	}
	rows, err := f.fetchTimes(ctx, tx, after, n)
	return ended(rows, n, after, false), err
}

func (f *filter) fetchTimes(ctx context.Context, tx pgx.Tx, after key, n int) ([]placed, error) {
	where, args := f.where(-1)
	behind, behindArgs := after.behind(false)
	if f.gin {
		return f.fetchGIN(ctx, tx, after, n)
	}
	branch := f.branch()
	if branch < 0 {
		return readRows(ctx, tx, `SELECT * FROM events e WHERE `+where+behind+byTime+` LIMIT ?`, byTime,
			slices.Concat(args, behindArgs, []any{n})...)
	}
	where, args = f.where(branch)
	var selects []string
	var all []any
	for _, v := range f.sets[branch].values {
		selects = append(selects, `(SELECT * FROM events e WHERE e.`+f.sets[branch].column+` = ? AND `+where+behind+byTime+` LIMIT ?)`)
		all = slices.Concat(all, []any{v}, args, behindArgs, []any{n})
	}
	return readRows(ctx, tx, `SELECT * FROM (`+strings.Join(selects, ` UNION ALL `)+`) e`+byTime+` LIMIT ?`, byTime, append(all, n)...)
}

// fetchGIN looks at the newest rows first: of a common value enough are among
// them. Else all rows with the value are taken from the index, which has no
// order, and put in order; the planner knows neither.
func (f *filter) fetchGIN(ctx context.Context, tx pgx.Tx, after key, n int) ([]placed, error) {
	where, args := f.where(-1)
	behind, behindArgs := after.behind(false)
	bounds, boundArgs := f.bounds()
	for look := sample; look > 0; {
		rows, err := readRows(ctx, tx, `SELECT * FROM (SELECT * FROM events e WHERE `+bounds+behind+byTime+` LIMIT ?) e
			WHERE `+where+byTime+` LIMIT ?`, byTime, slices.Concat(boundArgs, behindArgs, []any{look}, args, []any{n})...)
		if err != nil || len(rows) == n {
			return rows, err
		}
		if look > sample || len(rows) < sample/100 {
			break
		}
		look = min(2*sample*n/len(rows), maxLook)
	}
	return readRows(ctx, tx, `WITH hits AS MATERIALIZED (SELECT * FROM events e WHERE `+where+`)
		SELECT * FROM hits e WHERE true`+behind+byTime+` LIMIT ?`, byTime, slices.Concat(args, behindArgs, []any{n})...)
}

// branch chooses a column whose few values are read one by one: none when another
// column has a single value, whose index then gives the order.
func (f *filter) branch() int {
	branch := -1
	for i, s := range f.sets {
		switch s.column {
		case "station", "type", "severity", "user_id", "correlation":
			if len(s.values) == 1 {
				return -1
			}
			if len(s.values) <= store.MaxBranches && (branch < 0 || len(s.values) < len(f.sets[branch].values)) {
				branch = i
			}
		}
	}
	return branch
}

// readRows reads the rows that a query of the events table selects, in an order.
func readRows(ctx context.Context, tx pgx.Tx, text, order string, args ...any) ([]placed, error) {
	return collect(ctx, tx, scanRow, numbered(`SELECT `+rowColumns+` FROM (`+text+`) e JOIN logs l ON l.n = e.log`+order), args...)
}

func plain(rows []placed) []store.Row {
	out := make([]store.Row, len(rows))
	for i, p := range rows {
		out[i] = p.Row
	}
	return out
}

// Event returns all rows with an id, in the order of their commits.
func (s *Store) Event(ctx context.Context, id string) ([]store.Row, error) {
	rows, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) ([]placed, error) {
		if len(id) != 36 || uuid.Validate(id) != nil {
			return nil, store.ErrNotFound
		}
		rows, err := readRows(ctx, tx, `SELECT * FROM events WHERE id = ?::text::uuid LIMIT 100`, ` ORDER BY e.pos, e.log, e.idx`, id)
		if err == nil && len(rows) == 0 {
			err = store.ErrNotFound
		}
		return rows, err
	})
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	return plain(rows), nil
}

// EventAt returns the row of one leaf; for a copied leaf that of the leaf it copies.
func (s *Store) EventAt(ctx context.Context, log string, index uint64) (store.Row, error) {
	row, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (store.Row, error) {
		n, idx := int32(0), int64(min(index, math.MaxInt64))
		if err := tx.QueryRow(ctx, `SELECT n FROM logs WHERE log = $1`, log).Scan(&n); err != nil {
			return store.Row{}, notFound(err)
		}
		err := tx.QueryRow(ctx, `SELECT of_log, of_idx FROM copy_rows WHERE log = $1 AND idx = $2`, n, idx).Scan(&n, &idx)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return store.Row{}, err
		}
		rows, err := readRows(ctx, tx, `SELECT * FROM events WHERE log = ? AND idx = ?`, ``, n, idx)
		if err == nil && len(rows) == 0 {
			err = store.ErrNotFound
		}
		if err != nil {
			return store.Row{}, err
		}
		return rows[0].Row, nil
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("event at %s/%d: %w", log, index, err)
	}
	return row, nil
}

// Rows returns the rows of the leaves [from, to) of a log.
func (s *Store) Rows(ctx context.Context, log string, from, to uint64) ([]store.Row, error) {
	rows, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) ([]placed, error) {
		return readRows(ctx, tx, `SELECT e.* FROM events e WHERE e.log = (SELECT n FROM logs WHERE log = ?) AND e.idx >= ? AND e.idx < ?`,
			` ORDER BY e.idx`, log, int64(min(from, math.MaxInt64)), int64(min(to, math.MaxInt64)))
	})
	if err != nil {
		return nil, fmt.Errorf("rows %d to %d of log %s: %w", from, to, log, err)
	}
	return plain(rows), nil
}

// Around returns the neighbours of a row on its station, oldest first; the row
// itself is not among them.
func (s *Store) Around(ctx context.Context, r store.Row, before, after int) ([]store.Row, error) {
	rows, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) ([]store.Row, error) {
		var n int32
		if err := tx.QueryRow(ctx, `SELECT n FROM logs WHERE log = $1`, r.Log).Scan(&n); err != nil {
			return nil, notFound(err)
		}
		args := []any{r.Station, r.At, r.At, n, int64(r.Index)}
		older, err := readRows(ctx, tx, `SELECT * FROM events e WHERE e.station = ?`+beforeTime+byTime+` LIMIT ?`, byTime,
			append(args[:5:5], min(max(before, 0), store.MaxPage))...)
		if err != nil {
			return nil, err
		}
		const oldestFirst = ` ORDER BY e.at, e.log, e.idx`
		newer, err := readRows(ctx, tx, `SELECT * FROM events e WHERE e.station = ? AND e.at >= ? AND (e.at, e.log, e.idx) > (?, ?, ?)`+
			oldestFirst+` LIMIT ?`, oldestFirst, append(args[:5:5], min(max(after, 0), store.MaxPage))...)
		if err != nil {
			return nil, err
		}
		slices.Reverse(older)
		return plain(append(older, newer...)), nil
	})
	if err != nil {
		return nil, fmt.Errorf("around %s/%d: %w", r.Log, r.Index, err)
	}
	return rows, nil
}

// Stations returns the stations that events name.
func (s *Store) Stations(ctx context.Context) ([]store.Station, error) {
	out, err := all(ctx, s, func(r pgx.CollectableRow) (store.Station, error) {
		var st store.Station
		var events int64
		err := r.Scan(&st.Station, &st.First, &st.Last, &events, &st.AgentID)
		st.First, st.Last, st.Events = st.First.UTC(), st.Last.UTC(), uint64(events)
		return st, err
	}, `SELECT station, first, last, events, agent FROM stations WHERE station <> '' ORDER BY station COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("stations: %w", err)
	}
	return out, nil
}
