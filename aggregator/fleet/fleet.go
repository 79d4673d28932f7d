// Package fleet knows how the agents are: their signs of life, how far their
// clocks are off, and for each one a state with the reason in a sentence. What
// changes (silent, back, clock off, updated) becomes an event in the ledger.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// Limits of what is normal; agents give a sign of life every 30 s.
const (
	// Silence after which an agent counts as offline.
	Silence = 90 * time.Second
	// ClockLimit beyond which a clock offset is an event.
	ClockLimit = 2 * time.Second

	touchEvery = time.Minute // how often a sign of life is written to the store
	maxRTT     = 10 * time.Second
)

// Store is what fleet needs of the database; changes go through the Ledger.
type Store interface {
	Agent(ctx context.Context, id string) (store.Agent, error)
	Agents(ctx context.Context) ([]store.Agent, error)
	Setting(ctx context.Context, key string) ([]byte, error)
	TouchAgent(ctx context.Context, id string, seen store.AgentSeen) error
}

// Ledger commits a change together with the leaves of these events, in one transaction.
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Admission tells whose certificate stands behind a request, and what the agent
// is due (package enrol).
type Admission interface {
	// IdentifyExpired accepts an expired certificate too: the answer says that it
	// has to be renewed.
	IdentifyExpired(r *http.Request) (store.Agent, error)
	PseudonymKeys(a store.Agent) ([]wire.PseudonymKey, error)
	RenewDue(a store.Agent) bool
}

// Options says what fleet works with. Store, Ledger and Admission are required.
type Options struct {
	Store     Store
	Ledger    Ledger
	Admission Admission
	Cosigners []wire.Cosigner
	Destroyed func() wire.Destroyed          // nil: an empty list
	Sealing   func() string                  // key that agents seal for; nil: none
	ETag      func(agent store.Agent) string // of the configuration to fetch; nil: none
	Restored  string                         // names the newest restore of the store
	Logger    *slog.Logger
	Now       func() time.Time
}

// Fleet keeps the newest sign of life of each agent.
type Fleet struct {
	opts Options
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	begun   time.Time
	newest  map[string]store.AgentSeen
	touched map[string]time.Time
	drifted map[string]bool
}

