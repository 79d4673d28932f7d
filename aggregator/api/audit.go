package api

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// flushEvery is how long reads are gathered before they become an event: a
	// page that refreshes itself must not fill the list that it shows.
	flushEvery = 5 * time.Minute
	// maxQueries and maxQueryText bound what one event says of searches; an event
	// that grew beyond the size of a leaf would not be written at all.
	maxQueries   = 20
	maxQueryText = 300
)

// Purposes of an access, as events say them.
const (
	purposeReview = "review" // lists, details, the live stream
	purposeExport = "export" // more than a screenful at once
	purposeProof  = "proof"
)

// actor is who did something, from where.
type actor struct {
	key     string // rights.Principal.Key
	name    string
	token   string // id of an API token, "" for people
	address string
}

func actorOf(ctx context.Context, who rights.Principal) actor {
	return actor{who.Key(), who.Name, who.Token, addressOf(ctx)}
}

// record writes what a person or program did into the ledger. The name enters
// only as its pseudonym; a token by its id, which its own events have too.
func (s *Server) record(ctx context.Context, typ string, by actor, data map[string]any) error {
	user := s.Pseudonym(ctx, by.name)
	data["userId"] = user
	if by.token != "" {
		data["tokenId"] = by.token
	}
	err := s.Ledger.Record(context.WithoutCancel(ctx), typ, data, func(e *event.Event) {
		e.UserID, e.SourceIP = user, by.address
		if ok, is := data["success"].(bool); is && !ok {
			e.Severity = event.SeverityLow
		}
	})
	if err != nil {
		s.Log.Error("could not record in the ledger", "type", typ, "error", err)
	}
	return err
}

// gathered is what callers did since the last flush, by key.
type gathered struct {
	mu      sync.Mutex
	callers map[string]*doings
}

type doings struct {
	by      actor // of the last request
	reads   bool
	records int // events shown
	queries map[string]bool
	more    int // searches beyond maxQueries
	posted  int // events handed in
}

func newGathered() *gathered { return &gathered{callers: map[string]*doings{}} }

// note lets f change what a caller did.
func (g *gathered) note(by actor, f func(*doings)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.callers[by.key]
	if one == nil {
		one = &doings{queries: map[string]bool{}}
		g.callers[by.key] = one
	}
	one.by = by
	f(one)
}

// take removes and returns what one caller did, nil for nothing.
func (g *gathered) take(key string) *doings {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.callers[key]
	delete(g.callers, key)
	return one
}

func (g *gathered) keys() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.callers))
}

func (d *doings) read(query string, records int) {
	d.reads, d.records = true, d.records+records
	switch {
	case d.queries[query]:
	case len(d.queries) < maxQueries:
		d.queries[query] = true
	default:
		d.more++
	}
}

// accessed notes that a caller was shown n events of a search.
func (s *Server) accessed(ctx context.Context, who rights.Principal, query string, n int) {
	s.gathered.note(actorOf(ctx, who), func(d *doings) { d.read(queryLabel(query), n) })
}

// accessedNow records an access that is not gathered.
func (s *Server) accessedNow(ctx context.Context, who rights.Principal, query, purpose string, n int) {
	_ = s.record(ctx, event.TypeAuditAccessed, actorOf(ctx, who), map[string]any{"query": []any{queryLabel(query)}, "records": n, "purpose": purpose})
}

// queryLabel is a search as an event can carry it.
func queryLabel(text string) string {
	text = event.Clean(text)
	if short := event.Shorten(text, maxQueryText); len(short) < len(text) {
		return short + "…"
	}
	return text
}

// Run writes what was gathered into the ledger from time to time until ctx ends,
// and once more when the last stream has ended.
func (s *Server) Run(ctx context.Context) error {
	t, minute := time.NewTicker(flushEvery), time.NewTicker(time.Minute)
	defer t.Stop()
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			s.StopStreams()
			s.streams.wait()
			s.flushAll(context.WithoutCancel(ctx))
			s.flushSignIns(context.WithoutCancel(ctx))
			return nil
		case <-t.C:
			s.flushAll(ctx)
		case <-minute.C:
			s.flushSignIns(ctx)
		}
	}
}

func (s *Server) flushAll(ctx context.Context) {
	for _, key := range s.gathered.keys() {
		s.flush(ctx, key)
	}
}

// flush writes what one caller did; what the ledger does not take is kept.
func (s *Server) flush(ctx context.Context, key string) {
	one := s.gathered.take(key)
	if one == nil {
		return
	}
	if one.reads {
		queries := make([]any, 0, len(one.queries))
		for _, q := range slices.Sorted(maps.Keys(one.queries)) {
			queries = append(queries, q)
		}
		data := map[string]any{"query": queries, "records": one.records, "purpose": purposeReview}
		if one.more > 0 {
			data["moreQueries"] = one.more
		}
		if s.record(ctx, event.TypeAuditAccessed, one.by, data) == nil {
			one.reads, one.records, one.more, one.queries = false, 0, 0, nil
		}
	}
	if one.posted > 0 && s.record(ctx, event.TypeApiPosted, one.by, map[string]any{"count": one.posted}) == nil {
		one.posted = 0
	}
	if !one.reads && one.posted == 0 {
		return
	}
	s.gathered.note(one.by, func(d *doings) {
		d.posted += one.posted
		for q := range one.queries {
			d.read(q, 0)
		}
		d.records, d.more = d.records+one.records, d.more+one.more
	})
}

// ownAccess tells that a row says only that user looked at events; showing it to
// the same user is no new access, or a quiet page would write for ever.
func ownAccess(r *store.Row, user string) bool {
	return r.Type == event.TypeAuditAccessed && r.UserID == user && user != ""
}

// address is the bare address that a request came from.
func address(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}

// network is what limits are kept by: an address, of IPv6 the /64 that one house
// has to itself.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// addressOf is the address that guard found.
func addressOf(ctx context.Context) string {
	text, _ := ctx.Value(addressKey{}).(string)
	return text
}
