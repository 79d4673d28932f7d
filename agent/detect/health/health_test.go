package health

import (
	"encoding/json"
	"fmt"
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

func said(list []detect.Finding) string {
	var out []string
	for _, f := range list {
		text := fmt.Sprint(f.Data["condition"], " ", f.Data["state"])
		if f.Signal != "" {
			text = f.Signal + " " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

var learnt = Rule{On: true}

// line runs a station second by second: value(i, t) is that of the i-th signal,
// false for none.
func line(s *Station, from, to int, beats []*Beat, value func(i, t int) (float64, bool)) (out []string) {
	for t := from; t < to; t++ {
		for i, b := range beats {
			if v, ok := value(i, t); ok {
				b.Saw(at(float64(t)), at(float64(t)), v)
			}
		}
		if text := said(s.Tick(at(float64(t)))); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func signals(n int) (*Station, []*Beat) {
	s := NewStation()
	var beats []*Beat
	for i := range n {
		beats = append(beats, s.Add(detect.Signal{Name: string(rune('a' + i)), Source: "uns"}, learnt, learnt))
	}
	return s, beats
}

func TestAValueThatStandsStillIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		signals int
		stuck   func(i, t int) bool
		want    []string
	}{
		"while the others move":                    {3, func(i, t int) bool { return i == 1 && t >= 300 && t < 500 }, []string{"b Flatline active", "b Flatline cleared"}},
		"of a station with one signal":             {1, func(_, t int) bool { return t >= 300 && t < 500 }, []string{"a Flatline active", "a Flatline cleared"}},
		"but not when the whole line stands still": {3, func(_, t int) bool { return t >= 300 }, nil},
		"but not when it always stood still":       {3, func(i, _ int) bool { return i == 1 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, beats := signals(c.signals)
			got := line(s, 0, 600, beats, func(i, t int) (float64, bool) {
				if c.stuck(i, t) {
					return 7, true
				}
				return float64(t), true
			})
			require.Equal(t, c.want, got)
		})
	}
}

func TestASignalWithLongPausesOfItsOwnIsNotFlat(t *testing.T) {
	s, beats := signals(2)
	got := line(s, 0, 20000, beats, func(i, t int) (float64, bool) {
		if i == 1 { // a setpoint that is changed now and then
			return float64(t / 100), true
		}
		return float64(t), true
	})
	require.Empty(t, got)
}

func TestASignalThatGivesNoValuesIsToldAndManyAtOnceAreToldAsOne(t *testing.T) {
	for name, c := range map[string]struct {
		gone func(i, t int) bool
		want []string
	}{
		"one":                  {func(i, t int) bool { return i == 2 && t >= 100 && t < 200 }, []string{"c HeartbeatLost active", "c HeartbeatLost cleared"}},
		"many":                 {func(_, t int) bool { return t >= 100 && t < 200 }, []string{"HeartbeatLost active", "HeartbeatLost cleared"}},
		"many, one stays lost": {func(i, t int) bool { return t >= 100 && (t < 200 || i == 0) }, []string{"HeartbeatLost active"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, beats := signals(6)
			got := line(s, 0, 300, beats, func(i, t int) (float64, bool) { return float64(t), !c.gone(i, t) })
			require.Equal(t, c.want, got)
		})
	}
}

func TestAllSignalsOfASourceAtOnceWeighLessThanSome(t *testing.T) {
	for gone, want := range map[int]event.Severity{6: event.SeverityLow, 5: event.SeverityMedium} {
		s, beats := signals(6)
		line(s, 0, 100, beats, func(_, t int) (float64, bool) { return float64(t), true })
		line(s, 100, 109, beats, func(i, t int) (float64, bool) { return float64(t), i >= gone })
		var got []detect.Finding
		for t := 109; t < 130; t++ {
			for i := gone; i < 6; i++ {
				beats[i].Saw(at(float64(t)), at(float64(t)), float64(t))
			}
			got = append(got, s.Tick(at(float64(t)))...)
		}
		require.Len(t, got, 1)
		require.Equal(t, want, *got[0].Severity, "%d of 6", gone)
	}
}

func TestSilenceNeedsNoAlarmWhileTheSourceItselfIsAway(t *testing.T) {
	s, beats := signals(2)
	rising := func(_, t int) (float64, bool) { return float64(t), true }
	line(s, 0, 100, beats, rising)
	s.Disconnect(true)
	require.Empty(t, line(s, 100, 400, beats, func(int, int) (float64, bool) { return 0, false }))
	s.Disconnect(false)
	require.Empty(t, line(s, 400, 500, beats, rising))
}

func TestNothingIsToldWhileTheLineIsOffAndTheStopTeachesNothing(t *testing.T) {
	s, beats := signals(3)
	rising := func(_, t int) (float64, bool) { return float64(t), true }
	none := func(int, int) (float64, bool) { return 0, false }
	line(s, 0, 200, beats, rising)
	s.Suppress(true)
	require.Empty(t, line(s, 200, 4000, beats, none))
	s.Suppress(false)
	require.Empty(t, line(s, 4000, 4100, beats, rising))
	require.NotEmpty(t, line(s, 4100, 4200, beats, none), "the pause ordered by people was not learnt")
}

func TestAFixedTimeNeedsNoLearning(t *testing.T) {
	s := NewStation()
	b := s.Add(detect.Signal{Name: "a"}, Rule{On: true, Fixed: 30 * time.Second}, Rule{On: true, Fixed: 5 * time.Second})
	b.Saw(at(0), at(0), 1)
	require.Equal(t, "a HeartbeatLost active", said(s.Tick(at(6))))
	b.Saw(at(7), at(7), 1)
	require.Equal(t, "a HeartbeatLost cleared", said(s.Tick(at(8))))
	b.Saw(at(30), at(30), 1)
	require.Equal(t, "a Flatline active", said(s.Tick(at(31))))
	off := s.Add(detect.Signal{Name: "b"}, Rule{}, Rule{})
	off.Saw(at(0), at(0), 1)
	require.Empty(t, said(s.Tick(at(32))))
}

func TestWhatWasLearntSurvivesARestart(t *testing.T) {
	s, beats := signals(2)
	line(s, 0, 300, beats, func(i, t int) (float64, bool) { return float64(t), i == 0 || t < 200 })
	require.True(t, beats[1].lost.told)
	next, again := signals(2)
	for i := range again {
		require.NoError(t, again[i].Restore(beats[i].Save()))
	}
	got := line(next, 1000, 1100, again, func(i, t int) (float64, bool) { return float64(t), true })
	require.Equal(t, []string{"b HeartbeatLost cleared"}, got)
	require.Error(t, again[0].Restore([]byte("x")))
}

func TestACounterThatBeginsAnewIsToldAndAFallingSignalIsNone(t *testing.T) {
	feed := func(c *Counter, values ...float64) (out []detect.Finding) {
		for i, v := range values {
			out = append(out, c.Observe(detect.Sample{At: at(float64(i)), Value: v})...)
		}
		return out
	}
	rising := make([]float64, 100)
	for i := range rising {
		rising[i] = float64(1000 + 3*i)
	}
	c := NewCounter(detect.Signal{Name: "parts"})
	require.Empty(t, feed(c, rising...))
	require.True(t, c.IsCounter())
	got := feed(c, 2, 3)
	require.Len(t, got, 1)
	require.Equal(t, event.TypeSignalCounterReset, got[0].Type)
	require.Equal(t, "began anew", got[0].Data["reason"])
	require.EqualValues(t, 1297, got[0].Data["previous"])

	over := NewCounter(detect.Signal{Name: "parts", Kind: "counter"})
	require.Equal(t, "ran over", feed(over, 65530, 4)[0].Data["reason"])

	ramp := NewCounter(detect.Signal{Name: "temperature"})
	require.Empty(t, feed(ramp, append(rising, 1290, 1280, 1)...))
	require.False(t, ramp.IsCounter())
}

func TestADiscreteSignalHasItsAlarms(t *testing.T) {
	cfg := config.States{Expected: []string{"idle", "running", "blocked"}, Longest: map[string]time.Duration{"blocked": time.Minute}, Changes: 4, Within: 10 * time.Second}
	type step struct {
		at    float64
		value string
		want  string
	}
	for name, steps := range map[string][]step{
		"an unexpected state":        {{0, "idle", ""}, {1, "fault", "UnexpectedState active"}, {2, "fault", ""}, {3, "idle", "UnexpectedState cleared"}},
		"too long in a state":        {{0, "blocked", ""}, {60, "blocked", ""}, {61, "blocked", "StateTooLong active"}, {62, "running", "StateTooLong cleared"}, {200, "running", ""}},
		"too many changes":           {{0, "idle", ""}, {1, "running", ""}, {2, "idle", ""}, {3, "running", ""}, {4, "idle", ""}, {5, "running", "TooManyChanges active"}, {12, "running", "TooManyChanges cleared"}},
		"as many changes as allowed": {{0, "idle", ""}, {1, "running", ""}, {4, "idle", ""}, {8, "running", ""}, {12, "idle", ""}, {16, "running", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStates(detect.Signal{Name: "press.state"}, cfg, config.Chatter{})
			for _, x := range steps {
				require.Equal(t, x.want, said(s.See(at(x.at), x.value)), "at %g s", x.at)
			}
		})
	}
}

func TestAStateThatWasNeverSeenIsMarkedAfterTheOthersAreKnown(t *testing.T) {
	s := NewStates(detect.Signal{Name: "press.state"}, config.States{}, config.Chatter{})
	for i := range learnStates {
		require.Empty(t, s.See(at(float64(i)), []string{"idle", "running"}[i%2]))
	}
	again := NewStates(detect.Signal{Name: "press.state"}, config.States{}, config.Chatter{})
	require.NoError(t, again.Restore(s.Save()))
	require.Empty(t, again.See(at(300), "idle"))
	got := again.See(at(301), "fault")
	require.Len(t, got, 1)
	require.Equal(t, event.TypeAnomalyDetected, got[0].Type)
	require.Equal(t, event.Manufacturing, got[0].Class)
	require.Contains(t, got[0].Data["explanation"], "press.state is fault, which it never was")
	require.Empty(t, again.See(at(302), "idle"))
	require.Empty(t, again.See(at(303), "fault"), "it was seen now")
}

func FuzzRestoreTakesAnything(f *testing.F) {
	f.Add([]byte(`{"known":["a"],"count":3,"told":[true,false,true]}`))
	f.Add([]byte(`{"change":{"N":3},"flat":true}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		s := NewStates(detect.Signal{Name: "x"}, config.States{Expected: []string{"a"}}, config.Chatter{Raises: 3, Within: time.Minute})
		if s.Restore(state) == nil && !json.Valid(state) {
			t.Fatal("no JSON was taken")
		}
		s.See(at(0), "b")
		station := NewStation()
		b := station.Add(detect.Signal{Name: "x"}, learnt, learnt)
		_ = b.Restore(state)
		b.Saw(at(1), at(1), 1)
		station.Tick(at(100))
	})
}

func BenchmarkSaw(b *testing.B) {
	s, beats := signals(1)
	_ = s
	now, i := at(0), 0
	for b.Loop() {
		i++
		t := now.Add(time.Duration(i) * time.Second)
		beats[0].Saw(t, t, float64(i%7))
	}
}
