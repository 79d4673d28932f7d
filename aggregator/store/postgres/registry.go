package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

func commitRegistry(ctx context.Context, tx pgx.Tx, c store.Change) error {
	for _, l := range c.Logs {
		if err := insertLog(ctx, tx, l); err != nil {
			return fmt.Errorf("log %s: %w", l.ID, err)
		}
	}
	if err := commitPeople(ctx, tx, c); err != nil {
		return err
	}
	for _, hash := range slices.Sorted(slices.Values(c.UseTokens)) {
		if err := useToken(ctx, tx, hash); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	for _, key := range sortedKeys(c.Settings) {
		_, err := tx.Exec(ctx, `INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
			key, notNil(c.Settings[key]))
		if err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
	}
	if err := destroy(ctx, tx, c.Destroy); err != nil {
		return fmt.Errorf("destroy keys: %w", err)
	}
	for _, r := range c.Roots {
		_, err := tx.Exec(ctx, `INSERT INTO root_lists (log, idx, lines) VALUES ($1, $2, $3)`, r.Log, int64(r.Index), notNil(r.Lines))
		if err != nil {
			return fmt.Errorf("root list: %w", err)
		}
	}
	return nil
}

func setStates(ctx context.Context, tx pgx.Tx, states map[string]store.LogState) error {
	for _, id := range sortedKeys(states) {
		tag, err := tx.Exec(ctx, `UPDATE logs SET state = $1 WHERE log = $2`, string(states[id]), id)
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("log %s: %w", id, err)
		}
	}
	return nil
}

func commitPeople(ctx context.Context, tx pgx.Tx, c store.Change) error {
	for _, a := range c.Agents {
		if err := putAgent(ctx, tx, a); err != nil {
			return fmt.Errorf("agent %s: %w", a.ID, err)
		}
	}
	for _, t := range c.Tokens {
		if err := putDoc(ctx, tx, "tokens", "hash", t.Hash, t); err != nil {
			return fmt.Errorf("token: %w", err)
		}
	}
	for _, u := range c.Users {
		if u.Deleted {
			if _, err := tx.Exec(ctx, `DELETE FROM users WHERE name = $1`, u.Name); err != nil {
				return fmt.Errorf("user: %w", err)
			}
			continue
		}
		if err := putDoc(ctx, tx, "users", "name", u.Name, u); err != nil {
			return fmt.Errorf("user: %w", err)
		}
	}
	return nil
}

func insertLog(ctx context.Context, tx pgx.Tx, l store.Log) error {
	frontier, err := l.Frontier.MarshalBinary()
	if err != nil {
		return fmt.Errorf("frontier: %w", err)
	}
	keys, err := json.Marshal(l.Keys)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if l.State == "" {
		l.State = store.LogActive
	}
	tag, err := tx.Exec(ctx, `INSERT INTO logs (log, origin, agent, class, size, frontier, note, receipt, keys, state, predecessor, copies, registered, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (log) DO UPDATE SET keys = excluded.keys, copies = excluded.copies, reason = excluded.reason
		WHERE logs.origin = excluded.origin`,
		l.ID, l.Origin, l.AgentID, string(l.Class), int64(l.Size), frontier, l.Note, l.Receipt, string(keys),
		string(l.State), l.Predecessor, int64(l.Copies), stamp(l.Registered), l.Reason)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("registered with another origin: %w", store.ErrConflict)
	}
	return err
}

// putAgent keeps an agent's record unless it was changed since it was read.
func putAgent(ctx context.Context, tx pgx.Tx, a store.Agent) error {
	was := a.Revision
	a.Seen, a.Revision = store.AgentSeen{}, was+1 // the sign of life is kept apart: TouchAgent writes it outside of Commit
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO agents (id, doc) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET doc = excluded.doc WHERE coalesce((agents.doc::jsonb->>'Revision')::bigint, 0) = $3`,
		a.ID, string(doc), int64(was))
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrAgentChanged
	}
	return err
}

// putDoc inserts or replaces a value that is kept as JSON.
func putDoc(ctx context.Context, tx pgx.Tx, table, column, key string, value any) error {
	doc, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO `+table+` (`+column+`, doc) VALUES ($1, $2) ON CONFLICT (`+column+`) DO UPDATE SET doc = excluded.doc`,
		key, string(doc))
	return err
}

func scanDoc[T any](r pgx.CollectableRow) (T, error) {
	var v T
	var doc string
	if err := r.Scan(&doc); err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(doc), &v)
}

// useToken counts one use; others wait for the end of the transaction.
func useToken(ctx context.Context, tx pgx.Tx, hash string) error {
	var doc string
	if err := tx.QueryRow(ctx, `SELECT doc FROM tokens WHERE hash = $1 FOR UPDATE`, hash).Scan(&doc); err != nil {
		return notFound(err)
	}
	var t store.Token
	if err := json.Unmarshal([]byte(doc), &t); err != nil {
		return err
	}
	if t.Revoked || t.Uses == 0 {
		return fmt.Errorf("used up: %w", store.ErrConflict)
	}
	if t.Uses > 0 {
		t.Uses--
	}
	t.Used++
	return putDoc(ctx, tx, "tokens", "hash", hash, t)
}

func scanAgent(r pgx.CollectableRow) (store.Agent, error) {
	var a store.Agent
	var doc string
	var seen *string
	if err := r.Scan(&doc, &seen); err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(doc), &a); err != nil {
		return a, err
	}
	if seen != nil {
		return a, json.Unmarshal([]byte(*seen), &a.Seen)
	}
	return a, nil
}

const agentQuery = `SELECT a.doc, s.doc FROM agents a LEFT JOIN agents_seen s ON s.id = a.id`

// Agent returns an agent by its id.
func (s *Store) Agent(ctx context.Context, id string) (store.Agent, error) {
	a, err := one(ctx, s, scanAgent, agentQuery+` WHERE a.id = $1`, id)
	if err != nil {
		return store.Agent{}, fmt.Errorf("agent %s: %w", id, err)
	}
	return a, nil
}

// Agents returns all agents by id.
func (s *Store) Agents(ctx context.Context) ([]store.Agent, error) {
	agents, err := all(ctx, s, scanAgent, agentQuery+` ORDER BY a.id COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	return agents, nil
}

// TouchAgent records a sign of life.
func (s *Store) TouchAgent(ctx context.Context, id string, seen store.AgentSeen) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// A lost sign of life costs nothing, a flush to the disk for each does.
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`); err != nil {
			return err
		}
		return putDoc(ctx, tx, "agents_seen", "id", id, seen)
	})
	if err != nil {
		return fmt.Errorf("touch agent %s: %w", id, err)
	}
	return nil
}

// Token returns a token by its hash.
func (s *Store) Token(ctx context.Context, hash string) (store.Token, error) {
	t, err := one(ctx, s, scanDoc[store.Token], `SELECT doc FROM tokens WHERE hash = $1`, hash)
	if err != nil {
		return store.Token{}, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

// Tokens returns all tokens.
func (s *Store) Tokens(ctx context.Context) ([]store.Token, error) {
	tokens, err := all(ctx, s, scanDoc[store.Token], `SELECT doc FROM tokens ORDER BY hash COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return tokens, nil
}

// User returns a user by name.
func (s *Store) User(ctx context.Context, name string) (store.User, error) {
	u, err := one(ctx, s, scanDoc[store.User], `SELECT doc FROM users WHERE name = $1`, name)
	if err != nil {
		return store.User{}, fmt.Errorf("user: %w", err)
	}
	return u, nil
}

// Users returns all users by name.
func (s *Store) Users(ctx context.Context) ([]store.User, error) {
	users, err := all(ctx, s, scanDoc[store.User], `SELECT doc FROM users ORDER BY name COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return users, nil
}

// Setting returns a named value.
func (s *Store) Setting(ctx context.Context, key string) ([]byte, error) {
	value, err := one(ctx, s, pgx.RowTo[[]byte], `SELECT value FROM settings WHERE key = $1`, key)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", key, err)
	}
	return value, nil
}

// SaveSession stores a session and drops those that are over.
func (s *Store) SaveSession(ctx context.Context, token string, data []byte, expiry time.Time) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE token IN (SELECT token FROM sessions WHERE expiry < $1 FOR UPDATE SKIP LOCKED)`, time.Now()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry`, token, notNil(data), expiry)
		return err
	})
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// FindSession returns a session that is not over.
func (s *Store) FindSession(ctx context.Context, token string) ([]byte, bool, error) {
	data, err := one(ctx, s, pgx.RowTo[[]byte], `SELECT data FROM sessions WHERE token = $1 AND expiry > $2`, token, time.Now())
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return data, true, nil
}

// DeleteSession removes a session; one that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, token string) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE token = $1`, token)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
