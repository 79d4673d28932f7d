//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

func TestFifteenThousandMessagesAreStoredOnceThoughTheAgentIsKilledThreeTimes(t *testing.T) {
	t.Parallel()
	messages := Soak(15_000, 150_000)
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 200000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	again := func() {
		s.Agent().Kill()
		s.Launch()
	}
	Flood(t, broker.URL, 0, messages, 2000, map[int]func(){messages / 5: again, messages / 2: again, messages * 3 / 4: again})
	require.Len(t, p.WaitCounted(s.Name, messages), messages)
	require.Empty(t, p.Events("type:audit.gap"), "nothing was lost, so nothing may be declared lost")
	require.Contains(t, p.Command("verify"), "everything agrees")
}

func TestWhatABrokerWithDefaultLimitsDropsIsAGapAndTheRestIsStoredOnce(t *testing.T) {
	t.Parallel()
	messages := Soak(6_000, 30_000)
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "sys_interval 1"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, 100, 2000, nil)
	p.WaitCounted(s.Name, 100)
	s.Agent().Kill()
	Flood(t, broker.URL, 100, messages, 2000, nil)
	s.Launch()
	// The broker publishes its counter once a second: the gaps add up.
	stored, lost := 0, 0
	Until(t, "everything to be stored or declared lost", func() bool {
		stored, lost = p.Count("type:"+CountType), 0
		for _, e := range p.Events("type:audit.gap") {
			var gap struct {
				Count    int
				Cause    string
				From, To time.Time
			}
			e.Into(t, &gap)
			require.Contains(t, gap.Cause, "queue was full")
			require.True(t, gap.From.Before(gap.To))
			lost += gap.Count
		}
		return stored+lost >= messages
	}, func() any { return []int{stored, lost} })
	require.NotZero(t, lost)
	require.Len(t, p.Counted(s.Name), messages-lost)
}
