package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// idChunk bounds the ids of one statement.
const idChunk = 500

// blindTable makes the blind index of a read model that is older than it; a
// rebuild fills it.
func blindTable(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS blind (token TEXT NOT NULL, n INTEGER NOT NULL,
		key TEXT NOT NULL, PRIMARY KEY (token, n, key)) WITHOUT ROWID`)
	if err == nil {
		_, err = tx.ExecContext(ctx, `CREATE INDEX IF NOT EXISTS blind_key ON blind (key)`)
	}
	return err
}

// putKeys stores the wrapped keys that came with a segment, but for those that
// were destroyed.
func (w *appender) putKeys(ctx context.Context, n int64, a store.Append) error {
	for id, blob := range a.Keys {
		l := store.LabelOf(blob)
		_, err := w.tx.ExecContext(ctx, `INSERT INTO wrapped_keys (id, blob, log, received, subject, month, recipient)
			SELECT ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM destroyed_keys WHERE id = ?) ON CONFLICT (id) DO NOTHING`,
			id, blob, n, a.Received.UnixMicro(), l.Label.Subject, l.Label.Month, l.Recipient, id)
		if err != nil {
			return fmt.Errorf("wrapped key %s: %w", id, err)
		}
	}
	return nil
}

// putBlind adds a row's entries of the blind index, but for destroyed keys.
func (w *rowWriter) putBlind(ctx context.Context, n int64, r store.Row) error {
	for _, b := range r.Blind {
		_, err := w.tx.ExecContext(ctx, `INSERT INTO `+w.ins.prefix+`blind (token, n, key)
			SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM destroyed_keys WHERE id = ?) ON CONFLICT DO NOTHING`,
			b.Token, n, b.Key, b.Key)
		if err != nil {
			return fmt.Errorf("blind index: %w", err)
		}
	}
	return nil
}

// destroy deletes wrapped keys and what the read model has by them.
func destroy(ctx context.Context, tx *sql.Tx, keys []store.DestroyedKey) error {
	if len(keys) == 0 {
		return nil
	}
	// What is deleted is overwritten with zeros, not only given free.
	if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
		return err
	}
	tables := []string{`blind`}
	var building int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`, newPrefix+`blind`).Scan(&building)
	if err != nil {
		return err
	}
	if building > 0 {
		tables = append(tables, newPrefix+`blind`)
	}
	for _, k := range keys {
		_, err := tx.ExecContext(ctx, `INSERT INTO destroyed_keys (id, list, at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			k.ID, int64(k.List), k.At.UnixMicro())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM wrapped_keys WHERE id = ?`, k.ID); err != nil {
			return err
		}
		for _, t := range tables {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+t+` WHERE key = ?`, k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget empties the write-ahead log, where deleted rows may stand still. It waits
// for readers as long as the database does; what they put off is tried again, without
// waiting, with each further commit.
func (s *Store) forget(ctx context.Context, wait bool) {
	s.unforgotten.Store(true)
	if err := s.lock(ctx); err != nil {
		return
	}
	defer s.unlock()
	err := s.emptyLog(ctx, wait)
	if err == nil {
		s.unforgotten.Store(false)
		return
	}
	if wait {
		s.log.Warn("write-ahead log not emptied after keys were destroyed, trying again with the next changes", "error", err)
	}
}

// emptyLog writes the write-ahead log into the database and cuts it off.
func (s *Store) emptyLog(ctx context.Context, wait bool) error {
	if !wait {
		if _, err := s.writer.ExecContext(ctx, `PRAGMA busy_timeout = 0`); err != nil {
			return err
		}
		defer func() {
			_, _ = s.writer.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf(`PRAGMA busy_timeout = %d`, busyMS))
		}()
	}
	var busy, frames, moved int
	err := s.writer.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved)
	if err == nil && busy != 0 { // no error for SQLite
		err = errors.New("somebody reads")
	}
	return err
}

