package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/linewatch/linewatch/aggregator/store"
)

// feedFilter stands in the feed's cursors in place of a filter.
const feedFilter = "feed"

// Feed returns rows in the order of their commits.
func (s *Store) Feed(ctx context.Context, after string, limit int) (store.FeedPage, error) {
	page, err := inSnapshot(ctx, s, func(tx *sql.Tx) (store.FeedPage, error) {
		var at key
		switch after {
		case "":
		case "now":
			at = key{log: math.MaxInt64, idx: math.MaxInt64}
			if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'pos'`).Scan(&at.first); err != nil {
				return store.FeedPage{}, err
			}
			return store.FeedPage{Cursor: at.feedCursor()}, nil
		default:
			n, err := store.DecodeCursor(after, store.CursorFeed, feedFilter, 3)
			if err != nil {
				return store.FeedPage{}, err
			}
			at = key{n[0], n[1], n[2]}
		}
		rows, err := readRows(ctx, tx, `(e.pos, e.log, e.idx) > (?, ?, ?) ORDER BY e.pos, e.log, e.idx LIMIT ?`,
			at.first, at.log, at.idx, store.PageLimit(limit))
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
	return store.EncodeCursor(store.CursorFeed, feedFilter, k.first, k.log, k.idx)
}

// Changed returns a channel that the next commit closes.
func (s *Store) Changed() <-chan struct{} { return s.changes.Wait() }
