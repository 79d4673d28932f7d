package pipeline

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

func watched(t testing.TB, o *Options) {
	t.Helper()
	o.Signals = map[string]config.Signal{"press.temperature": {Limits: &config.Limits{Hi: new(90.0), Deadband: new(1.0), OnDelay: new(time.Duration(0))}}}
	w, err := watch.New(watch.Options{Signals: o.Signals, Detection: config.Detection{
		MaxSignals: 10, Chatter: config.Chatter{Raises: 3, Within: time.Minute},
		Guard: config.Guard{Learn: time.Hour, Writes: 2, WriteTime: time.Minute},
	}})
	require.NoError(t, err)
	o.Watch = w
}

// live is a value at some seconds after the test's clock.
func live(p *source.Point, s float64, v any) source.Reading {
	at := clock.Add(time.Duration(s * float64(time.Second)))
	return source.Reading{Point: p, Value: v, ReceivedAt: at, SourceTime: at}
}

func typesOf(list []*event.Event) (out []string) {
	for _, e := range list {
		var d struct{ State, Rule string }
		_ = json.Unmarshal(e.Data, &d)
		text := e.Type
		if d.State+d.Rule != "" {
			text += " " + d.State + d.Rule
		}
		out = append(out, text)
	}
	return out
}

func TestAnAlarmIsDurableWithItsEventAndNotRaisedAgainAfterACrash(t *testing.T) {
	p, j := newTest(t, func(o *Options) { watched(t, o) })
	point := mqttPoint("")
	point.Signal = "press.temperature"
	take(t, p, live(point, 0, 20.0), live(point, 1, 95.0))
	first := j.events(t)
	require.Equal(t, []string{"alarm.state active"}, typesOf(first))

	// Nothing was saved but what the journal has: the agent was killed.
	o := Options{Journal: j, Station: "a/b", Version: "1", Now: func() time.Time { return clock }}
	watched(t, &o)
	again := New(o)
	take(t, again, live(point, 1, 95.0), live(point, 2, 96.0))
	require.Empty(t, j.events(t))
	take(t, again, live(point, 3, 20.0))
	require.Equal(t, []string{"alarm.state cleared"}, typesOf(j.events(t)))
}

func TestAnAlarmCarriesItsCurveAndTheEndOfTheAgentWritesTheRest(t *testing.T) {
	p, j := newTest(t, func(o *Options) { watched(t, o) })
	point := mqttPoint("")
	point.Signal, point.Unit = "press.temperature", "degC"
	for s := range 30 {
		take(t, p, live(point, float64(s), 20+float64(s%3)))
	}
	take(t, p, live(point, 30, 95.0))
	alarm := j.events(t)[0]
	require.Equal(t, "degC", alarm.Curve.Unit)
	require.Greater(t, len(alarm.Curve.Max), 15)
	require.Equal(t, "limits", alarm.Metadata.Parser)
	take(t, p, live(point, 31, 96.0))
	p.o.Now = func() time.Time { return clock.Add(31 * time.Second) }
	p.flush(t.Context())
	rest := j.events(t)
	require.Equal(t, []string{"signal.curve"}, typesOf(rest))
	require.Equal(t, alarm.CorrelationID, rest[0].CorrelationID)
	require.Contains(t, rest[0].Curve.Max, float32(96))
}

func TestRulesLookAtEventsOfSourcesAndNeverAtTheirOwn(t *testing.T) {
	p, j := newTest(t, func(o *Options) { watched(t, o) })
	change := mqttPoint("parameter.change")
	var batch []source.Reading
	for range 5 {
		batch = append(batch, reading(change, json.RawMessage(`{"nodeId":"x","old":1,"new":2,"by":"unknown"}`)))
	}
	take(t, p, batch...)
	require.Equal(t, []string{
		"parameter.change", "parameter.change", "parameter.change", "security.violation write_rate", "parameter.change", "parameter.change",
	}, typesOf(j.events(t)))
}

// broken is a detector that fails on each value and each tick.
type broken struct{}

func (broken) Observe(detect.Sample) []detect.Finding { panic("observe") }
func (broken) Tick(time.Time) []detect.Finding        { panic("tick") }

func TestADetectorThatFailsEndsNeitherRecordingNorOtherSignals(t *testing.T) {
	p, j := newTest(t, func(o *Options) {
		watched(t, o)
		w, err := watch.New(watch.Options{
			Detection: config.Detection{MaxSignals: 10},
			Make: func(of detect.Signal, _ config.Signal, _ string) []detect.Detector {
				if of.Name == "bad" {
					return []detect.Detector{broken{}}
				}
				return nil
			},
		})
		require.NoError(t, err)
		o.Watch = w
	})
	bad, good := mqttPoint(""), mqttPoint("")
	bad.Signal, good.Signal = "bad", "good"
	take(t, p, live(bad, 0, 1.0), live(good, 0, 1.0), live(good, 1, 2.0))
	require.Equal(t, []string{event.TypeSystemError}, typesOf(j.events(t)), "told once")
	take(t, p, live(bad, 2, 1.0))
	require.Empty(t, j.events(t))
	require.NoError(t, p.Sink("s").(*sink).tick(t.Context(), clock.Add(time.Second)))
	for _, s := range p.Signals() {
		if s.Signal == "good" {
			require.EqualValues(t, 2, s.Count)
		}
	}
}
