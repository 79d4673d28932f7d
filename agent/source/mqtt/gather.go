package mqtt

import (
	"context"
	"time"
)

const (
	// floodRate is from how many messages a second on one waits for more of them.
	floodRate = 3000
	// floodLook is how long the rate is taken over.
	floodLook = 20 * time.Millisecond
	// gatherStep is how long one waits before looking whether more came, and
	// gatherLimit in all: the most that a message of a flood waits for others.
	gatherStep  = 2 * time.Millisecond
	gatherLimit = 10 * time.Millisecond
	// minSkip and maxSkip bound how many batches go without waiting after it was of no use.
	minSkip, maxSkip = 8, 512
)

// gatherer lets the messages of a flood wait for each other before they are handed
// over. Each hand-over is a commit with a signature and two syncs, and a segment for
// the aggregator: on a busy machine, where a broker is given time for a message or
// two between two commits, they would cost several times what the messages do. What
// comes at an ordinary rate waits for nothing.
type gatherer struct {
	since time.Time // begin of the present look
	count int       // messages since then
	flood bool      // as the last look found
	// A broker that sends no more until it has acknowledgements makes waiting
	// useless: after each time that nothing came, one waits less often.
	skip, left int
}

// taken counts messages that were taken from the queue.
func (g *gatherer) taken(n int, now time.Time) {
	g.count += n
	if passed := now.Sub(g.since); passed >= floodLook {
		g.flood = float64(g.count) >= floodRate*passed.Seconds()
		g.since, g.count = now, 0
	}
}

// due tells whether to wait for more.
func (g *gatherer) due() bool {
	if !g.flood {
		return false
	}
	if g.left > 0 {
		g.left--
		return false
	}
	return true
}

// waited says how many more came meanwhile.
func (g *gatherer) waited(more int) {
	g.count += more
	if more > 0 {
		g.skip = 0
	} else {
		g.skip = min(max(minSkip, 2*g.skip), maxSkip)
	}
	g.left = g.skip
}

// gather adds to a batch of a flood what comes within a few milliseconds.
func (c *committer) gather(ctx context.Context, batch []item) []item {
	n := c.s.o.Batch
	c.flood.taken(len(batch), time.Now())
	if len(batch) >= n || !c.flood.due() {
		return batch
	}
	first := len(batch)
	for range gatherLimit / gatherStep {
		pause(ctx, gatherStep)
		before := len(batch)
		batch = c.s.q.more(batch, n, maxBatchBytes)
		if len(batch) == before || len(batch) >= n {
			break
		}
	}
	c.flood.waited(len(batch) - first)
	return batch
}
