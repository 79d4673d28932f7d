package opcua

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// services collects the names of all services that sources send.
type services struct {
	mu   sync.Mutex
	sent map[string]int
}

func (s *services) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = map[string]int{}
	}
	s.sent[name]++
}

func (s *services) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(s.sent)
}

func TestOnlyServicesThatChangeNothingAreSent(t *testing.T) {
	t.Parallel()
	server := startLine(t, map[string]any{"variables": 1, "sessions": 5})
	others := takeSessions(t, server, 4)
	cable := newProxy(t, server.Port)
	var sent services
	sink := newRecord()
	cfg := insecure(cable.endpoint(), stateNode(), config.OPCUANode{Path: "/Objects/v:Line1/v:Press/v:FaultWord*", As: "fault"})
	cfg.Alarms = []config.OPCUAAlarms{{Notifier: "i=2253"}}
	opts := Options{PKI: t.TempDir(), Sent: sent.note}
	s := run(t, cfg, opts, sink)
	sink.until(t, "the state", func() bool { return sink.newest("press.state") == int64(1) })

	// One session is enough: the other four come and go as they like, whatever
	// happens to the agent's connection.
	others.comeAndGo(t)
	cable.reset()
	server.ask(t, "state 2")
	sink.until(t, "the state after a reset", func() bool { return sink.newest("press.state") == int64(2) })
	others.comeAndGo(t)
	s.stop()
	server.ask(t, "state 3")
	opts.Positions = sink
	s = run(t, cfg, opts, sink)
	sink.until(t, "the state after the agent's death", func() bool { return sink.newest("press.state") == int64(3) })
	others.comeAndGo(t)
	require.Equal(t, int64(5), answer(t, server, "count", "sessions"))
	require.Empty(t, sink.occurrences("audit.gap"))

	// The subscriptions vanish with the session: a new session, and everything anew.
	others.leave(t)
	s.stop()
	sink.forgetSession(t)
	s = run(t, cfg, opts, sink)
	server.ask(t, "state 4")
	sink.until(t, "the state after the session was lost", func() bool { return sink.newest("press.state") == int64(4) })
	s.stop()
	t.Logf("OPC UA services sent: %v", sent.names())
	require.Equal(t, []string{
		"ActivateSession", "Browse", "Call", "CreateMonitoredItems", "CreateSession", "CreateSubscription",
		"GetEndpoints", "Publish", "Read", "Republish", "TransferSubscriptions",
	}, sent.names(), "Call is ConditionRefresh alone, see the next test")
}

func TestWhatCouldChangeTheEquipmentIsNeverSent(t *testing.T) {
	ch := &channel{}
	acknowledge := &ua.CallRequest{MethodsToCall: []*ua.CallMethodRequest{{
		ObjectID: ua.NewNumericNodeID(0, conditionTypeID), MethodID: ua.NewNumericNodeID(0, 9111),
	}}}
	for _, req := range []ua.Request{
		&ua.WriteRequest{}, &ua.HistoryUpdateRequest{}, &ua.AddNodesRequest{}, &ua.DeleteNodesRequest{}, &ua.AddReferencesRequest{},
		&ua.DeleteReferencesRequest{}, &ua.CallRequest{}, acknowledge, &ua.SetTriggeringRequest{}, &ua.RegisterNodesRequest{},
		&ua.SetPublishingModeRequest{}, &ua.RegisterServerRequest{}, &ua.CancelRequest{},
	} {
		_, err := call[*ua.WriteResponse](t.Context(), ch, req, time.Second)
		require.ErrorIs(t, err, errServiceRefused, "%T", req)
	}
}

func TestThereIsOneDoorToTheWire(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	doors := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		doors += strings.Count(string(text), ".SendRequest")
		require.NotContains(t, string(text), "\"github.com/gopcua/opcua\"", "the client of gopcua has doors of its own")
	}
	require.Equal(t, 1, doors)
}

func TestAFullServerIsLeftAloneBeyondTheSessionTimeout(t *testing.T) {
	p, err := compile(insecure("opc.tcp://x:1"), Options{})
	require.NoError(t, err)
	e := &engine{plan: p}
	full := e.explain(ua.StatusBadTooManySessions)
	for range 100 {
		require.Greater(t, e.pause(full, firstWait), p.sessionTimeout())
		wait := e.pause(ua.StatusBadConnectionClosed, firstWait)
		require.GreaterOrEqual(t, wait, firstWait/2)
		require.LessOrEqual(t, wait, 2*firstWait)
		require.GreaterOrEqual(t, e.pause(&refusal{reason: "x"}, firstWait), refusedWait/2)
	}
}

// visitors are other clients of a server, one session each.
type visitors struct {
	server   *line
	channels []*channel
}

// takeSessions makes sessions of other clients.
func takeSessions(t *testing.T, server *line, n int) *visitors {
	t.Helper()
	v := &visitors{server: server}
	for range n {
		v.channels = append(v.channels, v.come(t))
	}
	t.Cleanup(func() {
		for _, ch := range v.channels {
			ch.close()
		}
	})
	return v
}

func (v *visitors) come(t *testing.T) *channel {
	t.Helper()
	sec, err := newSecurity(insecure(v.server.Endpoint))
	require.NoError(t, err)
	ch, err := dial(t.Context(), dialConfig{endpoint: v.server.Endpoint, sec: sec, own: pki.Own{URI: "urn:test:visitor"}})
	require.NoError(t, err)
	s, err := ch.createSession(t.Context(), v.server.Endpoint, "visitor", time.Minute, login{})
	require.NoError(t, err, "the agent holds no more than its one session")
	require.NoError(t, ch.activate(t.Context(), s, login{}))
	return ch
}

// comeAndGo replaces every session by a new one.
func (v *visitors) comeAndGo(t *testing.T) {
	t.Helper()
	for i, ch := range v.channels {
		require.NoError(t, ch.closeSession(t.Context(), true))
		ch.close()
		v.channels[i] = v.come(t)
	}
}

func (v *visitors) leave(t *testing.T) {
	t.Helper()
	for _, ch := range v.channels {
		require.NoError(t, ch.closeSession(t.Context(), true))
		ch.close()
	}
	v.channels = nil
}
