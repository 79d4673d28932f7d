//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// TestClonesOfAnEnrolledDiskWaitForApprovalAndLoseNothing starts copies of a
// running station's disk on other PCs, together. Each has a broker's messages of
// its own: the topic of its line's count.
func TestClonesOfAnEnrolledDiskWaitForApprovalAndLoseNothing(t *testing.T) {
	t.Parallel()
	count := Soak(12, 80)
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	original := p.Station("st07", CountSource(broker.URL))
	original.Start()
	Flood(t, broker.URL, 0, 100, 1000, nil)
	p.WaitCounted(original.Name, 100)
	enrolled := original.AgentID()

	clones := make([]*Station, count)
	for i := range clones {
		clones[i] = original.Copy(fmt.Sprintf("clone%02d", i))
		clones[i].SetMachine(fmt.Sprintf("clone-%02d", i))
		clones[i].Launch()
	}
	pending := map[string]Agent{}
	Until(t, "all clones to wait for approval", func() bool {
		pending = map[string]Agent{}
		for id, a := range p.Agents() {
			if a.State == "pending" {
				pending[id] = a
			}
		}
		return len(pending) == count
	}, func() any { return len(pending) })
	for _, c := range clones {
		c.Connected()
		id := c.AgentID()
		require.Contains(t, pending, id)
		require.NotEqual(t, enrolled, id)
		require.Equal(t, enrolled, pending[id].Predecessor)
	}
	Flood(t, broker.URL, 100, 300, 1000, nil)
	require.Len(t, p.WaitCounted(original.Name, 300), 300, "the original goes on unharmed")
	require.Len(t, p.Wait("type:agent.tamper", 1), 1, "one alert for all")
	require.Empty(t, p.Events("type:log.forked"))
	require.Empty(t, p.Events("type:audit.gap"))

	approved := clones[count/2]
	id := approved.AgentID()
	p.Command("agents", "approve", id)
	events := func() int { return p.Count(fmt.Sprintf("type:%s agent:%s", CountType, id)) }
	Until(t, "what the approved clone recorded while it waited", func() bool { return events() >= 200 }, func() any { return events() })
	require.Equal(t, 200, events())
	require.NotEqual(t, "revoked", p.Agents()[enrolled].State)
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// TestAnAgentsFolderCopiedBackIsFollowedByNewLogsAndLosesNothing puts a station
// back to an old copy of its own disk: the same machine, an older journal.
func TestAnAgentsFolderCopiedBackIsFollowedByNewLogsAndLosesNothing(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, 200, 1000, nil)
	p.WaitCounted(s.Name, 200)
	require.Equal(t, 0, s.Agent().Stop(t))
	old := filepath.Join(p.Dir, "backup")
	copyAll(t, s.Data(), old)
	s.Start()
	Flood(t, broker.URL, 200, 500, 1000, nil)
	p.WaitCounted(s.Name, 500)
	require.Equal(t, 0, s.Agent().Stop(t))
	id := s.AgentID()

	replace(t, old, s.Data())
	s.Start()
	Flood(t, broker.URL, 500, 700, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, 700), 700, "stored before, by the journal that is gone, and after")
	require.Equal(t, id, s.AgentID(), "the same machine keeps its identity")
	require.Contains(t, p.Command("verify"), "everything agrees")
	st, ok := s.Status()
	require.True(t, ok)
	require.Zero(t, st.Admission)
}
