package agent

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/agenttest"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// steady makes numbered events until it is told to stop.
type steady struct{ taken atomic.Int64 }

func (s *steady) Name() string          { return "steady" }
func (s *steady) Health() source.Health { return source.Health{Name: "steady", Kind: "hand"} }
func (s *steady) Run(ctx context.Context, sink source.Sink) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n := s.taken.Load()
		if err := sink.Take(ctx, []source.Reading{occurrence(fmt.Sprintf("steady %d.", n))}, source.Position{Source: "steady"}); err != nil {
			return nil // told to stop; the event may be there or not
		}
		s.taken.Add(1)
	}
}

// requireOnce checks that each event of a steady source arrived, and none twice.
func (m *machine) requireOnce(count int64) {
	m.t.Helper()
	seen := map[string]int{}
	for _, events := range m.arrived() {
		for _, e := range events {
			require.NotEqual(m.t, event.TypeAuditGap, e.Type)
			if _, text, ok := strings.Cut(string(e.Data), "steady "); ok {
				number, _, _ := strings.Cut(text, ".")
				seen[number]++
			}
		}
	}
	for n := range count {
		require.Equal(m.t, 1, seen[fmt.Sprint(n)], "event %d", n)
	}
}

func TestCertificatesAreRenewedUnderLoadWithoutAGap(t *testing.T) {
	m := newMachine(t, false)
	s := &steady{}
	stop := m.start(s)
	m.until("it forwards", func(st Status) bool { return st.Forward.Connected && s.taken.Load() > 20 })
	id, err := enrol.Load(m.cfg.DataDir)
	require.NoError(t, err)
	transport, err := id.Transport("")
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	for range 5 {
		require.NoError(t, id.Renew(t.Context(), &http.Client{Transport: transport}))
		m.office.Drop() // the next connection shows the new certificate
		from := s.taken.Load()
		m.until("it goes on", func(st Status) bool { return st.Forward.Connected && s.taken.Load() > from+50 })
	}
	require.NoError(t, stop())
	require.Equal(t, 5, m.office.Renewed())
	again := m.start()
	m.until("the rest is forwarded", forwarded)
	require.NoError(t, again())
	m.requireOnce(s.taken.Load())
}

func TestTheLogKeyIsChangedByScheduleUnderLoadAndTheLogsGoOn(t *testing.T) {
	m := newMachine(t, false)
	m.cfg.Journal.KeyLife = 300 * time.Millisecond
	s := &steady{}
	stop := m.start(s)
	seen := map[string]bool{}
	m.until("three keys", func(st Status) bool {
		seen[st.Key.Fingerprint] = true
		return len(seen) >= 3 && st.Forward.Error == ""
	})
	require.NoError(t, stop())
	m.cfg.Journal.KeyLife = 0
	again := m.start()
	m.until("the rest is forwarded", forwarded)
	require.NoError(t, again())
	m.requireOnce(s.taken.Load())
	for _, origin := range m.office.Aggregator.Origins() {
		require.Empty(t, m.office.Aggregator.Registration(origin).Predecessor, "the logs go on")
	}
	text := strings.Join(m.types(event.Security), " ")
	require.Contains(t, text, event.TypeLogKey)
	require.Contains(t, text, event.TypeKeyLifecycle)
}

// keysOf opens the journal as after a crash, and returns its logs and key.
func (m *machine) keysOf() (logs []journal.LogInfo, key string) {
	m.t.Helper()
	j, err := OpenJournal(m.t.Context(), m.cfg, m.log)
	require.NoError(m.t, err)
	logs, key = j.Logs(), j.KeyID()
	require.NoError(m.t, j.Close())
	return logs, key
}

