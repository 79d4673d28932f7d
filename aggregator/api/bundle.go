package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// Evidence writes bundles for the API.
type Evidence struct {
	// Events writes a bundle of the proofs of these rows. enrolment adds what the
	// ledger says of who admitted their stations.
	Events func(ctx context.Context, w io.Writer, enrolment bool, rows ...store.Row) error
	// Search writes a bundle of what a search finds and returns how many events it
	// shows; [ErrTooMuch] when it finds more than limit.
	Search func(ctx context.Context, w io.Writer, enrolment bool, q store.EventQuery, limit int) (uint64, error)
	// Trust writes the trust file.
	Trust func(ctx context.Context, w io.Writer) error
}

// ErrTooMuch says that a bundle would hold more events than the API hands out.
var ErrTooMuch = errors.New("too many events for one download")

// maxBundle bounds the events of a bundle by the API; the command line has no bound.
const maxBundle = 20_000

const (
	bundleType = "text/plain; charset=utf-8"
	// notAnchored is said wherever keys or proofs come from this server alone.
	notAnchored = "agrees with itself, not anchored: keys that come from the server that also gave the evidence prove nothing against this server; compare with a trust file that you got another way"
)

// download is an answer that a browser saves as a file.
type download struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Anchor      string `header:"Linewatch-Anchor" doc:"none: what the server itself says anchors nothing"`
	Body        []byte
}

func (s *Server) registerBundles() {
	file := func(text string) map[string]*huma.Response {
		return map[string]*huma.Response{"200": {Description: text, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}}
	}
	huma.Register(s.api, huma.Operation{
		OperationID: "event-bundle", Method: http.MethodGet, Path: "/api/v1/events/{id}/bundle", Tags: []string{"evidence"},
		Summary:   "Bundle of one event: its proof, the keys of its log, and what the ledger says of them",
		Responses: file("the bundle, see docs/formats/proof.md"),
	}, s.eventBundle)
	huma.Register(s.api, huma.Operation{
		OperationID: "bundle", Method: http.MethodGet, Path: "/api/v1/bundle", Tags: []string{"evidence"},
		Summary:   "Bundle of a station's time, with everything between the first and the last event of its logs (what the caller may not see as a hash)",
		Responses: file("the bundle, see docs/formats/proof.md"),
	}, s.rangeBundle)
	huma.Register(s.api, huma.Operation{
		OperationID: "trust", Method: http.MethodGet, Path: "/api/v1/trust", Tags: []string{"evidence"},
		Summary:   "The trust file as this server would print it: to be compared with paper, it anchors nothing by itself",
		Responses: file("the trust file"),
	}, s.trust)
}

func attached(name string, body []byte) *download {
	return &download{bundleType, fmt.Sprintf("attachment; filename=%q", name), "none", body}
}

func (s *Server) eventBundle(ctx context.Context, in *proofInput) (*download, error) {
	who, row, err := s.row(ctx, in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := s.Evidence.Events(ctx, &out, mayEnrolment(who, row.Station), row); err != nil {
		return nil, s.failed(ctx, "bundle", err)
	}
	s.accessedNow(ctx, who, "id:"+row.ID, purposeProof, 1)
	return attached(row.ID+".bundle", out.Bytes()), nil
}

// mayEnrolment says whether the caller may see the security events of a station:
// an enrolment is one, and names who admitted it.
func mayEnrolment(who rights.Principal, station string) bool {
	return visible(who)(&store.Row{Class: event.Security, Station: station})
}

type bundleInput struct {
	Station string    `query:"station" maxLength:"400" doc:"station or pattern, as in the search language; default: all that the caller may see"`
	From    time.Time `query:"from" doc:"first time, by the events' place in time; default: 24 hours before to"`
	To      time.Time `query:"to" doc:"end, not included; default: now"`
}

// settle fills in the defaults.
func (in *bundleInput) settle(now time.Time) error {
	if in.Station == "" {
		in.Station = "**"
	}
	if in.To.IsZero() {
		in.To = now
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-24 * time.Hour)
	}
	if !in.From.Before(in.To) || !event.ValidTime(in.From) || !event.ValidTime(in.To) {
		return &problem{Status: http.StatusBadRequest, Title: "The time range is empty", Detail: "from must be before to, both in the years 1970 to 2199"}
	}
	return nil
}

func (s *Server) rangeBundle(ctx context.Context, in *bundleInput) (*download, error) {
	who, err := caller(ctx, rights.Export)
	if err != nil {
		return nil, err
	}
	if err := in.settle(time.Now()); err != nil {
		return nil, err
	}
	q, err := restrict(who, "", time.Now())
	if err != nil {
		return nil, err
	}
	parsed, err := query.Parse("station:"+in.Station, time.Now())
	if err != nil {
		return nil, toProblem(err)
	}
	q.Filter.Terms = append(q.Filter.Terms[:len(q.Filter.Terms):len(q.Filter.Terms)], parsed.Terms...)
	q.From, q.To = in.From, in.To
	var out bytes.Buffer
	n, err := s.Evidence.Search(ctx, &out, mayEnrolment(who, in.Station), q, maxBundle)
	if errors.Is(err, ErrTooMuch) {
		return nil, &problem{Status: http.StatusRequestEntityTooLarge, Title: "Too many events for one download", Detail: fmt.Sprintf(
			"more than %d; take a shorter time, or on the aggregator: linewatch-aggregator evidence export --station … --from … --to … --out FILE", maxBundle)}
	}
	if err != nil {
		return nil, s.failed(ctx, "bundle", err)
	}
	if n == 0 {
		return nil, toProblem(store.ErrNotFound)
	}
	label := fmt.Sprintf("station:%s %s to %s", in.Station, in.From.UTC().Format(time.RFC3339), in.To.UTC().Format(time.RFC3339))
	s.accessedNow(ctx, who, label, purposeProof, int(n))
	return attached("evidence.bundle", out.Bytes()), nil
}

func (s *Server) trust(ctx context.Context, _ *struct{}) (*download, error) {
	if _, err := caller(ctx, rights.EventsRead); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s.\n", notAnchored)
	if err := s.Evidence.Trust(ctx, &out); err != nil {
		return nil, s.failed(ctx, "trust file", err)
	}
	return attached("linewatch-trust.txt", out.Bytes()), nil
}
