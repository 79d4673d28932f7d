package enrol

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
)

// TokenSpec says what a new token is good for.
type TokenSpec struct {
	Kind    string        // "agent" (enrolment) or "api" (programs)
	Name    string        // what it is for, in people's words
	Scope   []string      // station patterns
	Roles   []string      // api
	Uses    int           // enrolments; -1 without limit, 0 means 1
	Valid   time.Duration // 0: 14 days for agents, a year for programs
	Assign  map[string]string
	Approve bool // each enrolment waits for a person
	By      string
}

// CreateToken stores a new token, with an event, and returns its secret, which is
// kept nowhere.
func (s *Service) CreateToken(ctx context.Context, spec TokenSpec) (secret string, t store.Token, err error) {
	if spec.Kind != "agent" && spec.Kind != "api" {
		return "", t, fmt.Errorf("create token: kind %q is neither agent nor api", spec.Kind)
	}
	if spec.Kind == "agent" && len(spec.Scope) == 0 && len(spec.Assign) == 0 {
		return "", t, errors.New("create token: an enrolment token needs a scope")
	}
	if spec.Uses == 0 {
		spec.Uses = 1
		if spec.Kind == "api" {
			spec.Uses = -1
		}
	}
	if spec.Valid == 0 {
		spec.Valid = 14 * 24 * time.Hour
		if spec.Kind == "api" {
			spec.Valid = 365 * 24 * time.Hour
		}
	}
	if len(spec.Scope) == 0 {
		for _, station := range spec.Assign {
			spec.Scope = append(spec.Scope, station)
		}
		slices.Sort(spec.Scope)
	}
	now := s.now().UTC()
	secret = identity.NewSecret()
	t = store.Token{
		Hash: identity.SecretHash(secret), Kind: spec.Kind, Name: spec.Name, Scope: spec.Scope, Roles: spec.Roles, Uses: spec.Uses,
		Created: now, Expires: now.Add(spec.Valid), By: spec.By, Approve: spec.Approve, Assign: spec.Assign,
	}
	e := eventOf(event.TypeKeyLifecycle, map[string]any{
		"keyId": tokenID(t), "action": "created", "kind": spec.Kind + " token",
		"by": spec.By, "approver": "", "scope": strings.Join(t.Scope, ","), "uses": t.Uses, "expires": t.Expires, "name": t.Name,
	})
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{Tokens: []store.Token{t}}, e); err != nil {
		return "", t, fmt.Errorf("create token: %w", err)
	}
	return secret, t, nil
}

// RevokeToken ends a token by its hash, or the first digits of it that tokens list.
func (s *Service) RevokeToken(ctx context.Context, id, by string) error {
	tokens, err := s.opts.Store.Tokens(ctx)
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	tokens = slices.DeleteFunc(tokens, func(t store.Token) bool { return !strings.HasPrefix(t.Hash, id) })
	if len(id) < 8 || len(tokens) != 1 {
		return fmt.Errorf("revoke token %s: %d tokens begin so: %w", id, len(tokens), store.ErrNotFound)
	}
	t := tokens[0]
	t.Revoked = true
	e := eventOf(event.TypeKeyLifecycle, map[string]any{"keyId": tokenID(t), "action": "revoked", "kind": t.Kind + " token", "by": by, "approver": ""})
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{Tokens: []store.Token{t}}, e); err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	return nil
}

// tokenID names a token in events and lists: the first digits of its hash.
func tokenID(t store.Token) string { return t.Hash[:min(16, len(t.Hash))] }

// token finds a valid enrolment token by its secret.
func (s *Service) token(ctx context.Context, secret string) (store.Token, error) {
	refused := denied(http.StatusForbidden, "the enrolment token is not accepted: unknown, expired, used up or revoked")
	hash := identity.SecretHash(secret)
	t, err := s.opts.Store.Token(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		return t, refused
	}
	if err != nil {
		return t, fmt.Errorf("token: %w", err)
	}
	same := subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) == 1
	if !same || t.Kind != "agent" || t.Revoked || t.Uses == 0 || !s.now().Before(t.Expires) {
		return t, refused
	}
	return t, nil
}
