package opcua

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
)

// openLine is the server that the tests below share: small portions, an alarm.
func openLine(t *testing.T) *line {
	t.Helper()
	return startLine(t, map[string]any{"variables": 30, "extraNamespace": "urn:other", "itemsPerCall": 7, "readsPerCall": 5})
}

func TestOneServerManyWays(t *testing.T) {
	t.Parallel()
	server := openLine(t)
	t.Run("changes and bad quality reach the sink", func(t *testing.T) { changes(t, server) })
	t.Run("a server that offers only None is never a downgrade", func(t *testing.T) { onlyNone(t, server) })
	t.Run("large groups are asked for in the portions that the server takes", func(t *testing.T) {
		sink := newRecord()
		s := run(t, insecure(server.Endpoint, stepNodes(30)...), Options{PKI: server.PKI}, sink)
		sink.until(t, "all values", func() bool { return sink.newest("step.29") != nil && sink.newest("step.0") != nil })
		s.stop()
		var limits struct {
			Groups []GroupReport `json:"groups"`
		}
		require.NoError(t, json.Unmarshal(s.Health().Limits, &limits))
		require.Equal(t, 30, limits.Groups[0].Nodes)
		require.Empty(t, limits.Groups[0].Warnings)
	})
	t.Run("a node that is not there stops nobody and is taken when it comes", func(t *testing.T) { badNode(t, server) })
	t.Run("alarms come, are acknowledged by nobody, and go", func(t *testing.T) { alarms(t, server) })
	t.Run("alarms are known again after a restart", func(t *testing.T) { alarmsOverRestarts(t, server) })
	t.Run("a sink that refuses loses nothing and pauses publishing", func(t *testing.T) { backpressure(t, server) })
	t.Run("an agent that dies with notifications in memory loses none", func(t *testing.T) { heldAtDeath(t, server) })
	t.Run("a changed configuration is a gap and leaves nothing behind", func(t *testing.T) { changedConfig(t, server) })
	t.Run("a queue that overflows in the server is declared", func(t *testing.T) { overflows(t, server) })
	t.Run("the tools", func(t *testing.T) { tools(t, server) })
}

func changes(t *testing.T, server *line) {
	sink := newRecord()
	s := run(t, insecure(server.Endpoint,
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.State", As: "press.state", Event: "equipment.status", Map: map[int64]string{1: "running"}},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Temperature", As: "press.temperature", Unit: "degC"},
		config.OPCUANode{Path: "/Objects/v:Line1/v:Press/v:FaultWord*", As: "press.fault"},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Matrix", As: "press.matrix"},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Nowhere", As: "nowhere"},
	), Options{PKI: server.PKI}, sink)
	sink.until(t, "the first values", func() bool {
		return sink.newest("press.state") != nil && sink.newest("press.fault.FaultWord2") != nil && sink.newest("press.matrix") != nil
	})
	require.Equal(t, source.StateConnected, s.Health().State)
	require.Equal(t, int64(1), sink.newest("press.state"))
	require.Equal(t, 41.5, sink.newest("press.temperature"))
	require.Equal(t, uint64(0), sink.newest("press.fault.FaultWord1"))
	require.Equal(t, []any{1.0, 2.0, 3.0}, sink.newest("press.matrix"))

	server.ask(t, "state 4")
	sink.until(t, "the changed state", func() bool { return sink.newest("press.state") == int64(4) })
	server.ask(t, "bad")
	sink.until(t, "bad quality as data", func() bool {
		all := sink.all()
		return all[len(all)-1].Quality != 0
	})
	require.Len(t, sink.occurrences("channel.insecure"), 1)
	require.Empty(t, sink.occurrences("audit.gap"))
	server.ask(t, "good")
}

