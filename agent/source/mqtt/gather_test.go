package mqtt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// feed counts messages at a rate for a second, as the committer does.
func feed(g *gatherer, perMillisecond int) {
	now := g.since
	for range 1000 {
		now = now.Add(time.Millisecond)
		g.taken(perMillisecond, now)
	}
}

func TestOnlyAFloodWaitsForMore(t *testing.T) {
	var g gatherer
	feed(&g, 1)
	require.False(t, g.due(), "what comes at an ordinary rate waits for nothing")
	feed(&g, 10)
	require.True(t, g.due())
	feed(&g, 1)
	require.False(t, g.due(), "when it is over")
}

func TestWaitingThatIsOfNoUseIsTriedLessAndLess(t *testing.T) {
	var g gatherer
	waits := func() (n int) {
		for range 10_000 {
			if g.flood = true; g.due() {
				g.waited(0)
				n++
			}
		}
		return n
	}
	require.Less(t, waits(), 40, "a broker that waits for acknowledgements is not held up")
	for !g.due() {
	}
	g.waited(5)
	require.True(t, g.due(), "when it was of use once, the next batch waits, too")
}

func TestAFloodIsGatheredForTenMillisecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &committer{s: &Source{o: Options{Batch: 900}, q: newQueue(1000, 1<<20)}, flood: gatherer{since: time.Now(), flood: true}}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for ctx.Err() == nil {
				c.s.q.put(item{size: 10}, ctx.Done())
				pause(ctx, 100*time.Microsecond)
			}
		}()
		began := time.Now()
		batch := c.gather(ctx, []item{{size: 10}})
		require.Equal(t, gatherLimit, time.Since(began))
		require.InDelta(t, 100, len(batch), 5)
		c.s.o.Batch = 30
		require.LessOrEqual(t, len(c.gather(ctx, []item{{size: 10}})), 30, "never more than go into one commit")
	})
}

func TestWhatIsAddedToABatchKeepsItsBounds(t *testing.T) {
	q := newQueue(100, 1<<20)
	for range 10 {
		require.True(t, q.put(item{size: 10}, nil))
	}
	batch := q.more(make([]item, 3), 5, 1<<20)
	require.Len(t, batch, 5)
	require.Equal(t, 8, q.len())
	batch = q.more([]item{{size: 10}}, 100, 30)
	require.Len(t, batch, 3)
	require.Equal(t, 6, q.len())
	batch = q.more([]item{{size: 10}}, 100, 5)
	require.Len(t, batch, 1, "nothing more fits")
	require.Len(t, q.take(t.Context(), nil, 100, 1<<20, nil), 6)
	batch = q.more(nil, 100, 1<<20)
	require.Empty(t, batch)
	select {
	case <-q.some:
		t.Fatal("an empty queue wakes nobody")
	default:
	}
}
