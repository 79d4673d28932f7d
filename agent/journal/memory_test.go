//go:build linux

package journal

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

// The forwarder is away: nothing is receipted. What was committed must not pile up
// in memory, neither the leaves nor the ranges of their commits.
func TestMemoryStaysFlatWhileNobodyTakesWhatIsCommitted(t *testing.T) {
	staysFlat(t, func(*Journal) {})
}

// The aggregator answers, and stores nothing (its disk is full): the forwarder asks
// for the same leaves again and again.
func TestMemoryStaysFlatWhileTheSameIsAskedForAgainAndAgain(t *testing.T) {
	staysFlat(t, func(j *Journal) {
		s, err := j.Next(t.Context(), logOf(t, j, event.Manufacturing).ID, 0, 64<<10)
		require.NoError(t, err)
		require.NotEmpty(t, s.Leaves)
	})
}

func staysFlat(t *testing.T, meanwhile func(*Journal)) {
	t.Helper()
	j := open(t, options(t, func(o *Options) { o.MaxFile = 8 << 20 }))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	batch := 0
	commit := func(bytes int) { // in small commits, as they come
		for ; bytes > 0; bytes -= 20 * 400 {
			out := benchLeaves(20)
			for i := range out {
				out[i] = Leaf{Class: event.Manufacturing, Bytes: append([]byte(nil), out[i].Bytes...)}
			}
			mustAppend(t, j, out)
			meanwhile(j)
			batch++
		}
	}
	commit(1 << 20)
	early := heap()
	commit(7 << 20)
	late := heap()
	t.Logf("%d commits: %d KiB after 1 MiB, %d KiB after 8 MiB", batch, early>>10, late>>10)
	require.Less(t, late-early, int64(3<<20))
}
