package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

// problem is an RFC 9457 problem document; Pos, Len and Suggestion are set for
// mistakes in a search text (bytes from its start).
type problem struct {
	Status     int    `json:"status"`
	Title      string `json:"title"`
	Detail     string `json:"detail,omitempty"`
	Pos        *int   `json:"pos,omitempty"`
	Len        *int   `json:"len,omitempty"`
	Suggestion string `json:"suggestion,omitempty"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is for huma, which writes what a handler returns.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is for huma: problem documents have a media type of their own.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// toProblem maps what the parts below return; what it does not know is an
// internal error whose cause stays in the log.
func toProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if q, ok := errors.AsType[*query.Error](err); ok {
		return &problem{Status: http.StatusBadRequest, Title: "The search text is not understood", Detail: q.Message, Pos: &q.Pos, Len: &q.Len, Suggestion: q.Suggestion}
	}
	switch {
	case errors.Is(err, rights.ErrNobody):
		return &problem{Status: http.StatusUnauthorized, Title: "Not signed in", Detail: "sign in, or send a bearer token"}
	case errors.Is(err, rights.ErrWrong):
		return &problem{Status: http.StatusUnauthorized, Title: "Not signed in", Detail: rights.ErrWrong.Error()}
	case errors.Is(err, rights.ErrSlow):
		return &problem{Status: http.StatusTooManyRequests, Title: "Too many attempts", Detail: rights.ErrSlow.Error()}
	case errors.Is(err, store.ErrNotFound):
		return &problem{Status: http.StatusNotFound, Title: "Not found", Detail: "there is nothing here, or nothing that you may see"}
	case errors.Is(err, store.ErrCursor):
		return &problem{Status: http.StatusBadRequest, Title: "The page cannot be found again", Detail: "the cursor belongs to another search; start from the first page"}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{Status: http.StatusServiceUnavailable, Title: "It took too long", Detail: "narrow the search, for example with since:2h or station:"}
	}
	if errors.Is(err, context.Canceled) {
		return &problem{Status: http.StatusServiceUnavailable, Title: "Not answered", Detail: "the request was given up"}
	}
	return &problem{Status: http.StatusInternalServerError, Title: "The aggregator has a problem", Detail: "try again; its log has the cause"}
}

func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the reader went away: nothing to do
}

// failed logs an unexpected error once and returns what the caller is told.
func (s *Server) failed(ctx context.Context, what string, err error) *problem {
	p := toProblem(err)
	if p.Status >= http.StatusInternalServerError && ctx.Err() == nil {
		s.Log.Error("request failed", "what", what, "error", err)
	}
	return p
}
