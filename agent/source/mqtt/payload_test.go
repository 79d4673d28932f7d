package mqtt

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/event"
)

func ruleOf(t testing.TB, topic config.MQTTTopic) *rule {
	t.Helper()
	s := New(config.MQTT{Name: "uns", Broker: "tcp://b", Topics: []config.MQTTTopic{topic}}, Options{Station: "a/b"})
	require.NoError(t, s.Err())
	return s.rules[0]
}

func TestPlainPayloadsAreReadOrRefused(t *testing.T) {
	for _, c := range []struct {
		kind, text string
		want       any
	}{
		{"number", " 12 ", int64(12)},
		{"number", "-1.5e3", -1500.0},
		{"number", "NaN", nil},
		{"number", "0x10p1", nil},
		{"number", "1_000", nil},
		{"number", "Inf", nil},
		{"number", "12,5", nil},
		{"bool", "ON", true},
		{"bool", "0", false},
		{"bool", "2", nil},
		{"text", "hé", "hé"},
		{"text", "a\x00", nil},
		{"text", "\xff", nil},
	} {
		got, err := plain([]byte(c.text), c.kind)
		require.Equal(t, c.want, got, c.text)
		require.Equal(t, c.want == nil, err != nil, c.text)
	}
}

func TestAStationInTheTopicIsUsedOnlyIfItIsOne(t *testing.T) {
	r := ruleOf(t, config.MQTTTopic{
		Match: "p/{st}/{m}/x", Station: "plant/line/{st}", Equipment: "{m}", Payload: "number",
		Data: map[string]string{"machine": "{m}", "raw": "$"},
	})
	out, bad := r.reading(message{topic: "p/st07/m1/x", payload: []byte("5"), at: time.Now()}, "a/b")
	require.False(t, bad)
	require.Equal(t, "plant/line/st07", out.Point.Station)
	require.Equal(t, "m1", out.Point.Equipment)
	require.Equal(t, map[string]any{"machine": "m1", "raw": int64(5)}, out.Fields)
	out, _ = r.reading(message{topic: "p/Bad St/m1/x", payload: []byte("5"), at: time.Now()}, "a/b")
	require.Equal(t, "a/b", out.Point.Station)
	require.Equal(t, "station", out.Problems[0].Field)
}

func TestTheSampleOfAMessageThatNamesPeopleIsLeftOut(t *testing.T) {
	r := ruleOf(t, config.MQTTTopic{Match: "x", Event: "user.login", User: "$.user"})
	out, bad := r.reading(message{topic: "x", payload: []byte(`{"user":"anna",}`)}, "a/b")
	require.True(t, bad)
	require.NotContains(t, out.Occurrence.Data, "sample")
	out, bad = r.reading(message{topic: "x", payload: []byte(`{"user":"anna"}`)}, "a/b")
	require.False(t, bad)
	require.Equal(t, "anna", out.User)
}

func TestNoProblemAndNoReasonQuotesWhatAMessageHolds(t *testing.T) {
	const name = "Annegret.Klarname"
	for _, c := range []config.MQTTTopic{
		{Payload: "number"}, {Payload: "bool"}, {Payload: "json"}, {Payload: "json", Time: "$"}, {Payload: "json", Time: "$", TimeFormat: "rfc3339"}, {Payload: "json", Time: "$.t"},
	} {
		for _, payload := range []string{name, `"` + name + `"`, `{"t":"` + name + `"}`, `{"` + name + `":1,"` + name + `":2}`, `4711.0815`, "{" + name} {
			c.Match = "x"
			out, bad := ruleOf(t, c).reading(message{topic: "x", payload: []byte(payload)}, "a/b")
			if bad {
				require.NotContains(t, out.Occurrence.Data["reason"], name, "%+v %s", c, payload)
			}
			for _, p := range out.Problems {
				require.NotContains(t, p.Field+p.Reason, name, "%+v %s", c, payload)
				require.NotContains(t, p.Reason, "4711", "%+v %s", c, payload)
			}
		}
	}
}

