package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// maxBuckets bounds a histogram.
const maxBuckets = 2000

const microsPerHour = int64(time.Hour / time.Microsecond)

// Count counts matching rows, at most limit (0 for all).
func (s *Store) Count(ctx context.Context, q store.EventQuery, limit int) (int, error) {
	if limit <= 0 {
		limit = math.MaxInt32
	}
	n, err := inSnapshot(ctx, s, func(tx *sql.Tx) (int, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return 0, err
		}
		if f.exact {
			where, args := f.matchRows(f.where(-1))
			var n int
			err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM events e WHERE `+where+` LIMIT ?)`, append(args, limit)...).Scan(&n)
			return n, err
		}
		n := 0
		err = f.each(ctx, tx, q, func(store.Row) bool { n++; return n < limit })
		return n, err
	})
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return n, nil
}

// each yields matching rows, newest first, until yield returns false.
func (f *filter) each(ctx context.Context, tx *sql.Tx, q store.EventQuery, yield func(store.Row) bool) error {
	q.ByArrival = false
	last := key{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for {
		rows, at, more, err := f.page(ctx, tx, q, last, maxPage)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if !yield(r) {
				return nil
			}
		}
		if !more {
			return nil
		}
		last = at
	}
}

// Histogram counts matching rows of [from, to) by severity in buckets of equal length.
func (s *Store) Histogram(ctx context.Context, q store.EventQuery, from, to time.Time, buckets int) ([]store.Bucket, error) {
	if buckets < 1 || buckets > maxBuckets || !from.Before(to) {
		return nil, errors.New("histogram: no interval, or no number of buckets between 1 and 2000")
	}
	start := from.UnixMicro()
	step := max((to.UnixMicro()-start+int64(buckets)-1)/int64(buckets), 1)
	out := make([]store.Bucket, buckets)
	for i := range out {
		out[i].At = time.UnixMicro(start + int64(i)*step).UTC()
	}
	add := func(at int64, severity event.Severity, n uint64) {
		if i := (at - start) / step; i >= 0 && i < int64(buckets) && int(severity) < len(out[i].Counts) {
			out[i].Counts[severity] += n
		}
	}
	_, err := inSnapshot(ctx, s, func(tx *sql.Tx) (struct{}, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return struct{}{}, err
		}
		f.bound(from, to)
		if !f.exact {
			return struct{}{}, f.each(ctx, tx, q, func(r store.Row) bool { add(r.At.UnixMicro(), r.Severity, 1); return true })
		}
		return struct{}{}, f.histogram(ctx, tx, start, step, add)
	})
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return out, nil
}

func (f *filter) histogram(ctx context.Context, tx *sql.Tx, start, step int64, add func(int64, event.Severity, uint64)) error {
	text, args := f.hoursFrom(`sum(e.events)`), []any(nil)
	where, whereArgs := "", []any(nil)
	if text != "" && start%microsPerHour == 0 && step%microsPerHour == 0 && f.from%microsPerHour == 0 && f.to%microsPerHour == 0 {
		where, whereArgs = f.where(-1)
	} else {
		text = `count(*) FROM events e`
		where, whereArgs = f.matchRows(f.where(-1))
	}
	args = append([]any{start, step}, whereArgs...)
	_, err := collect(rowsOf(tx.QueryContext(ctx, `SELECT (e.at - ?) / ?, e.severity, `+text+` WHERE `+where+` GROUP BY 1, 2`, args...)), func(r scanner) (struct{}, error) {
		var i, severity, n int64
		err := r.Scan(&i, &severity, &n)
		add(start+i*step, event.Severity(severity), uint64(n))
		return struct{}{}, err
	})
	return err
}

// hoursFrom is the source of counts by hour when the filter is only about
// stations and severities, "" otherwise.
func (f *filter) hoursFrom(sum string) string {
	if len(f.conds) > 0 || f.match != "" || !f.exact {
		return ""
	}
	for _, s := range f.sets {
		if s.column != "station" && s.column != "severity" {
			return ""
		}
	}
	return sum + ` FROM (SELECT hour AS at, station, severity, events FROM hours) e`
}

// StationHours counts matching rows of [from, to) by station and hour.
func (s *Store) StationHours(ctx context.Context, q store.EventQuery, from, to time.Time) ([]store.StationHour, error) {
	counts := map[stationHour]uint64{}
	_, err := inSnapshot(ctx, s, func(tx *sql.Tx) (struct{}, error) {
		f, err := compile(ctx, tx, q)
		if err != nil {
			return struct{}{}, err
		}
		f.bound(from, to)
		if f.empty || f.from >= f.to {
			return struct{}{}, nil
		}
		if !f.exact {
			q.From, q.To = time.UnixMicro(f.from), time.UnixMicro(f.to)
			return struct{}{}, f.each(ctx, tx, q, func(r store.Row) bool {
				counts[stationHour{r.Station, r.At.Truncate(time.Hour).UnixMicro()}]++
				return true
			})
		}
		return struct{}{}, f.stationHours(ctx, tx, counts)
	})
	if err != nil {
		return nil, fmt.Errorf("events by station and hour: %w", err)
	}
	return sortedHours(counts), nil
}

type stationHour struct {
	station string
	hour    int64
}

// stationHours takes whole hours from the table of counts and the pieces at both
// ends from the events.
func (f *filter) stationHours(ctx context.Context, tx *sql.Tx, counts map[stationHour]uint64) error {
	from, to := f.from, f.to
	defer func() { f.from, f.to = from, to }()
	first, last := (from+microsPerHour-1)/microsPerHour*microsPerHour, to/microsPerHour*microsPerHour
	hours := f.hoursFrom(`sum(e.events)`)
	if hours == "" || first >= last {
		return f.addHours(ctx, tx, `count(*) FROM events e`, counts)
	}
	f.from, f.to = first, last
	if err := f.addHours(ctx, tx, hours, counts); err != nil {
		return err
	}
	for _, piece := range [][2]int64{{from, first}, {last, to}} {
		if f.from, f.to = piece[0], piece[1]; f.from < f.to {
			if err := f.addHours(ctx, tx, `count(*) FROM events e`, counts); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *filter) addHours(ctx context.Context, tx *sql.Tx, source string, counts map[stationHour]uint64) error {
	where, args := f.matchRows(f.where(-1))
	_, err := collect(rowsOf(tx.QueryContext(ctx, fmt.Sprintf(`SELECT e.station, e.at / %d, %s WHERE %s GROUP BY 1, 2`, microsPerHour, source, where), args...)), func(r scanner) (struct{}, error) {
		var station string
		var hour, n int64
		err := r.Scan(&station, &hour, &n)
		counts[stationHour{station, hour * microsPerHour}] += uint64(n)
		return struct{}{}, err
	})
	return err
}
