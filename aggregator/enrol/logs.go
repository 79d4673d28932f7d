package enrol

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// maxLogs bounds the logs of one agent: a station makes one per class, and a few
// more in its life.
const maxLogs = 1000

// RegisterLog registers a log of an agent, with the ledger's log.registered in
// the same transaction. The same registration again is answered with the state.
func (s *Service) RegisterLog(ctx context.Context, a store.Agent, reg wire.LogRegistration) (wire.LogState, error) {
	s.admit.Lock()
	defer s.admit.Unlock()
	// Who asks was perhaps known from memory: its newest key may have come since.
	a, err := s.opts.Store.Agent(ctx, a.ID)
	if err != nil {
		return wire.LogState{}, fmt.Errorf("register log: %w", err)
	}
	if a.State != store.AgentActive {
		return wire.LogState{}, denied(http.StatusForbidden, "agent %s is %s", a.ID, a.State)
	}
	o, key, err := checkRegistration(a, reg)
	if err != nil {
		return wire.LogState{}, err
	}
	lg, err := s.opts.Store.Log(ctx, o.Log)
	if err == nil {
		if lg.Origin != reg.Origin || lg.AgentID != a.ID {
			return wire.LogState{}, denied(http.StatusConflict, "log %s is registered otherwise", o.Log)
		}
		return StateOf(lg), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return wire.LogState{}, err
	}
	lg = store.Log{
		ID: o.Log, Origin: reg.Origin, AgentID: a.ID, Class: event.Class(o.Class),
		Keys: []evidence.KeyRange{{Key: key}}, State: store.LogActive, Predecessor: reg.Predecessor,
		Registered: s.now().UTC(), Reason: event.Clean(reg.Reason),
	}
	change := store.Change{Logs: []store.Log{lg}}
	ended, left, err := s.succeed(ctx, a, reg, &change)
	if err != nil {
		return wire.LogState{}, err
	}
	e, err := registeredEvent(a, reg)
	if err != nil {
		return wire.LogState{}, err
	}
	events := []event.Event{e}
	if left != nil {
		if e, err = clearedEvent(a, *left, reg); err != nil {
			return wire.LogState{}, err
		}
		events = append(events, e)
	}
	if _, err := s.opts.Ledger.Commit(ctx, change, events...); err != nil {
		return wire.LogState{}, fmt.Errorf("register log %s: %w", o.Log, err)
	}
	if s.opts.Changed != nil {
		s.opts.Changed(o.Log)
		if ended != "" {
			s.opts.Changed(ended)
		}
	}
	return StateOf(lg), nil
}

// checkRegistration verifies what needs no store: the origin is the agent's, the
// key is one of its own and proved.
func checkRegistration(a store.Agent, reg wire.LogRegistration) (evidence.Origin, ed25519.PublicKey, error) {
	o, err := evidence.ParseOrigin(reg.Origin)
	if err != nil {
		return o, nil, denied(http.StatusBadRequest, "origin: %v", err)
	}
	if o.Agent != a.ID {
		return o, nil, denied(http.StatusForbidden, "origin %s is not one of agent %s", reg.Origin, a.ID)
	}
	if !event.Class(o.Class).Valid() || len(o.Log) != 16 {
		return o, nil, denied(http.StatusBadRequest, "origin %s has no class and log id as they must be", reg.Origin)
	}
	key, err := base64.StdEncoding.DecodeString(reg.PublicKey)
	owned := slices.ContainsFunc(a.Keys, func(k store.AgentKey) bool { return bytes.Equal(k.Public, key) })
	if err != nil || !owned {
		return o, nil, denied(http.StatusForbidden, "the key is not one of agent %s: it was changed, and the leaf log.key that says so has not come here yet (docs/backup.md, Restore)", a.ID)
	}
	proof, err := base64.StdEncoding.DecodeString(reg.Proof)
	if err != nil || !ed25519.Verify(key, []byte(wire.LogProofPrefix+reg.Origin), proof) {
		return o, nil, denied(http.StatusForbidden, "the proof does not prove the key")
	}
	return o, key, nil
}

// succeed closes the log that this one follows. One that was never registered
// here (its station had no connection yet) is only named. left is the log that this
// one takes the place of without a word.
func (s *Service) succeed(ctx context.Context, a store.Agent, reg wire.LogRegistration, change *store.Change) (ended string, left *store.Log, err error) {
	logs, err := s.opts.Store.Logs(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("register log: %w", err)
	}
	count := 0
	for _, lg := range logs {
		if lg.AgentID == a.ID {
			count++
		}
	}
	if count >= maxLogs {
		return "", nil, denied(http.StatusTooManyRequests, "agent %s has %d logs already", a.ID, count)
	}
	if reg.Predecessor == "" {
		return "", abandoned(logs, a, change.Logs[0].Class), nil
	}
	o, err := evidence.ParseOrigin(reg.Predecessor)
	if err != nil || (o.Agent != a.ID && o.Agent != a.Predecessor) {
		return "", nil, denied(http.StatusForbidden, "predecessor %s is not the agent's", short(reg.Predecessor))
	}
	for _, lg := range logs {
		if lg.Origin == reg.Predecessor && lg.State == store.LogActive {
			change.LogStates = map[string]store.LogState{lg.ID: store.LogClosed}
			return lg.ID, nil, nil
		}
	}
	return "", nil, nil
}

// abandoned is the newest log of a class that goes on as far as we know. A station
// that begins another one and does not name it has no memory of it: its folder was
// removed with all that remembers it, and with what was never sent.
func abandoned(logs []store.Log, a store.Agent, class event.Class) (newest *store.Log) {
	for i := range logs {
		l := &logs[i]
		if l.AgentID == a.ID && l.Class == class && l.State == store.LogActive && l.Size > 0 &&
			(newest == nil || l.Registered.After(newest.Registered)) {
			newest = l
		}
	}
	return newest
}

// clearedEvent says that a log ended without a word. It stays open: its end may
// still be brought in from a copy of the folder.
func clearedEvent(a store.Agent, left store.Log, reg wire.LogRegistration) (event.Event, error) {
	data, err := event.Object(map[string]any{
		"host": a.Station, "log": left.Origin, "by": "unknown", "agentId": a.ID, "size": int64(left.Size), "next": reg.Origin,
	})
	if err != nil {
		return event.Event{}, fmt.Errorf("register log: %w", err)
	}
	return event.Event{Type: event.TypeLogCleared, Class: event.Security, Station: a.Station, Data: data}, nil
}

// registeredEvent carries the body of the registration as it came.
func registeredEvent(a store.Agent, reg wire.LogRegistration) (event.Event, error) {
	body, err := json.Marshal(reg)
	if err != nil {
		return event.Event{}, fmt.Errorf("register log: %w", err)
	}
	data, err := event.Normalize(body)
	if err != nil {
		return event.Event{}, denied(http.StatusBadRequest, "registration: %v", err)
	}
	return event.Event{Type: event.TypeLogRegistered, Class: event.Security, Data: data}, nil
}

// StateOf is a log's state as agents are told it.
func StateOf(lg store.Log) wire.LogState {
	out := wire.LogState{Origin: lg.Origin, Size: lg.Size, Receipt: string(lg.Receipt), State: string(lg.State)}
	if root, err := lg.Frontier.Root(); err == nil {
		out.Root = root.String()
	}
	return out
}
