// Package api is the people's and programs' listener: the HTTP API under
// /api/v1, the live stream, health, metrics, and the embedded web application.
// Everything but health needs a session or a bearer token; rights and scope are
// applied to every answer.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Gate finds out who asks.
type Gate interface {
	// Middleware loads and saves the session around a request.
	Middleware(next http.Handler) http.Handler
	// Who returns rights.ErrNobody for strangers.
	Who(r *http.Request) (rights.Principal, error)
	// Again is Who for a request that lasts: the session is read anew.
	Again(ctx context.Context, r *http.Request) (rights.Principal, error)
	SignIn(ctx context.Context, name, password, address string) (rights.Principal, error)
	SignOut(ctx context.Context) error
}

// Ledger records what people do, as signed events of the aggregator.
type Ledger interface {
	Record(ctx context.Context, typ string, data map[string]any, extra ...func(*event.Event)) error
	// Commit stores the change and the events in one transaction.
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Next waits for the next rows of one watcher: rows, oldest first, with the
// cursor behind them, and the reason of a gap before them, "" for none.
type Next func(ctx context.Context, maxRows int) (store.FeedPage, string, error)

// Live is the hub of newly committed events.
type Live struct {
	// Watch begins behind cursor, or at now for "". It returns the cursor of its
	// begin too, "" when that is a gap.
	Watch func(cursor string, filter func(*store.Row) bool) (next Next, begin string)
	Rate  func() float64
}

// Options is what the API needs. All fields are required.
type Options struct {
	Store     store.Store
	Gate      Gate
	Ledger    Ledger
	Live      Live
	Agents    func(ctx context.Context) ([]Agent, error)
	Cosigners []evidence.CosignerKey
	Evidence  Evidence
	// Witness answers /witness/add-checkpoint; nil: this aggregator is no witness.
	Witness  http.Handler
	Web      http.Handler // the web application
	WebBuilt bool
	Plant    string // name shown to people
	TimeZone string // IANA name of the plant's time zone
	Version  string
	Log      *slog.Logger
	// Ingest calls its argument with the name and value of each counter of the
	// agents' listener, for /metrics.
	Ingest func(f func(name string, value float64))
	// Pseudonym turns a clear user name into a pseudonym; "" when there is no key.
	Pseudonym func(ctx context.Context, name string) string
	// Sealed opens sealed fields; without its functions none are.
	Sealed SealedFields
}

// Limits of the people's listener.
const (
	maxBody        = 1 << 20 // bytes of a request
	requestTimeout = 30 * time.Second
	perSecond      = 50 // requests per second and name
	burst          = 200
	// Several people may share an address; the bound stands before the database is
	// asked who they are.
	addressPerSecond = 200
	addressBurst     = 1000
	witnessPerSecond = 5 // requests per second and address
	witnessBurst     = 50
)

// Server is the API.
type Server struct {
	Options
	metrics  *metrics
	limits   *limiter
	busy     *busy
	gathered *gathered
	refusals *refusals
	streams  *streams
	api      huma.API
	handler  http.Handler
}

// New builds the API; Handler serves it.
func New(o Options) (*Server, error) {
	s := &Server{Options: o, limits: newLimiter(), busy: newBusy(), gathered: newGathered(), refusals: newRefusals(), streams: newStreams()}
	var err error
	if s.metrics, err = newMetrics(o); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	mux := http.NewServeMux()
	s.register(mux)
	mux.HandleFunc("GET /api/v1/stream", s.stream)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, &problem{Status: http.StatusNotFound, Title: "No such address", Detail: r.Method + " " + r.URL.Path + " is not part of the API; see /api/v1/openapi.json"})
	})
	outer := http.NewServeMux()
	outer.HandleFunc("GET /healthz", s.healthz)
	outer.HandleFunc("GET /readyz", s.readyz)
	outer.Handle("GET /metrics", s.guard(http.HandlerFunc(s.serveMetrics)))
	outer.Handle("/api/", s.guard(mux))
	if o.Witness != nil {
		outer.Handle("/witness/add-checkpoint", s.slow(o.Witness))
	}
	outer.Handle("/", o.Web)
	s.handler = s.observe(secure(outer))
	return s, nil
}

// Handler serves the whole people's listener.
func (s *Server) Handler() http.Handler { return s.handler }

// Document returns the OpenAPI document as JSON; docs/openapi.json is made of it.
func Document() ([]byte, error) {
	s := &Server{}
	s.register(http.NewServeMux())
	text, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return append(text, '\n'), nil
}

// register puts everything that the document describes onto mux.
func (s *Server) register(mux *http.ServeMux) {
	s.api = humago.New(mux, config())
	s.registerSession()
	s.registerEvents()
	s.registerEvidence()
	s.registerBundles()
	s.registerInventory()
	s.registerIntake()
	s.describeOthers()
	s.describeErrors()
}

