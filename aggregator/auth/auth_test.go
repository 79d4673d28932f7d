package auth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
)

const password = "correct horse battery"

// opened is an Auth over SQLite with one person.
func opened(t *testing.T) (*Auth, store.Store) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	require.NoError(t, err)
	_, err = db.Commit(t.Context(), store.Change{Users: []store.User{{Name: "anna", Roles: []string{"viewer"}, Scope: []string{"**"}, Password: hash}}})
	require.NoError(t, err)
	a, err := New(db, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return a, db
}

// within runs f inside of a request with this cookie and returns the new one.
func within(a *Auth, cookie *http.Cookie, f func(*http.Request)) *http.Cookie {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	a.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r) })).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		return c
	}
	return nil
}

func TestAPasswordIsKeptAsArgon2idWithTheAdvisedCosts(t *testing.T) {
	hash, err := HashPassword(password)
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=65536,t=3,p=2\$`, hash)
	require.NotContains(t, hash, password)
	again, err := HashPassword(password)
	require.NoError(t, err)
	require.NotEqual(t, hash, again)
}

func TestNamesAndPasswordsThatAreNoGoodAreRefusedWithTheReason(t *testing.T) {
	for name, good := range map[string]bool{"anna": true, "Jürgen Müller": true, "anna@plant.example": true, "": false, " anna": false, "a\nb": false, "a\x00b": false, "a\u202eb": false, "\xff": false} {
		require.Equal(t, good, CheckName(name) == nil, "%q", name)
	}
	require.Error(t, CheckName(string(make([]byte, 101))))
	for text, good := range map[string]bool{password: true, "twelve chars": true, "eleven char": false, "": false, "xxxxxxxxxxxxxx": false, "I am ANNA of the plant": false, "öäüöäüöäüöäü": true} {
		require.Equal(t, good, CheckPassword("anna", text) == nil, "%q", text)
	}
}

func TestAnUnusedSessionEndsAndAUsedOneIsNotWrittenEachTime(t *testing.T) {
	a, _ := opened(t)
	ctx := t.Context()
	cookie := within(a, nil, func(r *http.Request) {
		_, err := a.SignIn(r.Context(), "anna", password, "10.0.0.1")
		require.NoError(t, err)
	})
	require.NotNil(t, cookie)
	who := func() (err error) {
		within(a, cookie, func(r *http.Request) { _, err = a.Who(r) })
		return err
	}
	require.NoError(t, who())
	require.Nil(t, within(a, cookie, func(r *http.Request) { _, _ = a.Who(r) }), "nothing was written")
	seen := func(ago time.Duration) {
		within(a, cookie, func(r *http.Request) { a.sessions.Put(r.Context(), keySeen, time.Now().Add(-ago).Unix()) })
	}
	seen(seenEvery + time.Minute)
	require.NotNil(t, within(a, cookie, func(r *http.Request) { _, _ = a.Who(r) }), "the use was written down")
	require.NoError(t, who())
	seen(idle + time.Minute)
	require.ErrorIs(t, who(), rights.ErrNobody)
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.AddCookie(cookie)
	_, err := a.Again(context.Background(), r)
	require.ErrorIs(t, err, rights.ErrNobody)
}

func TestGuessesAreSlowedByNameAndAddressWithoutLockingOthersOut(t *testing.T) {
	a, now := newAttempts(), time.Now()
	tries := func(n int, name, address string) (through int) {
		for range n {
			if a.allowed(name, address, now) {
				through++
			}
		}
		return through
	}
	require.Equal(t, 5, tries(100, "anna", "10.0.0.1"))
	require.Equal(t, 1, tries(1, "anna", "10.0.0.2"), "a guesser elsewhere does not lock her out")
	now = now.Add(time.Minute)
	require.Equal(t, 5, tries(100, "anna", "10.0.0.1"))
	guessed := 0
	for i := range 200 { // one name from many addresses
		guessed += tries(1, "bert", fmt.Sprint("10.1.0.", i))
	}
	require.Equal(t, 30, guessed)
	guessed = 0
	for i := range 200 { // many names from one address
		guessed += tries(1, fmt.Sprint("name", i), "10.2.0.1")
	}
	require.Equal(t, 20, guessed)
	for i := range 3 * maxAttempts {
		a.allowed(fmt.Sprint("n", i), fmt.Sprint("a", i), now)
	}
	require.LessOrEqual(t, len(a.counts), maxAttempts)
	now = now.Add(time.Hour)
	require.Equal(t, 1, tries(1, "clara", "10.3.0.1"), "what is over is forgotten")
}
