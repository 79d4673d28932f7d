// Package auth finds out who asks: local users with argon2id passwords and
// sessions in a cookie, programs with bearer tokens.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/alexedwards/scs/v2"
	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
)

const (
	// CookieName has the __Host- prefix: Secure, Path=/, no Domain.
	CookieName = "__Host-linewatch"
	lifetime   = 12 * time.Hour // a shift, with some room
	idle       = 4 * time.Hour
	keyUser    = "user"
	// MinPassword is the shortest password taken, in characters.
	MinPassword = 12
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

	mu       sync.Mutex
	attempts map[string]*rate.Limiter
}

// New makes an Auth over the store's people.
func New(people People, log *slog.Logger) (*Auth, error) {
	decoy, err := HashPassword(rand.Text())
	if err != nil {
		return nil, err
	}
	m := scs.New()
	m.Store = sessionStore{people}
	m.Lifetime, m.IdleTimeout = lifetime, idle
	m.HashTokenInStore = true
	m.Cookie = scs.SessionCookie{Name: CookieName, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, Persist: true}
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		log.Error("session store failed", "error", err)
		http.Error(w, "the session could not be read; try again", http.StatusServiceUnavailable)
	}
	return &Auth{people: people, sessions: m, decoy: decoy, attempts: map[string]*rate.Limiter{}}, nil
}

// HashPassword makes an argon2id hash with the parameters of RFC 9106's second
// recommendation (64 MiB, 3 passes).
func HashPassword(password string) (string, error) {
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64 * 1024, Iterations: 3, Parallelism: 2, SaltLength: 16, KeyLength: 32})
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// CheckPassword says whether a new password is good enough, in words for a person.
func CheckPassword(name, password string) error {
	switch {
	case len([]rune(password)) < MinPassword:
		return fmt.Errorf("the password needs at least %d characters", MinPassword)
	case strings.Contains(strings.ToLower(password), strings.ToLower(name)):
		return errors.New("the password must not contain the name")
	case strings.Count(password, password[:1]) == len(password):
		return errors.New("the password is one character repeated")
	}
	return nil
}

// Middleware loads and saves the session around every request.
func (a *Auth) Middleware(next http.Handler) http.Handler { return a.sessions.LoadAndSave(next) }

// SignIn checks name and password and puts the user into the session of ctx.
func (a *Auth) SignIn(ctx context.Context, name, password string) (rights.Principal, error) {
	if !a.allowed(name) {
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
	match, compareErr := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil || compareErr != nil || !match || user.Disabled || user.Deleted {
		return rights.Principal{}, rights.ErrWrong
	}
	// A new token on every change of rights: no session fixation.
	if err := a.sessions.RenewToken(ctx); err != nil {
		return rights.Principal{}, fmt.Errorf("sign in: %w", err)
	}
	a.sessions.Put(ctx, keyUser, user.Name)
	return principal(user), nil
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
	if h := r.Header.Get("Authorization"); h != "" {
		text, ok := strings.CutPrefix(h, "Bearer ")
		if !ok {
			return rights.Principal{}, rights.ErrNobody
		}
		return a.byToken(r.Context(), text)
	}
	name := a.sessions.GetString(r.Context(), keyUser)
	if name == "" {
		return rights.Principal{}, rights.ErrNobody
	}
	user, err := a.people.User(r.Context(), name)
	if errors.Is(err, store.ErrNotFound) || err == nil && (user.Disabled || user.Deleted) {
		return rights.Principal{}, rights.ErrNobody
	}
	if err != nil {
		return rights.Principal{}, fmt.Errorf("who asks: %w", err)
	}
	return principal(user), nil
}

func (a *Auth) byToken(ctx context.Context, text string) (rights.Principal, error) {
	t, err := a.people.Token(ctx, HashToken(text))
	if errors.Is(err, store.ErrNotFound) {
		return rights.Principal{}, rights.ErrNobody
	}
	if err != nil {
		return rights.Principal{}, fmt.Errorf("who asks: %w", err)
	}
	if t.Kind != "api" || t.Revoked || !t.Expires.IsZero() && time.Now().After(t.Expires) {
		return rights.Principal{}, rights.ErrNobody
	}
	return rights.Principal{Name: t.Name, Display: t.Name, Kind: "api", Roles: t.Roles, Scope: t.Scope}, nil
}

func principal(u store.User) rights.Principal {
	display := u.Display
	if display == "" {
		display = u.Name
	}
	return rights.Principal{Name: u.Name, Display: display, Kind: "user", Roles: slices.Clone(u.Roles), Scope: slices.Clone(u.Scope)}
}

// maxNames bounds the memory that made-up names can take.
const maxNames = 10_000

// allowed lets five attempts per name through at once and one each 12 s after.
func (a *Auth) allowed(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, ok := a.attempts[name]
	if !ok {
		if len(a.attempts) >= maxNames {
			clear(a.attempts)
		}
		l = rate.NewLimiter(rate.Every(12*time.Second), 5)
		a.attempts[name] = l
	}
	return l.Allow()
}

// NewToken makes the text of a bearer token and the hash that is stored.
func NewToken() (text, hash string) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand since Go 1.24)
	text = "lwa_" + base64.RawURLEncoding.EncodeToString(raw)
	return text, HashToken(text)
}

// HashToken is the hex SHA-256 under which a token is stored. A token has 256
// random bits, so no slow hash is needed.
func HashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

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