// New checks the options; it starts nothing.
func New(o Options) (*Fleet, error) {
	if o.Store == nil || o.Ledger == nil || o.Admission == nil {
		return nil, errors.New("fleet: store, ledger and admission are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Fleet{
		opts: o, log: o.Logger, now: o.Now, begun: o.Now(), newest: map[string]store.AgentSeen{},
		touched: map[string]time.Time{}, drifted: map[string]bool{},
	}, nil
}

// Register adds the path of the status call to the agents' listener.
func (f *Fleet) Register(mux *http.ServeMux) { mux.HandleFunc("POST "+wire.PathStatus, f.handle) }

// Offset is our clock minus an agent's, as last measured; false when it is not known.
func (f *Fleet) Offset(agent string) (time.Duration, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.newest[agent]
	return s.Offset, ok
}

func (f *Fleet) handle(w http.ResponseWriter, r *http.Request) {
	arrived := f.now()
	a, err := f.opts.Admission.IdentifyExpired(r)
	if err != nil {
		refuse(w, err)
		return
	}
	body := http.MaxBytesReader(w, r.Body, 256<<10)
	var st wire.Status
	if err := json.NewDecoder(body).Decode(&st); err != nil {
		problem(w, http.StatusBadRequest, "status not understood", err.Error())
		return
	}
	if st.AgentID != a.ID {
		problem(w, http.StatusForbidden, "status of another agent", "")
		return
	}
	f.take(r.Context(), a, st, arrived, r.RemoteAddr)
	answer, err := f.answer(a)
	ours, theirs := answer.Destroyed, st.Destroyed
	answer.SendDestroyed = theirs.Number > ours.Number || theirs.Number == ours.Number && theirs.Hash != ours.Hash
	if err != nil {
		f.log.Warn("status not answered", slog.String("agent", a.ID), slog.Any("error", err))
		problem(w, http.StatusServiceUnavailable, "not available", "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// answer is what the agent is told.
func (f *Fleet) answer(a store.Agent) (wire.StatusResponse, error) {
	keys, err := f.opts.Admission.PseudonymKeys(a)
	if err != nil {
		return wire.StatusResponse{}, err
	}
	out := wire.StatusResponse{Time: f.now().UTC(), Cosigners: f.opts.Cosigners, Pseudonyms: keys, Renew: f.opts.Admission.RenewDue(a), Restored: f.opts.Restored}
	if f.opts.Destroyed != nil {
		out.Destroyed = f.opts.Destroyed()
	}
	if f.opts.Sealing != nil {
		out.Sealing = f.opts.Sealing()
	}
	if f.opts.ETag != nil {
		out.ConfigETag = f.opts.ETag(a)
	}
	return out, nil
}

// take keeps a sign of life; the status was on its way for about half of the
// round trip that the agent measured the last time.
func (f *Fleet) take(ctx context.Context, a store.Agent, st wire.Status, arrived time.Time, from string) {
	rtt := min(max(time.Duration(st.RTT)*time.Millisecond, 0), maxRTT)
	text, err := json.Marshal(st)
	if err != nil {
		text = nil
	}
	seen := store.AgentSeen{
		At: arrived.UTC(), Address: from, Version: event.Shorten(event.Clean(st.Version), 100),
		Offset: arrived.Sub(st.Time) - rtt/2, Backlog: st.Backlog, Status: text,
	}
	f.mu.Lock()
	before, known := f.newest[a.ID]
	if !known {
		before = a.Seen
	}
	f.newest[a.ID] = seen
	write := arrived.Sub(f.touched[a.ID]) >= touchEvery
	if write {
		f.touched[a.ID] = arrived
	}
	drift := f.drifts(a.ID, seen.Offset)
	f.mu.Unlock()
	if write {
		if err := f.opts.Store.TouchAgent(ctx, a.ID, seen); err != nil {
			f.log.Warn("sign of life not stored", slog.String("agent", a.ID), slog.Any("error", err))
		}
	}
	var events []event.Event
	if drift {
		events = append(events, eventOf(a, event.TypeTimeDrift, map[string]any{
			"host": a.Host, "agentId": a.ID,
			"offsetMs": seen.Offset.Milliseconds(), "source": "status", "limitMs": ClockLimit.Milliseconds(),
		}))
	}
	if before.Version != "" && before.Version != seen.Version {
		events = append(events, eventOf(a, event.TypeAgentUpdated, map[string]any{
			"agentId": a.ID, "oldVersion": before.Version,
			"newVersion": seen.Version, "signedBy": "unknown", "result": "running",
		}))
	}
	f.record(ctx, store.Change{}, events)
}

// drifts tells whether the clock went beyond the limit; it has to come back to
// half of it before it is told again.
func (f *Fleet) drifts(id string, offset time.Duration) bool {
	switch off := offset.Abs(); {
	case off > ClockLimit && !f.drifted[id]:
		f.drifted[id] = true
		return true
	case off < ClockLimit/2:
		delete(f.drifted, id)
	}
	return false
}

func (f *Fleet) record(ctx context.Context, c store.Change, events []event.Event) bool {
	if len(events) == 0 {
		return true
	}
	if _, err := f.opts.Ledger.Commit(ctx, c, events...); err != nil {
		f.log.Warn("not in the ledger", slog.String("event_type", events[0].Type), slog.Any("error", err))
		return false
	}
	return true
}

// eventOf makes an event about an agent, at the agent's station.
func eventOf(a store.Agent, typ string, data map[string]any) event.Event {
	obj, err := event.Object(data)
	if err != nil {
		obj = nil
	}
	return event.Event{Type: typ, Station: a.Station, Data: obj}
}

func refuse(w http.ResponseWriter, err error) {
	var with interface {
		error
		HTTPStatus() int
	}
	if errors.As(err, &with) {
		problem(w, with.HTTPStatus(), "identity not accepted", err.Error())
		return
	}
	problem(w, http.StatusServiceUnavailable, "not available", "the store does not answer")
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: title, Status: status, Detail: detail})
}

// ago says a time for people.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return "on " + t.UTC().Format("2006-01-02 15:04 UTC")
}
