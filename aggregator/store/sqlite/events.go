package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// key is the place of a row in an order: (at, log, idx), or (pos, log, idx).
type key struct{ first, log, idx int64 }

func (p placed) key(arrival bool) key {
	if arrival {
		return key{p.pos, p.log, int64(p.Index)}
	}
	return key{p.at, p.log, int64(p.Index)}
}

// Events returns one page, newest first.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.Page, error) {
	kind := store.CursorTime
	if q.ByArrival {
		kind = store.CursorArrival
	}
	from := key{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	if q.After != "" {
		n, err := store.DecodeCursor(q.After, kind, q.FilterKey(), 3)
		if err != nil {
			return store.Page{}, err
		}
		from = key{n[0], n[1], n[2]}
	}
	page, err := inSnapshot(ctx, s, func(tx *sql.Tx) (store.Page, error) {
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
			p.Next = store.EncodeCursor(kind, q.FilterKey(), last.first, last.log, last.idx)
		}
		return p, nil
	})
	if err != nil {
		return store.Page{}, fmt.Errorf("events: %w", err)
	}
	return page, nil
}

// page collects limit rows that match; last is the last row looked at.
func (f *filter) page(ctx context.Context, tx *sql.Tx, q store.EventQuery, from key, limit int) (rows []store.Row, last key, more bool, err error) {
	return store.Fill(q, f.exact, from, limit, func(after key, n int) (found, error) { return f.fetch(ctx, tx, q.ByArrival, after, n) })
}

// fetch reads at least n rows behind a key, newest first, or all there are; by
// arrival those of a bounded part.
func (f *filter) fetch(ctx context.Context, tx *sql.Tx, arrival bool, after key, n int) (found, error) {
	if arrival {
		return f.arrivals(ctx, tx, after, n)
	}
	rows, err := f.fetchTimes(ctx, tx, after, n)
	return ended(rows, n, after, false), err
}

func (f *filter) fetchTimes(ctx context.Context, tx *sql.Tx, after key, n int) ([]placed, error) {
	if f.match != "" {
		return f.fetchMatches(ctx, tx, after, n)
	}
	branch := f.branch()
	if branch < 0 {
		where, args := f.where(-1)
		return readRows(ctx, tx, where+` AND (e.at, e.log, e.idx) < (?, ?, ?) ORDER BY e.at DESC, e.log DESC, e.idx DESC LIMIT ?`,
			append(args, after.first, after.log, after.idx, n)...)
	}
	// SQLite merges the sorted branches and stops at the limit.
	where, args := f.where(branch)
	column := f.sets[branch].column
	var selects []string
	var all []any
	for _, v := range f.sets[branch].values {
		selects = append(selects, `SELECT e.n, e.at, e.log, e.idx FROM events e WHERE e.`+column+` = ? AND `+where+
			` AND (e.at, e.log, e.idx) < (?, ?, ?)`)
		all = append(append(append(all, v), args...), after.first, after.log, after.idx)
	}
	text := `SELECT ` + rowColumns + ` FROM (` + strings.Join(selects, ` UNION ALL `) +
		` ORDER BY 2 DESC, 3 DESC, 4 DESC LIMIT ?) f CROSS JOIN events e ON e.n = f.n CROSS JOIN logs l ON l.n = e.log
		ORDER BY f.at DESC, f.log DESC, f.idx DESC`
	return collect(rowsOf(tx.QueryContext(ctx, text, append(all, n)...)), scanRow)
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
		case "id":
			return -1
		}
	}
	return branch
}

// fetchMatches reads rows by the words index, whose numbers are ordered by the
// millisecond; the last millisecond is read whole and put in order here.
func (f *filter) fetchMatches(ctx context.Context, tx *sql.Tx, after key, n int) ([]placed, error) {
	where, args := f.where(-1)
	text := `SELECT ` + rowColumns + ` FROM words w CROSS JOIN events e ON e.n = w.rowid CROSS JOIN logs l ON l.n = e.log
		WHERE w.words MATCH ? AND w.rowid >= ? AND w.rowid < ? AND ` + where + ` AND (e.at, e.log, e.idx) < (?, ?, ?)
		ORDER BY w.rowid DESC LIMIT ?`
	read := func(from, to int64, limit int) ([]placed, error) {
		all := append([]any{f.match, from, to}, args...)
		return collect(rowsOf(tx.QueryContext(ctx, text, append(all, after.first, after.log, after.idx, limit)...)), scanRow)
	}
	top := (min(f.to, after.first)/1000 + 1) << rowBits
	if after.first > maxTime {
		top = (f.to/1000 + 1) << rowBits
	}
	rows, err := read(f.from/1000<<rowBits, top, n)
	if err != nil {
		return nil, err
	}
	if len(rows) == n {
		last := rows[n-1].n
		rest, err := read(last>>rowBits<<rowBits, last, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		rows = append(rows, rest...)
	}
	slices.SortFunc(rows, func(a, b placed) int {
		return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.log, a.log), cmp.Compare(b.Index, a.Index))
	})
	return rows, nil
}

