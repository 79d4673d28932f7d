// Package opcua listens to OPC UA servers: data changes, alarms and conditions.
//
// It has a subscription engine of its own on gopcua's secure channel. An answer
// is acknowledged only after the sink took it; after a lost connection the engine
// re-activates its session and asks for what was sent meanwhile, then transfers
// its subscriptions, and only then makes new ones, with an audit.gap that names
// what nobody has any more. The same holds after the agent itself was killed.
//
// It writes nothing to equipment: one function sends, and it knows no service
// that could (see permitted).
package opcua

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// Options is what a source needs beside its configuration.
type Options struct {
	// Station is the agent's own, for everything that names no other.
	Station string
	// Dir is the folder of the configuration: relative file names count from it.
	Dir string
	// PKI is the folder of certificates, made when missing; all servers share it.
	PKI string
	// Positions gives back where the source stood; nil for a first start.
	Positions source.Positions
	Logger    *slog.Logger
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Sent is told the name of every service before it goes out; nil for nobody.
	Sent func(service string)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// file makes a configured file name absolute.
func (o Options) file(name string) string {
	if filepath.IsAbs(name) || o.Dir == "" {
		return name
	}
	return filepath.Join(o.Dir, name)
}

// bits reads the texts of a fault word.
func (o Options) bits(name string) (*source.Bits, error) {
	f, err := os.Open(o.file(name))
	if err != nil {
		return nil, fmt.Errorf("open texts of the bits: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	bits, err := parseBits(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return bits, nil
}

// Source is one OPC UA server.
type Source struct {
	cfg  config.OPCUA
	opts Options
	log  *slog.Logger
	// brief ends the session with Run: for people who look in.
	brief bool

	mu     sync.Mutex
	health source.Health
}

var _ source.Source = (*Source)(nil)

// New makes the source of one server; mistakes of the configuration come out of
// Run, or earlier out of [Validate].
func New(cfg config.OPCUA, opts Options) *Source {
	opts = opts.withDefaults()
	return &Source{
		cfg: cfg, opts: opts, log: opts.Logger.With("source", cfg.Name),
		health: source.Health{
			Name: cfg.Name, Kind: "opcua", Endpoint: cfg.Endpoint, State: source.StateStarting,
			Since: opts.Now(), Detail: map[string]string{},
		},
	}
}

// Validate checks a configuration without connecting; the error joins all mistakes.
func Validate(cfg config.OPCUA, opts Options) error {
	_, err := compile(cfg, opts.withDefaults())
	return err
}

// Name is the configured name.
func (s *Source) Name() string { return s.cfg.Name }

// Health is a snapshot.
func (s *Source) Health() source.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health
	h.Detail = maps.Clone(h.Detail)
	return h
}

// update changes the health under its lock.
func (s *Source) update(change func(h *source.Health)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.health)
}

// state sets state and reason; Since moves only when the state changes.
func (s *Source) state(to source.State, reason string) {
	s.update(func(h *source.Health) {
		if h.State != to {
			h.Since = s.opts.Now()
		}
		h.State, h.Reason = to, reason
	})
}

// Run listens until ctx ends. The session and its subscriptions are left alive in
// the server for the configured outage: a restarted agent goes on with them and
// misses nothing.
func (s *Source) Run(ctx context.Context, sink source.Sink) error {
	e, err := s.prepare()
	if err != nil {
		s.state(source.StateStopped, err.Error())
		return fmt.Errorf("OPC UA source %s: %w", s.cfg.Name, err)
	}
	defer s.state(source.StateStopped, "")
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { e.out.run(ctx, sink) })
	e.run(ctx)
	return nil
}

// prepare makes everything that needs no connection.
func (s *Source) prepare() (*engine, error) {
	p, err := compile(s.cfg, s.opts)
	if err != nil {
		return nil, err
	}
	store, own, err := identity(s.cfg, s.opts)
	if err != nil {
		return nil, err
	}
	who, err := readLogin(s.cfg, s.opts)
	if err != nil {
		return nil, err
	}
	e := &engine{
		src: s, plan: p, store: store, own: own, who: who, log: s.log, now: s.opts.Now,
		out: newDeliverer(s), flights: publishRequests, expiry: map[string]int{}, items: map[string]string{},
	}
	e.recall(s.opts.Positions)
	return e, nil
}

// identity opens the certificate store and the agent's own certificate.
func identity(cfg config.OPCUA, opts Options) (*pki.Store, pki.Own, error) {
	store, err := pki.Open(opts.PKI)
	if err != nil {
		return nil, pki.Own{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, pki.Own{}, fmt.Errorf("host name: %w", err)
	}
	uri := cfg.ApplicationURI
	if uri == "" {
		uri = "urn:" + strings.ToLower(host) + ":linewatch:agent"
	}
	subject := pki.Subject{ApplicationURI: uri, CommonName: "Linewatch agent " + host, Hostname: host, IPs: []net.IP{}}
	own, err := store.Own(subject, opts.Now())
	if err != nil {
		return nil, pki.Own{}, err
	}
	return store, own, nil
}

// readLogin reads the password file; a final line end is not part of the password.
func readLogin(cfg config.OPCUA, opts Options) (login, error) {
	who := login{user: cfg.Auth.User, allowInsecure: cfg.AllowInsecure}
	if who.user == "" {
		if cfg.Auth.PasswordFile != "" {
			return who, errors.New("auth.password_file without auth.user")
		}
		return who, nil
	}
	text, err := os.ReadFile(opts.file(cfg.Auth.PasswordFile))
	if err != nil {
		return who, fmt.Errorf("auth.password_file: %w", err)
	}
	who.password = strings.TrimRight(string(text), "\r\n")
	return who, nil
}

// limits replaces the granted limits shown in the health.
func (s *Source) limits(granted any) {
	text, err := json.Marshal(granted)
	if err != nil {
		s.log.Error("limits can't be written", "error", err)
		return
	}
	s.update(func(h *source.Health) { h.Limits = text })
}
