package ingest

import (
	"net"
	"net/http"
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

// perKey counts what each key has in work.
type perKey struct {
	mu    sync.Mutex
	count map[string]int
	all   int
}

// enter counts one more for the key, unless it has most already or all together
// have total; leave takes it back.
func (p *perKey) enter(key string, most, total int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[string]int{}
	}
	if p.count[key] >= most || p.all >= total {
		return false
	}
	p.count[key]++
	p.all++
	return true
}

func (p *perKey) leave(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.count[key]--; p.count[key] <= 0 {
		delete(p.count, key)
	}
}

// connections bounds how many connections there are, in all and from one
// address: what comes beyond is closed at once.
func (s *Service) connections() func(net.Conn, http.ConnState) {
	var mu sync.Mutex
	counted := map[net.Conn]string{}
	return func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			host, _, err := net.SplitHostPort(c.RemoteAddr().String())
			if err != nil {
				host = c.RemoteAddr().String()
			}
			if !s.conns.enter(host, s.limits.PerAddress, s.limits.Connections) {
				s.Metrics.Throttled.Add(1)
				_ = c.Close()
				return
			}
			mu.Lock()
			counted[c] = host
			mu.Unlock()
		case http.StateClosed, http.StateHijacked:
			mu.Lock()
			host, ok := counted[c]
			delete(counted, c)
			mu.Unlock()
			if ok {
				s.conns.leave(host)
			}
		}
	}
}