// readRows reads rows; tail is what follows WHERE.
func readRows(ctx context.Context, q queryer, tail string, args ...any) ([]placed, error) {
	return collect(rowsOf(q.QueryContext(ctx, `SELECT `+rowColumns+rowSource+`WHERE `+tail, args...)), scanRow)
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
	rows, err := readRows(ctx, s.reader, `e.id = ? ORDER BY e.pos, e.log, e.idx LIMIT 100`, strings.ToLower(id))
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	return plain(rows), nil
}

// EventAt returns the row of one leaf; for a copied leaf that of the leaf it copies.
func (s *Store) EventAt(ctx context.Context, log string, index uint64) (store.Row, error) {
	row, err := inSnapshot(ctx, s, func(tx *sql.Tx) (store.Row, error) {
		n, err := logNumber(ctx, tx, log)
		if err != nil {
			return store.Row{}, err
		}
		idx := int64(min(index, math.MaxInt64))
		err = tx.QueryRowContext(ctx, `SELECT of_log, of_idx FROM copy_rows WHERE log = ? AND idx = ?`, n, idx).Scan(&n, &idx)
		if err := notFound(err); err != nil && err != store.ErrNotFound {
			return store.Row{}, err
		}
		rows, err := readRows(ctx, tx, `e.pos = (SELECT pos FROM segments WHERE log = ? AND first <= ? ORDER BY first DESC LIMIT 1)
			AND e.log = ? AND e.idx = ?`, n, idx, n, idx)
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
	rows, err := inSnapshot(ctx, s, func(tx *sql.Tx) ([]placed, error) {
		n, err := logNumber(ctx, tx, log)
		if err != nil {
			return nil, err
		}
		first, end := int64(min(from, math.MaxInt64)), int64(min(to, math.MaxInt64))
		return collect(rowsOf(tx.QueryContext(ctx, `SELECT `+rowColumns+` FROM segments s CROSS JOIN events e ON e.pos = s.pos AND e.log = s.log
			AND e.idx >= max(s.first, ?) AND e.idx < min(s.first + s.count, ?) CROSS JOIN logs l ON l.n = e.log
			WHERE s.log = ? AND s.first < ? AND s.first >= (SELECT coalesce(max(first), 0) FROM segments WHERE log = ? AND first <= ?)
			ORDER BY s.first, e.idx`, first, end, n, end, n, first)), scanRow)
	})
	if err != nil {
		return nil, fmt.Errorf("rows %d to %d of log %s: %w", from, to, log, err)
	}
	return plain(rows), nil
}

// Around returns the neighbours of a row on its station, oldest first; the row
// itself is not among them.
func (s *Store) Around(ctx context.Context, r store.Row, before, after int) ([]store.Row, error) {
	rows, err := inSnapshot(ctx, s, func(tx *sql.Tx) ([]store.Row, error) {
		n, err := logNumber(ctx, tx, r.Log)
		if err != nil {
			return nil, err
		}
		args := []any{r.Station, r.At.UnixMicro(), n, int64(r.Index)}
		older, err := readRows(ctx, tx, `e.station = ? AND (e.at, e.log, e.idx) < (?, ?, ?) ORDER BY e.at DESC, e.log DESC, e.idx DESC LIMIT ?`,
			append(args[:4:4], min(max(before, 0), store.MaxPage))...)
		if err != nil {
			return nil, err
		}
		newer, err := readRows(ctx, tx, `e.station = ? AND (e.at, e.log, e.idx) > (?, ?, ?) ORDER BY e.at, e.log, e.idx LIMIT ?`,
			append(args[:4:4], min(max(after, 0), store.MaxPage))...)
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
	out, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT station, first, last, events, agent FROM stations
		WHERE station <> '' ORDER BY station`)), func(r scanner) (store.Station, error) {
		var st store.Station
		var first, last, events int64
		err := r.Scan(&st.Station, &first, &last, &events, &st.AgentID)
		st.First, st.Last, st.Events = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC(), uint64(events)
		return st, err
	})
	if err != nil {
		return nil, fmt.Errorf("stations: %w", err)
	}
	return out, nil
}
