package postgres

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

// feedFilter stands in the feed's cursors in place of a filter.
const feedFilter = "feed"

// horizon is the first position that is not in the feed yet: a transaction that
// still runs may commit there. It is in the snapshot of the same statement.
const horizon = `((SELECT value FROM meta WHERE key = 'epoch') << 48 | pg_snapshot_xmin(pg_current_snapshot())::text::bigint)`

// Feed returns rows in the order of their commits.
func (s *Store) Feed(ctx context.Context, after string, limit int) (store.FeedPage, error) {
	page, err := inSnapshot(ctx, s, func(ctx context.Context, tx pgx.Tx) (store.FeedPage, error) {
		var at key
		switch after {
		case "":
		case "now":
			if err := tx.QueryRow(ctx, `SELECT `+horizon+` - 1`).Scan(&at.pos); err != nil {
				return store.FeedPage{}, err
			}
			at.log, at.idx = math.MaxInt32, math.MaxInt64
			return store.FeedPage{Cursor: at.feedCursor()}, nil
		default:
			n, err := store.DecodeCursor(after, store.CursorFeed, feedFilter, 3)
			if err != nil {
				return store.FeedPage{}, err
			}
			at = key{pos: n[0], log: n[1], idx: n[2]}
		}
		rows, err := collect(ctx, tx, scanRow, `SELECT `+rowColumns+` FROM (SELECT * FROM events
			WHERE (pos, log, idx) > ($1, $2, $3) AND pos < `+horizon+` ORDER BY pos, log, idx LIMIT $4) e
			JOIN logs l ON l.n = e.log ORDER BY e.pos, e.log, e.idx`, at.pos, at.log, at.idx, store.PageLimit(limit))
		if err != nil {
			return store.FeedPage{}, err
		}
		if len(rows) > 0 {
			at = rows[len(rows)-1].key(true)
		}
		return store.FeedPage{Rows: plain(rows), Cursor: at.feedCursor()}, nil
	})
	if err != nil {
		return store.FeedPage{}, fmt.Errorf("feed: %w", err)
	}
	return page, nil
}

func (k key) feedCursor() string {
	return store.EncodeCursor(store.CursorFeed, feedFilter, k.pos, k.log, k.idx)
}

// Changed returns a channel that the next commit closes.
func (s *Store) Changed() <-chan struct{} { return s.changes.Wait() }

// Between attempts to listen again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// listen signals what other aggregators commit until ctx ends.
func (s *Store) listen(ctx context.Context, cfg *pgx.ConnConfig) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := s.listenOnce(ctx, cfg)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		s.log.Warn("listening for commits ended", "error", err, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
		s.changes.Signal() // something may have been missed
	}
}

func (s *Store) listenOnce(ctx context.Context, cfg *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // the connection is given up in any case
	}()
	if _, err := conn.Exec(ctx, `LISTEN linewatch`); err != nil {
		return err
	}
	s.changes.Signal() // what was committed before we listened
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		s.changes.Signal()
		if xid, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
			if err := s.settle(ctx, conn, xid); err != nil {
				return err
			}
		}
	}
}

// settle signals again when a commit comes into the feed late, because a
// transaction that began before it was still running; that one may not be ours
// and say nothing when it ends.
func (s *Store) settle(ctx context.Context, conn *pgx.Conn, xid int64) error {
	before := int64(-1)
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		var oldest int64
		if err := conn.QueryRow(ctx, `SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`).Scan(&oldest); err != nil {
			return err
		}
		if before >= 0 && oldest > before {
			s.changes.Signal()
		}
		if oldest > xid {
			return nil
		}
		before = oldest
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
