package limits

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

func at(s float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
}

func said(list []detect.Finding) (out []string) {
	for _, f := range list {
		text := fmt.Sprint(f.Data["condition"], " ", f.Data["state"])
		if f.Data["chattering"] == true {
			text += " chattering"
		}
		if n := f.Data["reAlarm"]; n != nil {
			text += " again"
		}
		out = append(out, text)
	}
	return out
}

var (
	zero    = time.Duration(0)
	sig     = detect.Signal{Name: "press.temperature", Unit: "degC"}
	chatter = config.Chatter{Raises: 3, Within: time.Minute}
)

// step is one value at a time, or a tick where the value is NaN, and what is told.
type step struct {
	at, value float64
	want      string
}

var tick = math.NaN()

func run(t *testing.T, d detect.Detector, steps []step) {
	t.Helper()
	for _, s := range steps {
		var got []detect.Finding
		if math.IsNaN(s.value) {
			got = d.Tick(at(s.at))
		} else {
			got = d.Observe(detect.Sample{At: at(s.at), Value: s.value})
		}
		require.Equal(t, s.want, strings.Join(said(got), ", "), "at %g s, value %g", s.at, s.value)
	}
}

func TestTheStateMachinesOfALevel(t *testing.T) {
	four := config.Limits{HiHi: new(95.0), Hi: new(90.0), Lo: new(10.0), LoLo: new(5.0), Deadband: new(1.0), OnDelay: &zero}
	exclusive := four
	exclusive.Exclusive = true
	delayed := config.Limits{Hi: new(90.0), Deadband: new(0.0), OnDelay: new(2 * time.Second), OffDelay: new(3 * time.Second)}
	again := config.Limits{Hi: new(90.0), Deadband: new(0.0), OnDelay: &zero, ReAlarm: time.Minute}
	each := config.Limits{HiHi: new(95.0), Hi: new(90.0), Deadband: new(1.0), OnDelay: new(5 * time.Second), Each: map[string]config.LimitTimes{"hihi": {OnDelay: &zero, Deadband: new(3.0)}}}
	for name, c := range map[string]struct {
		cfg   config.Limits
		steps []step
	}{
		"a limit is passed only beyond it and left only behind the deadband": {four, []step{
			{0, 90, ""}, {1, 90.1, "High active"}, {2, 89.5, ""}, {3, 89, "High cleared"}, {4, 90, ""},
		}},
		"without exclusive each limit has its own alarm": {four, []step{
			{0, 96, "HighHigh active, High active"}, {1, 93, "HighHigh cleared"}, {2, 4, "High cleared, Low active, LowLow active"}, {3, 6.1, "LowLow cleared"}, {4, 50, "Low cleared"},
		}},
		"an exclusive alarm is in one limit at a time": {exclusive, []step{
			{0, 91, "High active"}, {1, 96, "HighHigh active"}, {2, 94.5, ""}, {3, 93, "High active"}, {4, 50, "High cleared"}, {5, 4, "LowLow active"}, {6, 8, "Low active"}, {7, 20, "Low cleared"},
		}},
		"a short peak is silent and a delay ends without a value": {delayed, []step{
			{0, 95, ""},
			{1, 80, ""},
			{2, 95, ""},
			{3.9, tick, ""},
			{4, tick, "High active"},
			{10, tick, ""},
			{11, 80, ""},
			{12, 91, ""},
			{13, 80, ""},
			{15.9, tick, ""},
			{16, tick, "High cleared"},
		}},
		"the third raise in a minute is told as chatter, then nothing until it was quiet for a minute": {four, []step{
			{0, 91, "High active"},
			{1, 50, "High cleared"},
			{2, 91, "High active"},
			{3, 50, "High cleared"},
			{4, 91, "High active chattering"},
			{5, 50, ""},
			{6, 91, ""},
			{7, 50, ""},
			{60, tick, ""},
			{66, tick, ""},
			{67, tick, "High cleared"},
			{200, 91, "High active"},
		}},
		"an alarm still active after the re-alarm time is told again": {again, []step{
			{0, 91, "High active"}, {30, 92, ""}, {60, tick, "High active again"}, {119, 93, ""}, {121, 93, "High active again"}, {122, 1, "High cleared"},
		}},
		"a single limit may have its own delay and deadband": {each, []step{
			{0, 96, "HighHigh active"}, {5, 96, "High active"}, {6, 93, ""}, {7, 91.9, ""}, {12, tick, "HighHigh cleared"},
		}},
	} {
		t.Run(name, func(t *testing.T) { run(t, NewLevel(sig, c.cfg, nil, chatter), c.steps) })
	}
}

