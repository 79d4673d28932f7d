package api

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/shared/event"
)

const (
	// Refused sign-ins become an event each as long as there are few of them;
	// beyond that they are counted and told of once a minute, so that a guesser
	// can't fill the record.
	refusedBurst = 10
	refusedEvery = 30 * time.Second
	// maxRefusedNames bounds the names that one count tells apart.
	maxRefusedNames = 20
)

// refusals counts refused sign-ins that got no event of their own.
type refusals struct {
	mu     sync.Mutex
	single *rate.Limiter
	names  map[string]int
	others int // attempts under further names
	from   map[string]bool
}

func newRefusals() *refusals {
	return &refusals{single: rate.NewLimiter(rate.Every(refusedEvery), refusedBurst), names: map[string]int{}, from: map[string]bool{}}
}

// signInRefused records one refused sign-in, or counts it.
func (s *Server) signInRefused(ctx context.Context, name string) {
	s.metrics.signInsRefused.Inc()
	r := s.refusals
	r.mu.Lock()
	alone := r.single.Allow()
	if !alone {
		if _, known := r.names[name]; known || len(r.names) < maxRefusedNames {
			r.names[name]++
		} else {
			r.others++
		}
		if len(r.from) < maxRefusedNames {
			r.from[addressOf(ctx)] = true
		}
	}
	r.mu.Unlock()
	if alone {
		_ = s.record(ctx, event.TypeUserLogin, actor{name: name, key: "user " + name, address: addressOf(ctx)}, map[string]any{"action": "login", "success": false, "method": "password"})
	}
}

// flushSignIns tells of the refused sign-ins that were only counted: one event,
// with the attempts by pseudonym.
func (s *Server) flushSignIns(ctx context.Context) {
	r := s.refusals
	r.mu.Lock()
	names, others, from := r.names, r.others, r.from
	r.names, r.others, r.from = map[string]int{}, 0, map[string]bool{}
	r.mu.Unlock()
	if len(names) == 0 {
		return
	}
	total := others
	attempts := map[string]any{}
	for name, n := range names {
		total += n
		if user := s.Pseudonym(ctx, name); user != "" {
			attempts[user] = n
		}
	}
	addresses := []any{}
	for _, a := range slices.Sorted(maps.Keys(from)) {
		addresses = append(addresses, a)
	}
	data := map[string]any{
		"action": "login", "success": false, "method": "password", "userId": "", "attempts": total,
		"attemptsByUser": attempts, "attemptsOfOthers": others, "addresses": addresses,
	}
	err := s.Ledger.Record(ctx, event.TypeUserLogin, data, func(e *event.Event) { e.Severity = event.SeverityMedium })
	if err == nil {
		return
	}
	s.Log.Error("could not record in the ledger", "type", event.TypeUserLogin, "error", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range names {
		r.names[name] += n
	}
	r.others += others
	maps.Copy(r.from, from)
}
