package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// attempts slows the guessing of passwords down: five at once and then one each
// 12 s for a name from one address, so that nobody is locked out by somebody
// elsewhere; thirty and one each 2 s for a name from anywhere; twenty and one a
// second for an address.
type attempts struct {
	mu     sync.Mutex
	counts map[string]*rate.Limiter
	spare  *rate.Limiter // for whoever comes when counts is full
	looked time.Time     // when forget last went through all
}

// maxAttempts bounds the memory that made-up names can take.
const maxAttempts = 10_000

func newAttempts() *attempts {
	return &attempts{counts: map[string]*rate.Limiter{}, spare: rate.NewLimiter(1, 20)}
}

func (a *attempts) allowed(name, address string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	// The narrowest first: what it refuses does not use up the name for others.
	return a.limit("both "+address+" "+name, rate.Every(12*time.Second), 5, now) &&
		a.limit("address "+address, 1, 20, now) &&
		a.limit("name "+name, rate.Every(2*time.Second), 30, now)
}

func (a *attempts) limit(key string, every rate.Limit, burst int, now time.Time) bool {
	l := a.counts[key]
	if l == nil {
		if len(a.counts) >= maxAttempts {
			a.forget(now)
		}
		if len(a.counts) >= maxAttempts {
			return a.spare.AllowN(now, 1)
		}
		l = rate.NewLimiter(every, burst)
		a.counts[key] = l
	}
	return l.AllowN(now, 1)
}

// forget drops those that are as if they had never been, at most every 10 s.
func (a *attempts) forget(now time.Time) {
	if now.Sub(a.looked) < 10*time.Second {
		return
	}
	a.looked = now
	for key, l := range a.counts {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(a.counts, key)
		}
	}
}
