package recorder

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func at(s float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
}

func TestTheStepFitsItselfToTheRate(t *testing.T) {
	for _, every := range []float64{0.001, 0.1, 1, 300} {
		r := New()
		n := 40000
		for i := range n {
			r.Add(at(float64(i)*every), float64(i))
		}
		step := r.Step().Seconds()
		require.GreaterOrEqual(t, step*1.001, min(every, 0.01), "every %g s", every)
		require.LessOrEqual(t, step, max(4*every, 0.01), "every %g s", every)
		c := r.Curve(time.Time{}, time.Time{}, "")
		require.LessOrEqual(t, len(c.Min), MaxCurve)
		require.Equal(t, float32(n-1), c.Max[len(c.Max)-1])
	}
}

func TestASinglePeakStaysHoweverLongTheStep(t *testing.T) {
	r := New()
	for i := range 450 { // the step is made longer meanwhile
		v := 5.0
		if i == 250 {
			v = 99
		}
		r.Add(at(float64(i)/10), v)
	}
	require.GreaterOrEqual(t, r.Step(), 40*time.Millisecond)
	c := r.Curve(time.Time{}, time.Time{}, "bar")
	require.Equal(t, "bar", c.Unit)
	peaks := 0
	for i, v := range c.Max {
		if v == 99 {
			peaks++
			from := c.Start.Add(time.Duration(i) * time.Duration(c.StepMS) * time.Millisecond)
			require.False(t, at(25).Before(from) || !at(25).Before(from.Add(time.Duration(c.StepMS)*time.Millisecond)))
		}
	}
	require.Equal(t, 1, peaks)
}

func TestASlowSignalHasACurveSoonAndAHeldOneHasNoGaps(t *testing.T) {
	r, held := New(), New()
	held.Hold()
	for i := range 40 {
		r.Add(at(float64(i)/2), float64(i))
		held.Add(at(float64(i)/2), float64(i))
	}
	c := r.Before(at(20), 200, "")
	filled := 0
	for _, v := range c.Max {
		if v == v {
			filled++
		}
	}
	require.Greater(t, filled, 15, "of %d", len(c.Max))
	require.Greater(t, 3*filled, 2*len(c.Max), "mostly values")
	stuck := held.Before(at(80), 200, "")
	require.Equal(t, float32(39), stuck.Max[len(stuck.Max)-1])
	require.False(t, at(79).After(stuck.Start.Add(time.Duration(len(stuck.Max))*time.Duration(stuck.StepMS)*time.Millisecond)))
}

func TestAFasterSignalGetsAFinerStepAgain(t *testing.T) {
	r := New()
	for i := range 5000 {
		r.Add(at(float64(i)), 1)
	}
	slow := r.Step()
	for i := range 200000 {
		r.Add(at(5000+float64(i)/100), 2)
	}
	require.LessOrEqual(t, r.Step(), slow/8)
	require.Equal(t, float32(2), r.Curve(at(6990), time.Time{}, "").Min[0])
}

func TestGapsAreEmptyAndLateValuesFindTheirPlace(t *testing.T) {
	r := New()
	require.Nil(t, r.Curve(time.Time{}, time.Time{}, ""))
	for i := range 3000 {
		r.Add(at(float64(i)), 1)
	}
	step := r.Step()
	r.Add(at(3000+86400), 7)
	require.Equal(t, step, r.Step(), "a gap says nothing of the rate")
	require.Nil(t, r.Curve(at(10000), at(20000), ""))
	for i := range 100 {
		r.Add(at(90000+float64(i)*2), 3)
	}
	r.Add(at(90100), -5)
	r.Add(at(0), 1e9) // long before the ring
	c := r.Curve(at(90090), at(90110), "")
	low := float32(math.Inf(1))
	for _, v := range c.Min {
		if v == v {
			low = min(low, v)
		}
	}
	require.Equal(t, float32(-5), low)
}

func TestValuesBeyondFloat32AreItsLargest(t *testing.T) {
	r := New()
	r.Add(at(0), 1e308)
	r.Add(at(0), -1e308)
	c := r.Curve(time.Time{}, time.Time{}, "")
	require.Equal(t, float32(math.MaxFloat32), c.Max[0])
	require.Equal(t, float32(-math.MaxFloat32), c.Min[0])
}

func TestTheRingTakesEightKilobytesAndAddsWithoutAllocation(t *testing.T) {
	r := New()
	require.Equal(t, 8<<10, len(r.min)*4+len(r.max)*4)
	require.Less(t, unsafe.Sizeof(*r), uintptr(128))
	i := 0
	require.Zero(t, testing.AllocsPerRun(5000, func() {
		i++
		r.Add(at(float64(i)*0.3), float64(i))
	}))
}

// FuzzTheCurveHoldsExactlyTheExtremesOfItsTime compares with all values kept.
func FuzzTheCurveHoldsExactlyTheExtremesOfItsTime(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 5}, uint16(1000))
	f.Add([]byte{9, 0, 0, 250, 1, 1, 1}, uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, scale uint16) {
		r := New()
		type value struct {
			at time.Time
			v  float32
		}
		var all []value
		now := at(0)
		for i, b := range data {
			now = now.Add(time.Duration(b) * time.Duration(scale) * time.Millisecond)
			v := float32(int(b)*31%97 - i)
			r.Add(now, float64(v))
			all = append(all, value{now, v})
		}
		c := r.Curve(time.Time{}, time.Time{}, "")
		if len(all) == 0 {
			require.Nil(t, c)
			return
		}
		step := time.Duration(c.StepMS) * time.Millisecond
		for i := range c.Min {
			from := c.Start.Add(time.Duration(i) * step)
			low, high := float32(math.NaN()), float32(math.NaN())
			for _, a := range all {
				if !a.at.Before(from) && a.at.Before(from.Add(step)) {
					if low != low {
						low, high = a.v, a.v
					}
					low, high = min(low, a.v), max(high, a.v)
				}
			}
			// The oldest point may have lost values when it was made of two.
			if i > 0 && low == low && (c.Min[i] > low || c.Max[i] < high) && !from.Before(time.Unix(0, (r.next-Points+1)*int64(r.Step()))) {
				t.Fatalf("point %d: %g..%g, values %g..%g", i, c.Min[i], c.Max[i], low, high)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	r := New()
	now, i := at(0), 0
	for b.Loop() {
		i++
		r.Add(now.Add(time.Duration(i)*time.Second), float64(i%100))
	}
}
