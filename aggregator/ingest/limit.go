package ingest

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/shared/event"
)

// rates is a token bucket of leaves for each agent. The last part of each bucket
// is kept for security segments, so that a flood of other classes can't hold
// them up.
type rates struct {
	limits Limits
	mu     sync.Mutex
	agents map[string]*rate.Limiter
}

func newRates(l Limits) *rates { return &rates{limits: l, agents: map[string]*rate.Limiter{}} }

// take takes n tokens of the agent, or none and false.
func (r *rates) take(agent string, class event.Class, n uint64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.agents[agent]
	if l == nil {
		if len(r.agents) > 100_000 {
			clear(r.agents)
		}
		l = rate.NewLimiter(rate.Limit(r.limits.LeafRate), r.limits.LeafBurst)
		r.agents[agent] = l
	}
	if class != event.Security && l.TokensAt(now)-float64(n) < r.limits.Reserve*float64(r.limits.LeafBurst) {
		return false
	}
	return l.AllowN(now, int(min(n, uint64(r.limits.LeafBurst))))
}
