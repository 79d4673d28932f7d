//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
	"github.com/linewatch/linewatch/shared/peertest"
)

// number is the n of a message that became an event.
func number(e e2e.Event) (int, error) {
	var data struct{ N int }
	err := json.Unmarshal(e.Leaf.Data, &data)
	return data.N, err
}

// askEvery is how often the aggregator is asked how far it is. Its answers count as its
// own processor time: asked forty times a second they were a seventh of all.
const askEvery = 200 * time.Millisecond

// queued is how many messages wait in the broker: long enough to outlast the start.
const queued = 150_000

// BenchmarkWholePath drains a broker's queue through agent and aggregator into the
// database, from the start of the agent to the last commit. The processor time is
// that of both programs; broker and database take theirs beside it on the same
// two cores.
func BenchmarkWholePath(b *testing.B) {
	for _, db := range []string{"postgres", "sqlite"} {
		b.Run(db, func(b *testing.B) {
			for b.Loop() {
				wholePath(b, db)
			}
		})
	}
}

func wholePath(b *testing.B, db string) {
	broker := peertest.Mosquitto(b, peertest.MosquittoConfig{Text: limitless})
	p := e2e.New(b, database(b, db))
	s := p.Station("st07", drainSource(broker.URL))
	fill(b, broker.URL, queued)
	server := aggregator(b, p)
	before := server.cpu(b)
	began := time.Now()
	s.Launch()
	pid := agent(b, s)
	memory := pid.peak()
	var took time.Duration
	stored, asked := 0, began
	e2e.Within(b, 2*time.Minute, "the queue to be stored", func() bool {
		if time.Since(asked) < askEvery {
			return false
		}
		stored, asked = events(p, s.Name), time.Now()
		took = time.Since(began)
		return stored >= queued
	}, func() any { return stored })
	used, served := pid.cpu(b), server.cpu(b)-before
	resident, own := memory()
	b.ReportMetric(queued/took.Seconds(), "events/s")
	b.ReportMetric((used+served).Seconds()/queued*1e6, "cpu-s/million")
	b.ReportMetric(used.Seconds()/queued*1e6, "agent-cpu-s/million")
	b.ReportMetric(served.Seconds()/queued*1e6, "aggregator-cpu-s/million")
	b.ReportMetric(resident, "agent-MB")
	b.ReportMetric(own, "agent-own-MB")
	b.ReportMetric(0, "ns/op")
}

// drainSource takes over the session that [fill] made.
func drainSource(broker string) string {
	return strings.Replace(e2e.CountSource(broker), "    topics:", "    client_id: "+clientID+"\n    topics:", 1)
}

// BenchmarkSubscriberThatDoesNothing is the peer of the whole path: the MQTT
// library alone, on the same queue, acknowledging and forgetting.
func BenchmarkSubscriberThatDoesNothing(b *testing.B) {
	for b.Loop() {
		broker := peertest.Mosquitto(b, peertest.MosquittoConfig{Text: limitless})
		fill(b, broker.URL, queued)
		all, n := make(chan struct{}), 0
		client := paho.NewClient(paho.NewClientOptions().AddBroker(broker.URL).SetClientID(clientID).SetCleanSession(false).
			SetDefaultPublishHandler(func(paho.Client, paho.Message) {
				if n++; n == queued {
					close(all)
				}
			}))
		before, began := ownTime(b), time.Now()
		taken(b, []paho.Token{client.Connect()})
		<-all
		took, used := time.Since(began), ownTime(b)-before
		client.Disconnect(100)
		b.ReportMetric(queued/took.Seconds(), "events/s")
		b.ReportMetric(used.Seconds()/queued*1e6, "cpu-s/million")
		b.ReportMetric(0, "ns/op")
	}
}

// ownTime is the processor time of this process.
func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const variables = 1000

