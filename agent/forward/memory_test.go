package forward

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func TestMemoryStaysFlatWhateverTheBacklog(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.j.Close())
	r.jo.MaxFile = 16 << 20
	r.openJournal()
	for n := 0; n < 400_000; n += 1000 { // some 80 MB
		r.add(event.Manufacturing, n, 1000)
	}
	r.agg.Set(wiretest.Faults{Busy: true})
	r.start()
	seen := r.agg.Requests()
	most := uint64(0)
	for range 6 {
		require.Eventually(t, func() bool { return r.agg.Requests() > seen }, 10*time.Second, 10*time.Millisecond)
		seen = r.agg.Requests()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	require.Less(t, most, uint64(64<<20), "agent and test aggregator together")
}

func TestARequestThatWasTooLargeIsMadeSmaller(t *testing.T) {
	r := newRig(t)
	r.agg.Set(wiretest.Faults{Delay: 300 * time.Millisecond})
	r.fo.Timeout = 100 * time.Millisecond
	r.add(event.Manufacturing, 0, 1000)
	r.fo.Journal = r.j
	f := New(r.fo)
	f.cursors[r.log(event.Manufacturing).ID] = &cursor{synced: true}
	f.cursors[r.log(event.Security).ID] = &cursor{synced: true}
	_, err := f.round(t.Context())
	require.Error(t, err)
	require.Equal(t, f.o.Request/2, f.size)
	require.False(t, hasStatus(err, http.StatusOK))
}

// An aggregator whose disk is full answers, again and again: what it can't store is
// not sent to it in full each time.
func TestRequestsAreSmallWhileNothingIsStored(t *testing.T) {
	r := newRig(t)
	r.agg.Set(wiretest.Faults{Busy: true})
	r.add(event.Manufacturing, 0, 1000)
	r.fo.Journal = r.j
	f := New(r.fo)
	again := func() {
		for _, c := range f.cursors {
			c.wait = time.Time{}
		}
		sent, err := f.round(t.Context())
		require.NoError(t, err)
		require.True(t, sent)
	}
	for range 10 {
		again()
	}
	require.Equal(t, minRequest, f.size)
	r.agg.Set(wiretest.Faults{})
	again()
	require.Equal(t, 2*minRequest, f.size, "it grows again with what is stored")
}

func TestRequestsAreSmallWhileTheAggregatorAsksForPatience(t *testing.T) {
	r := newRig(t)
	r.add(event.Manufacturing, 0, 1000)
	r.fo.Journal = r.j
	f := New(r.fo)
	_, err := f.round(t.Context())
	require.NoError(t, err)
	r.add(event.Manufacturing, 1000, 1000)
	r.agg.Set(wiretest.Faults{Unavailable: true})
	_, err = f.round(t.Context())
	require.Error(t, err)
	require.Less(t, f.size, f.o.Request)
}
