package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

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
	page := func(after key) ([]store.Row, key, bool, error) { return f.page(ctx, tx, q, after, store.MaxPage) }
	return store.Each(key{math.MaxInt64, math.MaxInt64, math.MaxInt64}, page, yield)
}

// Histogram counts matching rows of [from, to) by severity in buckets of equal length.
func (s *Store) Histogram(ctx context.Context, q store.EventQuery, from, to time.Time, buckets int) ([]store.Bucket, error) {
	h, err := store.NewHistogram(from, to, buckets)
	if err != nil {
		return nil, err
	}
	_, err = inSnapshot(ctx, s, func(tx *sql.Tx) (struct{}, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return struct{}{}, err
		}
		f.bound(from, to)
		if !f.exact {
			return struct{}{}, f.each(ctx, tx, q, func(r store.Row) bool { h.AddRow(r); return true })
		}
		return struct{}{}, f.histogram(ctx, tx, h)
	})
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return h.Buckets, nil
}

func (f *filter) histogram(ctx context.Context, tx *sql.Tx, h *store.Histogram) error {
	text, args := f.hoursFrom(`sum(e.events)`), []any(nil)
	where, whereArgs := "", []any(nil)
	if text != "" && h.Start%microsPerHour == 0 && h.Step%microsPerHour == 0 && f.from%microsPerHour == 0 && f.to%microsPerHour == 0 {
		where, whereArgs = f.where(-1)
	} else {
		text = `count(*) FROM events e`
		where, whereArgs = f.matchRows(f.where(-1))
	}
	args = append([]any{h.Start, h.Step}, whereArgs...)
	_, err := collect(rowsOf(tx.QueryContext(ctx, `SELECT (e.at - ?) / ?, e.severity, `+text+` WHERE `+where+` GROUP BY 1, 2`, args...)), func(r scanner) (struct{}, error) {
		var i, severity, n int64
		err := r.Scan(&i, &severity, &n)
		h.Add(i, event.Severity(severity), uint64(n))
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
	counts := map[store.HourKey]uint64{}
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
				counts[store.HourOf(r)]++
				return true
			})
		}
		return struct{}{}, f.stationHours(ctx, tx, counts)
	})
	if err != nil {
		return nil, fmt.Errorf("events by station and hour: %w", err)
	}
	return store.SortedHours(counts), nil
}

// stationHours takes whole hours from the table of counts and the pieces at both
// ends from the events.
func (f *filter) stationHours(ctx context.Context, tx *sql.Tx, counts map[store.HourKey]uint64) error {
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

func (f *filter) addHours(ctx context.Context, tx *sql.Tx, source string, counts map[store.HourKey]uint64) error {
	where, args := f.matchRows(f.where(-1))
	_, err := collect(rowsOf(tx.QueryContext(ctx, fmt.Sprintf(`SELECT e.station, e.at / %d, %s WHERE %s GROUP BY 1, 2`, microsPerHour, source, where), args...)), func(r scanner) (struct{}, error) {
		var station string
		var hour, n int64
		err := r.Scan(&station, &hour, &n)
		counts[store.HourKey{Station: station, Hour: hour * microsPerHour}] += uint64(n)
		return struct{}{}, err
	})
	return err
}
