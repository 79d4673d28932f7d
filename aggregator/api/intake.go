package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

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

func (s *Server) registerIntake() {
	huma.Register(s.api, huma.Operation{
		OperationID: "post-events", Method: http.MethodPost, Path: "/api/v1/events", DefaultStatus: http.StatusCreated, Tags: []string{"events"},
		Summary: "Hand in one event or a list; answered when they are signed and on disk", SkipValidateBody: true, MaxBodyBytes: maxBody,
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
	events, keys := make([]event.Event, 0, len(list)), map[string][]byte{}
	for i, raw := range list {
		e, sealed, err := s.lift(ctx, raw, who)
		if err != nil {
			return nil, &problem{Status: http.StatusUnprocessableEntity, Title: "An event is not understood, none was taken", Detail: fmt.Sprintf("event %d: %v", i, err)}
		}
		maps.Copy(keys, sealed)
		events = append(events, e)
		out.Events = append(out.Events, TakenEvent{e.ID, notNil(e.Metadata.Problems)})
	}
	if _, err := s.Ledger.Commit(ctx, store.Change{Keys: keys}, events...); err != nil {
		return nil, s.failed(ctx, "take events", err)
	}
	s.gathered.note(actorOf(ctx, who), func(d *doings) { d.posted += len(events) })
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
