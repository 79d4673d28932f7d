package health

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

const dayOf = 24 * 3600

// noisy is a station of signals that move by noise of deviation 1 about 50.
type noisy struct {
	s     *Station
	beats []*Beat
	rng   *rand.Rand
	found []detect.Finding
}

func newNoisy(n int) *noisy {
	s, beats := signals(n)
	return &noisy{s: s, beats: beats, rng: rand.New(rand.NewPCG(1, 2))}
}

// run gives a value every five seconds; share says by how much a signal moves, NaN for
// no value.
func (n *noisy) run(from, to int, share func(i, t int) float64) []string {
	n.found = nil
	for t := from; t < to; t += 5 {
		for i, b := range n.beats {
			if m := share(i, t); m == m {
				b.Saw(at(float64(t)), at(float64(t)), 50+m*n.rng.NormFloat64())
			}
		}
		n.found = append(n.found, n.s.Tick(at(float64(t)))...)
	}
	var out []string
	for _, f := range n.found {
		out = append(out, said([]detect.Finding{f}))
	}
	return out
}

func usual(int, int) float64 { return 1 }

// stuckOne moves by a twentieth in the second signal for an hour.
func stuckOne(from int) func(i, t int) float64 {
	return func(i, t int) float64 {
		if i == 1 && t >= from && t < from+3600 {
			return 0.05
		}
		return 1
	}
}

func TestASignalThatHardlyMovesIsToldOnceADayIsKnown(t *testing.T) {
	n := newNoisy(3)
	require.Empty(t, n.run(0, dayOf/2, usual))
	require.Empty(t, n.run(dayOf/2, dayOf/2+7200, stuckOne(dayOf/2)), "nothing is known of its day")
	n = newNoisy(3)
	require.Empty(t, n.run(0, dayOf, usual))
	require.Equal(t, []string{"b Flatline active", "b Flatline cleared"}, n.run(dayOf, dayOf+3*3600, stuckOne(dayOf)))
	f := n.found[0]
	require.Equal(t, event.SeverityMedium, *f.Severity)
	require.Contains(t, f.Data["explanation"], "b has moved by only")
	require.Less(t, f.Data["moved"].(float64), f.Data["usuallyMoved"].(float64)/5)
	require.WithinDuration(t, at(dayOf), f.Data["since"].(time.Time), 10*time.Minute)

	again := dayOf + 3*3600
	require.Equal(t, []string{"b Flatline active", "b Flatline cleared"}, n.run(again, again+2*3600, stuckOne(again)))
	require.Equal(t, event.SeverityInfo, *n.found[0].Severity, "one in a shift calls people")
}

func TestWhatMovesLittleForAReasonIsNoStuckSensor(t *testing.T) {
	alone := func(day func(i, t int) float64) func(i, t int) float64 { return day }
	for name, c := range map[string]struct {
		before, after func(i, t int) float64
	}{
		"two at once: the line stands": {usual, func(i, t int) float64 {
			if i > 0 {
				return 0.05
			}
			return 1
		}},
		"it pauses as long each day": {alone(func(i, t int) float64 {
			if i == 1 && t%dayOf > dayOf/2 && t%dayOf < dayOf/2+7200 {
				return 0.05
			}
			return 1
		}), stuckOne(dayOf)},
		"for a few minutes": {usual, func(i, t int) float64 {
			if i == 1 && t%1800 < 400 {
				return 0.05
			}
			return 1
		}},
		"a third of its movement is left": {usual, func(i, t int) float64 {
			if i == 1 {
				return 0.35
			}
			return 1
		}},
		"it always stood still": {func(i, t int) float64 { return float64(1 - i%2) }, func(i, t int) float64 { return float64(1 - i%2) }},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNoisy(3)
			require.Empty(t, n.run(0, dayOf, c.before))
			require.Empty(t, n.run(dayOf, dayOf+3*3600, c.after))
		})
	}
}

// TestStopsOfALineAreNoStuckSensors runs a week of a station around the clock from
// Monday to Friday, with breaks and a weekend. Some of its signals live of what the line
// does and show a hundredth of it when it stands, the others don't care.
func TestStopsOfALineAreNoStuckSensors(t *testing.T) {
	for _, driven := range []int{2, 20} {
		n := newNoisy(20)
		got := n.run(0, 8*dayOf, func(i, t int) float64 {
			if i >= driven {
				return 1
			}
			day, second := t/dayOf%7, t%dayOf
			if day >= 5 || second%(8*3600) < 1800 {
				return 0.01
			}
			return 1
		})
		require.Empty(t, got, "%d signals stand with the line", driven)
	}
}

