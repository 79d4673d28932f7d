package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/shared/query"
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

// Agent is one agent and how it does, as the fleet judges it.
type Agent struct {
	ID               string          `json:"id"`
	Station          string          `json:"station"`
	Scope            []string        `json:"scope"`
	State            string          `json:"state"`
	Reason           string          `json:"reason" doc:"a sentence: what is wrong and what to do; empty when nothing is"`
	LastContact      *time.Time      `json:"last_contact"`
	ClockOffsetMS    int64           `json:"clock_offset_ms" doc:"the aggregator's clock minus the station's"`
	Backlog          uint64          `json:"backlog" doc:"leaves without a receipt"`
	Refused          uint64          `json:"refused" doc:"readings refused by a full journal since its start"`
	Version          string          `json:"version"`
	CertificateUntil *time.Time      `json:"certificate_until"`
	Host             string          `json:"host"`
	Predecessor      string          `json:"predecessor,omitempty"`
	Enrolled         time.Time       `json:"enrolled"`
	Sources          json.RawMessage `json:"sources"`
}

// Agents is the list of agents, worst first.
type Agents struct {
	Agents []Agent `json:"agents"`
}

func (s *Server) registerInventory() {
	tag := []string{"inventory"}
	huma.Register(s.api, huma.Operation{OperationID: "stations", Method: http.MethodGet, Path: "/api/v1/stations", Summary: "Stations with their last event", Tags: tag}, s.stations)
	huma.Register(s.api, huma.Operation{OperationID: "agents", Method: http.MethodGet, Path: "/api/v1/agents", Summary: "Agents and how they do", Tags: tag}, s.agents)
}

func inScope(who rights.Principal, station string) bool {
	return query.InScope(who.Scope, station) // from the first segment, unlike a search
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
	all, err := s.Agents(ctx)
	if err != nil {
		return nil, s.failed(ctx, "agents", err)
	}
	out := Agents{Agents: []Agent{}}
	var well []Agent
	for _, a := range all {
		switch {
		case !inScope(who, a.Station):
		case a.Reason == "":
			well = append(well, a)
		default:
			out.Agents = append(out.Agents, a)
		}
	}
	out.Agents = append(out.Agents, well...)
	return &answer[Agents]{out}, nil
}
