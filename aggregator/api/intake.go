package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// maxIntake bounds the events of one request.
const maxIntake = 500

type intakeInput struct {
	RawBody []byte
}

// Taken answers POST /events: the events are signed and on disk.
type Taken struct {
	Events []TakenEvent `json:"events"`
}

// TakenEvent names one event that was taken.
type TakenEvent struct {
	ID       string          `json:"id"`
	Problems []event.Problem `json:"problems"`
}

// posted is the shape in which programs hand in events: facts stand in the
// envelope or nested in context and metadata, from where they are lifted.
type posted struct {
	EventType string          `json:"eventType"`
	EventData json.RawMessage `json:"eventData"`
	Station   string          `json:"station"`
	Context   json.RawMessage `json:"context"`
	Metadata  struct {
		Severity string `json:"severity"`
		Source   string `json:"source"`
		Version  string `json:"version"`
	} `json:"metadata"`
	ID string `json:"id"`
}

type postedContext struct {
	CorrelationID string `json:"correlationId"`
	Timestamp     string `json:"timestamp"`
}

func (s *Server) registerIntake() {
	huma.Register(s.api, huma.Operation{
		OperationID: "post-events", Method: http.MethodPost, Path: "/api/v1/events", DefaultStatus: http.StatusCreated, Tags: []string{"events"},
		Summary: "Hand in one event or a list; answered when they are signed and on disk", SkipValidateBody: true,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
			Description: `{"eventType","eventData",{"context":{"correlationId","timestamp"}},{"metadata":{"severity","source"}}} or a list of these`,
		}}}},
	}, s.intake)
}

func (s *Server) intake(ctx context.Context, in *intakeInput) (*answer[Taken], error) {
	who, err := caller(ctx, rights.EventsWrite)
	if err != nil {
		return nil, err
	}
	list, err := split(in.RawBody)
	if err != nil {
		return nil, err
	}
	out := Taken{Events: []TakenEvent{}}
	events := make([]event.Event, 0, len(list))
	for i, raw := range list {
		e, err := s.lift(ctx, raw, who)
		if err != nil {
			return nil, &problem{Status: http.StatusUnprocessableEntity, Title: "An event is not understood, none was taken", Detail: fmt.Sprintf("event %d: %v", i, err)}
		}
		events = append(events, e)
		out.Events = append(out.Events, TakenEvent{e.ID, notNil(e.Metadata.Problems)})
	}
	if _, err := s.Ledger.Commit(ctx, store.Change{}, events...); err != nil {
		return nil, s.failed(ctx, "take events", err)
	}
	return &answer[Taken]{out}, nil
}

// split makes a list of one event or of a list.
func split(body []byte) ([]json.RawMessage, error) {
	bad := func(detail string) error {
		return &problem{Status: http.StatusBadRequest, Title: "The body is not understood", Detail: detail}
	}
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return nil, bad("it is empty; send one JSON object or a list of them")
	}
	if trimmed[0] != '[' {
		return []json.RawMessage{trimmed}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(trimmed, &list); err != nil {
		return nil, bad(err.Error())
	}
	if len(list) == 0 || len(list) > maxIntake {
		return nil, bad(fmt.Sprintf("a list holds 1 to %d events", maxIntake))
	}
	return list, nil
}

// lift makes an event of what a program posted. Faults of single fields become
// problems of the event; only what can't be an event at all is refused.
func (s *Server) lift(ctx context.Context, raw []byte, who rights.Principal) (event.Event, error) {
	clean, err := event.Normalize(raw)
	if err != nil {
		return event.Event{}, err
	}
	var p posted
	if err := json.Unmarshal(clean, &p); err != nil {
		return event.Event{}, err
	}
	if !event.ValidType(p.EventType) {
		return event.Event{}, fmt.Errorf("eventType %q is no dotted lower-case name such as user.login or x.mes.order", p.EventType)
	}
	e := event.Event{
		ID: p.ID, Type: p.EventType, Station: p.Station, Context: object(p.Context),
		Source: &event.Source{Kind: "http", Endpoint: who.Name, Item: p.Metadata.Source, OriginalID: p.ID},
	}
	var problems []event.Problem
	if !event.ValidID(e.ID) {
		e.ID = event.NewID(time.Now())
	}
	problems = append(problems, s.liftPlace(ctx, &e, p, who)...)
	problems = append(problems, liftContext(&e, p)...)
	problems = append(problems, s.liftData(ctx, &e, p)...)
	e.Metadata.Problems = problems
	return e, nil
}

