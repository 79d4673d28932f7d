package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// The states of an agent as people see them.
const (
	StateOnline    = "online"
	StateAttention = "attention" // works, but somebody should look
	StateOffline   = "offline"
	StateNever     = "never"
	StatePending   = "pending"
	StateRevoked   = "revoked"
	StateReplaced  = "replaced"
)

// Agent is one agent with its state and the reason for it in a sentence.
type Agent struct {
	ID               string          `json:"id"`
	Station          string          `json:"station"`
	Scope            []string        `json:"scope"`
	State            string          `json:"state"`
	Reason           string          `json:"reason"`
	LastContact      *time.Time      `json:"last_contact"`
	ClockOffsetMS    int64           `json:"clock_offset_ms"` // ours minus theirs
	Backlog          uint64          `json:"backlog"`         // leaves without a receipt
	Refused          uint64          `json:"refused"`         // readings refused by a full journal since its start
	Version          string          `json:"version"`
	CertificateUntil *time.Time      `json:"certificate_until"`
	Host             string          `json:"host"`
	Predecessor      string          `json:"predecessor,omitempty"`
	Enrolled         time.Time       `json:"enrolled"`
	Sources          json.RawMessage `json:"sources"` // as the agent tells it
}

// status is what of wire.Status the view needs.
type status struct {
	Refused map[string]uint64 `json:"refused"`
	Sources json.RawMessage   `json:"sources"`
}

// source is what of a source's health the view needs.
type source struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Agents lists all agents with their states, by id.
func (f *Fleet) Agents(ctx context.Context) ([]Agent, error) {
	agents, err := f.opts.Store.Agents(ctx)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	out := make([]Agent, 0, len(agents))
	for _, a := range agents {
		out = append(out, f.view(a))
	}
	return out, nil
}

func (f *Fleet) view(a store.Agent) Agent {
	seen := f.seen(a)
	v := Agent{
		ID: a.ID, Station: a.Station, Scope: a.Scope, ClockOffsetMS: seen.Offset.Milliseconds(), Backlog: seen.Backlog,
		Version: seen.Version, Host: a.Host, Predecessor: a.Predecessor, Enrolled: a.Enrolled, Sources: json.RawMessage("[]"),
	}
	if v.Version == "" {
		v.Version = a.Version
	}
	if !seen.At.IsZero() {
		v.LastContact = &seen.At
	}
	if !a.NotAfter.IsZero() {
		v.CertificateUntil = &a.NotAfter
	}
	var st status
	if json.Unmarshal(seen.Status, &st) == nil && len(st.Sources) > 0 {
		v.Sources = st.Sources
	}
	for _, n := range st.Refused {
		v.Refused += n
	}
	v.State, v.Reason = f.judge(a, seen, v)
	return v
}

// judge finds the state and the one reason that matters most.
func (f *Fleet) judge(a store.Agent, seen store.AgentSeen, v Agent) (state, reason string) {
	now := f.now()
	switch a.State {
	case store.AgentPending:
		return StatePending, orElse(a.Reason, "waits for approval")
	case store.AgentRevoked:
		return StateRevoked, orElse(a.Reason, "revoked")
	case store.AgentReplaced:
		return StateReplaced, orElse(a.Reason, "replaced by another agent")
	}
	switch {
	case seen.At.IsZero():
		return StateNever, "enrolled, but not heard of yet: start the agent on the station"
	case now.Sub(seen.At) >= Silence:
		return StateOffline, "last heard of " + ago(now, seen.At) + ": the station is off, its agent stopped, or the network between is down"
	}
	if reason := f.concern(a, seen, v); reason != "" {
		return StateAttention, reason
	}
	return StateOnline, "heard of " + ago(now, seen.At)
}

// concern is what somebody should look at, "" for nothing.
func (f *Fleet) concern(a store.Agent, seen store.AgentSeen, v Agent) string {
	now := f.now()
	if v.Refused > 0 {
		return fmt.Sprintf("its journal was full: %d readings refused since it started", v.Refused)
	}
	var sources []source
	if json.Unmarshal(v.Sources, &sources) == nil {
		for _, s := range sources {
			if s.State != "" && !healthy(s.State) {
				return "source " + s.Name + " is " + s.State + colon(s.Reason)
			}
		}
	}
	if off := seen.Offset; off.Abs() > ClockLimit {
		way := "behind"
		if off < 0 {
			way = "ahead"
		}
		return fmt.Sprintf("its clock is %s %s", off.Abs().Round(time.Second), way)
	}
	if !a.NotAfter.IsZero() && now.Add(14*24*time.Hour).After(a.NotAfter) {
		return "its certificate ends " + a.NotAfter.UTC().Format("2006-01-02") + " and was not renewed"
	}
	return ""
}

func healthy(state string) bool { return state == "starting" || state == "connected" }

func colon(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
