//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

// TestALogKeyIsChangedWhileEventsComeAndEveryVerifierFollows changes the key of a
// running station twice, opens a log that begins under the new key, and puts an old
// copy of the folder back.
func TestALogKeyIsChangedWhileEventsComeAndEveryVerifierFollows(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL)+
		"      - {match: \"plant/${station.line}/late\", payload: json, event: x.test.late, class: debug}\n")
	s.Start()
	Flood(t, broker.URL, 0, 200, 1000, nil)
	p.WaitCounted(s.Name, 200)
	require.Equal(t, 0, s.Agent().Stop(t))
	old := filepath.Join(p.Dir, "backup")
	copyAll(t, s.Data(), old)

	s.Start()
	rotate := func() {
		require.Contains(t, s.Command("journal", "rotate-key", "--reason", "test"), "station "+s.AgentID())
	}
	rotate()
	Flood(t, broker.URL, 200, 1200, 1000, map[int]func(){700: func() {
		Until(t, "the aggregator to confirm the first change", func() bool {
			_, _, code := s.Try("journal", "rotate-key", "--reason", "test")
			return code == 0
		}, nil)
	}})
	client := Publisher(t, broker.URL)
	Publish(t, client, "plant/line3/late", `{"a":1}`) // its log begins under the new key
	p.WaitCounted(s.Name, 1200)
	p.Wait("type:x.test.late", 1)
	p.Wait("type:key.lifecycle station:"+s.Name, 2)
	require.Contains(t, s.Command("journal", "verify"), "good")
	require.Contains(t, p.Command("verify"), "everything agrees")
	require.Equal(t, 0, s.Agent().Stop(t))

	replace(t, old, s.Data())
	s.Start()
	Flood(t, broker.URL, 1200, 1400, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, 1400), 1400)
	said := map[string]bool{}
	for _, e := range p.Wait("type:log.succeeded station:"+s.Name, 2) {
		var d struct{ Predecessor, Reason string }
		require.NoError(t, json.Unmarshal(e.Leaf.Data, &d))
		require.False(t, said[d.Predecessor], "one event for each log")
		said[d.Predecessor] = true
		require.Contains(t, d.Reason, "rolled back")
	}
	require.Empty(t, p.Events("type:log.forked"))
	require.Empty(t, p.Events("type:ingest.rejected"), "nothing was even tried under the old key")
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// TestACompromisedStationIsRevokedAndGoesOnUnderANewIdentity is what
// docs/station-keys.md says to do, word by word.
func TestACompromisedStationIsRevokedAndGoesOnUnderANewIdentity(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, 200, 1000, nil)
	p.WaitCounted(s.Name, 200)
	old := s.AgentID()
	p.Command("agents", "revoke", old, "--reason", "key compromised")
	Flood(t, broker.URL, 200, 400, 50, nil) // recorded; within a second not let in any more
	Until(t, "the events to be in the journal", func() bool {
		st, ok := s.Status()
		return ok && st.Backlog >= 50
	}, nil)
	require.Equal(t, 0, s.Agent().Stop(t))

	token := filepath.Join(s.Dir, "token")
	require.NoError(t, os.WriteFile(token, []byte(p.EnrolToken()+"\n"), 0o600))
	require.Contains(t, s.Command("enrol", "--replace", "key compromised", "--token-file", token), "waits for approval")
	fresh := s.AgentID()
	require.NotEqual(t, old, fresh)
	s.Start()
	Flood(t, broker.URL, 400, 500, 1000, nil)
	p.Command("agents", "approve", fresh, "--replaces", old)
	require.Len(t, p.WaitCounted(s.Name, 500), 500, "what the old identity had not forwarded came with the new one")
	require.DirExists(t, filepath.Join(s.Data(), "identity.replaced-"+old))
	require.Contains(t, p.Command("verify"), "everything agrees")
	agents := p.Agents()
	require.NotEqual(t, "active", agents[old].State)
	require.Equal(t, old, agents[fresh].Predecessor)
}
