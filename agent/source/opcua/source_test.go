package opcua

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
)

func TestChangesOfARealServerReachTheSink(t *testing.T) {
	server := startLine(t, map[string]any{"variables": 3, "extraNamespace": "urn:other"})
	sink := newRecord()
	s := run(t, insecure(server.Endpoint,
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.State", As: "press.state", Event: "equipment.status", Map: map[int64]string{1: "running"}},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Temperature", As: "press.temperature", Unit: "degC"},
		config.OPCUANode{Path: "/Objects/v:Line1/v:Press/v:FaultWord*", As: "press.fault"},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.Matrix", As: "press.matrix"},
		config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Nowhere", As: "nowhere"},
	), Options{}, sink)
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
}
