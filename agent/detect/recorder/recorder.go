// Package recorder is the flight recorder of one signal: the latest stretch of
// its curve in a ring of fixed size. Each point holds the smallest and largest
// value of a step of time, so that single peaks stay however long the step is.
// The step fits itself to the rate of the values. Adding a value allocates
// nothing.
package recorder

import (
	"math"
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

const (
	// Points in the ring: two float32 each, 8 KiB in all.
	Points = 1024
	// MaxCurve is the largest number of points in a curve: 3 KiB of text each for
	// min and max.
	MaxCurve = 300

	minStep  = 10 * time.Millisecond
	maxShift = 23 // 23 hours
	// The first step is fitted to so many values.
	firstFit = 16
	// A ring with fewer points than this in use has its step doubled.
	sparse = Points / 2
	// A ring with more values than this has its step halved.
	dense = 8 * Points
)

// Ring is the recorder of one signal. The zero value is not usable; see New.
type Ring struct {
	shift    uint  // the step is minStep << shift
	first    int64 // number of the oldest step in the ring (unix time / step)
	next     int64 // number after that of the newest; first == next is empty
	hold     bool  // the source tells changes only: an empty step is as the one before
	fitted   bool  // the first step was fitted to the first values
	values   int   // since the ring was last judged
	judged   int64 // number of the step then
	min, max []float32
}

// New makes a Ring of 8 KiB.
func New() *Ring {
	both := make([]float32, 2*Points)
	return &Ring{min: both[:Points], max: both[Points:]}
}

// Hold tells that the source gives a value only when it changed: steps without one
// are drawn as the one before them.
func (r *Ring) Hold() { r.hold = true }

// Add takes a value. A time before the ring is left out, one inside it (a late
// value) goes to its step. Values beyond float32 are kept as its largest.
func (r *Ring) Add(at time.Time, v float64) {
	n := r.number(at)
	if r.next == r.first {
		r.first, r.next, r.judged = n, n, n
	}
	if n < r.first {
		return
	}
	if n >= r.next {
		if n-r.judged >= Points && r.judge(at) {
			n = r.number(at)
		}
		r.forward(n)
	}
	i := n & (Points - 1)
	f := narrow(v)
	r.values++
	if !r.fitted && r.values >= firstFit {
		r.fit()
		i = r.number(at) & (Points - 1)
	}
	if r.min[i] != r.min[i] { // NaN: the step's first value
		r.min[i], r.max[i] = f, f
		return
	}
	r.min[i], r.max[i] = min(r.min[i], f), max(r.max[i], f)
}

// fit finds the first step of a ring from its first values, so that a slow signal
// has a curve soon.
func (r *Ring) fit() {
	r.fitted = true
	for filled := int64(max(r.filled(), 1)); r.next-r.first > 2*filled && r.shift < maxShift; {
		r.coarser()
	}
	r.judged = r.next - 1
}

// forward opens the steps up to n; those without a value stay empty.
func (r *Ring) forward(n int64) {
	nan := float32(math.NaN())
	from := max(r.next, n+1-Points)
	for k := from; k <= n; k++ {
		i := k & (Points - 1)
		r.min[i], r.max[i] = nan, nan
	}
	r.next = n + 1
	r.first = max(r.first, r.next-Points)
}

// judge fits the step to the rate, once in the length of a ring, and reports
// whether it changed it. A gap says nothing of the rate, unless it is all that
// was ever seen: then the signal is slow.
func (r *Ring) judge(at time.Time) bool {
	values, shift := r.values, r.shift
	filled := r.filled()
	r.values = 0
	switch gap := r.number(at) - r.next; {
	case gap > Points && filled > 2:
	case gap > Points:
		for r.number(at)-r.next > Points/8 && r.shift < maxShift {
			r.coarser()
		}
	case filled < sparse && r.shift < maxShift:
		r.coarser()
	case values > dense && r.shift > 0:
		r.finer()
	}
	r.judged = r.number(at)
	return r.shift != shift
}

// number is that of the step that a time lies in.
func (r *Ring) number(at time.Time) int64 { return at.UnixNano() / int64(minStep) >> r.shift }

// filled counts the points with values.
func (r *Ring) filled() (n int) {
	for k := r.first; k < r.next; k++ {
		if v := r.min[k&(Points-1)]; v == v {
			n++
		}
	}
	return n
}

// coarser doubles the step, two neighbours become one.
func (r *Ring) coarser() {
	first, next := r.first>>1, (r.next-1)>>1+1
	var low, high [Points]float32
	nan := float32(math.NaN())
	for k := first; k < next; k++ {
		a, b := r.at(2*k), r.at(2*k+1)
		i := k & (Points - 1)
		low[i], high[i] = nan, nan
		for _, p := range [2]point{a, b} {
			if p.low != p.low {
				continue
			}
			if low[i] != low[i] {
				low[i], high[i] = p.low, p.high
				continue
			}
			low[i], high[i] = min(low[i], p.low), max(high[i], p.high)
		}
	}
	copy(r.min, low[:])
	copy(r.max, high[:])
	r.shift, r.first, r.next = r.shift+1, first, next
}

// finer halves the step; the younger half of the ring stays, each point twice.
func (r *Ring) finer() {
	var low, high [Points]float32
	next := 2 * r.next
	first := max(2*r.first, next-Points)
	for k := first; k < next; k++ {
		p := r.at(k >> 1)
		i := k & (Points - 1)
		low[i], high[i] = p.low, p.high
	}
	copy(r.min, low[:])
	copy(r.max, high[:])
	r.shift, r.first, r.next = r.shift-1, first, next
}

type point struct{ low, high float32 }

func (r *Ring) at(k int64) point {
	if k < r.first || k >= r.next {
		nan := float32(math.NaN())
		return point{nan, nan}
	}
	i := k & (Points - 1)
	return point{r.min[i], r.max[i]}
}

// Step is the length of time of one point now.
func (r *Ring) Step() time.Duration { return minStep << r.shift }

// Curve returns what the ring holds from one time to another (both included, zero
// for all) in at most MaxCurve points; nil when that is nothing. Steps without a
// value are NaN. The caller owns the curve.
func (r *Ring) Curve(from, to time.Time, unit string) *event.Curve {
	first, last := r.first, r.next-1
	if !from.IsZero() {
		first = max(first, r.number(from))
	}
	if !to.IsZero() {
		last = min(last, r.number(to))
	}
	if first > last || r.next == r.first {
		return nil
	}
	return r.draw(first, last, unit)
}

// draw makes the curve of some steps. Several become one point where there are more
// than MaxCurve, or more than values: a curve of gaps says nothing.
func (r *Ring) draw(first, last int64, unit string) *event.Curve {
	values := int64(1)
	for k := first; k <= last; k++ {
		if p := r.at(k); p.low == p.low {
			values++
		}
	}
	most := int64(MaxCurve)
	if !r.hold {
		most = min(most, values)
	}
	each := (last - first + most) / most
	c := &event.Curve{Start: time.Unix(0, first*int64(r.Step())).UTC(), StepMS: each * r.Step().Milliseconds(), Unit: unit}
	nan := float32(math.NaN())
	filled := false
	for k := first; k <= last; k += each {
		low, high := nan, nan
		for j := k; j < min(k+each, last+1); j++ {
			p := r.at(j)
			if p.low != p.low {
				continue
			}
			if filled = true; low != low {
				low, high = p.low, p.high
			} else {
				low, high = min(low, p.low), max(high, p.high)
			}
		}
		if n := len(c.Min); low != low && r.hold && n > 0 {
			low, high = c.Min[n-1], c.Max[n-1]
		}
		c.Min, c.Max = append(c.Min, low), append(c.Max, high)
	}
	if !filled {
		return nil
	}
	return c
}

// Before returns the curve that leads up to a time: the last so many points with
// values before it.
func (r *Ring) Before(at time.Time, points int, unit string) *event.Curve {
	last := min(r.next-1, r.number(at))
	first := last
	for k := last; k >= r.first && points > 0; k-- {
		if p := r.at(k); p.low == p.low {
			first = k
			points--
		}
	}
	if r.next == r.first || last < r.first {
		return nil
	}
	if r.hold { // until now nothing changed
		last = max(last, min(r.number(at), first+Points-1))
	}
	return r.draw(first, last, unit)
}

func narrow(v float64) float32 {
	switch {
	case v > math.MaxFloat32:
		return math.MaxFloat32
	case v < -math.MaxFloat32:
		return -math.MaxFloat32
	}
	return float32(v)
}
