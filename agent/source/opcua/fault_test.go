package opcua

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
)

// steps is the number of variables that step together in the fault tests.
const steps = 200

// stepNodes are the variables of the test server, each an event.
func stepNodes(n int) []config.OPCUANode {
	var nodes []config.OPCUANode
	for i := range n {
		nodes = append(nodes, config.OPCUANode{
			ID: fmt.Sprintf("nsu=urn:linewatch:test;s=Step.%d", i), As: fmt.Sprintf("step.%d", i), Event: "equipment.status",
		})
	}
	return nodes
}

// series is what one variable delivered: source time by step.
type series map[int64]time.Time

// delivered sorts the readings of the step variables.
func delivered(t *testing.T, sink *record) []series {
	t.Helper()
	out := make([]series, steps)
	for i := range out {
		out[i] = series{}
	}
	for _, r := range sink.all() {
		var i int
		if r.Occurrence != nil {
			continue
		}
		if _, err := fmt.Sscanf(r.Point.Signal, "step.%d", &i); err != nil {
			continue
		}
		step, ok := r.Value.(int64)
		require.True(t, ok, "%v is no step", r.Value)
		if at, twice := out[i][step]; twice && !at.Equal(r.SourceTime) {
			t.Fatalf("step %d of variable %d came twice with other times", step, i)
		}
		out[i][step] = r.SourceTime
	}
	return out
}

// holes are the stretches of steps that a variable did not deliver.
func (s series) holes(from, to int64) (out [][2]int64) {
	for n := from; n <= to; n++ {
		if _, ok := s[n]; ok {
			continue
		}
		if len(out) > 0 && out[len(out)-1][1] == n-1 {
			out[len(out)-1][1] = n
		} else {
			out = append(out, [2]int64{n, n})
		}
	}
	return out
}

// reached waits until every variable has delivered a step.
func reached(t *testing.T, sink *record, step int64) {
	t.Helper()
	missing, at := map[int]bool{}, 0
	for i := range steps {
		missing[i] = true
	}
	sink.until(t, fmt.Sprintf("step %d of every variable", step), func() bool {
		all := sink.all()
		for ; at < len(all); at++ {
			var i int
			if all[at].Occurrence != nil {
				continue
			}
			if _, err := fmt.Sscanf(all[at].Point.Signal, "step.%d", &i); err == nil && all[at].Value.(int64) >= step {
				delete(missing, i)
			}
		}
		return len(missing) == 0
	})
}

// requireAll fails unless every variable delivered every step.
func requireAll(t *testing.T, sink *record, from, to int64) {
	t.Helper()
	for i, s := range delivered(t, sink) {
		require.Empty(t, s.holes(from, to), "variable %d lost steps", i)
	}
	require.Empty(t, sink.occurrences("audit.gap"), "nothing was lost, so nothing may be declared lost")
}

// answer reads a number out of a server's answer.
func answer(t *testing.T, l *line, command, key string) int64 {
	t.Helper()
	n, ok := l.ask(t, command)[key].(float64)
	require.True(t, ok)
	return int64(n)
}

// trial is one source on one server, driven through one fault after the other.
type trial struct {
	t      *testing.T // the whole test: a source started in one part lives on in the next
	server *line
	cable  *proxy
	sink   *record
	cfg    config.OPCUA
	source *running
	first  int64 // every variable delivers every step from here on
}

// check fails unless everything so far was delivered, and nothing declared lost.
func (f *trial) check(t *testing.T) {
	t.Helper()
	last := answer(t, f.server, "count", "step") + 5
	reached(t, f.sink, last)
	requireAll(t, f.sink, f.first, last)
}

// restart ends the source without a word to the server and starts it anew.
func (f *trial) restart(pause time.Duration) {
	f.source.stop()
	<-time.After(pause)
	f.source = run(f.t, f.cfg, Options{PKI: f.server.PKI, Positions: f.sink}, f.sink)
}

