//go:build linux

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// TestAggregatorRestoredFromAnOldBackup is the row of that name of docs/faults.md:
// a backup is put back, the agents notice by their receipts and refill the same
// logs to the same roots; what the ledger had signed since is followed by new logs.
func TestAggregatorRestoredFromAnOldBackup(t *testing.T) {
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			const before, after = 3000, 7000
			broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
			p := New(t, at(t, db))
			s := p.Station("st07", CountSource(broker.URL))
			s.Start()
			Flood(t, broker.URL, 0, before, 2000, nil)
			p.WaitCounted(s.Name, before)
			backup := filepath.Join(p.Dir, "yesterday")
			p.Command("backup", "--out", backup)
			Flood(t, broker.URL, before, after, 2000, nil)
			p.WaitCounted(s.Name, after)
			s.Idle()
			sizes := p.logSizes()

			out, errText, code := Try(t, programAggregator, "restore", "--from", backup, "--data", p.Data)
			require.Equal(t, 1, code, "a running aggregator: %s%s", out, errText)
			require.Contains(t, errText, "stop every aggregator")
			require.Equal(t, 0, p.Aggregator().Stop(t))
			require.Contains(t, p.Command("restore", "--from", backup), "kept as")
			p.StartAggregator()
			require.Len(t, p.WaitCounted(s.Name, after), after)
			Until(t, "the logs to have their old sizes", func() bool {
				now := p.logSizes()
				for origin, size := range sizes {
					if now[origin] < size {
						return false
					}
				}
				return true
			}, func() any { return p.logSizes() })
			require.NotEmpty(t, p.Wait("type:log.restored", 1), "each agent says in its log that it had to refill")
			require.Len(t, p.Events("type:restore.performed"), 1)
			require.Empty(t, p.Events("type:log.forked"))
			require.Empty(t, p.Events("type:audit.gap"), "nothing was lost, so nothing may be declared lost")
			Flood(t, broker.URL, after, after+500, 1000, nil)
			require.Len(t, p.WaitCounted(s.Name, after+500), after+500)
			s.Idle()
			require.Contains(t, p.Command("verify"), "everything agrees")
		})
	}
}

// Idle waits until the agent's backlog is gone.
func (s *Station) Idle() {
	s.t.Helper()
	Until(s.t, "the backlog of "+s.Name+" to be gone", func() bool {
		st, ok := s.Status()
		return ok && st.Backlog == 0
	}, nil)
}

// logSizes are the sizes of the logs that hold counted events, by origin.
func (p *Plant) logSizes() map[string]uint64 {
	p.t.Helper()
	sizes := map[string]uint64{}
	seen := map[string]bool{}
	for _, e := range p.Events("type:" + CountType) {
		if seen[e.Stored.Log] {
			continue
		}
		seen[e.Stored.Log] = true
		body, err := p.Raw("/api/v1/logs/" + e.Stored.Log)
		require.NoError(p.t, err)
		var log struct {
			Origin string `json:"origin"`
			Size   uint64 `json:"size"`
		}
		require.NoError(p.t, json.Unmarshal(body, &log))
		sizes[log.Origin] = log.Size
	}
	return sizes
}

// TestAnAggregatorRestoredFromBeforeAStationsKeyChangedIsRefilled: the backup does not
// know the station's newer keys, nor a log that began under one of them.
func TestAnAggregatorRestoredFromBeforeAStationsKeyChangedIsRefilled(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL)+
		"      - {match: \"plant/${station.line}/late\", payload: json, event: x.test.late, class: debug}\n")
	s.Start()
	Flood(t, broker.URL, 0, 500, 1000, nil)
	p.WaitCounted(s.Name, 500)
	backup := filepath.Join(p.Dir, "yesterday")
	p.Command("backup", "--out", backup)
	for n := range 2 {
		Until(t, "the key to be changed", func() bool {
			_, _, code := s.Try("journal", "rotate-key", "--reason", "test")
			return code == 0
		}, nil)
		Flood(t, broker.URL, 500+n*300, 800+n*300, 1000, nil)
		p.WaitCounted(s.Name, 800+n*300)
	}
	Publish(t, Publisher(t, broker.URL), "plant/line3/late", `{"a":1}`) // its log begins under the newest key
	p.Wait("type:x.test.late", 1)
	s.Idle()
	sizes := p.logSizes()
	require.Equal(t, 0, p.Aggregator().Stop(t))
	p.Command("restore", "--from", backup)
	p.StartAggregator()
	require.Len(t, p.WaitCounted(s.Name, 1100), 1100)
	p.Wait("type:x.test.late", 1)
	p.Wait("type:log.restored", 1)
	Flood(t, broker.URL, 1100, 1200, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, 1200), 1200)
	for origin, size := range p.logSizes() {
		require.GreaterOrEqual(t, size, sizes[origin])
		require.Contains(t, sizes, origin, "the same logs go on")
	}
	for _, unwanted := range []string{"log.forked", "log.succeeded", "audit.gap"} {
		require.Empty(t, p.Events("type:"+unwanted))
	}
	s.Idle()
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// TestAnAgentThatTheBackupDoesNotKnowIsEnrolledAgainAndNothingOfItIsLost: a station
// that was enrolled after the backup is a stranger to the restored aggregator; a new
// token is enough, its identity, logs and events come along.
func TestAnAgentThatTheBackupDoesNotKnowIsEnrolledAgainAndNothingOfItIsLost(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	backup := filepath.Join(p.Dir, "yesterday")
	p.Command("backup", "--out", backup)
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	id := s.AgentID()
	Flood(t, broker.URL, 0, 500, 1000, nil)
	p.WaitCounted(s.Name, 500)
	require.Equal(t, 0, p.Aggregator().Stop(t))
	p.Command("restore", "--from", backup)
	p.API.Token = strings.TrimSpace(p.Command("token", "api", "--role", "auditor", "--name", "again"))
	p.StartAggregator()
	Flood(t, broker.URL, 500, 800, 1000, nil)
	require.Equal(t, 0, s.Agent().Stop(t))
	s.Enrol(p.EnrolToken(), "--again")
	s.Start()
	require.Len(t, p.WaitCounted(s.Name, 800), 800)
	require.Equal(t, id, s.AgentID(), "the station keeps its identity")
	s.Idle()
	require.Contains(t, p.Command("verify"), "everything agrees")
}
