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
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// flushEvery is how long reads are gathered before they become an event: a
	// page that refreshes itself must not write an event each time.
	flushEvery = 10 * time.Second
	// maxQueries bounds the distinct searches named in one event.
	maxQueries = 20
)

// record writes what a person did into the ledger. The name enters only as its
// pseudonym. Trouble is logged: the act itself has happened already.
func (s *Server) record(ctx context.Context, typ, name string, data map[string]any) {
	user := s.Pseudonym(ctx, name)
	data["userId"] = user
	ip, _ := ctx.Value(addressKey{}).(string)
	err := s.Ledger.Record(context.WithoutCancel(ctx), typ, data, func(e *event.Event) {
		e.UserID, e.SourceIP = user, ip
		if ok, is := data["success"].(bool); is && !ok {
			e.Severity = event.SeverityLow
		}
	})
	if err != nil {
		s.Log.Error("could not record in the ledger", "type", typ, "error", err)
	}
}

// reads gathers who read what until the next flush.
type reads struct {
	mu      sync.Mutex
	callers map[string]*read
}

type read struct {
	ctx     context.Context // of the last request: its address
	records int
	queries map[string]bool
	more    int // searches beyond maxQueries
}

func newReads() *reads { return &reads{callers: map[string]*read{}} }

// accessed notes that a caller was shown n events of a search.
func (s *Server) accessed(ctx context.Context, who rights.Principal, query string, n int) {
	r := s.reads
	r.mu.Lock()
	defer r.mu.Unlock()
	one, ok := r.callers[who.Name]
	if !ok {
		one = &read{queries: map[string]bool{}}
		r.callers[who.Name] = one
	}
	one.ctx, one.records = ctx, one.records+n
	switch {
	case one.queries[query]:
	case len(one.queries) < maxQueries:
		one.queries[query] = true
	default:
		one.more++
	}
}

// Run writes gathered reads into the ledger until ctx ends, and once more then.
func (s *Server) Run(ctx context.Context) error {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			s.flushReads()
			return nil
		case <-t.C:
			s.flushReads()
		}
	}
}

func (s *Server) flushReads() {
	s.reads.mu.Lock()
	callers := s.reads.callers
	s.reads.callers = map[string]*read{}
	s.reads.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		one := callers[name]
		queries := make([]any, 0, len(one.queries))
		for _, q := range slices.Sorted(maps.Keys(one.queries)) {
			queries = append(queries, q)
		}
		data := map[string]any{"query": queries, "records": one.records, "purpose": "review"}
		if one.more > 0 {
			data["moreQueries"] = one.more
		}
		s.record(one.ctx, "audit.accessed", name, data)
	}
}

// address is the bare address that a request came from.
func address(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().String()
}
