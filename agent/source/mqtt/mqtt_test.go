package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/peertest"
)

func TestMessagesComeOverTLSWithNamesPathsAndTimes(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{TLS: true, Users: map[string]string{"lw": "s3cret"}})
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("s3cret\n"), 0o600))
	cfg := plantTopics(b.URL)
	cfg.Auth = config.Auth{User: "lw", PasswordFile: "pw"}
	cfg.TLS.CA = b.CAFile
	sink := newRecorder()
	s := start(t, cfg, sink, func(o *Options) { o.Dir = dir }).connected(t)
	tlsCfg, err := s.tlsConfig()
	require.NoError(t, err)
	pub := publisher(t, b.URL, func(o *paho.ClientOptions) {
		o.SetUsername("lw").SetPassword("s3cret").SetTLSConfig(tlsCfg)
	})
	publish(t, pub, "plant/line3/press/force", false, `{"value": 12.5, "ts": "2026-11-22T04:43:26Z"}`)
	publish(t, pub, "plant/line3/quality", false, `{"panel":4711, "result":"pass","ts":1795322606500}`)
	publish(t, pub, "plant/x/n", true, " 7 ")
	waitFor(t, "three messages", func() bool { return len(sink.messages()) == 3 })
	got := sink.messages()
	require.Equal(t, 12.5, got[0].Value)
	require.Equal(t, "press.force", got[0].Point.Signal)
	require.Equal(t, "plant/line3/press/force", got[0].Point.Item)
	require.Equal(t, "hamburg/body/line3/st07", got[0].Point.Station)
	require.Equal(t, time.Date(2026, 11, 22, 4, 43, 26, 0, time.UTC), got[0].SourceTime)
	require.Equal(t, json.RawMessage(`{"panel":4711,"result":"pass","ts":1795322606500}`), got[1].Value)
	require.Equal(t, json.RawMessage(`4711`), got[1].Fields["productId"])
	require.Equal(t, "quality.check", got[1].Point.Event)
	require.Equal(t, int64(7), got[2].Value)
	require.Len(t, sink.occurrences(event.TypeSourceConnected), 1)
	require.EqualValues(t, 3, s.Health().Readings)
	require.NotContains(t, fmt.Sprint(s.Health()), "s3cret")
}

func TestWrongPasswordsAndUnknownCertificatesAreOneClearEvent(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{TLS: true, Users: map[string]string{"lw": "s3cret"}})
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("wrong"), 0o600))
	cfg := plantTopics(b.URL)
	cfg.Auth = config.Auth{User: "lw", PasswordFile: "pw"}
	for typ, ca := range map[string]string{event.TypeSourceRefused: b.CAFile, event.TypeSourceUntrusted: ""} {
		cfg.TLS.CA = ca
		sink := newRecorder()
		s := start(t, cfg, sink, func(o *Options) { o.Dir = dir })
		waitFor(t, typ, func() bool { return len(sink.occurrences(typ)) == 1 })
		require.Equal(t, source.StateRefused, s.Health().State)
		data := sink.occurrences(typ)[0].Occurrence.Data
		require.NotEmpty(t, data["remedy"])
		require.NotContains(t, fmt.Sprint(data), "wrong")
		s.stop()
	}
}

func TestAConfigurationThatIsUnsafeOrWrongIsRefusedWithAllItsMistakes(t *testing.T) {
	cfg := config.MQTT{Name: "uns", Broker: "tcp://b:1883", Auth: config.Auth{User: "u"}, Topics: []config.MQTTTopic{
		{Match: "a/#/b", Payload: "json"},
		{Match: "a", Payload: "xml"},
		{Match: "a/{x}", As: "{y}"},
		{Match: "a", Value: "value"},
		{Match: "a", Event: "No"},
		{Match: "a", Station: "Bad Station"},
	}}
	err := New(cfg, Options{Station: "a/b"}).Run(t.Context(), newRecorder())
	for _, part := range []string{"in the clear", "topics[0]", "topics[1]", "topics[2]", "topics[3]", "topics[4]", "topics[5]"} {
		require.ErrorContains(t, err, part)
	}
	for _, broker := range []string{"b:1883", "http://b", "ssl://u:p@b", "", "::"} {
		cfg := plantTopics(broker)
		require.Error(t, New(cfg, Options{Station: "a/body/line3/st"}).Err(), broker)
	}
}