func TestAKeyChangeThatWasCutOffAnywhereLosesNoLog(t *testing.T) {
	m := newMachine(t, false)
	stop := m.start()
	m.until("it forwards", forwarded)
	require.NoError(t, stop())
	logs, first := m.keysOf()

	id, err := enrol.Load(m.cfg.DataDir)
	require.NoError(t, err)
	next, err := id.BeginKeyChange()
	require.NoError(t, err)
	after, key := m.keysOf() // cut off before the journal changed
	require.Equal(t, first, key)
	require.Len(t, after, len(logs))

	j, err := openJournal(t.Context(), m.cfg, id, m.log)
	require.NoError(t, err)
	require.NoError(t, j.ChangeKey(t.Context(), next, "test"))
	require.False(t, j.KeyReceipted())
	require.NoError(t, j.Close())
	after, key = m.keysOf() // cut off behind it
	require.Equal(t, journal.KeyIDOf(next.Public().(ed25519.PublicKey)), key)
	require.Len(t, after, len(logs), "no successor")
	require.FileExists(t, filepath.Join(m.cfg.DataDir, "identity", "log.key.next"), "the key before is still needed")

	stop = m.start()
	m.until("the aggregator confirms", func(st Status) bool { return forwarded(st) && !st.Key.Pending })
	require.NoError(t, stop())
	require.NoFileExists(t, filepath.Join(m.cfg.DataDir, "identity", "log.key.next"))
	after, again := m.keysOf()
	require.Equal(t, key, again)
	require.Len(t, after, len(logs))
}

// The aggregator never heard of the new key: only the one before lets new logs in.
func TestAJournalThatIsLostBeforeAKeyChangeWasConfirmedGoesOnUnderTheKeyBefore(t *testing.T) {
	m := newMachine(t, false)
	stop := m.start()
	m.until("it forwards", forwarded)
	require.NoError(t, stop())
	_, first := m.keysOf()
	id, err := enrol.Load(m.cfg.DataDir)
	require.NoError(t, err)
	j, err := openJournal(t.Context(), m.cfg, id, m.log)
	require.NoError(t, err)
	_, err = RotateKey(t.Context(), id, j, "test")
	require.NoError(t, err)
	require.NoError(t, j.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(m.cfg.DataDir, "journal")))
	_, key := m.keysOf()
	require.Equal(t, first, key)
	stop = m.start()
	m.until("new logs are let in", func(st Status) bool { return forwarded(st) && st.Forward.Error == "" })
	require.NoError(t, stop())
}

func TestKeysAreSealedWhenTheServiceHasACredential(t *testing.T) {
	m := newMachine(t, false)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "linewatch-key"), []byte(strings.Repeat("k", 32)), 0o400))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	stop := m.start()
	m.until("it forwards", func(st Status) bool { return forwarded(st) && st.Key.Kept == "credential" })
	require.NoError(t, stop())
	for _, name := range []string{"log.key", "tls.key"} {
		text, err := os.ReadFile(filepath.Join(m.cfg.DataDir, "identity", name))
		require.NoError(t, err)
		require.Contains(t, string(text), "SEALED", name)
	}
	again := m.start()
	m.until("it forwards with sealed keys", forwarded)
	require.NoError(t, again())
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err := OpenJournal(t.Context(), m.cfg, m.log)
	require.ErrorContains(t, err, "only the service has the credential")
}

// A copied disk takes along keys that open on no other machine: the station must
// record there all the same. On its own machine it must not drop its identity.
func TestKeysSealedOnAnotherMachineAreSucceededThoseOfThisOneAreNamed(t *testing.T) {
	credential := func(secret string) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "linewatch-key"), []byte(strings.Repeat(secret, 32)), 0o400))
		t.Setenv("CREDENTIALS_DIRECTORY", dir)
	}
	m := newMachine(t, false)
	credential("k")
	stop := m.start()
	m.until("it forwards", func(st Status) bool { return forwarded(st) && st.Key.Kept == "credential" })
	require.NoError(t, stop())
	first, err := enrol.Peek(m.cfg.DataDir)
	require.NoError(t, err)

	for _, dropped := range []func(){
		func() { credential("x") }, func() { t.Setenv("CREDENTIALS_DIRECTORY", "") },
	} {
		dropped()
		err = New(m.cfg, m.log).Run(t.Context())
		require.ErrorIs(t, err, keystore.ErrSealed, "the machine is the same: a person has to look")
		require.ErrorContains(t, err, "enrol --replace")
	}
	m.cfg.Machine = agenttest.Machine(t, m.dir, "two")
	credential("x")
	m.office.Pending(true)
	stop = m.start()
	m.until("it records under another name", func(st Status) bool { return st.AgentID != "" && st.AgentID != first.AgentID })
	require.NoError(t, stop())
	second, err := enrol.Load(m.cfg.DataDir)
	require.NoError(t, err)
	require.Equal(t, first.AgentID, second.Predecessor)
	require.True(t, second.Waiting())
}