func badNode(t *testing.T, server *line) {
	server.ask(t, "remove")
	sink := newRecord()
	s := run(t, insecure(server.Endpoint, stateNode(),
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Extra", As: "extra"},
		config.OPCUANode{ID: "nsu=urn:nobody;s=X", As: "other"},
		config.OPCUANode{Path: "/Objects/v:Line1/v:Press/v:Extr*", As: "by.path"},
	), Options{PKI: server.PKI}, sink)
	sink.until(t, "the good node", func() bool { return sink.newest("press.state") != nil })
	require.Contains(t, string(s.Health().Limits), "urn:nobody")
	require.Nil(t, sink.newest("extra"))
	sink.until(t, "an event for each line that can't be read", func() bool { return len(sink.occurrences("source.item_failed")) == 3 })
	for _, r := range sink.occurrences("source.item_failed") {
		require.Equal(t, s.cfg.Name, r.Occurrence.Data["source"])
		require.NotEmpty(t, r.Occurrence.Data["item"])
		require.NotEmpty(t, r.Occurrence.Data["reason"])
	}
	server.ask(t, "add")
	sink.until(t, "the node that came back", func() bool {
		return sink.newest("extra") == int64(8) && sink.newest("by.path") == int64(8)
	})
	require.Len(t, sink.occurrences("source.item_failed"), 3, "told once, however often it is tried")
	// A restarted agent knows the items of its living subscription.
	s.stop()
	run(t, s.cfg, Options{PKI: server.PKI, Positions: sink}, sink)
	server.ask(t, "state 5")
	sink.until(t, "the state", func() bool { return sink.newest("press.state") == int64(5) })
	require.Empty(t, sink.occurrences("audit.gap"))
}

func alarms(t *testing.T, server *line) {
	sink := newRecord()
	cfg := insecure(server.Endpoint)
	cfg.Groups = nil
	cfg.Alarms = []config.OPCUAAlarms{{Notifier: "i=2253", MinSeverity: 100}}
	var mu sync.Mutex
	services := map[string]bool{}
	s := run(t, cfg, Options{PKI: server.PKI, Sent: func(service string) {
		mu.Lock()
		defer mu.Unlock()
		services[service] = true
	}}, sink)
	require.Eventually(t, func() bool { return s.Health().State == source.StateConnected }, 20*time.Second, 20*time.Millisecond)
	server.ask(t, "alarm on")
	sink.until(t, "the alarm", func() bool { return len(sink.occurrences("alarm.state")) > 0 })
	data := sink.occurrences("alarm.state")[0].Occurrence.Data
	require.Equal(t, "active", data["state"])
	require.Equal(t, "LevelAlarm", data["condition"])
	require.Contains(t, data["conditionId"], "nsu=urn:linewatch:test;")
	require.NotEmpty(t, sink.occurrences("alarm.state")[0].OriginalID)
	s.stop()

	// One that begins to listen while it stands is told by the refresh.
	late := newRecord()
	run(t, cfg, Options{PKI: server.PKI}, late)
	late.until(t, "the standing alarm", func() bool { return len(late.occurrences("alarm.state")) > 0 })
	require.Equal(t, true, late.occurrences("alarm.state")[0].Occurrence.Data["refresh"])
	server.ask(t, "acknowledge")
	late.until(t, "the acknowledgement", func() bool { return len(late.occurrences("alarm.acknowledged")) == 1 })
	require.Equal(t, "seen", late.occurrences("alarm.acknowledged")[0].Occurrence.Data["comment"])
	server.ask(t, "alarm off")
	late.until(t, "the end of the alarm", func() bool {
		all := late.occurrences("alarm.state")
		return all[len(all)-1].Occurrence.Data["state"] == "cleared"
	})
	mu.Lock()
	defer mu.Unlock()
	require.True(t, services["Call"], "ConditionRefresh")
}

// A restart in between must not make an acknowledgement look like a new alarm.
func alarmsOverRestarts(t *testing.T, server *line) {
	sink := newRecord()
	cfg := insecure(server.Endpoint)
	cfg.Name, cfg.Groups = "over", nil
	cfg.Alarms = []config.OPCUAAlarms{{Notifier: "i=2253", MinSeverity: 100}}
	start := func() *running {
		s := run(t, cfg, Options{PKI: server.PKI, Positions: sink}, sink)
		require.Eventually(t, func() bool { return s.Health().State == source.StateConnected }, 20*time.Second, 20*time.Millisecond)
		return s
	}
	s := start()
	server.ask(t, "alarm on")
	sink.until(t, "the alarm", func() bool { return len(sink.occurrences("alarm.state")) == 1 })
	s.stop()
	s = start()
	server.ask(t, "acknowledge")
	sink.until(t, "the acknowledgement", func() bool { return len(sink.occurrences("alarm.acknowledged")) == 1 })
	require.Len(t, sink.occurrences("alarm.state"), 1, "it stood before")
	s.stop()
	server.ask(t, "alarm off")
	s = start()
	sink.until(t, "the end, which came while the agent was away", func() bool { return len(sink.occurrences("alarm.state")) == 2 })
	require.Equal(t, "cleared", sink.occurrences("alarm.state")[1].Occurrence.Data["state"])
	s.stop()
	require.Empty(t, sink.occurrences("audit.gap"))
}

