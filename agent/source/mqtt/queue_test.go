package mqtt

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHandOverKeepsOrderAndHoldsNothingThatWasTaken(t *testing.T) {
	q := newQueue(1<<20, 1<<30)
	random := rand.New(rand.NewPCG(1, 2))
	put, taken := 0, 0
	for range 2000 {
		for range random.IntN(40) {
			put++
			require.True(t, q.put(item{size: 10, topic: uint64(put)}, nil))
		}
		if q.len() > 0 {
			for _, it := range q.take(t.Context(), nil, 1+random.IntN(30), 1<<20, nil) {
				taken++
				require.Equal(t, uint64(taken), it.topic)
			}
		}
		require.Equal(t, put-taken, q.len())
		require.Equal(t, 10*(put-taken), q.bytes)
		held := 0
		for _, it := range q.items[:cap(q.items)] {
			if it.topic != 0 {
				held++
			}
		}
		require.Equal(t, q.len(), held)
	}
	require.Positive(t, taken)
}

func TestTheRoomOfAFloodIsKeptWhileItLastsAndGivenBackThen(t *testing.T) {
	q := newQueue(1<<20, 1<<30)
	room := func(items int) int {
		for range items {
			require.True(t, q.put(item{size: 10}, nil))
		}
		for q.len() > 0 {
			q.take(t.Context(), nil, 900, 1<<20, nil)
		}
		return cap(q.items)
	}
	flood := room(20_000)
	require.GreaterOrEqual(t, flood, 20_000)
	require.Equal(t, flood, room(15_000), "between two batches of it")
	require.Less(t, room(10), keepItems, "an ordinary rate again")
	room(20_000)
	q.quiet()
	require.Less(t, cap(q.items), keepItems, "nothing comes any more")
	require.Len(t, q.take(t.Context(), nil, 900, 1<<20, closed()), 0)
	require.NotZero(t, room(10))
}

// closed is a wake that has come already.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
