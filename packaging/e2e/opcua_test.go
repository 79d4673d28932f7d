//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

const stepType = "x.test.step"

// steppers is a node-opcua server whose variables step together every 100 ms.
type steppers struct {
	*peertest.NodePeer
	count int
	addr  string
}

func startSteppers(t *testing.T, count int) *steppers {
	t.Helper()
	options, err := json.Marshal(map[string]any{"variables": count, "every": 100, "alarm": false})
	require.NoError(t, err)
	s := &steppers{NodePeer: peertest.Node(t, "opcua-line.mjs", string(options)), count: count}
	var ready struct{ Port int }
	require.NoError(t, json.Unmarshal(s.Ready, &ready))
	s.addr = fmt.Sprintf("127.0.0.1:%d", ready.Port)
	return s
}

// source is the part of an agent.yaml that makes an event of each step. An interval
// below a millisecond asks the server to report each change: with one of its own
// timers it now and then passes over a step on a busy machine, and no client could know.
func (s *steppers) source(addr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "opcua:\n  - name: press-12\n    endpoint: opc.tcp://%s\n    security: {policy: None, mode: None}\n"+
		"    allow_insecure: true\n    groups:\n      - name: steps\n        sampling: 1us\n        publishing: 100ms\n        nodes:\n", addr)
	for i := range s.count {
		fmt.Fprintf(&b, "          - {id: \"nsu=urn:linewatch:test;s=Step.%d\", as: step.%d, event: %s}\n", i, i, stepType)
	}
	return b.String()
}

// step is the number that the variables have now.
func (s *steppers) step(t *testing.T) int {
	t.Helper()
	s.Send(t, "count")
	select {
	case line := <-s.Lines():
		var answer struct{ Step int }
		require.NoError(t, json.Unmarshal(line, &answer))
		return answer.Step
	case <-time.After(Patience):
		t.Fatal("the OPC UA server does not answer")
		return 0
	}
}

func TestEachOPCUAStepIsStoredOrDeclaredLostThroughResetsAndKills(t *testing.T) {
	t.Parallel()
	server := startSteppers(t, Soak(40, 200))
	cable := NewCable(t, server.addr)
	p := New(t, Options{})
	s := p.Station("st07", server.source(cable.Addr))
	s.Start()
	first := server.step(t) + 5
	p.reached(server, first)
	for range Soak(1, 10) {
		cable.Reset()
		Pass(2 * time.Second)
		s.Agent().Kill()
		Pass(2 * time.Second)
		s.Start()
		cable.Unplug()
		Pass(Soak(3*time.Second, 10*time.Second))
		cable.Plug()
		Pass(2 * time.Second)
		s.Agent().Kill()
		s.Launch() // at once: the server still believes in the old connection
		Pass(2 * time.Second)
	}
	// A step that comes while nothing is connected may be one of those declared lost.
	s.Connected()
	last := server.step(t) + 5
	p.reached(server, last)
	require.Equal(t, 0, s.Agent().Stop(t))
	missing := p.missing(first, last, server.count)
	t.Logf("%d steps of %d variables, %d of them declared lost", last-first+1, server.count, missing)
	require.Contains(t, p.Command("verify"), "everything agrees")
}

// reached waits until every variable's step is stored.
func (p *Plant) reached(server *steppers, step int) {
	p.t.Helper()
	n := 0
	Until(p.t, fmt.Sprintf("step %d of %d variables", step, server.count), func() bool {
		n = p.Count(fmt.Sprintf("type:%s data.value:%d", stepType, step))
		return n >= server.count
	}, func() any { return n })
}

// missing counts the steps that are not stored; each must lie in a declared gap.
func (p *Plant) missing(first, last, variables int) (sum int) {
	p.t.Helper()
	times := map[string]map[int]time.Time{}
	for _, e := range p.Events("type:" + stepType) {
		var data struct{ Value int }
		e.Into(p.t, &data)
		if times[e.Leaf.Signal] == nil {
			times[e.Leaf.Signal] = map[int]time.Time{}
		}
		_, twice := times[e.Leaf.Signal][data.Value]
		require.False(p.t, twice, "step %d of %s is stored twice", data.Value, e.Leaf.Signal)
		times[e.Leaf.Signal][data.Value] = e.Leaf.Timestamp
	}
	require.Len(p.t, times, variables)
	type span struct{ From, To time.Time }
	var gaps []span
	for _, e := range p.Events("type:audit.gap") {
		var gap span
		e.Into(p.t, &gap)
		gaps = append(gaps, gap)
	}
	for signal, steps := range times {
		for n := first; n <= last; n++ {
			if _, ok := steps[n]; ok {
				continue
			}
			sum++
			before, declared := steps[n-1], false
			for _, g := range gaps {
				declared = declared || !before.Before(g.From.Add(-200*time.Millisecond)) && !before.After(g.To)
			}
			require.True(p.t, declared, "step %d of %s is neither stored nor declared lost: %v", n, signal, gaps)
			steps[n] = before.Add(100 * time.Millisecond)
		}
	}
	return sum
}