// tap notes the types of the packets that go out.
type tap struct {
	net.Conn
	mu    *sync.Mutex
	types map[byte]int
}

func (c tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	for rest := p; len(rest) > 1; {
		c.types[rest[0]>>4]++
		length, n := 0, 1
		for ; ; n++ {
			length |= int(rest[n]&0x7f) << (7 * (n - 1))
			if rest[n]&0x80 == 0 {
				break
			}
		}
		rest = rest[n+1+length:]
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func TestOnlyConnectSubscribeAcknowledgePingAndDisconnectAreSent(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink, types, mu := newRecorder(), map[byte]int{}, &sync.Mutex{}
	count := func(typ byte) int { mu.Lock(); defer mu.Unlock(); return types[typ] }
	s := start(t, plantTopics(b.URL), sink, func(o *Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return tap{c, mu, types}, err
		}
	}).connected(t)
	pub := publisher(t, b.URL)
	for i := range 50 {
		publish(t, pub, "plant/line3/quality", false, fmt.Sprintf(`{"panel":%d}`, i))
	}
	waitFor(t, "messages", func() bool { return len(sink.messages()) == 50 })
	waitFor(t, "acknowledgements and the ping behind them", func() bool { return count(typePuback) == 50 && count(typePingreq) > 0 })
	s.stop()
	mu.Lock()
	defer mu.Unlock()
	const connect, subscribe, disconnect = 1, 8, 14
	t.Logf("MQTT packets sent, by their type (1 CONNECT, 4 PUBACK, 8 SUBSCRIBE, 12 PINGREQ, 14 DISCONNECT): %v", types)
	for typ := range types {
		require.Contains(t, []byte{connect, subscribe, typePuback, typePingreq, disconnect}, typ)
	}
	require.Zero(t, types[typePublish])
	_, err := (&link{}).Write([]byte{typePublish << 4, 0})
	require.ErrorIs(t, err, errPublish)
}

func TestARestartOfTheBrokerIsOneLostAndOneRestoredAndLosesNothing(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_queued_messages 10000"})
	sink := newRecorder()
	start(t, plantTopics(b.URL), sink).connected(t)
	pub := publisher(t, b.URL)
	publish(t, pub, "plant/line3/quality", false, `{"panel":1}`)
	waitFor(t, "the first message", func() bool { return len(sink.messages()) == 1 })
	b.Stop(t)
	waitFor(t, "comm.lost", func() bool { return len(sink.occurrences(event.TypeCommLost)) == 1 })
	b.Start(t)
	pub = publisher(t, b.URL)
	publish(t, pub, "plant/line3/quality", false, `{"panel":2}`)
	waitFor(t, "the second message", func() bool { return len(sink.messages()) == 2 })
	waitFor(t, "comm.restored", func() bool { return len(sink.occurrences(event.TypeCommRestored)) == 1 })
	require.Len(t, sink.occurrences(event.TypeCommLost), 1)
	require.Empty(t, sink.occurrences(event.TypeAuditGap), "the session was kept")
}

func TestABrokerThatForgotTheSessionIsAGap(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink := newRecorder()
	s := start(t, plantTopics(b.URL), sink).connected(t)
	publish(t, publisher(t, b.URL), "plant/line3/quality", false, `{"panel":1}`)
	waitFor(t, "the message", func() bool { return len(sink.messages()) == 1 })
	s.stop()
	b.Stop(t)
	require.NoError(t, os.Remove(filepath.Join(b.Dir, "mosquitto.db")))
	b.Start(t)
	start(t, plantTopics(b.URL), sink).connected(t)
	waitFor(t, "audit.gap", func() bool { return len(sink.occurrences(event.TypeAuditGap)) == 1 })
	gap := sink.occurrences(event.TypeAuditGap)[0].Occurrence.Data
	require.NotNil(t, gap["from"])
	require.Contains(t, gap["cause"], "session")
	publish(t, publisher(t, b.URL), "plant/line3/quality", false, `{"panel":2}`)
	waitFor(t, "subscribed anew", func() bool { return len(sink.messages()) == 2 })
}

func TestTwoAgentsWithOneClientIDAreRecognised(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	one, two := newRecorder(), newRecorder()
	cfg := plantTopics(b.URL)
	cfg.ClientID = "shared"
	start(t, cfg, one)
	start(t, cfg, two)
	both := func() int {
		return len(one.occurrences(event.TypeSourceDuplicateClient)) + len(two.occurrences(event.TypeSourceDuplicateClient))
	}
	waitFor(t, "source.duplicate_client", func() bool { return both() > 0 })
	require.LessOrEqual(t, len(one.occurrences(event.TypeSourceDuplicateClient)), 1)
	require.LessOrEqual(t, len(one.occurrences(event.TypeCommLost)), flapLosses)
}

func TestWhatTheSinkRefusesIsNotAcknowledgedAndComesOnce(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink := newRecorder()
	s := start(t, plantTopics(b.URL), sink).connected(t)
	waitFor(t, "source.connected", func() bool { return len(sink.occurrences(event.TypeSourceConnected)) == 1 })
	sink.setRefuse(true)
	pub := publisher(t, b.URL)
	for i := range 15 {
		publish(t, pub, "plant/line3/quality", false, fmt.Sprintf(`{"panel":%d}`, i))
	}
	waitFor(t, "refusals", func() bool { sink.mu.Lock(); defer sink.mu.Unlock(); return sink.refused > 1 })
	s.stop()
	require.Empty(t, sink.messages())
	sink.setRefuse(false)
	start(t, plantTopics(b.URL), sink)
	waitFor(t, "all messages", func() bool { return len(sink.messages()) == 15 })
	for i, r := range sink.messages() {
		require.Equal(t, fmt.Sprint(i), string(r.Fields["productId"].(json.RawMessage)), "in order")
	}
}

func TestRetainedMessagesAreMarkedAndComeOnceOverRestarts(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	pub := publisher(t, b.URL)
	publish(t, pub, "plant/line3/quality", true, `{"panel":1}`)
	sink := newRecorder()
	for range 3 {
		s := start(t, plantTopics(b.URL), sink).connected(t)
		waitFor(t, "the retained message", func() bool { return s.Health().Readings+s.Health().Repeats == 1 })
		s.stop()
	}
	require.Len(t, sink.messages(), 1)
	require.True(t, sink.messages()[0].Retained)
	publish(t, pub, "plant/line3/quality", true, `{"panel":2}`)
	start(t, plantTopics(b.URL), sink)
	waitFor(t, "its change", func() bool { return len(sink.messages()) == 2 })
}

func TestASubscriptionThatIsNoLongerConfiguredIsGivenUp(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink := newRecorder()
	cfg := plantTopics(b.URL)
	start(t, cfg, sink).connected(t).stop()
	cfg.Topics = cfg.Topics[:1]
	s := start(t, cfg, sink).connected(t)
	pub := publisher(t, b.URL)
	publish(t, pub, "plant/a/n", false, "1")
	publish(t, pub, "plant/line3/quality", false, `{}`)
	waitFor(t, "the configured one", func() bool { return len(sink.messages()) == 1 })
	require.Zero(t, s.unmatched.Load())
}

func TestABrokerThatIsAbsentAtTheStartIsOneLostAndOneRestored(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	b.Stop(t)
	sink := newRecorder()
	s := start(t, plantTopics(b.URL), sink)
	waitFor(t, "comm.lost", func() bool { return len(sink.occurrences(event.TypeCommLost)) == 1 })
	require.Equal(t, source.StateConnecting, s.Health().State)
	require.Contains(t, s.Health().Reason, "connection refused")
	b.Start(t)
	waitFor(t, "comm.restored", func() bool { return len(sink.occurrences(event.TypeCommRestored)) == 1 })
	require.Len(t, sink.occurrences(event.TypeCommLost), 1)
	require.Empty(t, sink.occurrences(event.TypeAuditGap), "nothing was promised yet")
}
