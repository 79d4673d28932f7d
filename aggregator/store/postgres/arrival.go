package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

const (
	// rareWords: when fewer rows of a window fit, an index of words is asked.
	rareWords = 20
)

// found is what one read behind a key brought.
type found = store.Part[key]

// ended is what a read of at most n rows brought.
func ended(rows []placed, n int, after key, arrival bool) found {
	r := found{Rows: plain(rows), End: after, More: len(rows) >= n, Seen: len(rows)}
	for _, p := range rows {
		r.End = p.key(arrival)
		r.Places = append(r.Places, r.End)
	}
	return r
}

// arrivals reads up to n rows behind a key in the order of their commits. No
// index is sorted by a column and the arrival: few rows are taken from the
// column's index and sorted; of many the newest arrivals are walked, a bounded
// part by one call, whatever the planner believes of their distribution.
func (f *filter) arrivals(ctx context.Context, tx pgx.Tx, after key, n int) (found, error) {
	if f.few == nil {
		few, err := f.sparse(ctx, tx)
		if err != nil {
			return found{}, err
		}
		f.few = &few
	}
	if *f.few {
		return f.sorted(ctx, tx, after, n)
	}
	where, args := f.where(-1)
	behind, behindArgs := after.behind(true)
	rows, err := readRows(ctx, tx, `SELECT * FROM (SELECT * FROM events e WHERE true`+behind+byArrival+` LIMIT ?) e
		WHERE `+where+byArrival+` LIMIT ?`, byArrival, slices.Concat(behindArgs, []any{store.ArrivalWindow}, args, []any{n})...)
	if err != nil || len(rows) == n {
		return ended(rows, n, after, true), err
	}
	if f.gin && len(rows) < rareWords {
		*f.few = true
		return f.sorted(ctx, tx, after, n)
	}
	var end key
	err = tx.QueryRow(ctx, numbered(`SELECT e.pos, e.log, e.idx FROM events e WHERE true`+behind+byArrival+` LIMIT 1 OFFSET ?`),
		append(behindArgs, store.ArrivalWindow-1)...).Scan(&end.pos, &end.log, &end.idx)
	if errors.Is(err, pgx.ErrNoRows) {
		return ended(rows, n, after, true), nil
	}
	part := ended(rows, n, after, true)
	part.End, part.More, part.Seen = end, true, store.ArrivalWindow
	return part, err
}

// sorted reads all rows that fit, and puts them in order.
func (f *filter) sorted(ctx context.Context, tx pgx.Tx, after key, n int) (found, error) {
	where, args := f.where(-1)
	behind, behindArgs := after.behind(true)
	rows, err := readRows(ctx, tx, `WITH hits AS MATERIALIZED (SELECT * FROM events e WHERE `+where+`)
		SELECT * FROM hits e WHERE true`+behind+byArrival+` LIMIT ?`, byArrival, slices.Concat(args, behindArgs, []any{n})...)
	return ended(rows, n, after, true), err
}

// sparse tells whether an index has at most store.FewRows rows for one of the columns,
// or for the time.
func (f *filter) sparse(ctx context.Context, tx pgx.Tx) (bool, error) {
	bounds, boundArgs := f.bounds()
	few := func(cond string, args ...any) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, numbered(`SELECT count(*) FROM (SELECT 1 FROM events e WHERE `+cond+bounds+` LIMIT ?) e`),
			slices.Concat(args, boundArgs, []any{store.FewRows + 1})...).Scan(&n)
		return n <= store.FewRows, err
	}
	for _, s := range f.sets {
		switch s.column {
		case "station", "type", "severity", "user_id", "correlation":
			if ok, err := few(`e.`+s.column+` = ANY (?) AND `, s.array); ok || err != nil {
				return ok, err
			}
		}
	}
	if f.byID {
		return true, nil
	}
	if f.from.IsZero() && f.to.IsZero() {
		return false, nil
	}
	return few(``)
}