// BenchmarkOPCUA is 1,000 variables that step ten times a second on a node-opcua
// server, through an agent with limits on each of them, for 35 seconds. What is
// lost is told by the values themselves: they are consecutive, so a signal that
// stands further on than values were counted has lost some. The server is one
// thread of Node.js and may be the limit: its own rate is a figure too.
func BenchmarkOPCUA(b *testing.B) {
	for b.Loop() {
		server := peertest.Node(b, "opcua-line.mjs", fmt.Sprintf(`{"variables":%d,"every":100,"alarm":false}`, variables))
		var line struct{ Endpoint string }
		require.NoError(b, json.Unmarshal(server.Ready, &line))
		p := e2e.New(b, e2e.Options{})
		s := p.Station("st07", opcuaSource(line.Endpoint))
		s.Start()
		pid := agent(b, s)
		e2e.Pass(3 * time.Second) // the subscription is made and its backlog gone
		steps, first := step(b, server), countsOf(b, s)
		memory := pid.peak()
		before, began := pid.cpu(b), time.Now()
		e2e.Pass(30 * time.Second)
		used, took := pid.cpu(b)-before, time.Since(began)
		made := float64(step(b, server)-steps) * variables
		last := countsOf(b, s)
		resident, own := memory()
		counted := last.taken - first.taken
		lost := last.steps - first.steps - counted
		b.ReportMetric(made/took.Seconds(), "server-values/s")
		b.ReportMetric(float64(counted)/took.Seconds(), "values/s")
		b.ReportMetric(float64(lost), "lost")
		b.ReportMetric(used.Seconds()/float64(counted)*1e6, "cpu-s/million")
		b.ReportMetric(resident, "agent-MB")
		b.ReportMetric(own, "agent-own-MB")
		b.ReportMetric(0, "ns/op")
	}
}

// opcuaSource watches all variables, as often as the server tells, with limits.
func opcuaSource(endpoint string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `opcua:
  - name: line
    endpoint: %s
    security: {policy: None, mode: None}
    allow_insecure: true
    namespaces: {v: "urn:linewatch:test"}
    groups:
      - name: all
        sampling: 1us
        publishing: 100ms
        nodes:
`, endpoint)
	for i := range variables {
		fmt.Fprintf(&text, "          - {id: \"nsu=urn:linewatch:test;s=Step.%d\", as: step.%d}\n", i, i)
	}
	text.WriteString("signals:\n")
	for i := range variables {
		fmt.Fprintf(&text, "  step.%d: {limits: {hihi: 2000000, hi: 1000000, deadband: 1, on_delay: 2s}}\n", i)
	}
	return text.String()
}

// step asks the server how often its variables have stepped.
func step(b *testing.B, server *peertest.NodePeer) int {
	b.Helper()
	server.Send(b, "count")
	select {
	case text := <-server.Lines():
		var answer struct{ Step int }
		require.NoError(b, json.Unmarshal(text, &answer))
		return answer.Step
	case <-time.After(e2e.Patience):
		b.Fatal("the OPC UA server does not answer")
		return 0
	}
}

// counts are the values that the agent took, and the sum of the numbers that the
// variables stand at; both grow alike when nothing is lost.
type counts struct{ taken, steps int }

func countsOf(b *testing.B, s *e2e.Station) (all counts) {
	b.Helper()
	var list []struct{ Count, Value int }
	require.NoError(b, json.Unmarshal([]byte(s.Command("signals", "--json")), &list))
	require.Len(b, list, variables)
	for _, signal := range list {
		all.taken += signal.Count
		all.steps += signal.Value
	}
	return all
}

// events is the number of rows of one station; 0 while nothing answers.
func events(p *e2e.Plant, station string) int {
	var list struct {
		Stations []struct {
			Station string `json:"station"`
			Events  int    `json:"events"`
		} `json:"stations"`
	}
	if p.Get("/api/v1/stations", &list) != nil {
		return 0
	}
	for _, s := range list.Stations {
		if s.Station == station {
			return s.Events
		}
	}
	return 0
}
