package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

// blindTable makes the blind index of a read model that is older than it; a
// rebuild fills it.
func blindTable(ctx context.Context, tx pgx.Tx) error {
	return execScript(ctx, tx, `CREATE TABLE IF NOT EXISTS blind (token text NOT NULL, log integer NOT NULL, idx bigint NOT NULL,
		key text NOT NULL, PRIMARY KEY (token, log, idx, key)); CREATE INDEX IF NOT EXISTS blind_key ON blind (key)`)
}

// putKeys stores the wrapped keys that came with a segment, but for those that
// were destroyed.
func (w *writer) putKeys(n int32, a store.Append) {
	if len(a.Keys) > 0 {
		w.tail.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, lockSealed)
	}
	for _, id := range sortedKeys(a.Keys) {
		l := store.LabelOf(a.Keys[id])
		w.tail.Queue(`INSERT INTO wrapped_keys (id, blob, log, received, subject, month, recipient)
			SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM destroyed_keys WHERE id = $1) ON CONFLICT (id) DO NOTHING`,
			id, a.Keys[id], n, a.Received, l.Label.Subject, l.Label.Month, l.Recipient)
	}
}

// putBlind adds the entries of the blind index of rows, but for destroyed keys.
func (w *writer) putBlind(rows []placed) {
	var tokens, keys []string
	var logs []int32
	var idxs []int64
	for _, r := range rows {
		for _, b := range r.Blind {
			tokens, keys = append(tokens, b.Token), append(keys, b.Key)
			logs, idxs = append(logs, r.log), append(idxs, int64(r.Index))
		}
	}
	if len(tokens) == 0 {
		return
	}
	w.tail.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, lockSealed)
	w.tail.Queue(`INSERT INTO `+w.prefix+`blind (token, log, idx, key)
		SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[]) AS u (token, log, idx, key)
		WHERE NOT EXISTS (SELECT 1 FROM destroyed_keys d WHERE d.id = u.key) ON CONFLICT DO NOTHING`, tokens, logs, idxs, keys)
}

// destroy deletes wrapped keys and what the read model has by them.
func destroy(ctx context.Context, tx pgx.Tx, keys []store.DestroyedKey) error {
	if len(keys) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockSealed); err != nil {
		return err
	}
	var building bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, newPrefix+`blind`).Scan(&building); err != nil {
		return err
	}
	ids := make([]string, len(keys))
	var b pgx.Batch
	for i, k := range keys {
		ids[i] = k.ID
		b.Queue(`INSERT INTO destroyed_keys (id, list, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`, k.ID, int64(k.List), k.At)
	}
	b.Queue(`DELETE FROM wrapped_keys WHERE id = ANY($1)`, ids)
	b.Queue(`DELETE FROM blind WHERE key = ANY($1)`, ids)
	if building {
		b.Queue(`DELETE FROM `+newPrefix+`blind WHERE key = ANY($1)`, ids)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// forget writes the table of wrapped keys anew: a deleted row stays in its page
// until that is written again. What the server's own log archive and its backups
// hold is beyond us.
func (s *Store) forget(ctx context.Context) {
	if _, err := s.pool.Exec(ctx, `VACUUM FULL wrapped_keys`); err != nil {
		s.log.Warn("deleted keys are still in pages of the table: run VACUUM FULL wrapped_keys", "error", err)
	}
}

// each runs a query and hands its rows to scan.
func (s *Store) each(ctx context.Context, scan func(pgx.CollectableRow) error, text string, args ...any) error {
	rows, err := s.pool.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (struct{}, error) { return struct{}{}, scan(r) })
	return err
}

// WrappedKeys returns the blobs of these key ids.
func (s *Store) WrappedKeys(ctx context.Context, ids []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var id string
		var blob []byte
		err := r.Scan(&id, &blob)
		out[id] = blob
		return err
	}, `SELECT id, blob FROM wrapped_keys WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("wrapped keys: %w", err)
	}
	return out, nil
}

// MissingKeys returns those of the ids that are neither stored nor destroyed.
func (s *Store) MissingKeys(ctx context.Context, ids []string) ([]string, error) {
	there := map[string]bool{}
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var id string
		err := r.Scan(&id)
		there[id] = true
		return err
	}, `SELECT id FROM wrapped_keys WHERE id = ANY($1) UNION ALL SELECT id FROM destroyed_keys WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("missing keys: %w", err)
	}
	return store.Without(ids, there), nil
}

// KeysOf lists the stored keys of these subjects.
func (s *Store) KeysOf(ctx context.Context, subjects []string) ([]store.WrappedKey, error) {
	var out []store.WrappedKey
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var k store.WrappedKey
		err := r.Scan(&k.ID, &k.Subject, &k.Month, &k.Recipient, &k.Log, &k.Received)
		k.Received = k.Received.UTC()
		out = append(out, k)
		return err
	}, `SELECT w.id, w.subject, w.month, w.recipient, l.log, w.received FROM wrapped_keys w
		JOIN logs l ON l.n = w.log WHERE w.subject = ANY($1) ORDER BY w.id`, subjects)
	if err != nil {
		return nil, fmt.Errorf("keys of subjects: %w", err)
	}
	return out, nil
}

// KeyCounts counts the stored keys.
func (s *Store) KeyCounts(ctx context.Context) ([]store.KeyCount, error) {
	var out []store.KeyCount
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var k store.KeyCount
		var n int64
		err := r.Scan(&k.Subject, &k.Month, &k.Recipient, &n)
		k.Keys = uint64(n)
		out = append(out, k)
		return err
	}, `SELECT subject, month, recipient, count(*) FROM wrapped_keys GROUP BY subject, month, recipient ORDER BY subject, month, recipient`)
	if err != nil {
		return nil, fmt.Errorf("count wrapped keys: %w", err)
	}
	return out, nil
}

// DestroyedKeys returns when each of these ids was destroyed.
func (s *Store) DestroyedKeys(ctx context.Context, ids []string) (map[string]store.DestroyedKey, error) {
	out := map[string]store.DestroyedKey{}
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var k store.DestroyedKey
		var list int64
		err := r.Scan(&k.ID, &list, &k.At)
		k.List, k.At = uint64(list), k.At.UTC()
		out[k.ID] = k
		return err
	}, `SELECT id, list, at FROM destroyed_keys WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("destroyed keys: %w", err)
	}
	return out, nil
}

// BlindPeople returns the people whose keys sealed one of the tokens.
func (s *Store) BlindPeople(ctx context.Context, tokens []string) ([]string, error) {
	seen := map[string]bool{}
	err := s.each(ctx, func(r pgx.CollectableRow) error {
		var user string
		err := r.Scan(&user)
		seen[user] = true
		return err
	}, `SELECT DISTINCT w.subject FROM blind b JOIN wrapped_keys w ON w.id = b.key
		WHERE b.token = ANY($1) AND w.subject LIKE 'p-%'`, tokens)
	if err != nil {
		return nil, fmt.Errorf("people of the blind index: %w", err)
	}
	return store.Sorted(seen), nil
}
