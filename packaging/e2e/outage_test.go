//go:build linux

package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

const (
	perSecond = 1000
	// Memory of its own that an agent may take at 1,000 events a second (measured:
	// 12 to 20 MB), and by which it may grow from the first seconds after its start, in
	// which it reaches its level, to the end of the outage (measured: 1 MB in 24 s).
	agentMemory = 32 << 20
	agentGrowth = 8 << 20
)

// outage floods one station at 1,000 a second: 3 s before the outage begins, then
// the outage, in the middle of which the agent is killed, then 3 s after its end.
// Then all must be stored once, in order, without a gap.
type outage struct {
	plant      *Plant
	begin, end func()
	seconds    int
}

func (o outage) run(t *testing.T) {
	t.Helper()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 200000"})
	s := o.plant.Station("st07", CountSource(broker.URL))
	s.Start()
	start := 3 * perSecond
	half, end := start+o.seconds*perSecond/2, start+o.seconds*perSecond
	messages := end + 3*perSecond
	var seen []int64
	sample := func() { seen = append(seen, s.Agent().Memory(t)) }
	at := map[int]func(){
		start: o.begin,
		half: func() {
			s.Agent().Kill()
			s.Launch()
		},
		end: o.end,
	}
	first := half + perSecond*Soak(3, 6)
	for n := first; n < end; n += perSecond / 2 {
		at[n] = sample
	}
	Flood(t, broker.URL, 0, messages, perSecond, at)
	require.Len(t, o.plant.WaitCounted(s.Name, messages), messages)
	require.Empty(t, o.plant.Events("type:audit.gap"), "nothing was lost, so nothing may be declared lost")
	t.Logf("agent's own memory in bytes, from the first seconds to the end of the outage: %v", seen)
	// The agent that was started again in the middle needs a moment to reach its level.
	early, late := slices.Max(seen[:len(seen)/2]), slices.Max(seen[len(seen)/2:])
	require.Less(t, late, int64(agentMemory))
	require.Less(t, late-early, int64(agentGrowth), "the agent's memory stays flat")
	require.Contains(t, o.plant.Command("verify"), "everything agrees")
	Until(t, "the backlog to be gone", func() bool {
		st, ok := s.Status()
		return ok && st.Backlog == 0
	}, nil)
}

func TestAllIsStoredOnceInOrderThoughTheAggregatorWasAway(t *testing.T) {
	t.Parallel()
	p := New(t, Options{})
	outage{p, p.Aggregator().Kill, p.LaunchAggregator, Soak(10, 60)}.run(t)
}

func TestAllIsStoredOnceInOrderThoughTheAggregatorHungWithConnectionsOpen(t *testing.T) {
	t.Parallel()
	p := New(t, Options{})
	outage{p, func() { p.Aggregator().Pause(t) }, func() { p.Aggregator().Resume(t) }, Soak(10, 60)}.run(t)
}

func TestAllIsStoredOnceInOrderThoughTheAggregatorIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			o := Options{}
			if db == "postgres" {
				o.Store = peertest.Postgres(t)
			}
			p := New(t, o)
			broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 200000"})
			s := p.Station("st07", CountSource(broker.URL))
			s.Start()
			again := func() {
				p.Aggregator().Kill()
				p.LaunchAggregator()
			}
			messages := Soak(10, 60) * perSecond
			kills := map[int]func(){}
			for n := perSecond * 2; n < messages; n += perSecond * 3 / 2 {
				kills[n] = again
			}
			Flood(t, broker.URL, 0, messages, perSecond, kills)
			require.Len(t, p.WaitCounted(s.Name, messages), messages)
			require.Empty(t, p.Events("type:audit.gap"))
			require.Contains(t, p.Command("verify"), "everything agrees")
		})
	}
}

func TestAllIsStoredOnceInOrderThoughPostgreSQLWasStopped(t *testing.T) {
	t.Parallel()
	db := peertest.StartPostgres(t, peertest.PostgresConfig{})
	p := New(t, Options{Store: db.Database(t)})
	outage{p, func() { db.Stop(t) }, func() { db.Start(t) }, Soak(10, 60)}.run(t)
}

func TestAllIsStoredOnceInOrderThoughTheAggregatorsDiskWasFull(t *testing.T) {
	t.Parallel()
	disk := NewDisk(t, Soak("256", "1024"))
	p := New(t, Options{Dir: filepath.Join(disk.Dir, "aggregator")})
	outage{p, func() { disk.Fill(t) }, func() { disk.Free(t) }, Soak(10, 60)}.run(t)
}
