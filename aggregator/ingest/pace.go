package ingest

import (
	"sync/atomic"
	"time"
)

// Bounds of what pace aims at.
const (
	quick    = 300 * time.Millisecond // a transaction faster than this may grow
	slow     = time.Second            // a slower one must shrink
	leastBit = 256 << 10
)

// pace finds how many bytes of leaves go into one transaction: as many as the
// database stores in about a second. Fewer cost throughput; more would let a
// small segment wait long behind those that catch up, and on a slow disk never
// end in time.
type pace struct {
	limit atomic.Int64
	most  int64
}

func newPace(most int64) *pace {
	p := &pace{most: most}
	p.limit.Store(min(most, 2<<20))
	return p
}

// bytes is the present limit.
func (p *pace) bytes() int64 { return p.limit.Load() }

// measured learns from one transaction. Only the writer calls it.
func (p *pace) measured(bytes int64, took time.Duration) {
	limit := p.limit.Load()
	switch {
	case took > slow:
		p.limit.Store(max(limit/2, leastBit))
	case took < quick && bytes >= limit/2:
		p.limit.Store(min(limit*2, p.most))
	}
}
