// Package enrol decides who may speak: it admits agents with tokens and
// approvals, issues and renews their certificates, tells whose certificate
// stands behind a request, registers their logs, and hands out pseudonym keys.
package enrol

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// Times of certificates and requests.
const (
	// RenewBefore its end an agent is told to renew.
	RenewBefore = 90 * 24 * time.Hour
	// Grace after its end in which a certificate still serves for its renewal.
	Grace = 365 * 24 * time.Hour

	alertEvery  = 24 * time.Hour // one alert for all clones of one agent
	maxWaiting  = 1000           // agents pending at the same time
	cacheFor    = time.Second    // of an agent's admission
	maxBodySize = 256 << 10
	tries       = 3 // of an admission whose agent's record changes meanwhile
)

// Store is what enrolment reads; all writing goes through the Ledger.
type Store interface {
	Agent(ctx context.Context, id string) (store.Agent, error)
	Agents(ctx context.Context) ([]store.Agent, error)
	Token(ctx context.Context, hash string) (store.Token, error)
	Tokens(ctx context.Context) ([]store.Token, error)
	Setting(ctx context.Context, key string) ([]byte, error)
	Log(ctx context.Context, log string) (store.Log, error)
	Logs(ctx context.Context) ([]store.Log, error)
}

// Ledger commits a change together with the leaves of these events, in one transaction.
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Options says what enrolment works with. Store, Ledger and CA are required.
type Options struct {
	Store      Store
	Ledger     Ledger
	CA         *identity.CA
	Pseudonyms *Pseudonyms // nil: no keys are handed out
	Cosigners  []wire.Cosigner
	URLs       []string // of the agents' listener, for agents
	// Sealing is the key that agents seal for, Destroyed the newest list of destroyed
	// data keys; nil: none.
	Sealing   func() string
	Destroyed func() wire.Destroyed
	// Changed is told the id of a log whose state changed; may be nil (see OnChange).
	Changed func(log string)
	Logger  *slog.Logger
	Now     func() time.Time
}

// Service admits agents. Its HTTP paths are added by Register.
type Service struct {
	opts Options
	log  *slog.Logger
	now  func() time.Time

	admit sync.Mutex // one admission at a time: they look at each other

	mu       sync.Mutex
	cache    map[string]cached
	good     map[[32]byte]time.Time // certificates that were checked, until when
	callers  map[string]*rate.Limiter
	all      *rate.Limiter
	rejected map[rejection]*rejectionCount
}

type cached struct {
	agent store.Agent
	until time.Time
}

// New checks the options; it starts nothing.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Ledger == nil || o.CA == nil {
		return nil, errors.New("enrol: store, ledger and CA are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		opts: o, log: o.Logger, now: o.Now, cache: map[string]cached{}, good: map[[32]byte]time.Time{},
		callers: map[string]*rate.Limiter{}, all: rate.NewLimiter(50, 500), rejected: map[rejection]*rejectionCount{},
	}, nil
}

// OnChange sets who is told the id of a log whose state changed; before serving.
func (s *Service) OnChange(changed func(log string)) { s.opts.Changed = changed }

// Denied is a refusal that the asker is told.
type Denied struct {
	Status int // of HTTP
	Reason string
}

// Error is the reason.
func (d *Denied) Error() string { return d.Reason }

// HTTPStatus is the status to answer with.
func (d *Denied) HTTPStatus() int { return d.Status }

func denied(status int, format string, args ...any) error {
	return &Denied{status, fmt.Sprintf(format, args...)}
}

// Run writes the counts of refused requests to the ledger once a minute and
// destroys pseudonym keys whose time is over, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	s.expire(ctx)
	for hours := 0; ; hours++ {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.flush(last)
			return nil
		case <-tick.C:
			s.flush(ctx)
			if hours%60 == 59 {
				s.expire(ctx)
			}
		}
	}
}

// expire destroys the pseudonym keys that are too old, and says so.
func (s *Service) expire(ctx context.Context) {
	if s.opts.Pseudonyms == nil {
		return
	}
	gone, err := s.opts.Pseudonyms.Expire(s.now())
	if err != nil {
		s.log.Warn("old pseudonym keys not destroyed", slog.Any("error", err))
	}
	for _, name := range gone {
		e := eventOf(event.TypeKeyLifecycle, map[string]any{
			"keyId": name, "action": "destroyed", "kind": "pseudonym key",
			"by": "aggregator", "approver": "",
		})
		if _, err := s.opts.Ledger.Commit(ctx, store.Change{}, e); err != nil {
			s.log.Warn("destroyed key not in the ledger", slog.String("key", name), slog.Any("error", err))
		}
	}
}

// eventOf makes a ledger event. Data that can't be written (it never holds such)
// leaves an event without data rather than none.
func eventOf(typ string, data map[string]any) event.Event {
	for k, v := range data {
		if t, ok := v.(string); ok {
			data[k] = event.Shorten(event.Clean(t), 4<<10)
		}
	}
	obj, err := event.Object(data)
	if err != nil {
		obj = nil
	}
	return event.Event{Type: typ, Data: obj}
}

// Register adds the paths of enrolment to the agents' listener.
func (s *Service) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST "+wire.PathEnrol, s.handleEnrol)
	mux.HandleFunc("POST "+wire.PathRenew, s.handleRenew)
	mux.HandleFunc("POST "+wire.PathLogs, s.handleLogs)
	mux.HandleFunc("GET "+wire.PathLogs+"/{log}", s.handleLog)
}

// afresh runs one admission, again when an agent's record changed between its
// reading and its writing: its new log key arrived, or another process changed it.
func afresh[T any](s *Service, admission func() (T, error)) (T, error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	for try := 1; ; try++ {
		res, err := admission()
		if !errors.Is(err, store.ErrAgentChanged) || try == tries {
			return res, err
		}
	}
}

// usedUp tells that a commit was refused for its enrolment token.
func usedUp(err error) bool {
	return errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrAgentChanged)
}
