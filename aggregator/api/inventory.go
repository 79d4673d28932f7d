package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/wire"
)

// Station is one station as its events show it.
type Station struct {
	Station string    `json:"station"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Events  uint64    `json:"events"`
	Agent   string    `json:"agent"`
}

// Stations is the list of stations.
type Stations struct {
	Stations []Station `json:"stations"`
}

// Agent is one agent and how it does.
type Agent struct {
	ID               string          `json:"id"`
	Station          string          `json:"station"`
	Scope            []string        `json:"scope"`
	State            string          `json:"state" enum:"pending,active,revoked,replaced"`
	Reason           string          `json:"reason" doc:"a sentence: what is wrong and what to do; empty when nothing is"`
	LastContact      *time.Time      `json:"last_contact"`
	ClockOffsetMS    int64           `json:"clock_offset_ms"`
	Backlog          uint64          `json:"backlog" doc:"events that wait on the station"`
	Version          string          `json:"version"`
	CertificateUntil *time.Time      `json:"certificate_until"`
	Host             string          `json:"host"`
	Address          string          `json:"address"`
	Predecessor      string          `json:"predecessor,omitempty"`
	Sources          json.RawMessage `json:"sources,omitempty"`
}

// Agents is the list of agents, worst first.
type Agents struct {
	Agents []Agent `json:"agents"`
}

// silentAfter is three missed signs of life.
const silentAfter = 95 * time.Second

func (s *Server) registerInventory() {
	tag := []string{"inventory"}
	huma.Register(s.api, huma.Operation{OperationID: "stations", Method: http.MethodGet, Path: "/api/v1/stations", Summary: "Stations with their last event", Tags: tag}, s.stations)
	huma.Register(s.api, huma.Operation{OperationID: "agents", Method: http.MethodGet, Path: "/api/v1/agents", Summary: "Agents and how they do", Tags: tag}, s.agents)
}

func inScope(who rights.Principal, station string) bool {
	for _, p := range who.Scope {
		if query.MatchStation(p, station) {
			return true
		}
	}
	return false
}

func (s *Server) stations(ctx context.Context, _ *struct{}) (*answer[Stations], error) {
	who, err := caller(ctx, rights.StationsRead)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Stations(ctx)
	if err != nil {
		return nil, s.failed(ctx, "stations", err)
	}
	out := Stations{Stations: []Station{}}
	for _, st := range all {
		if inScope(who, st.Station) {
			out.Stations = append(out.Stations, Station{st.Station, st.First.UTC(), st.Last.UTC(), st.Events, st.AgentID})
		}
	}
	return &answer[Stations]{out}, nil
}

func (s *Server) agents(ctx context.Context, _ *struct{}) (*answer[Agents], error) {
	who, err := caller(ctx, rights.AgentsRead)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Agents(ctx)
	if err != nil {
		return nil, s.failed(ctx, "agents", err)
	}
	out := Agents{Agents: []Agent{}}
	now := time.Now()
	var well []Agent
	for i := range all {
		if !inScope(who, all[i].Station) {
			continue
		}
		a := agent(&all[i], now)
		if a.Reason == "" {
			well = append(well, a)
		} else {
			out.Agents = append(out.Agents, a)
		}
	}
	out.Agents = append(out.Agents, well...)
	return &answer[Agents]{out}, nil
}

func agent(a *store.Agent, now time.Time) Agent {
	out := Agent{
		ID: a.ID, Station: a.Station, Scope: notNil(a.Scope), State: string(a.State), Reason: reason(a, now),
		ClockOffsetMS: a.Seen.Offset.Milliseconds(), Backlog: a.Seen.Backlog, Version: a.Version,
		Host: a.Host, Address: a.Seen.Address, Predecessor: a.Predecessor,
	}
	if a.Seen.Version != "" {
		out.Version = a.Seen.Version
	}
	if !a.Seen.At.IsZero() {
		out.LastContact = new(a.Seen.At.UTC())
	}
	if !a.NotAfter.IsZero() {
		out.CertificateUntil = new(a.NotAfter.UTC())
	}
	var st wire.Status
	if json.Unmarshal(a.Seen.Status, &st) == nil && json.Valid(st.Sources) {
		out.Sources = st.Sources
	}
	return out
}

// reason says why an agent needs a person, "" when it does not.
func reason(a *store.Agent, now time.Time) string {
	switch {
	case a.State == store.AgentPending:
		return "waits for approval: linewatch-aggregator agents approve " + a.ID
	case a.State == store.AgentRevoked, a.State == store.AgentReplaced:
		return string(a.State) + ": " + a.Reason
	case a.Seen.At.IsZero():
		return "was enrolled but never reported; is the service started?"
	case now.Sub(a.Seen.At) > silentAfter:
		return "has not reported since " + a.Seen.At.UTC().Format(time.RFC3339) + "; the PC is off, or its network is cut"
	case a.Seen.Offset.Abs() > time.Minute:
		return "its clock is wrong by " + a.Seen.Offset.Round(time.Second).String()
	}
	var st struct {
		Sources []struct {
			Name   string `json:"name"`
			State  string `json:"state"`
			Reason string `json:"reason"`
		} `json:"sources"`
	}
	if json.Unmarshal(a.Seen.Status, &st) == nil {
		for _, src := range st.Sources {
			if src.State != "connected" && src.State != "starting" {
				return src.Name + " is " + src.State + ": " + src.Reason
			}
		}
	}
	return ""
}
