package enrol

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Waiting is one request that a person must decide.
type Waiting struct {
	AgentID     string    `json:"id"`
	Station     string    `json:"station"`
	Host        string    `json:"host"`
	Address     string    `json:"address,omitempty"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason"`
	Predecessor string    `json:"predecessor,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the log key, as the station prints it
	// Claim: another machine presents the identity of this admitted agent;
	// approving it moves the identity to that machine.
	Claim bool `json:"claim,omitempty"`
	Count int  `json:"count,omitempty"` // of such requests
}

// Pending lists what waits for a decision, oldest first.
func (s *Service) Pending(ctx context.Context) ([]Waiting, error) {
	agents, err := s.opts.Store.Agents(ctx)
	if err != nil {
		return nil, fmt.Errorf("pending: %w", err)
	}
	claims, err := s.claims(ctx)
	if err != nil {
		return nil, fmt.Errorf("pending: %w", err)
	}
	var out []Waiting
	for _, a := range agents {
		if a.State == store.AgentPending {
			out = append(out, Waiting{
				AgentID: a.ID, Station: a.Station, Host: a.Host, Since: a.Enrolled, Reason: a.Reason,
				Predecessor: a.Predecessor, Fingerprint: fingerprint(a),
			})
		}
		if c, ok := claims[a.ID]; ok && c.CSR != "" && a.State == store.AgentActive {
			out = append(out, Waiting{
				AgentID: a.ID, Station: a.Station, Host: c.Host, Address: c.Address, Since: c.At, Claim: true,
				Count: c.Count, Fingerprint: fingerprint(a), Reason: "another machine presents the identity of this agent",
			})
		}
	}
	slices.SortStableFunc(out, func(a, b Waiting) int { return a.Since.Compare(b.Since) })
	return out, nil
}

func fingerprint(a store.Agent) string {
	if len(a.Keys) == 0 {
		return ""
	}
	return evidence.Fingerprint(a.Keys[len(a.Keys)-1].Public)
}

// Approve admits an agent that waits. replaces names the agent that it follows
// on the same place ("replaces this PC"): that one is replaced and its
// certificate no longer accepted; "" keeps the other one. Approving an admitted
// agent with a claim moves its identity to the claiming machine.
func (s *Service) Approve(ctx context.Context, id, replaces, by string) error {
	_, err := afresh(s, func() (struct{}, error) { return struct{}{}, s.approve(ctx, id, replaces, by) })
	return err
}

func (s *Service) approve(ctx context.Context, id, replaces, by string) error {
	a, err := s.opts.Store.Agent(ctx, id)
	if err != nil {
		return fmt.Errorf("approve %s: %w", id, err)
	}
	change := store.Change{}
	switch a.State {
	case store.AgentPending:
	case store.AgentActive:
		if err := s.adopt(ctx, &a, &change); err != nil {
			return fmt.Errorf("approve %s: %w", id, err)
		}
	default:
		return fmt.Errorf("approve %s: the agent is %s", id, a.State)
	}
	if err := s.issue(&a); err != nil {
		return fmt.Errorf("approve %s: %w", id, err)
	}
	a.State, a.Reason = store.AgentActive, ""
	events := []event.Event{enrolledEvent(a, by)}
	if replaces != "" {
		old, err := s.opts.Store.Agent(ctx, replaces)
		if err != nil {
			return fmt.Errorf("approve %s in place of %s: %w", id, replaces, err)
		}
		if old.ID == a.ID {
			return fmt.Errorf("approve %s: it can't replace itself", id)
		}
		old.State, old.Reason, a.Predecessor = store.AgentReplaced, "replaced by "+a.ID, old.ID
		events[0] = enrolledEvent(a, by)
		change.Agents = append(change.Agents, old)
		events = append(events, revokedEvent(old, by, old.Reason))
	}
	change.Agents = append(change.Agents, a)
	if _, err := s.opts.Ledger.Commit(ctx, change, events...); err != nil {
		return fmt.Errorf("approve %s: %w", id, err)
	}
	s.forget(id, replaces)
	return nil
}

// adopt takes the newest claim's machine and request into the agent's record;
// the machine before it is no longer accepted.
func (s *Service) adopt(ctx context.Context, a *store.Agent, change *store.Change) error {
	claims, err := s.claims(ctx)
	if err != nil {
		return err
	}
	c, ok := claims[a.ID]
	if !ok || c.CSR == "" {
		return errors.New("nothing waits for approval")
	}
	delete(claims, a.ID)
	a.Machine, a.CSR, a.Host, a.TLSKey = c.Machine, []byte(c.CSR), c.Host, nil
	data, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	change.Settings = map[string][]byte{claimsKey: data}
	return nil
}

// Revoke ends an agent's admission, or refuses one that waits. What it sent stays.
func (s *Service) Revoke(ctx context.Context, id, by, reason string) error {
	_, err := afresh(s, func() (struct{}, error) { return struct{}{}, s.revoke(ctx, id, by, reason) })
	return err
}

func (s *Service) revoke(ctx context.Context, id, by, reason string) error {
	a, err := s.opts.Store.Agent(ctx, id)
	if err != nil {
		return fmt.Errorf("revoke %s: %w", id, err)
	}
	if a.State == store.AgentRevoked {
		return nil
	}
	a.State, a.Reason = store.AgentRevoked, event.Clean(strings.TrimSpace(reason))
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{Agents: []store.Agent{a}}, revokedEvent(a, by, a.Reason)); err != nil {
		return fmt.Errorf("revoke %s: %w", id, err)
	}
	s.forget(id)
	return nil
}

func revokedEvent(a store.Agent, by, reason string) event.Event {
	key := ""
	if len(a.Keys) > 0 {
		key = base64.StdEncoding.EncodeToString(a.Keys[len(a.Keys)-1].Public)
	}
	e := eventOf(event.TypeAgentRevoked, map[string]any{
		"agentId": a.ID, "keyId": fingerprint(a), "publicKey": key,
		"by": by, "reason": reason, "station": a.Station,
	})
	e.Station = a.Station
	return e
}
