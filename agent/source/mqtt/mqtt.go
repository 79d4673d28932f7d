// Package mqtt listens to one MQTT 3.1.1 broker. It keeps a persistent session
// with QoS 1, hands readings over in the order in which the broker sent them, and
// acknowledges a message only after the sink has taken it. It never publishes.
//
// The library's automatic parts (reconnection, acknowledgement, message store)
// are off: a fresh client per connection, our own backoff, and acknowledgements
// written for a whole batch by the committer (link). What was committed but
// perhaps not acknowledged is remembered with the position (window), so that a
// repeat of the broker is recognised after a crash too.
package mqtt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
)

// Options are what a source needs beside its configuration.
type Options struct {
	Station string   // the agent's station, the default of every topic
	Levels  []string // names of the station path's levels, counted from its end
	AgentID string   // makes the default client id
	Dir     string   // relative file names count from it
	// Positions gives back what was stored with Position; nil for nothing.
	Positions source.Positions
	Logger    *slog.Logger
	Now       func() time.Time
	// Dial opens the network connection; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxMessage is the largest message in bytes, default 1 MiB; of longer ones
	// only the beginning is read, for quarantine.
	MaxMessage int
	// Batch is how many messages are handed over at once, default 900.
	Batch int
}

const (
	defaultMaxMessage = 1 << 20
	defaultBatch      = 900      // below the 1,000 events that one commit of the journal holds
	maxBatchBytes     = 3 << 20  // below the journal's 4 MiB per commit
	maxQueueItems     = 65536    // there are no more packet ids
	maxQueueBytes     = 32 << 20 // memory of one source while the journal is slow
)

func (o Options) withDefaults() Options {
	if len(o.Levels) == 0 {
		o.Levels = []string{"site", "area", "line", "cell"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: connectLimit}).DialContext
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	return o
}

// Source is one broker. Make it with New.
type Source struct {
	cfg     config.MQTT
	o       Options
	log     *slog.Logger
	rules   []*rule
	filters []string
	broker  *url.URL
	invalid error // what is wrong with the configuration
	q       *queue

	parse sync.Mutex // one message at a time: the rules remember points

	state struct { // guarded by its mutex
		sync.Mutex
		health  source.Health
		refused []string // filters that the broker does not grant
	}
	readings, repeats, gaps, quarantined, unmatched atomic.Uint64
	dropped                                         atomic.Int64 // the broker's counter, -1 while it was not shown
	lastData                                        atomic.Int64 // Unix ns
}

var _ source.Source = (*Source)(nil)

// New compiles the configuration. Mistakes are told by Run, and by Err before.
func New(cfg config.MQTT, o Options) *Source {
	o = o.withDefaults()
	s := &Source{cfg: cfg, o: o, log: o.Logger.With("source", cfg.Name), q: newQueue(maxQueueItems, maxQueueBytes)}
	s.dropped.Store(-1)
	rules, err := compile(cfg, o)
	var brokerErr error
	s.broker, brokerErr = parseBroker(cfg)
	s.invalid = errors.Join(err, brokerErr)
	s.rules = rules
	patterns := make([]pattern, len(rules))
	for i, r := range rules {
		patterns[i] = r.pattern
	}
	s.filters = filters(patterns)
	s.state.health = source.Health{
		Name: cfg.Name, Kind: "mqtt", Endpoint: endpoint(cfg.Broker), State: source.StateStarting, Since: o.Now(),
	}
	return s
}

// Err returns all mistakes of the configuration that New found, or nil.
func (s *Source) Err() error { return s.invalid }

// Name implements source.Source.
func (s *Source) Name() string { return s.cfg.Name }

// Run implements source.Source.
func (s *Source) Run(ctx context.Context, sink source.Sink) error {
	if s.invalid != nil {
		s.setState(source.StateStopped, s.invalid.Error())
		return s.invalid
	}
	c := newCommitter(s, sink)
	var wg sync.WaitGroup
	k := newConnector(s, c.conn, c.aliveAt, c.oldFilters)
	wg.Go(func() { k.run(ctx) })
	c.run(ctx)
	wg.Wait()
	s.setState(source.StateStopped, "")
	return nil
}