// inChunks runs a query over ids, some at a time; the text has one %s for the marks.
func inChunks(ctx context.Context, s *Store, text string, ids []string, scan func(scanner) error) error {
	for chunk := range slices.Chunk(ids, idChunk) {
		_, err := collect(rowsOf(s.reader.QueryContext(ctx, fmt.Sprintf(text, marks(len(chunk))), anys(chunk)...)), func(r scanner) (struct{}, error) {
			return struct{}{}, scan(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WrappedKeys returns the blobs of these key ids.
func (s *Store) WrappedKeys(ctx context.Context, ids []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := inChunks(ctx, s, `SELECT id, blob FROM wrapped_keys WHERE id IN (%s)`, ids, func(r scanner) error {
		var id string
		var blob []byte
		err := r.Scan(&id, &blob)
		out[id] = blob
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("wrapped keys: %w", err)
	}
	return out, nil
}

// MissingKeys returns those of the ids that are neither stored nor destroyed.
func (s *Store) MissingKeys(ctx context.Context, ids []string) ([]string, error) {
	there := map[string]bool{}
	for _, table := range []string{"wrapped_keys", "destroyed_keys"} {
		err := inChunks(ctx, s, `SELECT id FROM `+table+` WHERE id IN (%s)`, ids, func(r scanner) error {
			var id string
			err := r.Scan(&id)
			there[id] = true
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("missing keys: %w", err)
		}
	}
	return store.Without(ids, there), nil
}

// KeysOf lists the stored keys of these subjects.
func (s *Store) KeysOf(ctx context.Context, subjects []string) ([]store.WrappedKey, error) {
	var out []store.WrappedKey
	err := inChunks(ctx, s, `SELECT w.id, w.subject, w.month, w.recipient, l.log, w.received FROM wrapped_keys w
		JOIN logs l ON l.n = w.log WHERE w.subject IN (%s) ORDER BY w.id`, subjects, func(r scanner) error {
		var k store.WrappedKey
		var received int64
		err := r.Scan(&k.ID, &k.Subject, &k.Month, &k.Recipient, &k.Log, &received)
		k.Received = time.UnixMicro(received).UTC()
		out = append(out, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keys of subjects: %w", err)
	}
	return out, nil
}

// KeyCounts counts the stored keys.
func (s *Store) KeyCounts(ctx context.Context) ([]store.KeyCount, error) {
	out, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT subject, month, recipient, count(*) FROM wrapped_keys
		GROUP BY subject, month, recipient ORDER BY subject, month, recipient`)), func(r scanner) (store.KeyCount, error) {
		var k store.KeyCount
		var n int64
		err := r.Scan(&k.Subject, &k.Month, &k.Recipient, &n)
		k.Keys = uint64(n)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("count wrapped keys: %w", err)
	}
	return out, nil
}

// DestroyedKeys returns when each of these ids was destroyed.
func (s *Store) DestroyedKeys(ctx context.Context, ids []string) (map[string]store.DestroyedKey, error) {
	out := map[string]store.DestroyedKey{}
	err := inChunks(ctx, s, `SELECT id, list, at FROM destroyed_keys WHERE id IN (%s)`, ids, func(r scanner) error {
		var k store.DestroyedKey
		var list, at int64
		err := r.Scan(&k.ID, &list, &at)
		k.List, k.At = uint64(list), time.UnixMicro(at).UTC()
		out[k.ID] = k
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("destroyed keys: %w", err)
	}
	return out, nil
}

// BlindPeople returns the people whose keys sealed one of the tokens.
func (s *Store) BlindPeople(ctx context.Context, tokens []string) ([]string, error) {
	seen := map[string]bool{}
	err := inChunks(ctx, s, `SELECT DISTINCT w.subject FROM blind b JOIN wrapped_keys w ON w.id = b.key
		WHERE b.token IN (%s) AND w.subject LIKE 'p-%%'`, tokens, func(r scanner) error {
		var user string
		err := r.Scan(&user)
		seen[user] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("people of the blind index: %w", err)
	}
	return store.Sorted(seen), nil
}
