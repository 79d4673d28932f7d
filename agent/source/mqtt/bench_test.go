package mqtt_test

import (
	"context"
	"fmt"
	"strings"
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

// limitless lifts the broker's limits, as DESIGN.md's budget for the drain says.
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

// BenchmarkDrainToTheJournal: from the broker's queue to signed, durable and acknowledged.
func BenchmarkDrainToTheJournal(b *testing.B) {
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
		b.StartTimer()
		go func() { done <- s.Run(ctx, p.Sink("uns")) }()
		for size(j) < drained {
			<-changed
			changed = j.Changed()
		}
		b.StopTimer()
		cancel()
		require.NoError(b, <-done)
		require.NoError(b, j.Close())
		broker.Stop(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(drained)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkDrainToNowhere is the limit: a subscriber of the library that does nothing.
func BenchmarkDrainToNowhere(b *testing.B) {
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
		b.StartTimer()
		client.Connect()
		<-all
		b.StopTimer()
		client.Disconnect(100)
		broker.Stop(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(drained)*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