// Health implements source.Source.
func (s *Source) Health() source.Health {
	s.state.Lock()
	h, refused := s.state.health, s.state.refused
	s.state.Unlock()
	h.Readings, h.Repeats = s.readings.Load(), s.repeats.Load()
	h.Gaps, h.Quarantined = s.gaps.Load(), s.quarantined.Load()
	if at := s.lastData.Load(); at != 0 {
		h.LastData = time.Unix(0, at).UTC()
	}
	h.Detail = map[string]string{
		"waiting": fmt.Sprint(s.q.len()), "unmatched": fmt.Sprint(s.unmatched.Load()),
		"client_id": s.clientID(), "filters": strings.Join(s.filters, " "), "dropped_by_broker": "not shown",
	}
	if len(refused) > 0 {
		h.Detail["refused_filters"] = strings.Join(refused, " ")
	}
	if n := s.dropped.Load(); n >= 0 {
		h.Detail["dropped_by_broker"] = fmt.Sprint(n)
	}
	return h
}

// notGranted notes the filters that the broker refuses, for the health.
func (s *Source) notGranted(failed map[string]bool) {
	s.state.Lock()
	defer s.state.Unlock()
	s.state.refused = slices.Sorted(maps.Keys(failed))
}

func (s *Source) setState(state source.State, reason string) {
	s.state.Lock()
	defer s.state.Unlock()
	h := &s.state.health
	if h.State != state {
		h.Since = s.o.Now()
	}
	h.State, h.Reason = state, reason
}

// occurrence queues an event of the source's own, in order with the messages.
func (s *Source) occurrence(typ string, data map[string]any) {
	s.q.force(item{reading: source.Reading{
		Point: s.point(), ReceivedAt: s.o.Now(), Occurrence: &source.Occurrence{Type: typ, Data: data},
	}})
}

// point is what occurrences about the connection carry.
func (s *Source) point() *source.Point {
	return &source.Point{
		Source: s.cfg.Name, Kind: "mqtt", Endpoint: endpoint(s.cfg.Broker),
		Station: first(s.cfg.Station, s.o.Station), Equipment: first(s.cfg.Equipment, s.cfg.Name),
	}
}

// clientID is stable and short enough for every broker (23 characters): the
// agent's id and a mark of the source's name. Two agents must never share one.
func (s *Source) clientID() string {
	if s.cfg.ClientID != "" {
		return s.cfg.ClientID
	}
	id := s.o.AgentID
	if id == "" {
		id = "linewatch"
	}
	sum := sha256.Sum256([]byte(s.cfg.Name))
	return fmt.Sprintf("lw%.16s-%s", id, hex.EncodeToString(sum[:2]))
}

// parseBroker checks the address and that a password does not travel in the clear.
func parseBroker(cfg config.MQTT) (*url.URL, error) {
	u, err := url.Parse(cfg.Broker)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("mqtt %s: broker %q: must look like ssl://host:8883 or tcp://host:1883", cfg.Name, endpoint(cfg.Broker))
	}
	secure := false
	switch u.Scheme {
	case "ssl", "tls", "mqtts":
		secure = true
	case "tcp", "mqtt":
	default:
		return nil, fmt.Errorf("mqtt %s: broker: scheme %q: must be ssl or tcp", cfg.Name, u.Scheme)
	}
	if u.User != nil {
		return nil, fmt.Errorf("mqtt %s: broker: name and password belong under auth, not into the address", cfg.Name)
	}
	if !secure && cfg.Auth.User != "" && !cfg.AllowInsecure && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("mqtt %s: the password would travel in the clear: use ssl://, or set allow_insecure: true", cfg.Name)
	}
	if cfg.QoS < 0 || cfg.QoS > 2 {
		return nil, fmt.Errorf("mqtt %s: qos %d: must be 1 or 2", cfg.Name, cfg.QoS)
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "8883", false: "1883"}[secure]
	}
	scheme := map[bool]string{true: "ssl", false: "tcp"}[secure]
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(u.Hostname(), port)}, nil
}

// loopback reports whether a host is this machine, where nobody else listens.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// endpoint is the address without credentials.
func endpoint(broker string) string {
	u, err := url.Parse(broker)
	if err != nil {
		return "(malformed address)"
	}
	u.User = nil
	return u.String()
}

// file resolves a name of the configuration.
func (s *Source) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.o.Dir, name)
}

// password reads the password file; its content may end with a newline.
func (s *Source) password() (string, error) {
	if s.cfg.Auth.PasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(s.file(s.cfg.Auth.PasswordFile))
	if err != nil {
		return "", fmt.Errorf("read the password file: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
