package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// claimsKey is the setting with the claims of machines that present an agent's
// identity without being its machine.
const claimsKey = "enrol.claims"

// claim is the newest request of another machine for an agent's identity, and
// how many there were since the alert. A person may approve it: the identity
// moved to this machine (a new mainboard, a disk put into another PC).
type claim struct {
	At      time.Time         `json:"at"`
	Alerted time.Time         `json:"alerted"`
	Count   int               `json:"count"`
	Machine map[string]string `json:"machine,omitempty"`
	CSR     string            `json:"csr,omitempty"`
	Host    string            `json:"host,omitempty"`
	Address string            `json:"address,omitempty"`
}

func (s *Service) claims(ctx context.Context) (map[string]claim, error) {
	out := map[string]claim{}
	data, err := s.opts.Store.Setting(ctx, claimsKey)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return out, nil
}

// wait stores an agent that a person must approve. When it follows another one
// on another machine, that is what a copied disk looks like: one alert for all
// of them, and the original goes on.
func (s *Service) wait(ctx context.Context, a store.Agent, c candidate, tok store.Token, from Caller) (wire.EnrolResponse, error) {
	agents, err := s.opts.Store.Agents(ctx)
	if err != nil {
		return wire.EnrolResponse{}, fmt.Errorf("enrol %s: %w", a.ID, err)
	}
	waiting := 0
	var original *store.Agent
	for i, other := range agents {
		if other.State == store.AgentPending {
			waiting++
		}
		if other.ID == a.Predecessor {
			original = &agents[i]
		}
	}
	if waiting >= maxWaiting {
		return wire.EnrolResponse{}, denied(http.StatusTooManyRequests, "%d agents wait for approval already", waiting)
	}
	a.State = store.AgentPending
	change := store.Change{Agents: []store.Agent{a}}
	if tok.Hash != "" {
		change.UseTokens = []string{tok.Hash}
	}
	var events []event.Event
	if original != nil && !sameMachine(a.Machine, original.Machine) {
		e, err := s.claimed(ctx, &change, *original, c, from)
		if err != nil {
			return wire.EnrolResponse{}, err
		}
		events = e
	}
	if _, err := s.opts.Ledger.Commit(ctx, change, events...); err != nil {
		if usedUp(err) {
			return wire.EnrolResponse{}, denied(http.StatusForbidden, "the enrolment token is used up")
		}
		return wire.EnrolResponse{}, fmt.Errorf("enrol %s: %w", a.ID, err)
	}
	return wire.EnrolResponse{AgentID: a.ID, Pending: true, Reason: a.Reason}, nil
}

// clone answers another machine that presents an agent's own keys.
func (s *Service) clone(ctx context.Context, a store.Agent, c candidate, from Caller) (wire.EnrolResponse, error) {
	var change store.Change
	events, err := s.claimed(ctx, &change, a, c, from)
	if err != nil {
		return wire.EnrolResponse{}, err
	}
	if _, err := s.opts.Ledger.Commit(ctx, change, events...); err != nil {
		return wire.EnrolResponse{}, fmt.Errorf("enrol %s: %w", a.ID, err)
	}
	return wire.EnrolResponse{
		AgentID: a.ID, Pending: true,
		Reason: "another machine is enrolled as " + a.ID + ": a new identity or a person's approval is needed",
	}, nil
}

// claimed counts one more machine that claims an agent's identity, and alerts
// for the first of a day.
func (s *Service) claimed(ctx context.Context, change *store.Change, a store.Agent, c candidate, from Caller) ([]event.Event, error) {
	claims, err := s.claims(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	cl := claims[a.ID]
	cl.At, cl.Count, cl.Host, cl.Address = now, cl.Count+1, event.Clean(c.req.Host), from.Address
	if c.req.AgentID == a.ID {
		cl.Machine, cl.CSR = c.req.Machine, c.req.CSR
	}
	var events []event.Event
	if now.Sub(cl.Alerted) >= alertEvery {
		cl.Alerted = now
		e := eventOf(event.TypeAgentTamper, map[string]any{
			"agentId": a.ID, "what": "cloned identity",
			"evidence": "another machine presented the identity of " + a.ID + "; it waits for approval, the original goes on",
			"host":     c.req.Host, "claimant": c.req.AgentID, "originalHost": a.Host, "station": a.Station,
		})
		e.SourceIP, e.Station = from.Address, a.Station
		events = append(events, e)
	}
	claims[a.ID] = cl
	data, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	change.Settings = map[string][]byte{claimsKey: data}
	return events, nil
}