// describeErrors adds what problem documents of search mistakes carry besides.
func (s *Server) describeErrors() {
	model := s.api.OpenAPI().Components.Schemas.Map()["ErrorModel"]
	model.Properties["pos"] = &huma.Schema{Type: "integer", Description: "where a mistake in a search text begins"}
	model.Properties["len"] = &huma.Schema{Type: "integer", Description: "how long it is"}
	model.Properties["suggestion"] = &huma.Schema{Type: "string", Description: "what was perhaps meant"}
}

// describeOthers names what is served outside of the library.
func (s *Server) describeOthers() {
	doc := s.api.OpenAPI()
	plain := func(status, text string) map[string]*huma.Response {
		return map[string]*huma.Response{status: {Description: text}}
	}
	open := []map[string][]string{}
	for _, op := range []*huma.Operation{
		{OperationID: "stream", Path: "/api/v1/stream", Tags: []string{"events"}, Summary: "WebSocket: events as they are stored, see docs/api.md", Responses: plain("101", "WebSocket")},
		{OperationID: "healthz", Path: "/healthz", Tags: []string{"operation"}, Summary: "The process answers", Security: open, Responses: plain("200", "ok")},
		{OperationID: "readyz", Path: "/readyz", Tags: []string{"operation"}, Summary: "The database answers and takes writes", Security: open, Responses: plain("200", "ok")},
		{OperationID: "metrics", Path: "/metrics", Tags: []string{"operation"}, Summary: "Prometheus metrics", Responses: plain("200", "metrics")},
	} {
		op.Method = http.MethodGet
		doc.AddOperation(op)
	}
}

func config() huma.Config {
	c := huma.DefaultConfig("Linewatch", "1")
	c.Info.Description = "Signed events of a production line. Errors are RFC 9457 problem documents."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "/api/v1/openapi", "", ""
	c.CreateHooks = nil // no $schema member in answers
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":  {Type: "http", Scheme: "bearer"},
		"session": {Type: "apiKey", In: "cookie", Name: "__Host-linewatch"},
	}
	c.Security = []map[string][]string{{"bearer": {}}, {"session": {}}}
	return c
}

// secure sets the headers that every answer carries; the web application adds
// its content policy itself.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

type (
	callerKey  struct{}
	addressKey struct{}
)

// guard bounds, authenticates and authorises: strangers reach only POST /session
// and GET /about, and cross-origin changes are refused.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, &problem{Status: http.StatusForbidden, Title: "Refused", Detail: "a change may only come from this application's own pages"})
	}))
	inner := s.Gate.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.Gate.Who(r)
		if err == nil && !s.limits.allow(who.Key(), perSecond, burst) {
			tooMany(w, perSecond)
			return
		}
		if err != nil && !open(r) {
			writeProblem(w, s.failed(r.Context(), "who asks", err))
			return
		}
		if key := who.Key(); err == nil && r.URL.Path != "/api/v1/stream" {
			if !s.busy.begin(key) {
				w.Header().Set("Retry-After", "1")
				writeProblem(w, &problem{Status: http.StatusTooManyRequests, Title: "Too many requests", Detail: fmt.Sprintf("at most %d at the same time; wait for their answers", maxBusy)})
				return
			}
			defer s.busy.end(key)
		}
		ctx := context.WithValue(r.Context(), callerKey{}, who)
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, addressKey{}, address(r))))
	}))
	return cross.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.limits.allow("address "+network(address(r)), addressPerSecond, addressBurst) {
			tooMany(w, addressPerSecond)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if r.URL.Path != "/api/v1/stream" {
			ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		inner.ServeHTTP(w, r)
	}))
}

// slow bounds what strangers may ask of the witness: it needs no sign-in, the
// signature in what is posted is what counts.
func (s *Server) slow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.limits.allow("witness "+network(address(r)), witnessPerSecond, witnessBurst) {
			tooMany(w, witnessPerSecond)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func tooMany(w http.ResponseWriter, perSecond int) {
	w.Header().Set("Retry-After", "1")
	writeProblem(w, &problem{Status: http.StatusTooManyRequests, Title: "Too many requests", Detail: fmt.Sprintf("at most %d a second; wait a moment", perSecond)})
}

// open lists what a stranger may ask.
func open(r *http.Request) bool {
	switch r.Method + " " + r.URL.Path {
	case "POST /api/v1/session", "DELETE /api/v1/session", "GET /api/v1/about", "GET /api/v1/openapi.json", "GET /api/v1/openapi.yaml":
		return true
	}
	return false
}

// caller returns who asks, and an error unless they may do p.
func caller(ctx context.Context, p rights.Permission) (rights.Principal, error) {
	who, _ := ctx.Value(callerKey{}).(rights.Principal)
	if who.Name == "" {
		return who, toProblem(rights.ErrNobody)
	}
	if !who.May(p) {
		return who, &problem{Status: http.StatusForbidden, Title: "Not allowed", Detail: fmt.Sprintf("your roles do not grant %s; ask an administrator", p)}
	}
	return who, nil
}
