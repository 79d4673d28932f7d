package mqtt

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/peertest"
)

// mute is a connection whose writes go nowhere once it is told so: the broker
// never hears the acknowledgements.
type mute struct {
	net.Conn
	w *wiretap
}

func (c mute) Write(p []byte) (int, error) {
	if c.w.on.Load() {
		return len(p), nil
	}
	for rest := p; len(rest) >= 2 && len(rest) >= 2+int(rest[1]); rest = rest[2+int(rest[1]):] { // all that we count is short
		if rest[0]>>4 == typePubrec {
			defer c.w.received.Add(1)
		}
	}
	return c.Conn.Write(p)
}

// wiretap hands out the connections that a source makes.
type wiretap struct {
	on       atomic.Bool
	received atomic.Int64 // PUBREC that went out
	conns    chan net.Conn
}

func (w *wiretap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.conns <- c
	return mute{c, w}, nil
}

func TestWhatWasStoredButNotAcknowledgedIsRecognisedWhenItComesAgain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "max_inflight_messages 100"})
		sink, w := newRecorder(), &wiretap{conns: make(chan net.Conn, 10)}
		s := start(t, plantTopics(b.URL), sink, func(o *Options) { o.Dial = w.dial }).connected(t)
		conn := <-w.conns
		pub := publisher(t, b.URL)
		publish(t, pub, "plant/line3/quality", false, `{"panel":"acknowledged"}`)
		waitFor(t, "the first message", func() bool { return len(sink.messages()) == 1 })
		w.on.Store(true)
		for i := range 50 {
			publish(t, pub, "plant/line3/quality", false, fmt.Sprintf(`{"panel":%d}`, i%2))
		}
		waitFor(t, "all stored", func() bool { return len(sink.messages()) == 51 })
		if restart {
			s.stop()
		} else {
			require.NoError(t, conn.Close())
		}
		w.on.Store(false)
		if restart {
			s = start(t, plantTopics(b.URL), sink)
		}
		if !assert.Eventually(t, func() bool { return s.Health().Repeats >= 50 }, 5*time.Second, 5*time.Millisecond) {
			t.Fatalf("restart %v: %+v, %d messages\n%s", restart, s.Health(), len(sink.messages()), b.Log())
		}
		publish(t, pub, "plant/line3/quality", false, `{"panel":"last"}`)
		waitFor(t, "the next message", func() bool { return len(sink.messages()) >= 52 })
		require.Len(t, sink.messages(), 52, "fifty equal ones in two kinds, each once")
		require.LessOrEqual(t, s.Health().Repeats, uint64(51))
		require.Empty(t, sink.occurrences(event.TypeAuditGap))
		s.stop()
	}
}

func TestQoSTwoIsAcknowledgedInBothStepsAndStoredOnce(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink, w := newRecorder(), &wiretap{conns: make(chan net.Conn, 10)}
	cfg := plantTopics(b.URL)
	cfg.QoS = 2
	s := start(t, cfg, sink, func(o *Options) { o.Dial = w.dial }).connected(t)
	conn := <-w.conns
	pub := publisher(t, b.URL)
	send := func(from, to int) {
		for i := from; i < to; i++ {
			token := pub.Publish("plant/line3/quality", 2, false, fmt.Sprintf(`{"panel":%d}`, i))
			require.True(t, token.WaitTimeout(patience))
		}
	}
	send(0, 100) // more than the broker's window: both steps must work
	waitFor(t, "all", func() bool { return len(sink.messages()) == 100 })
	// With theirs swallowed, too, the broker's window would have no room for ten more.
	waitFor(t, "acknowledgements of all", func() bool { return w.received.Load() == 100 })
	w.on.Store(true)
	send(100, 110)
	waitFor(t, "ten more", func() bool { return len(sink.messages()) == 110 })
	require.NoError(t, conn.Close())
	w.on.Store(false)
	send(110, 150)
	waitFor(t, "the rest", func() bool { return len(sink.messages()) >= 150 })
	require.Len(t, sink.messages(), 150)
	require.NotZero(t, s.Health().Repeats)
}

func TestTwentyBrokenConnectionsLeaveNothingBehindAndLoseNothing(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink, w := newRecorder(), &wiretap{conns: make(chan net.Conn, 30)}
	s := start(t, plantTopics(b.URL), sink, func(o *Options) { o.Dial = w.dial }).connected(t)
	pub := publisher(t, b.URL)
	conn := <-w.conns
	before := runtime.NumGoroutine()
	for i := range 20 {
		publish(t, pub, "plant/line3/quality", false, fmt.Sprintf(`{"panel":%d}`, i))
		require.NoError(t, conn.Close())
		conn = <-w.conns
	}
	waitFor(t, "all messages", func() bool { return len(sink.messages()) >= 20 })
	require.Len(t, sink.messages(), 20)
	waitFor(t, "connected", func() bool { return s.Health().State == source.StateConnected })
	waitFor(t, "no goroutine left behind", func() bool { return runtime.NumGoroutine() <= before+3 })
	require.Empty(t, sink.occurrences(event.TypeSourceDuplicateClient), "a reset is no second client")
	require.NotEmpty(t, sink.occurrences(event.TypeCommLost))
}

func FuzzAnyStoredPositionLetsTheSourceStart(f *testing.F) {
	for _, key := range []string{keyConn, keyAlive, keyDropped, keyFilters, keptPrefix + "00000000000000aa", slotKey(1), slotPrefix + "x", "new"} {
		f.Add(key, []byte("12345678"))
		f.Add(key, []byte{0, 0, 0, 1})
	}
	f.Add(slotKey(7), make([]byte, 3*entryBytes))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		sink := newRecorder()
		sink.stored["uns"] = map[string][]byte{key: value}
		s := New(plantTopics("tcp://b"), Options{Station: "a/b/line3/d", Positions: sink})
		c := newCommitter(s, sink)
		c.win.add(1, 2, 3, c.set, c.drop)
		if len(c.win.slots) == 0 {
			t.Fatal("no slot")
		}
	})
}