// TestEveryStepSurvivesEveryFault drives one source through one fault after the
// other, while 200 variables step every 100 ms.
func TestEveryStepSurvivesEveryFault(t *testing.T) {
	t.Parallel()
	server := startLine(t, map[string]any{"variables": steps, "every": 100, "alarm": false})
	f := &trial{t: t, server: server, cable: newProxy(t, server.Port), sink: newRecord()}
	f.cfg = insecure(f.cable.endpoint(), stepNodes(steps)...)
	f.source = run(t, f.cfg, Options{PKI: server.PKI}, f.sink)
	reached(t, f.sink, answer(t, server, "count", "step"))
	for step := range delivered(t, f.sink)[0] {
		if f.first == 0 || step < f.first {
			f.first = step
		}
	}
	f.first += 2 // the very first value of a variable may be a step later than another's

	t.Run("a TCP reset", func(t *testing.T) {
		f.cable.reset()
		f.check(t)
	})
	t.Run("ten resets in 25 seconds", func(t *testing.T) {
		for range 10 {
			<-time.After(2500 * time.Millisecond)
			f.cable.reset()
		}
		f.check(t)
	})
	t.Run("10 seconds down", func(t *testing.T) { f.down(t) })
	t.Run("a black hole of 15 seconds without a reset", func(t *testing.T) { f.blackHole(t) })
	t.Run("the agent dies and comes back 4 seconds later", func(t *testing.T) {
		f.restart(4 * time.Second)
		f.check(t)
		require.Equal(t, int64(1), answer(t, server, "count", "sessions"), "the old session is gone on with")
	})
	t.Run("the agent dies, comes back without its session, and transfers", func(t *testing.T) {
		f.source.stop()
		f.sink.forgetSession(t)
		f.restart(0)
		f.check(t)
	})
	if os.Getenv("LINEWATCH_SOAK") != "" {
		t.Run("a reset every second for five minutes", func(t *testing.T) {
			for range 300 {
				<-time.After(time.Second)
				f.cable.reset()
			}
			f.check(t)
		})
	}
	t.Run("the server restarts and its namespaces move", func(t *testing.T) { restartServer(t, server, f.sink, f.first) })
}

func (f *trial) down(t *testing.T) {
	lost := len(f.sink.occurrences("comm.lost"))
	f.cable.unplug()
	<-time.After(10 * time.Second)
	f.cable.plug()
	f.check(t)
	require.Len(t, f.sink.occurrences("comm.lost"), lost+1, "one event, not one per attempt")
	require.Len(t, f.sink.occurrences("comm.restored"), lost+1)
}

func (f *trial) blackHole(t *testing.T) {
	began := time.Now()
	f.cable.swallow()
	f.sink.until(t, "the watchdog to notice", func() bool {
		return len(f.sink.occurrences("comm.lost")) > len(f.sink.occurrences("comm.restored"))
	})
	require.Less(t, time.Since(began), 12*time.Second, "silence is noticed at 2.5 times the keep-alive")
	<-time.After(time.Until(began.Add(15 * time.Second)))
	f.cable.flow()
	f.check(t)
}

// forgetSession makes the stored session useless, as if its timeout had passed.
func (r *record) forgetSession(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var stored storedSession
	require.NoError(t, jsonInto(r.positions[sessionKey], &stored))
	stored.Session.Token = "ns=1;i=1"
	r.positions[sessionKey] = mustJSON(stored)
}

// restartServer kills the server and starts it anew: what stepped before the new
// subscription is gone for everybody, and one gap says exactly that.
func restartServer(t *testing.T, server *line, sink *record, first int64) {
	t.Helper()
	const second = 1_000_000
	before := answer(t, server, "count", "step")
	reached(t, sink, before)
	server.Kill(t)
	// It also counts its namespaces anew: the nodes are found again by URI.
	again := startLine(t, map[string]any{
		"variables": steps, "every": 100, "alarm": false, "port": server.Port, "start": second, "extraNamespace": "urn:moved:in:between",
	})
	reached(t, sink, answer(t, again, "count", "step")+5)
	last := answer(t, again, "count", "step")
	reached(t, sink, last)

	gaps := sink.occurrences("audit.gap")
	require.Len(t, gaps, 1, "one restart, one gap")
	data := gaps[0].Occurrence.Data
	require.Equal(t, "press-12", data["source"])
	from, to := data["from"].(time.Time), data["to"].(time.Time)
	for i, s := range delivered(t, sink) {
		require.Empty(t, s.holes(first, before), "variable %d lost steps of before the restart", i)
		// The first step of the new life that this variable delivered.
		begin := last
		for step := range s {
			if step >= second && step < begin {
				begin = step
			}
		}
		require.Empty(t, s.holes(begin, last), "variable %d lost steps after it was subscribed again", i)
		require.False(t, from.After(lastBefore(s, second)), "the gap begins at or before the last step delivered")
		require.False(t, s[begin].After(to.Add(200*time.Millisecond)), "the gap ends where the values begin again")
	}
	require.WithinDuration(t, lastBefore(delivered(t, sink)[0], second), from, 200*time.Millisecond, "the gap is no longer than what is missing")
}

// lastBefore is the source time of the newest step below a limit.
func lastBefore(s series, limit int64) time.Time {
	var newest time.Time
	for step, at := range s {
		if step < limit && at.After(newest) {
			newest = at
		}
	}
	return newest
}
