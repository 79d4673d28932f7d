package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// maxBuckets bounds a histogram.
const maxBuckets = 2000

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
	last := firstKey()
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
	add := func(i int64, severity event.Severity, n int64) {
		if i >= 0 && i < int64(buckets) && int(severity) < len(out[i].Counts) {
			out[i].Counts[severity] += uint64(n)
		}
	}
	_, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (struct{}, error) {
		f, err := compile(ctx, tx, q)
		if err != nil || f.empty {
			return struct{}{}, err
		}
		f.bound(from, to)
		if !f.exact {
			return struct{}{}, f.each(ctx, tx, q, func(r store.Row) bool {
				add((r.At.UnixMicro()-start)/step, r.Severity, 1)
				return true
			})
		}
		return struct{}{}, f.histogram(ctx, tx, start, step, add)
	})
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	return out, nil
}

func (f *filter) histogram(ctx context.Context, tx pgx.Tx, start, step int64, add func(int64, event.Severity, int64)) error {
	source := `count(*) FROM events e`
	if begin := time.UnixMicro(start); f.byHours() && isHour(begin) && step%int64(time.Hour/time.Microsecond) == 0 && isHour(f.from) && isHour(f.to) {
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
		append([]any{start, step}, args...)...)
	for _, c := range counts {
		add(c.Bucket, event.Severity(c.Severity), c.Events)
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
	counts := map[stationHour]uint64{}
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
				counts[stationHour{r.Station, r.At.Truncate(time.Hour).Unix()}]++
				return true
			})
		}
		return struct{}{}, f.stationHours(ctx, tx, counts)
	})
	if err != nil {
		return nil, fmt.Errorf("events by station and hour: %w", err)
	}
	out := make([]store.StationHour, 0, len(counts))
	for k, n := range counts {
		out = append(out, store.StationHour{Station: k.station, Hour: time.Unix(k.hour, 0).UTC(), Count: n})
	}
	slices.SortFunc(out, func(a, b store.StationHour) int {
		return cmp.Or(cmp.Compare(a.Station, b.Station), a.Hour.Compare(b.Hour))
	})
	return out, nil
}

type stationHour struct {
	station string
	hour    int64 // seconds
}

// stationHours takes whole hours from the table of counts and the pieces at both
// ends from the events.
func (f *filter) stationHours(ctx context.Context, tx pgx.Tx, counts map[stationHour]uint64) error {
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

func (f *filter) addHours(ctx context.Context, tx pgx.Tx, source string, from, to time.Time, counts map[stationHour]uint64) error {
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
		counts[stationHour{c.Station, c.Hour.Unix()}] += uint64(c.Events)
	}
	return err
}
