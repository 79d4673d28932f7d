// Package aggregatortest is a whole aggregator for tests: made by Init, running
// on loopback ports behind its own TLS, with people, tokens and events in it.
package aggregatortest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// Password is that of every person of a rig.
const Password = "correct horse battery"

// Rig is a running aggregator.
type Rig struct {
	T      testing.TB
	Agg    *aggregator.Aggregator
	Config config.Config
	People string // https://127.0.0.1:port
	Agents string
	Log    *Log

	stop   context.CancelFunc
	ended  chan error
	client *http.Client
}

// New starts an aggregator on SQLite that ends with the test.
func New(t testing.TB) *Rig { return On(t, "") }

// On starts an aggregator on the named database, SQLite for "".
func On(t testing.TB, database string) *Rig {
	t.Helper()
	r := &Rig{T: t, Log: &Log{}}
	log := slog.New(slog.NewTextHandler(r.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg, err := aggregator.Init(t.Context(), aggregator.InitOptions{
		Dir: t.TempDir(), Store: database, Plant: "Test plant", TimeZone: "Europe/Berlin", Station: "hamburg/central/aggregator",
		People: "127.0.0.1:0", Agents: "127.0.0.1:0", Admin: "admin", Password: Password,
	}, log)
	require.NoError(t, err)
	r.Config = cfg
	r.Agg, err = aggregator.Open(t.Context(), cfg, log)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	started := make(chan aggregator.Listening, 1)
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.Agg.Run(ctx, func(l aggregator.Listening) { started <- l }) }()
	t.Cleanup(func() {
		_ = r.Stop()
		_ = r.Agg.Close()
	})
	select {
	case l := <-started:
		r.People, r.Agents = "https://"+l.People.String(), "https://"+l.Agents.String()
	case err := <-r.ended:
		r.stop = nil
		require.FailNow(t, "the aggregator did not start", "%v", err)
	}
	r.client = r.Client()
	return r
}

// Cancel begins the graceful stop without waiting for it.
func (r *Rig) Cancel() { r.stop() }

// Stop stops the aggregator and waits for its end; the store stays open.
func (r *Rig) Stop() error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	r.stop = nil
	return <-r.ended
}

// Ended waits until the aggregator ends by itself and returns why.
func (r *Rig) Ended() error {
	defer r.stop()
	r.stop = func() {}
	err := <-r.ended
	r.ended <- nil // for Stop
	return err
}

// Client is a browser without cookies that trusts the aggregator's authority.
func (r *Rig) Client() *http.Client {
	r.T.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(r.T, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.Agg.CA.Pool()}}
	r.T.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar, Timeout: 30 * time.Second}
}

// User adds a person with the usual password.
func (r *Rig) User(name string, roles []string, scope ...string) {
	r.T.Helper()
	// A light hash: what the real one costs is not what tests wait for.
	hash, err := argon2id.CreateHash(Password, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	require.NoError(r.T, err)
	u := store.User{Name: name, Roles: roles, Scope: scopeOf(scope), Created: time.Now().UTC(), Password: hash}
	_, err = r.Agg.Store.Commit(r.T.Context(), store.Change{Users: []store.User{u}})
	require.NoError(r.T, err)
}

func scopeOf(scope []string) []string {
	if len(scope) == 0 {
		return []string{"**"}
	}
	return scope
}

// Token makes a bearer token with these roles.
func (r *Rig) Token(roles []string, scope ...string) string {
	r.T.Helper()
	secret, _, err := r.Agg.Enrol.CreateToken(r.T.Context(), enrol.TokenSpec{
		Kind: "api", Name: "test-" + strings.Join(roles, "-"), Roles: roles, Scope: scopeOf(scope), By: "test",
	})
	require.NoError(r.T, err)
	return secret
}

// SignIn returns a browser in which the person is signed in.
func (r *Rig) SignIn(name string) *http.Client {
	r.T.Helper()
	c := r.Client()
	status, body := r.Do(c, "POST", "/api/v1/session", "", map[string]any{"name": name, "password": Password})
	require.Equal(r.T, http.StatusOK, status, string(body))
	return c
}

// Do sends one request; body may be nil, []byte, or anything for JSON.
func (r *Rig) Do(c *http.Client, method, path, token string, body any) (int, []byte) {
	r.T.Helper()
	resp, data := r.Send(c, r.Request(method, path, token, body))
	return resp.StatusCode, data
}

// Request makes a request with a bearer token, "" for none.
func (r *Rig) Request(method, path, token string, body any) *http.Request {
	r.T.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		require.NoError(r.T, err)
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.T.Context(), method, r.People+path, in)
	require.NoError(r.T, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req
}

// Send sends a request; c may be nil for a program without cookies.
func (r *Rig) Send(c *http.Client, req *http.Request) (*http.Response, []byte) {
	r.T.Helper()
	if c == nil {
		c = r.client
	}
	resp, err := c.Do(req)
	require.NoError(r.T, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(r.T, err)
	return resp, data
}

// Get asks with a token and decodes the answer of a request that must succeed.
func (r *Rig) Get(token, path string, into any) {
	r.T.Helper()
	status, body := r.Do(nil, "GET", path, token, nil)
	require.Equal(r.T, http.StatusOK, status, "%s: %s", path, body)
	require.NoError(r.T, json.Unmarshal(body, into), path)
}

// Commit stores events as leaves of the aggregator's own logs and returns their ids.
func (r *Rig) Commit(events ...event.Event) []string {
	r.T.Helper()
	ids := make([]string, len(events))
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = event.NewID(time.Now())
		}
		ids[i] = events[i].ID
	}
	_, err := r.Agg.Ledger.Commit(r.T.Context(), store.Change{}, events...)
	require.NoError(r.T, err)
	return ids
}

// Rows returns the newest rows that a search finds, at most 1000.
func (r *Rig) Rows(search string) []store.Row {
	r.T.Helper()
	q, err := query.Parse(search, time.Now())
	require.NoError(r.T, err)
	page, err := r.Agg.Store.Events(r.T.Context(), store.EventQuery{Filter: q, Scope: []string{"**"}, Limit: 1000})
	require.NoError(r.T, err)
	return page.Rows
}

// Log keeps what the aggregator logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
