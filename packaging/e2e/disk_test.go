//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

func TestWithAFullDiskTheStationKeepsSecurityEventsAndCountsTheOthers(t *testing.T) {
	t.Parallel()
	disk := NewDisk(t, "200")
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Machine("st07", CountSource(broker.URL)+
		"      - {match: \"plant/${station.line}/login\", payload: json, event: user.login, user: $.operator}\n")
	require.NoError(t, os.Mkdir(filepath.Join(disk.Dir, "data"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join(disk.Dir, "data"), s.Data()))
	s.Enrol(p.EnrolToken())
	s.Start()
	client := Publisher(t, broker.URL)
	Flood(t, broker.URL, 0, 500, 1000, nil)
	p.WaitCounted(s.Name, 500)

	disk.Fill(t)
	full := Soak(3000, 60_000)
	Flood(t, broker.URL, 500, 500+full, 1000, nil)
	for n := range 50 {
		Publish(t, client, "plant/line3/login", fmt.Sprintf(`{"operator":"nobody","action":"login","success":true,"method":"badge","n":%d}`, n))
	}
	require.Len(t, p.Wait("type:user.login station:"+s.Name, 50), 50, "the security class is kept")
	require.True(t, s.Agent().Running())
	disk.Free(t)
	var lost struct {
		Lost struct{ Manufacturing int }
	}
	Until(t, "the drops to be declared", func() bool {
		gaps := p.Events("type:audit.gap")
		if len(gaps) != 1 {
			return false
		}
		gaps[0].Into(t, &lost)
		return true
	}, nil)
	t.Logf("%d of %d events refused", lost.Lost.Manufacturing, full)
	require.NotZero(t, lost.Lost.Manufacturing)
	Flood(t, broker.URL, 500+full, 600+full, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, 600+full-lost.Lost.Manufacturing), 600+full-lost.Lost.Manufacturing)
	require.Contains(t, p.Command("verify"), "everything agrees")
}

func TestAnAggregatorPutBackFromABackupIsRefilledByItsAgents(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, 300, 1000, nil)
	p.WaitCounted(s.Name, 300)
	require.Equal(t, 0, p.Aggregator().Stop(t))
	database := filepath.Join(p.Data, "linewatch.db")
	backup := filepath.Join(p.Dir, "backup.db")
	copyAll(t, database, backup)
	p.StartAggregator()
	Flood(t, broker.URL, 300, 900, 1000, nil)
	p.WaitCounted(s.Name, 900)
	p.Aggregator().Kill()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(database + suffix) // not all of them are there
	}
	copyAll(t, backup, database)
	p.StartAggregator()
	Flood(t, broker.URL, 900, 1000, 1000, nil)
	require.Len(t, p.WaitCounted(s.Name, 1000), 1000, "what the backup did not have came again from the station")
	require.NotEmpty(t, p.Wait("type:log.restored", 1), "and the record says so")
	require.Contains(t, p.Command("verify"), "everything agrees")
}

func TestARevokedAgentIsRefusedAndGoesOnRecording(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	p := New(t, Options{})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	Flood(t, broker.URL, 0, 100, 1000, nil)
	p.WaitCounted(s.Name, 100)
	p.Command("agents", "revoke", s.AgentID(), "--reason", "stolen")
	client, n := Publisher(t, broker.URL), 1000
	var st Status
	Until(t, "the refusal to be seen on the station", func() bool {
		Publish(t, client, "plant/line3/count", fmt.Sprintf(`{"n":%d}`, n))
		n++
		st, _ = s.Status()
		return st.Backlog > 3
	}, func() any { return st })
	stored := len(p.Counted(s.Name))
	Flood(t, broker.URL, 2000, 2100, 1000, nil)
	Until(t, "the station to record on", func() bool {
		st, _ = s.Status()
		return st.Backlog > 100
	}, func() any { return st })
	require.Len(t, p.Counted(s.Name), stored)
	require.Equal(t, "revoked", p.Agents()[s.AgentID()].State)
	require.Len(t, p.Wait("type:agent.revoked", 1), 1)
	require.True(t, s.Agent().Running())
}

func TestAPoisonedMessageIsQuarantinedWithItsReasonAndTheGoodOnesAreStored(t *testing.T) {
	t.Parallel()
	broker := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 100000"})
	store := peertest.Postgres(t)
	p := New(t, Options{Store: store})
	s := p.Station("st07", CountSource(broker.URL))
	s.Start()
	poison := []string{
		"{\"a\":\"\x00\"}", `{"a":"\u0000"}`, "{\"a\":\"\xff\"}", `{"a":NaN}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, "", "hello",
		`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
	}
	client := Publisher(t, broker.URL)
	for n := range 800 {
		if n%80 == 40 && n/80 < len(poison) {
			Publish(t, client, "plant/line3/count", poison[n/80])
		}
		client.Publish("plant/line3/count", 1, false, fmt.Sprintf(`{"n":%d,"ts":%d}`, n, time.Now().UnixMilli()))
	}
	Publish(t, client, "plant/line3/count", `{"n":800,"large":1e131071}`) // PostgreSQL would unfold it to 131,074 digits
	require.Len(t, p.WaitCounted(s.Name, 801), 801)
	for _, e := range p.Wait("type:ingest.quarantined", len(poison)) {
		var data struct{ Reason string }
		e.Into(t, &data)
		require.NotEmpty(t, data.Reason)
	}
	require.Len(t, p.Events("type:ingest.quarantined"), len(poison))
	require.Contains(t, p.Command("verify"), "everything agrees")
}
