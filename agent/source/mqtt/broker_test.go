package mqtt

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/peertest"
)

// Mosquitto does not always show its counter before it drops something for the
// first time: what then appears is no beginning to count from.
func TestTheFirstDropOfABrokerThatShowedNoCounterBeforeIsAGap(t *testing.T) {
	conn := map[string][]byte{keyConn: {0, 0, 0, 7}}
	for name, c := range map[string]struct {
		stored   map[string][]byte
		items    []item
		declared int
	}{
		"while we listen":           {items: []item{{dropped: 3, isDropped: true}}, declared: 3},
		"while we were away":        {stored: conn, items: []item{{dropped: 3, isDropped: true, kept: true}}, declared: 3},
		"before we ever subscribed": {items: []item{{dropped: 3, isDropped: true, kept: true}}},
		"before another broker":     {stored: conn, items: []item{{fresh: true}, {dropped: 3, isDropped: true, kept: true}}},
		"nothing so far":            {items: []item{{isDropped: true}}},
		"then two more":             {items: []item{{isDropped: true, kept: true}, {dropped: 2, isDropped: true}}, declared: 2},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newRecorder()
			sink.stored["uns"] = c.stored
			s := New(plantTopics("tcp://b"), Options{Station: "a/b/line3/d", Positions: sink})
			got := newCommitter(s, sink).prepare(c.items, nil)
			if c.declared == 0 {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, event.TypeAuditGap, got[0].Occurrence.Type)
			require.EqualValues(t, c.declared, got[0].Occurrence.Data["count"])
			from, ok := got[0].Occurrence.Data["from"].(time.Time)
			require.True(t, ok)
			require.False(t, from.IsZero())
		})
	}
}

func TestAConnectionThatBreaksAgainAndAgainIsTriedMoreSlowly(t *testing.T) {
	s := New(plantTopics("tcp://b"), Options{Station: "a/b/line3/d"})
	k := newConnector(s, 0, time.Time{}, nil)
	reset := errors.New("connection reset by peer")
	for range manyLosses {
		require.Less(t, k.lost(reset), backoffMin)
	}
	require.GreaterOrEqual(t, k.lost(reset), flapPause)
	require.False(t, k.flapping, "a reset is no second client")
}

func TestLongTopicsAreCutAndNotAllRemembered(t *testing.T) {
	s := New(config.MQTT{Name: "uns", Broker: "tcp://b", Topics: []config.MQTTTopic{
		{Match: "x/{n}", Payload: "json", Event: "quality.check", Equipment: "{n}"},
	}}, Options{Station: "a/b/c"})
	require.NoError(t, s.Err())
	long := "x/" + strings.Repeat("ä", 30_000)
	r := s.rules[0]
	for _, payload := range []string{`{"a":1}`, "no json"} {
		got, _ := s.understand(r, message{topic: long, payload: []byte(payload), at: time.Now()})
		require.LessOrEqual(t, len(got.Point.Item), maxItem)
		if got.Occurrence != nil {
			require.LessOrEqual(t, len(got.Occurrence.Data["item"].(string)), maxItem)
		}
	}
	for n := range 2000 {
		p, _ := r.at(strings.Repeat("y", 60_000)+string(rune(0x4e00+n)), "")
		require.NotNil(t, p)
	}
	held := 0
	for topic := range r.points {
		held += len(topic)
	}
	require.LessOrEqual(t, held, maxPointBytes)
}

func TestASniffedMessageCannotWriteConfiguration(t *testing.T) {
	evil := "x\r  - {match: \"#\", payload: json}\u2028\u0085\n  - {match: evil, payload: text}"
	text := Sniffed{Topics: []SniffedTopic{
		{Topic: "a/b", Payload: "text", Example: evil},
		{Topic: evil, Payload: "binary", Example: evil},
	}}.YAML()
	var cfg config.MQTT
	require.NoError(t, conf.Parse("sniffed", []byte(text), &cfg, conf.Options{Partial: true}), text)
	require.Len(t, cfg.Topics, 1)
	require.Equal(t, "a/b", cfg.Topics[0].Match)
	require.NotContains(t, text, "\r")
}

func TestAnUnknownAuthorityIsToldWithItsRemedyToWhoeverLooks(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{TLS: true})
	_, err := New(plantTopics(b.URL), Options{Station: "a/b/line3/d"}).Check(t.Context(), time.Second)
	require.ErrorContains(t, err, "tls.ca")
	_, err = Sniff(t.Context(), config.MQTT{Name: "x", Broker: b.URL}, Options{Station: "a/b"}, "#", time.Second)
	require.ErrorContains(t, err, "tls.ca")
	other := errors.New("connection refused")
	require.Equal(t, other, withRemedy(other))
}

// picky is a broker that grants what its table says: 0x80 refuses.
type picky struct {
	mu    sync.Mutex
	grant map[string]byte
	asked []string
}

func (p *picky) set(filter string, qos byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grant[filter] = qos
}

func (p *picky) serve(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.speak(conn) })
		}
	})
	t.Cleanup(func() { require.NoError(t, l.Close()); wg.Wait() })
	return "tcp://" + l.Addr().String()
}

func (p *picky) speak(conn net.Conn) {
	defer conn.Close()
	for {
		packet, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		switch packet := packet.(type) {
		case *packets.ConnectPacket:
			_ = packets.NewControlPacket(packets.Connack).Write(conn)
		case *packets.PingreqPacket:
			_ = packets.NewControlPacket(packets.Pingresp).Write(conn)
		case *packets.SubscribePacket:
			answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			answer.MessageID = packet.MessageID
			p.mu.Lock()
			for i, filter := range packet.Topics {
				qos, ok := p.grant[filter]
				if !ok {
					qos = packet.Qoss[i]
				}
				answer.ReturnCodes = append(answer.ReturnCodes, qos)
				p.asked = append(p.asked, filter)
			}
			p.mu.Unlock()
			_ = answer.Write(conn)
		}
	}
}

func TestARefusedFilterIsToldOnceAndAskedForAgainUntilItIsGranted(t *testing.T) {
	p := &picky{grant: map[string]byte{"a/b": 0x80, "c/d": 0}}
	cfg := config.MQTT{Name: "uns", Broker: p.serve(t), Topics: []config.MQTTTopic{{Match: "a/b"}, {Match: "c/d"}, {Match: "e/f"}}}
	s := New(cfg, Options{Station: "a/b"})
	k := newConnector(s, 0, time.Time{}, nil)
	k.askEvery = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { k.run(ctx) })
	waitFor(t, "the refusal in the health", func() bool { return s.Health().Detail["refused_filters"] == "a/b" })
	waitFor(t, "asked again", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.asked) > 8
	})
	p.set("a/b", 1)
	waitFor(t, "granted", func() bool { return s.Health().Detail["refused_filters"] == "" })
	reasons := map[string]string{}
	for _, it := range s.q.take(ctx, nil, 1000, 1<<30, nil) {
		if o := it.reading.Occurrence; o != nil && o.Type == event.TypeSourceItemFailed {
			item := o.Data["item"].(string)
			require.Empty(t, reasons[item], "told once")
			reasons[item] = o.Data["reason"].(string)
		}
	}
	require.Len(t, reasons, 2)
	require.Contains(t, reasons["a/b"], "access rules")
	require.Contains(t, reasons["c/d"], "only QoS 0")
}
