package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// putDoc inserts or replaces a value that is kept as JSON; into names the table
// with its key and its document column.
func putDoc(ctx context.Context, tx *sql.Tx, into, key string, value any) error {
	doc, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO `+into+` VALUES (?, ?)`, key, string(doc))
	return err
}

// putAgent keeps an agent's record unless it was changed since it was read.
func putAgent(ctx context.Context, tx *sql.Tx, a store.Agent) error {
	was := a.Revision
	a.Seen, a.Revision = store.AgentSeen{}, was+1 // the sign of life is kept apart: TouchAgent writes it outside of Commit
	doc, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO agents (id, doc) VALUES (?, ?)
		ON CONFLICT (id) DO UPDATE SET doc = excluded.doc WHERE coalesce(json_extract(agents.doc, '$.Revision'), 0) = ?`,
		a.ID, string(doc), int64(was))
	if err := oneRow(r, err); errors.Is(err, store.ErrNotFound) {
		return store.ErrAgentChanged
	} else if err != nil {
		return err
	}
	return nil
}

func scanDoc[T any](r scanner) (T, error) {
	var v T
	var doc []byte
	if err := r.Scan(&doc); err != nil {
		return v, notFound(err)
	}
	return v, json.Unmarshal(doc, &v)
}

func scanAgent(r scanner) (store.Agent, error) {
	var a store.Agent
	var doc, seen []byte
	if err := r.Scan(&doc, &seen); err != nil {
		return a, notFound(err)
	}
	if err := json.Unmarshal(doc, &a); err != nil {
		return a, err
	}
	if seen != nil {
		return a, json.Unmarshal(seen, &a.Seen)
	}
	return a, nil
}

const agentQuery = `SELECT a.doc, s.doc FROM agents a LEFT JOIN agents_seen s ON s.id = a.id`

// Agent returns an agent by its id.
func (s *Store) Agent(ctx context.Context, id string) (store.Agent, error) {
	a, err := scanAgent(s.reader.QueryRowContext(ctx, agentQuery+` WHERE a.id = ?`, id))
	if err != nil {
		return store.Agent{}, fmt.Errorf("agent %s: %w", id, err)
	}
	return a, nil
}

// Agents returns all agents by id.
func (s *Store) Agents(ctx context.Context) ([]store.Agent, error) {
	agents, err := collect(rowsOf(s.reader.QueryContext(ctx, agentQuery+` ORDER BY a.id`)), scanAgent)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	return agents, nil
}

// TouchAgent records a sign of life.
func (s *Store) TouchAgent(ctx context.Context, id string, seen store.AgentSeen) error {
	err := s.write(ctx, func(tx *sql.Tx) error { return putDoc(ctx, tx, `agents_seen (id, doc)`, id, seen) })
	if err != nil {
		return fmt.Errorf("touch agent %s: %w", id, err)
	}
	return nil
}

// Token returns a token by its hash.
func (s *Store) Token(ctx context.Context, hash string) (store.Token, error) {
	t, err := scanDoc[store.Token](s.reader.QueryRowContext(ctx, `SELECT doc FROM tokens WHERE hash = ?`, hash))
	if err != nil {
		return store.Token{}, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

// Tokens returns all tokens.
func (s *Store) Tokens(ctx context.Context) ([]store.Token, error) {
	tokens, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT doc FROM tokens ORDER BY hash`)), scanDoc[store.Token])
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return tokens, nil
}

// useToken counts one use.
func useToken(ctx context.Context, tx *sql.Tx, hash string) error {
	t, err := scanDoc[store.Token](tx.QueryRowContext(ctx, `SELECT doc FROM tokens WHERE hash = ?`, hash))
	if err != nil {
		return err
	}
	if t.Revoked || t.Uses == 0 {
		return fmt.Errorf("used up: %w", store.ErrConflict)
	}
	if t.Uses > 0 {
		t.Uses--
	}
	t.Used++
	return putDoc(ctx, tx, `tokens (hash, doc)`, hash, t)
}

// User returns a user by name.
func (s *Store) User(ctx context.Context, name string) (store.User, error) {
	u, err := scanDoc[store.User](s.reader.QueryRowContext(ctx, `SELECT doc FROM users WHERE name = ?`, name))
	if err != nil {
		return store.User{}, fmt.Errorf("user: %w", err)
	}
	return u, nil
}

// Users returns all users by name.
func (s *Store) Users(ctx context.Context) ([]store.User, error) {
	users, err := collect(rowsOf(s.reader.QueryContext(ctx, `SELECT doc FROM users ORDER BY name`)), scanDoc[store.User])
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return users, nil
}

// Setting returns a named value.
func (s *Store) Setting(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := s.reader.QueryRowContext(ctx, `SELECT value FROM settings WHERE key = ?`, key).Scan(&value)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", key, notFound(err))
	}
	return value, nil
}

// SaveSession stores a session and drops those that are over.
func (s *Store) SaveSession(ctx context.Context, token string, data []byte, expiry time.Time) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expiry < ?`, time.Now().UnixMicro()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO sessions (token, data, expiry) VALUES (?, ?, ?)`,
			token, data, expiry.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// FindSession returns a session that is not over.
func (s *Store) FindSession(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	err := s.reader.QueryRowContext(ctx, `SELECT data FROM sessions WHERE token = ? AND expiry > ?`,
		token, time.Now().UnixMicro()).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return data, true, nil
}

// DeleteSession removes a session; one that is not there is no error.
func (s *Store) DeleteSession(ctx context.Context, token string) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE token = ?`, token)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}
