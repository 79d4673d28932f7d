package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// drop takes the leaves and rows of whole segments away.
func drop(ctx context.Context, tx pgx.Tx, d store.Drop) error {
	var n int32
	if err := tx.QueryRow(ctx, `SELECT n FROM logs WHERE log = $1`, d.Log).Scan(&n); err != nil {
		return notFound(err)
	}
	first, end := int64(d.First), int64(d.End)
	var whole bool
	err := tx.QueryRow(ctx, `SELECT coalesce(min(first) = $2 AND max(first + count) = $3, false) FROM segments WHERE log = $1 AND first >= $2 AND first < $3`,
		n, first, end).Scan(&whole)
	if err == nil && !whole {
		err = fmt.Errorf("leaves %d to %d are no whole segments: %w", d.First, d.End, store.ErrConflict)
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, lockReadModel); err != nil {
		return err
	}
	for _, text := range []string{
		// Entries of the blind index follow a row that gets another address below; the others go.
		`INSERT INTO blind (token, log, idx, key) SELECT b.token, c.log, c.idx, b.key FROM blind b JOIN copy_rows c ON b.log = c.of_log AND b.idx = c.of_idx
			WHERE c.of_log = $1 AND c.of_idx >= $2 AND c.of_idx < $3 ON CONFLICT DO NOTHING`,
		`DELETE FROM blind WHERE log = $1 AND idx >= $2 AND idx < $3`,
		// A row whose leaf is also a copy in another log gets the address there.
		`UPDATE events e SET log = c.log, idx = c.idx, pos = (SELECT pos FROM segments s WHERE s.log = c.log AND s.first <= c.idx ORDER BY s.first DESC LIMIT 1)
			FROM copy_rows c WHERE c.of_log = $1 AND c.of_idx >= $2 AND c.of_idx < $3 AND e.log = c.of_log AND e.idx = c.of_idx`,
		`DELETE FROM copy_rows WHERE (of_log = $1 AND of_idx >= $2 AND of_idx < $3) OR (log = $1 AND idx >= $2 AND idx < $3)`,
		`WITH gone AS (DELETE FROM events WHERE log = $1 AND idx >= $2 AND idx < $3 RETURNING station, at, severity),
			h AS (UPDATE hours SET events = hours.events - g.n FROM (SELECT date_trunc('hour', at) AS hour, station, severity, count(*) AS n FROM gone GROUP BY 1, 2, 3) g
				WHERE hours.hour = g.hour AND hours.station = g.station AND hours.severity = g.severity)
			UPDATE stations SET events = stations.events - g.n FROM (SELECT station, count(*) AS n FROM gone GROUP BY 1) g WHERE stations.station = g.station`,
		`DELETE FROM refused WHERE log = $1 AND idx >= $2 AND idx < $3`,
	} {
		if _, err := tx.Exec(ctx, text, n, first, end); err != nil {
			return fmt.Errorf("rows: %w", err)
		}
	}
	_, err = tx.Exec(ctx, `UPDATE segments SET kind = $4, frame = ''::bytea WHERE log = $1 AND first >= $2 AND first < $3 AND kind = $5`,
		n, first, end, store.KindDropped, wire.KindLeaves)
	return err
}

// Dropped lists what was dropped, by log.
func (s *Store) Dropped(ctx context.Context) ([]store.Dropped, error) {
	out, err := all(ctx, s, func(r pgx.CollectableRow) (store.Dropped, error) {
		var d store.Dropped
		var segments, leaves, first, end int64
		err := r.Scan(&d.Log, &segments, &leaves, &first, &end, &d.From, &d.To)
		d.Segments, d.Leaves, d.First, d.End = uint64(segments), uint64(leaves), uint64(first), uint64(end)
		d.From, d.To = d.From.UTC(), d.To.UTC()
		return d, err
	}, `SELECT l.log, count(*), sum(s.count)::bigint, min(s.first), max(s.first + s.count), min(s.received), max(s.received)
		FROM segments s JOIN logs l ON l.n = s.log WHERE s.kind = 'dropped' GROUP BY l.log ORDER BY l.log`)
	if err != nil {
		return nil, fmt.Errorf("dropped segments: %w", err)
	}
	return out, nil
}
