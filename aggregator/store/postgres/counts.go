package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// Count counts matching rows, at most limit (0 for all).
func (s *Store) Count(ctx context.Context, q store.EventQuery, limit int) (int, error) {
	if limit <= 0 {
		limit = math.MaxInt32
	}
	n, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (int, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return 0, err
		}
		n := 0
		if f.exact {
			where, args := f.where(-1)
			err := tx.QueryRow(ctx, numbered(`SELECT count(*) FROM (SELECT 1 FROM events e WHERE `+where+` LIMIT ?) e`), append(args, limit)...).Scan(&n)
			return n, err
		}
		err = f.each(ctx, tx, q, func(store.Row) bool { n++; return n < limit })
		return n, err
	})
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return n, nil
}

// each yields matching rows, newest first, until yield returns false.
func (f *filter) each(ctx context.Context, tx pgx.Tx, q store.EventQuery, yield func(store.Row) bool) error {
	q.ByArrival = false
	page := func(after key) ([]store.Row, key, bool, error) { return f.page(ctx, tx, q, after, store.MaxPage) }
	return store.Each(firstKey(), page, yield)
}

// Histogram counts matching rows of [from, to) by severity in buckets of equal length.
func (s *Store) Histogram(ctx context.Context, q store.EventQuery, from, to time.Time, buckets int) ([]store.Bucket, error) {
	h, err := store.NewHistogram(from, to, buckets)
	if err != nil {
		return nil, err
	}
	_, err = inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (struct{}, error) {
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

func (f *filter) histogram(ctx context.Context, tx pgx.Tx, h *store.Histogram) error {
	source := `count(*) FROM events e`
	if begin := time.UnixMicro(h.Start); f.byHours() && isHour(begin) && h.Step%int64(time.Hour/time.Microsecond) == 0 && isHour(f.from) && isHour(f.to) {
		source = hoursSource
	}
	where, args := f.where(-1)
	type count struct {
		Bucket   int64
		Severity int16
		Events   int64
	}
	counts, err := collect(ctx, tx, pgx.RowToStructByPos[count], numbered(`SELECT
		div((extract(epoch FROM e.at) * 1000000)::numeric - ?::bigint, ?::bigint)::bigint, e.severity, `+source+` WHERE `+where+` GROUP BY 1, 2`),
		append([]any{h.Start, h.Step}, args...)...)
	for _, c := range counts {
		h.Add(c.Bucket, event.Severity(c.Severity), uint64(c.Events))
	}
	return err
}

// hoursSource is the table of counts in the shape of the events.
const hoursSource = `sum(e.events)::bigint FROM (SELECT hour AS at, station, severity, events FROM hours) e`

// byHours is true when the filter is about stations and severities alone.
func (f *filter) byHours() bool {
	return f.exact && len(f.conds) == 0 && !slices.ContainsFunc(f.sets, func(s set) bool {
		return s.column != "station" && s.column != "severity"
	})
}

func isHour(t time.Time) bool { return t.Truncate(time.Hour).Equal(t) }

// StationHours counts matching rows of [from, to) by station and hour.
func (s *Store) StationHours(ctx context.Context, q store.EventQuery, from, to time.Time) ([]store.StationHour, error) {
	counts := map[store.HourKey]uint64{}
	_, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (struct{}, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return struct{}{}, err
		}
		f.bound(from, to)
		if !f.from.Before(f.to) {
			return struct{}{}, nil
		}
		if !f.exact {
			q.From, q.To = f.from, f.to
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
func (f *filter) stationHours(ctx context.Context, tx pgx.Tx, counts map[store.HourKey]uint64) error {
	from, to := f.from, f.to
	first, last := from.Add(time.Hour-1).Truncate(time.Hour), to.Truncate(time.Hour)
	if !f.byHours() || !first.Before(last) {
		return f.addHours(ctx, tx, `count(*) FROM events e`, from, to, counts)
	}
	if err := f.addHours(ctx, tx, hoursSource, first, last, counts); err != nil {
		return err
	}
	if err := f.addHours(ctx, tx, `count(*) FROM events e`, from, first, counts); err != nil {
		return err
	}
	return f.addHours(ctx, tx, `count(*) FROM events e`, last, to, counts)
}

func (f *filter) addHours(ctx context.Context, tx pgx.Tx, source string, from, to time.Time, counts map[store.HourKey]uint64) error {
	if !from.Before(to) {
		return nil
	}
	piece := *f
	piece.from, piece.to = from, to
	where, args := piece.where(-1)
	type count struct {
		Station string
		Hour    time.Time
		Events  int64
	}
	rows, err := collect(ctx, tx, pgx.RowToStructByPos[count],
		numbered(`SELECT e.station, date_trunc('hour', e.at, 'UTC'), `+source+` WHERE `+where+` GROUP BY 1, 2`), args...)
	for _, c := range rows {
		counts[store.HourKey{Station: c.Station, Hour: c.Hour.UnixMicro()}] += uint64(c.Events)
	}
	return err
}
