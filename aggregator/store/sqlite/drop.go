package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// drop takes the leaves and rows of whole segments away.
func drop(ctx context.Context, tx *sql.Tx, d store.Drop) error {
	n, err := logNumber(ctx, tx, d.Log)
	if err != nil {
		return err
	}
	type place struct {
		first, count, pos int64
		kind              string
	}
	segments, err := collect(rowsOf(tx.QueryContext(ctx, `SELECT first, count, pos, kind FROM segments WHERE log = ? AND first >= ? AND first < ? ORDER BY first`,
		n, int64(d.First), int64(d.End))), func(r scanner) (place, error) {
		var p place
		return p, r.Scan(&p.first, &p.count, &p.pos, &p.kind)
	})
	if err != nil {
		return err
	}
	if len(segments) == 0 || uint64(segments[0].first) != d.First || uint64(segments[len(segments)-1].first+segments[len(segments)-1].count) != d.End {
		return fmt.Errorf("leaves %d to %d are no whole segments: %w", d.First, d.End, store.ErrConflict)
	}
	if err := rehome(ctx, tx, n, d); err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	for _, p := range segments {
		if p.kind != wire.KindLeaves {
			continue
		}
		if err := dropRows(ctx, tx, n, p.pos, p.first, p.first+p.count); err != nil {
			return fmt.Errorf("rows: %w", err)
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE segments SET kind = ?, frame = x'' WHERE log = ? AND first >= ? AND first < ? AND kind = ?`,
		store.KindDropped, n, int64(d.First), int64(d.End), wire.KindLeaves)
	return err
}

// rehome gives rows whose leaf is also a copy in another log the address there.
func rehome(ctx context.Context, tx *sql.Tx, n int64, d store.Drop) error {
	_, err := tx.ExecContext(ctx, `UPDATE events SET log = c.log, idx = c.idx,
		pos = (SELECT pos FROM segments s WHERE s.log = c.log AND s.first <= c.idx ORDER BY s.first DESC LIMIT 1)
		FROM copy_rows c WHERE c.of_log = ? AND c.of_idx >= ? AND c.of_idx < ? AND events.log = c.of_log AND events.idx = c.of_idx
		AND events.pos = (SELECT pos FROM segments s WHERE s.log = c.of_log AND s.first <= c.of_idx ORDER BY s.first DESC LIMIT 1)`,
		n, int64(d.First), int64(d.End))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM copy_rows WHERE of_log = ? AND of_idx >= ? AND of_idx < ?`, n, int64(d.First), int64(d.End))
	return err
}

// dropRows takes the rows of one segment out of the read model and its counts.
func dropRows(ctx context.Context, tx *sql.Tx, n, pos, first, end int64) error {
	const rows = ` WHERE pos = ? AND log = ? AND idx >= ? AND idx < ?`
	args := []any{pos, n, first, end}
	for _, text := range []string{
		`UPDATE hours SET events = hours.events - g.n FROM (SELECT at / 3600000000 * 3600000000 AS hour, station, severity, count(*) AS n
			FROM events` + rows + ` GROUP BY 1, 2, 3) g WHERE hours.hour = g.hour AND hours.station = g.station AND hours.severity = g.severity`,
		`UPDATE stations SET events = stations.events - g.n FROM (SELECT station, count(*) AS n FROM events` + rows + ` GROUP BY 1) g
			WHERE stations.station = g.station`,
		`DELETE FROM blind WHERE n IN (SELECT n FROM events` + rows + `)`,
		`DELETE FROM words WHERE rowid IN (SELECT n FROM events` + rows + `)`,
		`DELETE FROM refused WHERE log = ?2 AND idx >= ?3 AND idx < ?4 AND ?1 = ?1`,
		`DELETE FROM events` + rows,
	} {
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM copy_rows WHERE log = ? AND idx >= ? AND idx < ?`, n, first, end)
	return err
}

// Dropped lists what was dropped, by log.
func (s *Store) Dropped(ctx context.Context) ([]store.Dropped, error) {
	out, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT l.log, count(*), sum(s.count), min(s.first), max(s.first + s.count), min(s.received), max(s.received)
		FROM segments s JOIN logs l ON l.n = s.log WHERE s.kind = 'dropped' GROUP BY l.log ORDER BY l.log`)), func(r scanner) (store.Dropped, error) {
		var d store.Dropped
		var segments, leaves, first, end, from, to int64
		err := r.Scan(&d.Log, &segments, &leaves, &first, &end, &from, &to)
		d.Segments, d.Leaves, d.First, d.End = uint64(segments), uint64(leaves), uint64(first), uint64(end)
		d.From, d.To = time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC()
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("dropped segments: %w", err)
	}
	return out, nil
}
