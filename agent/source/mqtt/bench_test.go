//go:build unix

package mqtt_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/agent/source/mqtt"
	"github.com/linewatch/linewatch/shared/peertest"
)

const drained = 50000 // messages of one round

// limitless lifts the broker's limits, as the budget for the drain in docs/performance.md says.
const limitless = "max_queued_messages 0\nmax_inflight_messages 5000\nmax_queued_bytes 0\nset_tcp_nodelay true\n"

// fill makes a session with the client id, leaves it, and queues messages for it.
func fill(b *testing.B, url, clientID string) {
	b.Helper()
	o := paho.NewClientOptions().AddBroker(url).SetClientID(clientID).SetCleanSession(false)
	keeper := paho.NewClient(o)
	require.True(b, keeper.Connect().WaitTimeout(patience))
	require.True(b, keeper.Subscribe("plant/line3/count", 1, nil).WaitTimeout(patience))
	keeper.Disconnect(100)
	pub := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID("fill"))
	require.True(b, pub.Connect().WaitTimeout(patience))
	defer pub.Disconnect(1000)
	tokens := make([]paho.Token, 0, drained)
	pad := strings.Repeat("x", 100)
	for n := range drained {
		payload := fmt.Sprintf(`{"n":%d,"ts":%d,"result":"pass","pad":"%s"}`, n, time.Now().UnixMilli(), pad)
		tokens = append(tokens, pub.Publish("plant/line3/count", 1, false, payload))
	}
	for _, token := range tokens {
		require.True(b, token.WaitTimeout(patience))
	}
}

// meter sums up the processor time of the measured parts of a benchmark; the
// broker is another process and does not count.
type meter struct {
	b     *testing.B
	begin time.Duration
	sum   time.Duration
}

func (m *meter) cpu() time.Duration {
	var u syscall.Rusage
	require.NoError(m.b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m *meter) start() { m.begin = m.cpu(); m.b.StartTimer() }
func (m *meter) stop()  { m.b.StopTimer(); m.sum += m.cpu() - m.begin }

func (m *meter) report() {
	n := float64(drained) * float64(m.b.N)
	m.b.ReportMetric(n/m.b.Elapsed().Seconds(), "msg/s")
	m.b.ReportMetric(m.sum.Seconds()/n*1e6, "cpu-s/million")
}

// BenchmarkDrainToTheJournal: from the broker's queue to signed, durable and acknowledged.
func BenchmarkDrainToTheJournal(b *testing.B) {
	m := &meter{b: b}
	var commits uint64
	for b.Loop() {
		b.StopTimer()
		broker := peertest.Mosquitto(b, peertest.MosquittoConfig{Text: limitless})
		fill(b, broker.URL, "drain")
		j, err := openJournal(b.Context(), b.TempDir())
		require.NoError(b, err)
		cfg := config.MQTT{Name: "uns", Broker: broker.URL, ClientID: "drain", Topics: topics("").Topics}
		p := pipeline.New(pipeline.Options{Journal: j, Station: station, Version: "test"})
		s := mqtt.New(cfg, mqtt.Options{Station: station, Positions: j})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		changed := j.Changed()
		m.start()
		go func() { done <- s.Run(ctx, p.Sink("uns")) }()
		for size(j) < drained {
			<-changed
			changed = j.Changed()
		}
		m.stop()
		cancel()
		require.NoError(b, <-done)
		stat, err := j.Stat(b.Context())
		require.NoError(b, err)
		commits += stat.Commits
		require.NoError(b, j.Close())
		broker.Stop(b)
		b.StartTimer()
	}
	m.report()
	b.ReportMetric(float64(commits)/float64(b.N), "commits")
}

// BenchmarkDrainToNowhere is the limit: a subscriber of the library that does nothing.
func BenchmarkDrainToNowhere(b *testing.B) {
	m := &meter{b: b}
	for b.Loop() {
		b.StopTimer()
		broker := peertest.Mosquitto(b, peertest.MosquittoConfig{Text: limitless})
		fill(b, broker.URL, "drain")
		all, n := make(chan struct{}), 0
		o := paho.NewClientOptions().AddBroker(broker.URL).SetClientID("drain").SetCleanSession(false).
			SetDefaultPublishHandler(func(paho.Client, paho.Message) {
				if n++; n == drained {
					close(all)
				}
			})
		client := paho.NewClient(o)
		m.start()
		client.Connect()
		<-all
		m.stop()
		client.Disconnect(100)
		broker.Stop(b)
		b.StartTimer()
	}
	m.report()
}
