package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
)

// text is an answer that is no JSON.
type text struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// LogKey is one key of a log and the sizes it signs.
type LogKey struct {
	Key   string `json:"key" doc:"base64 Ed25519"`
	After uint64 `json:"after"`
	Last  uint64 `json:"last" doc:"0: open end"`
}

// Cosigner is one aggregator key.
type Cosigner struct {
	Name string `json:"name"`
	Key  string `json:"key" doc:"base64 Ed25519"`
}

// LogInfo is what a verifier needs to know of one log. Keys that come from the
// same server as the proof show only that it agrees with itself.
type LogInfo struct {
	Origin    string     `json:"origin"`
	Agent     string     `json:"agent"`
	Class     string     `json:"class"`
	Size      uint64     `json:"size"`
	State     string     `json:"state"`
	Keys      []LogKey   `json:"keys"`
	Cosigners []Cosigner `json:"cosigners"`
	Anchor    string     `json:"anchor" doc:"what these keys are worth as long as nothing else says the same"`
}

func (s *Server) registerEvidence() {
	huma.Register(s.api, huma.Operation{
		OperationID: "proof", Method: http.MethodGet, Path: "/api/v1/events/{id}/proof", Tags: []string{"evidence"},
		Summary: "C2SP tlog-proof of one event, the signed leaf in its extra line",
		Responses: map[string]*huma.Response{"200": {
			Description: "the proof", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}},
		}},
	}, s.proof)
	huma.Register(s.api, huma.Operation{
		OperationID: "log", Method: http.MethodGet, Path: "/api/v1/logs/{log}", Tags: []string{"evidence"}, Summary: "Keys and state of one log",
	}, s.log)
}

type proofInput struct {
	ID    string `path:"id" maxLength:"64"`
	Log   string `query:"log" maxLength:"64" doc:"with index: which of several leaves with this id"`
	Index uint64 `query:"index"`
}

func (s *Server) proof(ctx context.Context, in *proofInput) (*text, error) {
	who, row, err := s.row(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := s.prove(ctx, row)
	if err != nil {
		return nil, s.failed(ctx, "proof", err)
	}
	s.accessedNow(ctx, who, "id:"+row.ID, purposeProof, 1)
	return &text{"text/plain; charset=utf-8", fmt.Sprintf(`attachment; filename="%s.tlog-proof"`, row.ID), p.Text()}, nil
}

// row is the event that is asked for, if the caller may see it.
func (s *Server) row(ctx context.Context, in *proofInput) (rights.Principal, store.Row, error) {
	who, rows, err := s.rows(ctx, in.ID)
	if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusNotFound {
		err = errors.Join(s.dropped(ctx, who, in), err)
		if gone, ok := errors.AsType[*problem](err); ok {
			err = gone
		}
	}
	if err != nil {
		return who, store.Row{}, err
	}
	if in.Log == "" {
		return who, rows[0], nil
	}
	i := slices.IndexFunc(rows, func(r store.Row) bool { return r.Log == in.Log && r.Index == in.Index })
	if i < 0 {
		return who, store.Row{}, toProblem(store.ErrNotFound)
	}
	return who, rows[i], nil
}

// prove reads the log's newest receipt and the path from the leaf to its root.
func (s *Server) prove(ctx context.Context, row store.Row) (evidence.Proof, error) {
	lg, err := s.Store.Log(ctx, row.Log)
	if err != nil {
		return evidence.Proof{}, err
	}
	hashes, err := s.Store.Proof(ctx, row.Log, row.Index, lg.Size)
	if err != nil {
		return evidence.Proof{}, err
	}
	return evidence.Proof{Index: row.Index, Leaf: row.Leaf, Hashes: hashes, Checkpoint: lg.Receipt}, nil
}

type logInput struct {
	Log string `path:"log" maxLength:"64"`
}

func (s *Server) log(ctx context.Context, in *logInput) (*answer[LogInfo], error) {
	who, err := caller(ctx, rights.EventsRead)
	if err != nil {
		return nil, err
	}
	lg, err := s.Store.Log(ctx, in.Log)
	if err != nil {
		return nil, s.failed(ctx, "log", err)
	}
	// Whoever may see one of its events may see what proves it.
	q, err := restrict(who, "", time.Now())
	if err != nil {
		return nil, err
	}
	q.Filter.Terms = append(q.Filter.Terms, query.Term{Field: query.Log, Op: query.Is, Values: []string{lg.ID}})
	if n, err := s.Store.Count(ctx, q, 1); err != nil {
		return nil, s.failed(ctx, "log", err)
	} else if n == 0 {
		return nil, toProblem(store.ErrNotFound)
	}
	out := LogInfo{
		Origin: lg.Origin, Agent: lg.AgentID, Class: string(lg.Class), Size: lg.Size, State: string(lg.State),
		Keys: []LogKey{}, Cosigners: []Cosigner{}, Anchor: notAnchored,
	}
	for _, k := range lg.Keys {
		out.Keys = append(out.Keys, LogKey{base64.StdEncoding.EncodeToString(k.Key), k.After, k.Last})
	}
	for _, c := range s.Cosigners {
		out.Cosigners = append(out.Cosigners, Cosigner{c.Name, base64.StdEncoding.EncodeToString(c.Key)})
	}
	return &answer[LogInfo]{out}, nil
}
