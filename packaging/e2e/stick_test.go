//go:build linux

package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// TestAStationWithoutNetworkIsBroughtInOnAStick exports the journal of a station
// whose network is gone, verifies it offline, brings it in, and lets the station go
// on afterwards as if it had sent all of it.
func TestAStationWithoutNetworkIsBroughtInOnAStick(t *testing.T) {
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			const before, alone, after = 300, 1300, 1500
			broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
			p := New(t, at(t, db))
			s := p.Station("st07", CountSource(broker.URL))
			s.Start()
			Flood(t, broker.URL, 0, before, 1000, nil)
			p.WaitCounted(s.Name, before)
			s.Idle()
			trust := p.File("trust", p.Command("evidence", "trust"))
			p.Aggregator().Kill()
			Flood(t, broker.URL, before, alone, 1000, nil)
			Until(t, "all to be in the journal", func() bool {
				st, ok := s.Status()
				return ok && st.Backlog >= alone-before
			}, nil)
			stick := filepath.Join(p.Dir, "stick")
			require.Contains(t, s.Command("journal", "export", "--dir", stick), "leaves in")
			require.Equal(t, 0, s.Agent().Stop(t))

			out, errText, code := Try(t, programVerify, "--trust", trust, stick)
			require.Equal(t, 0, code, "%s%s", out, errText)
			require.Contains(t, out, "HOLDS, anchored")
			p.StartAggregator()
			require.Contains(t, p.Command("import", stick), "are the same")
			require.Len(t, p.WaitCounted(s.Name, alone), alone, "once each")
			require.Len(t, p.Wait("type:evidence.imported", 2), 2)
			require.Contains(t, p.Command("import", stick), "0 leaves of agent")

			s.Start()
			Flood(t, broker.URL, alone, after, 1000, nil)
			require.Len(t, p.WaitCounted(s.Name, after), after)
			s.Idle()
			require.Empty(t, p.Events("type:log.forked"))
			require.Empty(t, p.Events("type:audit.gap"), "nothing was lost")
			require.Contains(t, p.Command("verify"), "everything agrees")
		})
	}
}
