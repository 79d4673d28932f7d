package auth

import (
	"context"
	"time"

	"github.com/alexedwards/scs/v2"
)

// sessionStore lets scs keep its sessions in the store.
type sessionStore struct{ people People }

var _ scs.CtxStore = sessionStore{}

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	return s.people.FindSession(ctx, token)
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	return s.people.SaveSession(ctx, token, b, expiry)
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.people.DeleteSession(ctx, token)
}

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.people.FindSession(context.Background(), token)
}

func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.people.SaveSession(context.Background(), token, b, expiry)
}

func (s sessionStore) Delete(token string) error {
	return s.people.DeleteSession(context.Background(), token)
}