func TestALevelSaysWhatHappenedInOneSentenceWithTheSeverityOfItsLimit(t *testing.T) {
	l := NewLevel(sig, config.Limits{HiHi: new(95.0), Deadband: new(1.0), OnDelay: new(2 * time.Second), Each: map[string]config.LimitTimes{"hihi": {Severity: 900}}}, nil, chatter)
	require.Empty(t, l.Observe(detect.Sample{At: at(0), Value: 96}))
	f := l.Observe(detect.Sample{At: at(2), Value: 97.25})[0]
	require.Equal(t, event.SeverityCritical, *f.Severity)
	require.True(t, f.Curve)
	require.Equal(t, "press.temperature is 97.25 degC, above its HighHigh limit of 95 for longer than 2s.", f.Data["explanation"])
	require.Equal(t, "NonExclusiveLevelAlarmType", f.Data["alarmType"])
	require.Equal(t, 97.25, f.Data["extreme"])
	require.Equal(t, map[string]any{"hihi": 95.0}, f.Data["limits"])
	l.Observe(detect.Sample{At: at(3), Value: 90})
	f = l.Tick(at(5))[0]
	require.Equal(t, event.SeverityInfo, *f.Severity)
	require.Equal(t, int64(5000), f.Data["activeMs"])
	require.Contains(t, f.Data["explanation"], "back at 90 degC")
}

func TestDeadbandAndDelayStartFromTheKindOfSignal(t *testing.T) {
	for _, c := range []struct {
		sig   detect.Signal
		rng   []float64
		cfg   config.Limits
		delay time.Duration
		dead  float64
	}{
		{detect.Signal{Unit: "degC"}, []float64{0, 200}, config.Limits{Hi: new(90.0)}, time.Minute, 2},
		{detect.Signal{Unit: "bar"}, nil, config.Limits{Hi: new(10.0), Lo: new(5.0)}, 15 * time.Second, 0.1},
		{detect.Signal{Unit: "l/min"}, nil, config.Limits{Lo: new(-4.0)}, 15 * time.Second, 0.2},
		{detect.Signal{Name: "tank.level"}, []float64{0, 100}, config.Limits{Hi: new(90.0)}, time.Minute, 5},
		{detect.Signal{Name: "spindle.speed", Unit: "rpm"}, []float64{0, 100}, config.Limits{Hi: new(90.0)}, 5 * time.Second, 1},
		{detect.Signal{Name: "x", Unit: "bar", Kind: "temperature"}, []float64{0, 100}, config.Limits{Hi: new(90.0)}, time.Minute, 1},
	} {
		m := NewLevel(c.sig, c.cfg, c.rng, chatter).set.limits[0]
		require.Equal(t, c.delay, m.on, "%+v", c.sig)
		require.Equal(t, c.delay, m.off)
		require.InDelta(t, c.dead, m.deadband, 1e-9, "%+v", c.sig)
	}
}

func TestADeviationFollowsItsSetpointAlsoWhenOnlyThatMoves(t *testing.T) {
	point, known := 0.0, false
	d := NewDeviation(sig, config.Deviation{Limits: config.Limits{Hi: new(5.0), Lo: new(-5.0), Deadband: new(1.0), OnDelay: &zero}}, nil, chatter,
		func() (float64, bool) { return point, known })
	run(t, d, []step{{0, 80, ""}, {1, tick, ""}})
	point, known = 78, true
	run(t, d, []step{{2, 80, ""}, {3, 84, "Deviation.High active"}, {4, 81, "Deviation.High cleared"}})
	point = 90
	run(t, d, []step{{5, tick, "Deviation.Low active"}, {6, tick, ""}})
	point = 81
	got := d.Tick(at(7))
	require.Equal(t, []string{"Deviation.Low cleared"}, said(got))
	require.Equal(t, 81.0, got[0].Data["setpoint"])
	require.Equal(t, 81.0, got[0].Data["actual"])
}

func TestARateIsMeasuredOverAStretchSoThatOnePeakDoesNotCount(t *testing.T) {
	r := NewRate(sig, config.Rate{Per: time.Minute, Over: 10 * time.Second, Limits: config.Limits{Hi: new(30.0), Deadband: new(1.0), OnDelay: &zero}}, chatter)
	n := 0
	for i := range 60 { // 12 per minute with one peak
		v := 0.2 * float64(i)
		if i == 30 {
			v += 2
		}
		n += len(r.Observe(detect.Sample{At: at(float64(i)), Value: v}))
	}
	require.Zero(t, n)
	var got []detect.Finding
	for i := 60; i < 80 && len(got) == 0; i++ { // 60 per minute
		got = r.Observe(detect.Sample{At: at(float64(i)), Value: 12 + float64(i-60)})
	}
	require.Equal(t, []string{"RateOfChange.High active"}, said(got))
	require.Contains(t, got[0].Data["explanation"], "degC per 1m0s")
	require.Empty(t, r.Observe(detect.Sample{At: at(9000), Value: 1e6}), "after a gap nothing is known of the rate")
}