func FuzzNoMessageStopsTheSource(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"x"}],"t":"2026-01-01T00:00:00Z"}`), "p/st07/x")
	f.Add([]byte("\xff\x00"), "p//x")
	f.Add([]byte(`{"a":1e999}`), "p/é/x")
	f.Fuzz(func(t *testing.T, payload []byte, topic string) {
		for _, kind := range []string{"json", "number", "text", "bool"} {
			c := config.MQTTTopic{Match: "p/{st}/x", Payload: kind, Station: "a/{st}", As: "{st}", Data: map[string]string{"d": "$", "e": "{st}"}}
			if kind == "json" {
				c.Value, c.Time, c.User, c.ID = "$.a[0]", "$.t", "$.u", "$.i"
				c.Data["f"] = "$.a"
			}
			r := ruleOf(t, c)
			out, bad := r.reading(message{topic: event.Clean(topic), payload: payload}, "a/b")
			if bad != (out.Occurrence != nil) || out.Point == nil {
				t.Fatal("neither a reading nor quarantine")
			}
			if bad {
				if _, err := event.Object(out.Occurrence.Data); err != nil {
					t.Fatal(err)
				}
			}
			if raw, ok := out.Value.(json.RawMessage); ok {
				if _, err := event.Value(raw); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// stream is a connection that only reads.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (s stream) Close() error               { return nil }

func packet(first byte, body []byte) []byte {
	return append(appendHeader(nil, first, len(body)), body...)
}

func TestLongMessagesAreCutAndTheirNeighboursComeWhole(t *testing.T) {
	small, long := bytes.Repeat([]byte("s"), 90), bytes.Repeat([]byte("l"), 100_000)
	in := append(packet(0x32, small), packet(0x32, long)...)
	in = append(append(in, packet(0xd0, nil)...), packet(0x30, small)...)
	want := append(packet(0x32, small), packet(0x32, long[:100])...)
	want = append(append(want, packet(0xd0, nil)...), packet(0x30, small)...)
	for _, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.DataErrReader(bytes.NewReader(in))} {
		l := newLink(stream{Reader: r}, 1, 100)
		got, err := io.ReadAll(iotest.OneByteReader(l))
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.EqualValues(t, 1, l.pings())
	}
}

func FuzzAHostileBrokerCannotMakeTheLinkFail(f *testing.F) {
	f.Add(packet(0x32, []byte("abc")))
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0x20, 0x80, 0x80, 0x80, 0x80, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		l := newLink(stream{Reader: bytes.NewReader(in)}, 1, 64)
		out, _ := io.ReadAll(l) // any error is fine
		if len(out) > len(in) {
			t.Fatalf("%d bytes out of %d", len(out), len(in))
		}
	})
}

func TestTheWindowTellsRepeatsAlsoAfterARestartAndForgetsWhatIsProven(t *testing.T) {
	w := newWindow()
	stored := map[string][]byte{}
	drop := map[string]bool{}
	for i := range 200 {
		set := map[string][]byte{}
		w.add(uint16(i), uint64(i)*7, 3, set, drop)
		for key, value := range set {
			stored[key] = bytes.Clone(value)
		}
	}
	require.Len(t, stored, 4)
	again := newWindow()
	for _, key := range []string{slotKey(1), slotKey(2), slotKey(3), slotKey(4)} {
		require.NoError(t, again.restore(key, stored[key]))
	}
	require.True(t, again.repeat(150, 150*7, 4))
	require.False(t, again.repeat(150, 150*7, 3), "not within the same connection")
	require.False(t, again.repeat(150, 1, 4), "other content")
	below := again.open()
	again.add(150, 5, 4, map[string][]byte{}, drop)
	again.forget(0, below, drop)
	require.Len(t, drop, 4)
	require.False(t, again.repeat(10, 70, 9))
	require.True(t, again.repeat(150, 5, 9))
	require.Equal(t, 1, again.count)
	require.Error(t, newWindow().restore(slotKey(1), []byte("short")))
	for i := range 3 * minWindow {
		again.add(uint16(i), 1, 5, map[string][]byte{}, drop)
	}
	require.LessOrEqual(t, again.count, minWindow)
	require.LessOrEqual(t, len(again.entries), minWindow)
}
