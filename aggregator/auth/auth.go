// Package auth finds out who asks: local users with argon2id passwords and
// sessions in a cookie, programs with bearer tokens.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/identity"
)

const (
	// CookieName has the __Host- prefix: Secure, Path=/, no Domain.
	CookieName = "__Host-linewatch"
	lifetime   = 12 * time.Hour // a shift, with some room
	idle       = 4 * time.Hour
	// seenEvery is how exactly a session's last use is known: writing it down at
	// every request would be a transaction for each.
	seenEvery   = 5 * time.Minute
	keyUser     = "user"
	keySeen     = "seen"     // Unix seconds of the last use, about
	keyPassword = "password" // see passwordMark
)

// People is what auth needs of the store.
type People interface {
	User(ctx context.Context, name string) (store.User, error)
	Token(ctx context.Context, hash string) (store.Token, error)
	SaveSession(ctx context.Context, token string, data []byte, expiry time.Time) error
	FindSession(ctx context.Context, token string) (data []byte, found bool, err error)
	DeleteSession(ctx context.Context, token string) error
}

// Auth authenticates requests.
type Auth struct {
	people   People
	sessions *scs.SessionManager
	decoy    string // hash compared for unknown names, so that they cost the same time
	attempts *attempts
	hashing  chan struct{} // places for comparisons under way
}

// New makes an Auth over the store's people.
func New(people People, log *slog.Logger) (*Auth, error) {
	decoy, err := HashPassword(rand.Text())
	if err != nil {
		return nil, err
	}
	m := scs.New()
	m.Store = sessionStore{people}
	m.Lifetime = lifetime
	m.HashTokenInStore = true
	m.Cookie = scs.SessionCookie{Name: CookieName, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, Persist: true}
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		log.Error("session store failed", "error", err)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"status":503,"title":"Not available","detail":"the database does not answer; try again"}`+"\n")
	}
	return &Auth{people: people, sessions: m, decoy: decoy, attempts: newAttempts(), hashing: make(chan struct{}, maxHashing)}, nil
}

// Middleware loads and saves the session around every request.
func (a *Auth) Middleware(next http.Handler) http.Handler { return a.sessions.LoadAndSave(next) }

// SignIn checks name and password and puts the user into the session of ctx.
// address is where the attempt comes from; with the name it is what slows
// guessing down.
func (a *Auth) SignIn(ctx context.Context, name, password, address string) (rights.Principal, error) {
	if !a.attempts.allowed(name, address, time.Now()) {
		return rights.Principal{}, rights.ErrSlow
	}
	user, err := a.people.User(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return rights.Principal{}, fmt.Errorf("sign in: %w", err)
	}
	hash := user.Password
	if err != nil {
		hash = a.decoy
	}
	match, compareErr := a.compare(ctx, password, hash)
	if errors.Is(compareErr, rights.ErrSlow) {
		return rights.Principal{}, rights.ErrSlow
	}
	if err != nil || compareErr != nil || !match || user.Disabled || user.Deleted {
		return rights.Principal{}, rights.ErrWrong
	}
	// A new token on every change of rights: no session fixation.
	if err := a.sessions.RenewToken(ctx); err != nil {
		return rights.Principal{}, fmt.Errorf("sign in: %w", err)
	}
	a.sessions.Put(ctx, keyUser, user.Name)
	a.sessions.Put(ctx, keySeen, time.Now().Unix())
	a.sessions.Put(ctx, keyPassword, passwordMark(user))
	return a.principal(ctx, user), nil
}

// SignOut ends the session of ctx.
func (a *Auth) SignOut(ctx context.Context) error {
	if err := a.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// Who tells who sends r: by bearer token, else by the session. The rights are
// read anew each time, so a change holds at once.
func (a *Auth) Who(r *http.Request) (rights.Principal, error) {
	if r.Header.Get("Authorization") != "" {
		return a.byHeader(r.Context(), r)
	}
	return a.bySession(r.Context())
}

// Again is Who for a request that lasts, such as a stream: the session is read
// anew, so that a sign-out elsewhere ends it too.
func (a *Auth) Again(ctx context.Context, r *http.Request) (rights.Principal, error) {
	if r.Header.Get("Authorization") != "" {
		return a.byHeader(ctx, r)
	}
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return rights.Principal{}, rights.ErrNobody
	}
	ctx, err = a.sessions.Load(ctx, cookie.Value)
	if err != nil {
		return rights.Principal{}, fmt.Errorf("who asks: %w", err)
	}
	return a.bySession(ctx)
}

func (a *Auth) byHeader(ctx context.Context, r *http.Request) (rights.Principal, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return rights.Principal{}, rights.ErrNobody
	}
	return a.byToken(ctx, text)
}

func (a *Auth) bySession(ctx context.Context) (rights.Principal, error) {
	name := a.sessions.GetString(ctx, keyUser)
	if name == "" {
		return rights.Principal{}, rights.ErrNobody
	}
	switch unused := time.Since(time.Unix(a.sessions.GetInt64(ctx, keySeen), 0)); {
	case unused > idle:
		return rights.Principal{}, rights.ErrNobody
	case unused > seenEvery:
		a.sessions.Put(ctx, keySeen, time.Now().Unix())
	}
	user, err := a.people.User(ctx, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && (user.Disabled || user.Deleted || passwordMark(user) != a.sessions.GetString(ctx, keyPassword)) {
		return rights.Principal{}, rights.ErrNobody
	}
	if err != nil {
		return rights.Principal{}, fmt.Errorf("who asks: %w", err)
	}
	return a.principal(ctx, user), nil
}

// passwordMark ties a session to the password that it began with: a new password
// ends the sessions of whoever knew the old one.
func passwordMark(u store.User) string { return identity.SecretHash(u.Password)[:16] }

func (a *Auth) byToken(ctx context.Context, text string) (rights.Principal, error) {
	t, err := a.people.Token(ctx, identity.SecretHash(text))
	if errors.Is(err, store.ErrNotFound) {
		return rights.Principal{}, rights.ErrNobody
	}
	if err != nil {
		return rights.Principal{}, fmt.Errorf("who asks: %w", err)
	}
	if t.Kind != "api" || t.Revoked || !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return rights.Principal{}, rights.ErrNobody
	}
	return rights.Principal{Name: t.Name, Display: t.Name, Kind: "api", Token: t.Hash[:min(16, len(t.Hash))], Roles: t.Roles, Scope: t.Scope}, nil
}

// principal is a user with the session of ctx.
func (a *Auth) principal(ctx context.Context, u store.User) rights.Principal {
	display := u.Display
	if display == "" {
		display = u.Name
	}
	return rights.Principal{Name: u.Name, Display: display, Kind: "user", Session: identity.SecretHash(a.sessions.Token(ctx))[:16], Roles: slices.Clone(u.Roles), Scope: slices.Clone(u.Scope)}
}