func backpressure(t *testing.T, server *line) {
	sink := newRecord()
	first := answer(t, server, "count", "step")
	s := run(t, insecure(server.Endpoint, stepNodes(30)...), Options{PKI: server.PKI}, sink)
	sink.until(t, "the first values", func() bool { return sink.newest("step.29") != nil && sink.newest("step.0") != nil })
	sink.mu.Lock()
	sink.refuse = true
	sink.mu.Unlock()
	var last int64
	for range 60 {
		last = int64(server.ask(t, "step")["step"].(float64))
	}
	require.Eventually(t, func() bool { return s.Health().State == source.StateConnected }, 10*time.Second, 20*time.Millisecond)
	sink.mu.Lock()
	sink.refuse = false
	sink.mu.Unlock()
	sink.until(t, "the last step", func() bool { return sink.newest("step.29") == last && sink.newest("step.0") == last })
	for _, series := range delivered(t, sink)[:30] {
		require.Empty(t, series.holes(first, last))
	}
	require.Empty(t, sink.occurrences("audit.gap"))
}

func changedConfig(t *testing.T, server *line) {
	before := answer(t, server, "count", "subscriptions")
	sink := newRecord()
	cfg := insecure(server.Endpoint, stateNode())
	s := run(t, cfg, Options{PKI: server.PKI}, sink)
	sink.until(t, "the state", func() bool { return sink.newest("press.state") != nil })
	s.stop()
	cfg.Groups[0].Nodes = append(cfg.Groups[0].Nodes, config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Program", As: "press.program"})
	run(t, cfg, Options{PKI: server.PKI, Positions: sink}, sink)
	sink.until(t, "the new node", func() bool { return sink.newest("press.program") == "P-100" })
	gaps := sink.occurrences("audit.gap")
	require.Len(t, gaps, 1)
	require.Equal(t, "configuration changed", gaps[0].Occurrence.Data["cause"])
	require.Eventually(t, func() bool { return answer(t, server, "count", "subscriptions") == before+1 }, 30*time.Second, 200*time.Millisecond,
		"the subscription of the old configuration is ended")
}

func heldAtDeath(t *testing.T, server *line) {
	sink := newRecord()
	first := answer(t, server, "count", "step")
	cfg := insecure(server.Endpoint, stepNodes(30)...)
	s := run(t, cfg, Options{PKI: server.PKI}, sink)
	sink.until(t, "the first values", func() bool { return sink.newest("step.29") != nil && sink.newest("step.0") != nil })
	sink.mu.Lock()
	sink.refuse = true
	sink.mu.Unlock()
	for range 10 {
		server.ask(t, "step")
	}
	require.Eventually(t, func() bool { return sink.refusals() > 3 }, 10*time.Second, 10*time.Millisecond)
	s.stop()
	sink.mu.Lock()
	sink.refuse = false
	sink.mu.Unlock()
	last := int64(server.ask(t, "step")["step"].(float64))
	run(t, cfg, Options{PKI: server.PKI, Positions: sink}, sink)
	sink.until(t, "the last step", func() bool { return sink.newest("step.29") == last && sink.newest("step.0") == last })
	for _, series := range delivered(t, sink)[:30] {
		require.Empty(t, series.holes(first, last), "what was not taken was not acknowledged")
	}
	require.Empty(t, sink.occurrences("audit.gap"))
}

func overflows(t *testing.T, server *line) {
	nodes := stepNodes(2)
	nodes[0].Queue = 3
	cable := newProxy(t, server.Port)
	cfg := insecure(cable.endpoint(), nodes...)
	sink := newRecord()
	s := run(t, cfg, Options{PKI: server.PKI}, sink)
	sink.until(t, "the first values", func() bool { return sink.newest("step.1") != nil && sink.newest("step.0") != nil })
	begin := answer(t, server, "count", "step")
	cable.unplug()
	require.Eventually(t, func() bool { return s.Health().State == source.StateConnecting }, 10*time.Second, 10*time.Millisecond)
	var last int64
	for range 20 {
		last = int64(server.ask(t, "step")["step"].(float64))
	}
	cable.plug()
	sink.until(t, "the last step", func() bool { return sink.newest("step.0") == last && sink.newest("step.1") == last })
	got := delivered(t, sink)
	require.Empty(t, got[1].holes(begin, last), "the long queue kept everything")
	require.NotEmpty(t, got[0].holes(begin, last))
	gaps := sink.occurrences("audit.gap")
	require.NotEmpty(t, gaps)
	// A server under load may overflow twice: each gap names what it lost.
	declared := map[[2]any]bool{}
	for _, g := range gaps {
		data := g.Occurrence.Data
		require.Equal(t, "server queue overflow", data["cause"])
		items := data["items"].([]any)
		require.Len(t, items, 1, "only the item that lost something")
		item := items[0].(map[string]any)
		require.Equal(t, nodes[0].ID, item["item"])
		declared[[2]any{item["from"], item["to"]}] = true
	}
	for _, hole := range got[0].holes(begin, last) {
		require.True(t, declared[[2]any{got[0][hole[0]-1], got[0][hole[1]+1]}], "hole %v is declared from the last value before to the first behind it", hole)
	}
}

func tools(t *testing.T, server *line) {
	opts := Options{PKI: t.TempDir(), Station: "hamburg/body/line3/st07"}
	found, err := Endpoints(t.Context(), server.Endpoint, opts)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "None", found[0].Policy)
	require.Contains(t, found[0].Users, "anonymous")

	cfg := insecure(server.Endpoint)
	cfg.Groups = nil
	variables, err := Browse(t.Context(), cfg, opts, BrowseOptions{Path: "/Objects/v:Line1/v:Press", Depth: 1})
	require.NoError(t, err)
	everything, err := Browse(t.Context(), cfg, opts, BrowseOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, everything)
	for _, v := range everything {
		require.True(t, strings.HasPrefix(v.ID, "nsu="), "%s is of every server, not of this equipment", v.ID)
	}
	text := YAML(cfg, variables)
	require.Contains(t, text, `- {id: "nsu=urn:linewatch:test;s=Line1.Press.Temperature", as: line1.press.temperature}   # now 41.5`)
	parsed, err := config.Parse("agent.yaml", []byte("station: a/b\ndata_dir: /x\n"+text), "/x")
	require.NoError(t, err, text)
	require.Len(t, parsed.OPCUA[0].Groups[0].Nodes, len(variables))
	require.NoError(t, Validate(parsed.OPCUA[0], opts))

	report, err := Check(t.Context(), insecure(server.Endpoint, stateNode(),
		config.OPCUANode{ID: "ns=3;s=Line1.Press.Temperature"}, config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Nowhere"}), opts)
	require.NoError(t, err)
	require.Equal(t, "Running", report.State)
	require.Equal(t, 2, report.Groups[0].Nodes)
	require.Equal(t, []string{"nsu=urn:linewatch:test;s=Nowhere: BadNodeIDUnknown"}, report.Groups[0].Failed)
	require.Equal(t, "nsu=urn:linewatch:test;s=Line1.Press.Temperature", report.BareIndexes["ns=3;s=Line1.Press.Temperature"])
	require.Equal(t, uint32(7), report.Limits.ItemsPerCall)
	require.Less(t, report.ClockOffset.Abs(), 5*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan source.Reading, 16)
	go func() {
		seen <- source.Reading{OriginalID: fmt.Sprint(Watch(ctx, insecure(server.Endpoint, stateNode()), opts, func(r source.Reading) { seen <- r }))}
	}()
	for r := range seen {
		if r.Point != nil && r.Point.Signal == "press.state" {
			break
		}
	}
	cancel()
	for r := range seen {
		if r.Point == nil {
			require.Equal(t, "<nil>", r.OriginalID)
			break
		}
	}
}
