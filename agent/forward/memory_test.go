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
