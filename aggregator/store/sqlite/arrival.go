package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"

	"github.com/linewatch/linewatch/aggregator/store"
)

// found is what one read behind a key brought.
type found = store.Part[key]

// arrivals reads up to n rows behind a key in the order of their commits. No
// index is sorted by a column and the arrival, and SQLite, which has no
// statistics, would read all rows of a type, sort them and throw most away, for
// each page again. So it is told what to do: sort when they are few, else walk
// from the newest arrival and leave out what does not fit.
func (f *filter) arrivals(ctx context.Context, tx *sql.Tx, after key, n int) (found, error) {
	if f.driver == nil {
		driver, err := f.sparse(ctx, tx)
		if err != nil {
			return found{}, err
		}
		f.driver = &driver
	}
	if *f.driver != "" {
		text, args := f.arrivalTail(after, key{}, n)
		rows, err := readRows(ctx, tx, text, args...)
		return ended(rows, n, after, true), err
	}
	end := key{first: math.MinInt64}
	err := tx.QueryRowContext(ctx, `SELECT e.pos, e.log, e.idx FROM events e WHERE (e.pos, e.log, e.idx) < (?, ?, ?)`+lastFirst+` OFFSET ?`,
		after.first, after.log, after.idx, 1, store.ArrivalWindow-1).Scan(&end.first, &end.log, &end.idx)
	whole := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return found{}, err
	}
	text, args := f.arrivalTail(after, end, n)
	rows, err := readRows(ctx, tx, text, args...)
	if err != nil || len(rows) == n {
		return ended(rows, n, after, true), err
	}
	part := ended(rows, n, after, true)
	part.End, part.More, part.Seen = end, whole, store.ArrivalWindow
	return part, nil
}

// lastFirst is the order of arrival, newest first.
const lastFirst = ` ORDER BY e.pos DESC, e.log DESC, e.idx DESC LIMIT ?`

// arrivalTail is what follows WHERE: the few rows of the driver, sorted, or those
// of [end, after) in the order of the index of arrivals.
func (f *filter) arrivalTail(after, end key, n int) (string, []any) {
	where, args := f.whereBy(*f.driver)
	where, args = where+` AND (e.pos, e.log, e.idx) < (?, ?, ?)`, append(args, after.first, after.log, after.idx)
	if *f.driver != "" {
		return `e.n IN (SELECT e.n FROM events e WHERE ` + where + lastFirst + `)` + lastFirst, append(args, n, n)
	}
	return where + ` AND e.pos >= ? AND (e.pos, e.log, e.idx) >= (?, ?, ?)` + lastFirst,
		append(args, end.first, end.first, end.log, end.idx, n)
}

// ended is what a read of at most n rows brought.
func ended(rows []placed, n int, after key, arrival bool) found {
	r := found{Rows: plain(rows), End: after, More: len(rows) >= n, Seen: len(rows)}
	for _, p := range rows {
		r.End = p.key(arrival)
		r.Places = append(r.Places, r.End)
	}
	return r
}

// byWords and byTime stand for no column of their own in filter.driver.
const (
	byWords = "words"
	byTime  = "at"
)

// sparse chooses what has at most store.FewRows rows by its index: a column, the words
// or the time; "" when nothing has.
func (f *filter) sparse(ctx context.Context, tx *sql.Tx) (string, error) {
	few := func(text string, args ...any) (bool, error) {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (`+text+` LIMIT ?)`, append(args, store.FewRows+1)...).Scan(&n)
		return n <= store.FewRows, err
	}
	for _, s := range f.sets {
		switch s.column {
		case "id":
			return s.column, nil
		case "station", "type", "severity", "user_id", "correlation":
		default:
			continue
		}
		ok, err := few(`SELECT 1 FROM events e WHERE e.`+s.column+` IN (`+marks(len(s.values))+`) AND e.at >= ? AND e.at < ?`,
			append(s.values[:len(s.values):len(s.values)], f.from, f.to)...)
		if err != nil || ok {
			return s.column, err
		}
	}
	if f.match != "" {
		ok, err := few(`SELECT rowid FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ?`, f.match, f.from/1000<<rowBits, (f.to/1000+1)<<rowBits)
		if err != nil || ok {
			return byWords, err
		}
	}
	if f.from == minTime && f.to == maxTime {
		return "", nil
	}
	ok, err := few(`SELECT 1 FROM events e WHERE e.at >= ? AND e.at < ?`, f.from, f.to)
	if err != nil || !ok {
		return "", err
	}
	return byTime, nil
}

// whereBy writes all conditions so that only the driver's can be looked up in an
// index: a unary plus hides a term from the planner.
func (f *filter) whereBy(driver string) (string, []any) {
	var conds []string
	var args []any
	for _, c := range f.conds {
		conds = append(conds, `+(`+c+`)`)
	}
	args = append(args, f.args...)
	for _, s := range f.sets {
		plus := `+`
		if s.column == driver {
			plus = ``
		}
		conds = append(conds, plus+`e.`+s.column+` IN (`+marks(len(s.values))+`)`)
		args = append(args, s.values...)
	}
	plus := `+`
	if driver != "" && driver != byWords && driver != "id" {
		plus = ``
	}
	conds = append(conds, plus+`e.at >= ?`, plus+`e.at < ?`)
	args = append(args, f.from, f.to)
	if f.match != "" {
		plus := `+`
		if driver == byWords {
			plus = ``
		}
		conds = append(conds, plus+`e.n IN (SELECT rowid FROM words WHERE words MATCH ? AND rowid >= ? AND rowid < ?)`)
		args = append(args, f.match, f.from/1000<<rowBits, (f.to/1000+1)<<rowBits)
	}
	return strings.Join(conds, " AND "), args
}