func TestALowMovementThatLastsAShiftCountsAsUsual(t *testing.T) {
	n := newNoisy(2)
	n.run(0, dayOf, usual)
	got := n.run(dayOf, 2*dayOf, func(i, t int) float64 {
		if i == 1 {
			return 0.05
		}
		return 1
	})
	require.Equal(t, []string{"b Flatline active", "b Flatline cleared"}, got)
	require.WithinDuration(t, at(dayOf+8*3600), n.found[1].At, 2*time.Hour)
}

func TestGapsRestartsAndOtherUnitsAreNoStuckSensor(t *testing.T) {
	n := newNoisy(3)
	n.run(0, dayOf, usual)
	lost := n.run(dayOf, dayOf+4*3600, func(i, t int) float64 {
		if i == 1 && t < dayOf+3*3600 {
			return math.NaN()
		}
		return 1
	})
	require.Equal(t, []string{"b HeartbeatLost active", "b HeartbeatLost cleared"}, lost)

	next := newNoisy(3)
	for i, b := range n.beats {
		require.NoError(t, next.beats[i].Restore(b.Save()))
	}
	from := 2 * dayOf
	require.Empty(t, next.run(from, from+1800, usual))
	require.Equal(t, []string{"b Flatline active"}, next.run(from+1800, from+3600, stuckOne(from+1800)))
	third := newNoisy(3) // the alarm stands over a restart, and ends
	for i, b := range next.beats {
		require.NoError(t, third.beats[i].Restore(b.Save()))
	}
	require.Equal(t, []string{"b Flatline cleared"}, third.run(from+3600, from+3*3600, stuckOne(from+1800)))

	third.beats[1].Forget()
	require.Empty(t, third.run(from+3*3600, from+5*3600, stuckOne(from+3*3600)), "nothing is known in the new unit")
}

func TestAValueThatMovesByADigitNowAndThenIsNotJudgedByHowMuch(t *testing.T) {
	s, beats := signals(3)
	rng := rand.New(rand.NewPCG(5, 6))
	level := []float64{20, 30, 40}
	got := line(s, 0, 10*dayOf, beats, func(i, t int) (float64, bool) {
		if rng.Float64() < 1.0/600 { // every ten minutes, by chance
			level[i] += 0.1 * float64(1-2*rng.IntN(2))
		}
		return level[i], t%10 == 0
	})
	require.Empty(t, got)
}

func TestACounterIsJudgedByItsPausesAlone(t *testing.T) {
	s, beats := signals(2)
	got := line(s, 0, dayOf+3*3600, beats, func(i, t int) (float64, bool) {
		if i == 1 {
			return float64(t % 7), true
		}
		if t > dayOf { // slower, not standing
			return float64(dayOf/2 + t/30), true
		}
		return float64(t / 2), true
	})
	require.Empty(t, strings.Join(got, ", "))
}

func TestAServerThatTellsChangesOnlyHasStuckSensorsToo(t *testing.T) {
	s := NewStation()
	var beats []*Beat
	for _, name := range []string{"a", "b"} {
		beats = append(beats, s.Add(detect.Signal{Name: name, Source: "plc"}, learnt, Rule{}))
	}
	rng := rand.New(rand.NewPCG(3, 4))
	got := line(s, 0, dayOf+3600, beats, func(i, t int) (float64, bool) {
		if i == 1 && t > dayOf && t%30 != 0 { // now and then a last digit moves
			return 0, false
		}
		if i == 1 && t > dayOf {
			return 50 + 0.01*float64(t/30%2), true
		}
		return 50 + rng.NormFloat64(), true
	})
	require.Equal(t, []string{"b Flatline active"}, got)
}

func BenchmarkSawOfAStation(b *testing.B) {
	n := newNoisy(1)
	n.run(0, 3600, usual)
	t := 3600.0
	for b.Loop() {
		t += 0.1
		n.beats[0].Saw(at(t), at(t), math.Mod(t, 1))
	}
}