func TestTheSlopeOfALineIsItsSlopeAtAnyRateOfValues(t *testing.T) {
	for _, every := range []float64{0.01, 0.3, 1, 2.4} {
		s := slope{step: time.Second}
		got, ok := 0.0, false
		for x := 0.0; x < 30; x += every {
			got, ok = s.add(at(x), 3*x-7)
		}
		require.True(t, ok, "every %g s", every)
		require.InDelta(t, 3, got, 1e-6, "every %g s", every)
	}
}

func TestSuppressedByDesignClearsAndWatchesAgainAfterwards(t *testing.T) {
	l := NewLevel(sig, config.Limits{Hi: new(90.0), Deadband: new(1.0), OnDelay: &zero}, nil, chatter)
	run(t, l, []step{{0, 95, "High active"}})
	l.SetContext(detect.Context{State: detect.Maintenance})
	got := l.Tick(at(1))
	require.Equal(t, []string{"High cleared"}, said(got))
	require.Contains(t, got[0].Data["reason"], "suppressed by design")
	run(t, l, []step{{2, 99, ""}, {3, tick, ""}})
	l.SetContext(detect.Context{State: detect.Production})
	run(t, l, []step{{4, 99, "High active"}})
}

func TestAnAlarmThatWasToldIsNotRaisedAgainAfterARestart(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		cfg := config.Limits{Hi: new(90.0), HiHi: new(95.0), Deadband: new(1.0), OnDelay: &zero, Exclusive: exclusive}
		l := NewLevel(sig, cfg, nil, chatter)
		l.Observe(detect.Sample{At: at(0), Value: 97})
		next := NewLevel(sig, cfg, nil, chatter)
		require.NoError(t, next.Restore(l.Save()))
		require.Empty(t, next.Observe(detect.Sample{At: at(10), Value: 96}))
		got := next.Observe(detect.Sample{At: at(11), Value: 20})
		require.NotEmpty(t, got)
		for _, f := range got {
			require.Equal(t, "cleared", f.Data["state"])
			require.EqualValues(t, 11000, f.Data["activeMs"])
		}
	}
	require.Error(t, NewLevel(sig, config.Limits{}, nil, chatter).Restore([]byte("{")))
}

// FuzzWhatIsToldAlternates is the property of all limits: raised and returned
// alternate, raised only beyond the limit and after the delay, returned only
// behind the deadband, and after a quiet end what was told is what is.
func FuzzWhatIsToldAlternates(f *testing.F) {
	f.Add([]byte{1, 200, 3, 90, 255, 0}, uint8(2), uint8(3), true)
	f.Add([]byte{100, 0, 255, 0, 255, 0, 255, 0, 255}, uint8(0), uint8(0), false)
	f.Fuzz(func(t *testing.T, values []byte, on, off uint8, exclusive bool) {
		cfg := config.Limits{
			Hi: new(100.0), HiHi: new(200.0), LoLo: new(20.0), Deadband: new(5.0), Exclusive: exclusive,
			OnDelay: new(time.Duration(on%8) * time.Second), OffDelay: new(time.Duration(off%8) * time.Second),
		}
		l := NewLevel(sig, cfg, nil, chatter)
		told := map[string]bool{}
		check := func(list []detect.Finding, v float64) {
			for _, f := range list {
				name, now := f.Condition, f.Data["state"] == "active"
				if told[name] == now && !exclusive {
					t.Fatalf("%s %v twice", name, now)
				}
				if !now && !told[name] {
					t.Fatalf("%s returned and was never raised", name)
				}
				told[name] = now
				limit := f.Data["limit"].(float64)
				beyond := v > limit
				if f.Data["condition"] == "LowLow" {
					beyond = v < limit
				}
				if now && on%8 == 0 && f.Data["chattering"] == nil && !beyond && !exclusive {
					t.Fatalf("%s raised at %g", name, v)
				}
				if !now && f.Data["raises"] == nil && math.Abs(v-limit) < 5 {
					t.Fatalf("%s returned at %g inside the deadband of %g", name, v, limit)
				}
			}
		}
		now := 0.0
		for _, v := range values {
			check(l.Observe(detect.Sample{At: at(now), Value: float64(v)}), float64(v))
			now++
		}
		if len(values) == 0 {
			return
		}
		last := float64(values[len(values)-1])
		for range 200 {
			check(l.Tick(at(now)), last)
			now++
		}
		for i, m := range l.set.limits {
			if c := l.set.condition(min(i, len(l.set.tellers)-1)); m.active && !told[c] || !exclusive && told[c] != m.active {
				t.Fatalf("%s is %v, told was %v", c, m.active, told[c])
			}
		}
	})
}

func BenchmarkLevel(b *testing.B) {
	l := NewLevel(sig, config.Limits{HiHi: new(95.0), Hi: new(90.0), Lo: new(1.0), LoLo: new(0.0)}, nil, chatter)
	now, i := at(0), 0
	for b.Loop() {
		i++
		l.Observe(detect.Sample{At: now.Add(time.Duration(i) * time.Second), Value: float64(10 + i%50)})
	}
}
