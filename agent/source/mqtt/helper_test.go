package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
)

const patience = 60 * time.Second

// recorder is a sink that remembers what it was given, as durable as the test.
type recorder struct {
	mu       sync.Mutex
	readings []source.Reading
	stored   map[string]map[string][]byte
	refuse   bool
	refused  int
}

func newRecorder() *recorder { return &recorder{stored: map[string]map[string][]byte{}} }

func (k *recorder) Take(_ context.Context, batch []source.Reading, at source.Position) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse {
		k.refused++
		return errors.New("the disk is full")
	}
	k.readings = append(k.readings, batch...)
	if k.stored[at.Source] == nil {
		k.stored[at.Source] = map[string][]byte{}
	}
	for key, value := range at.Set {
		k.stored[at.Source][key] = append([]byte(nil), value...)
	}
	for _, key := range at.Delete {
		delete(k.stored[at.Source], key)
	}
	return nil
}

func (k *recorder) Positions(name string) map[string][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.stored[name])
}

func (k *recorder) setRefuse(refuse bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = refuse
}

// messages are the readings that came from the broker.
func (k *recorder) messages() (out []source.Reading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.readings {
		if r.Occurrence == nil {
			out = append(out, r)
		}
	}
	return out
}

// occurrences are the events that the source raised, of one type.
func (k *recorder) occurrences(typ string) (out []source.Reading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.readings {
		if r.Occurrence != nil && r.Occurrence.Type == typ {
			out = append(out, r)
		}
	}
	return out
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 5*time.Millisecond, what)
}

// running is a source under test.
type running struct {
	*Source
	stop func()
}

// start runs a source until the test, or stop, ends it.
func start(t testing.TB, cfg config.MQTT, sink *recorder, change ...func(*Options)) *running {
	t.Helper()
	o := Options{
		Station: "hamburg/body/line3/st07", AgentID: "a0123456789abcde", Positions: sink,
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, c := range change {
		c(&o)
	}
	s := New(cfg, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	var once sync.Once
	r := &running{Source: s, stop: func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
		})
	}}
	t.Cleanup(r.stop)
	return r
}

func (r *running) connected(t testing.TB) *running {
	t.Helper()
	waitFor(t, "connected", func() bool { return r.Health().State == source.StateConnected })
	return r
}

// publisher is a client of the test's own that writes.
func publisher(t testing.TB, url string, change ...func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker(url).SetClientID(fmt.Sprintf("pub-%d", time.Now().UnixNano())).
		SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond).SetMaxReconnectInterval(time.Second)
	for _, c := range change {
		c(o)
	}
	client := paho.NewClient(o)
	token := client.Connect()
	require.True(t, token.WaitTimeout(patience))
	require.NoError(t, token.Error())
	t.Cleanup(func() { client.Disconnect(100) })
	return client
}

func publish(t testing.TB, client paho.Client, topic string, retain bool, payload string) {
	t.Helper()
	token := client.Publish(topic, 1, retain, payload)
	require.True(t, token.WaitTimeout(patience))
	require.NoError(t, token.Error())
}

// plantTopics is a configuration with both kinds of points.
func plantTopics(url string) config.MQTT {
	return config.MQTT{Name: "uns", Broker: url, Topics: []config.MQTTTopic{
		{
			Match: "plant/${station.line}/quality", Payload: "json", Event: "quality.check", Time: "$.ts",
			Data: map[string]string{"productId": "$.panel"},
		},
		{Match: "plant/${station.line}/press/{signal}", Payload: "json", Value: "$.value", Time: "$.ts", As: "press.{signal}"},
		{Match: "plant/+/n", Payload: "number", As: "n"},
	}}
}
