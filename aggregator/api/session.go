package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/shared/event"
)

// Me is who is signed in.
type Me struct {
	Name        string   `json:"name"`
	Display     string   `json:"display"`
	Kind        string   `json:"kind" enum:"user,api"`
	Roles       []string `json:"roles"`
	Scope       []string `json:"scope" doc:"station patterns; what they do not match is not seen"`
	Permissions []string `json:"permissions"`
	Opens       []string `json:"opens" doc:"sealed fields that the roles may open, by field set; * is all"`
}

// About says what this aggregator is.
type About struct {
	Plant    string    `json:"plant"`
	TimeZone string    `json:"time_zone" doc:"IANA name"`
	Version  string    `json:"version"`
	Now      time.Time `json:"now"`
	UIBuilt  bool      `json:"ui_built"`
}

type answer[T any] struct{ Body T }

func me(who rights.Principal) *answer[Me] {
	return &answer[Me]{Me{who.Name, who.Display, who.Kind, notNil(who.Roles), notNil(who.Scope), notNil(who.Permissions()), notNil(who.Opens())}}
}

// notNil makes an empty list of none, as JSON wants it.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type signIn struct {
	Body struct {
		Name     string `json:"name" maxLength:"100"`
		Password string `json:"password" maxLength:"1000"`
	}
}

func (s *Server) registerSession() {
	huma.Register(s.api, huma.Operation{
		OperationID: "sign-in", Method: http.MethodPost, Path: "/api/v1/session", Summary: "Sign in: sets the session cookie",
		Tags: []string{"session"}, Security: []map[string][]string{},
	}, s.signIn)
	huma.Register(s.api, huma.Operation{
		OperationID: "sign-out", Method: http.MethodDelete, Path: "/api/v1/session", Summary: "Sign out", DefaultStatus: http.StatusNoContent,
		Tags: []string{"session"}, Security: []map[string][]string{},
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		who, _ := ctx.Value(callerKey{}).(rights.Principal)
		if err := s.Gate.SignOut(ctx); err != nil {
			return nil, s.failed(ctx, "sign out", err)
		}
		if who.Kind == "user" {
			s.flush(ctx, who.Key())
			_ = s.record(ctx, event.TypeUserLogout, actorOf(ctx, who), map[string]any{"sessionId": who.Session, "reason": "user"})
		}
		return nil, nil
	})
	huma.Register(s.api, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/api/v1/me", Summary: "Who is signed in", Tags: []string{"session"},
	}, func(ctx context.Context, _ *struct{}) (*answer[Me], error) {
		who, _ := ctx.Value(callerKey{}).(rights.Principal)
		return me(who), nil
	})
	huma.Register(s.api, huma.Operation{
		OperationID: "about", Method: http.MethodGet, Path: "/api/v1/about", Summary: "What this aggregator is",
		Tags: []string{"session"}, Security: []map[string][]string{},
	}, func(context.Context, *struct{}) (*answer[About], error) {
		return &answer[About]{About{s.Plant, s.TimeZone, s.Version, time.Now().UTC(), s.WebBuilt}}, nil
	})
}

func (s *Server) signIn(ctx context.Context, in *signIn) (*answer[Me], error) {
	who, err := s.Gate.SignIn(ctx, in.Body.Name, in.Body.Password, network(addressOf(ctx)))
	switch {
	case errors.Is(err, rights.ErrWrong), errors.Is(err, rights.ErrSlow):
		s.signInRefused(ctx, in.Body.Name)
		return nil, toProblem(err)
	case err != nil:
		return nil, s.failed(ctx, "sign in", err)
	}
	_ = s.record(ctx, event.TypeUserLogin, actorOf(ctx, who), map[string]any{"action": "login", "success": true, "method": "password", "sessionId": who.Session})
	return me(who), nil
}