// object returns raw when it is a JSON object, else nil.
func object(raw json.RawMessage) json.RawMessage {
	if len(raw) > 0 && raw[0] == '{' {
		return raw
	}
	return nil
}

func (s *Server) liftPlace(ctx context.Context, e *event.Event, p posted, who rights.Principal) []event.Problem {
	if ip, ok := ctx.Value(addressKey{}).(string); ok {
		if _, err := netip.ParseAddr(ip); err == nil {
			e.SourceIP = ip
		}
	}
	switch {
	case p.Station == "":
	case event.ValidStation(p.Station) != nil:
		e.Station = ""
		return []event.Problem{{Field: "station", Reason: event.ValidStation(p.Station).Error()}}
	case !inScope(who, p.Station):
		e.Station = ""
		return []event.Problem{{Field: "station", Reason: "outside of this token's scope"}}
	}
	return nil
}

func liftContext(e *event.Event, p posted) []event.Problem {
	var problems []event.Problem
	if p.Metadata.Severity != "" {
		sev, err := event.ParseSeverity(p.Metadata.Severity)
		if err != nil {
			problems = append(problems, event.Problem{Field: "severity", Reason: err.Error()})
		} else {
			e.Severity = sev
		}
	}
	var c postedContext
	if e.Context != nil && json.Unmarshal(e.Context, &c) == nil {
		e.CorrelationID = event.Shorten(c.CorrelationID, 100)
	}
	if c.Timestamp != "" {
		at, err := time.Parse(time.RFC3339Nano, c.Timestamp)
		if err != nil || !event.ValidTime(at) {
			problems = append(problems, event.Problem{Field: "timestamp", Reason: "no RFC 3339 time of the years 1970 to 2199"})
		} else {
			e.Timestamp = at.UTC()
		}
	}
	return problems
}

// liftData takes event_data over; a user's clear name becomes a pseudonym before
// anything is signed.
func (s *Server) liftData(ctx context.Context, e *event.Event, p posted) []event.Problem {
	var problems []event.Problem
	var fields map[string]json.RawMessage
	if object(p.EventData) == nil || json.Unmarshal(p.EventData, &fields) != nil {
		fields = map[string]json.RawMessage{}
		if len(p.EventData) > 0 {
			fields["value"] = p.EventData
		}
		problems = append(problems, event.Problem{Field: "event_data", Reason: "is no object"})
	}
	data := make(map[string]any, len(fields))
	for k, v := range fields {
		data[k] = v
	}
	var name string
	if json.Unmarshal(fields["userId"], &name) == nil && name != "" {
		e.UserID = s.Pseudonym(ctx, name)
		data["userId"] = e.UserID
	}
	obj, err := event.Object(data)
	if err != nil { // every part came out of Normalize
		problems = append(problems, event.Problem{Field: "event_data", Reason: err.Error()})
	}
	e.Data = obj
	if info, ok := event.Lookup(e.Type); ok {
		for _, field := range event.Missing(info, e.Data) {
			problems = append(problems, event.Problem{Field: "event_data." + field, Reason: "missing"})
		}
	} else if !event.Known(e.Type) {
		problems = append(problems, event.Problem{Field: "event_type", Reason: "not in the catalogue; own types are x.<owner>.<name>"})
	}
	return problems
}
