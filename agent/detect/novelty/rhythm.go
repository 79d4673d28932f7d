package novelty

import "math"

// A rhythm is learnt from a bounded curve of the signal: when it is full the cycle is
// looked for, then neighbours are averaged and the curve goes on at half the
// resolution, so that seconds and hours are looked at with the same memory.
const (
	rhythmPoints  = 512
	longestLag    = rhythmPoints / 3 // three cycles must have been seen
	shortestLag   = 4
	clearRhythm   = 0.5              // autocorrelation at the cycle
	longestRhythm = 16 * 3600.0      // seconds; beyond it the hour of the day is context enough
	rhythmGap     = rhythmPoints / 8 // missing points that are filled with the last value
)

type rhythm struct {
	curve  []float32 // nil when nothing is left to learn
	every  float64   // seconds between points
	next   int64     // ns, when the next point is due
	sum    float64
	n      uint32
	fast   float64 // seconds of a cycle that fits into a step, 0 for none
	slow   float64 // seconds of a longer cycle, 0 for none
	middle float64 // of the curve in which the slow cycle was found
	swing  float64
}

// begin starts anew with points that are at least a second apart.
func (r *rhythm) begin(interval float64) {
	*r = rhythm{curve: make([]float32, 0, rhythmPoints), every: max(1, interval)}
}

// take adds a value and reports whether a cycle was looked for just now.
func (r *rhythm) take(at int64, v, step float64) bool {
	if r.curve == nil {
		return false
	}
	if r.next == 0 {
		r.next = at + int64(r.every*1e9)
	}
	if at < r.next {
		r.sum += v
		r.n++
		return false
	}
	missed := (at - r.next) / int64(r.every*1e9)
	if missed > rhythmGap { // a gap is no rhythm
		r.curve, r.next, r.sum, r.n = r.curve[:0], 0, 0, 0
		return false
	}
	looked := false
	for range missed + 1 {
		if r.n > 0 {
			r.sum, r.n = r.sum/float64(r.n), 1
		} else {
			r.sum, r.n = v, 1
		}
		looked = r.point(r.sum, step) || looked
		if r.curve == nil {
			return looked
		}
	}
	r.next += (missed + 1) * int64(r.every*1e9)
	r.sum, r.n = v, 1
	return looked
}

func (r *rhythm) point(v, step float64) bool {
	r.curve = append(r.curve, float32(max(min(v, math.MaxFloat32), -math.MaxFloat32)))
	if len(r.curve) < rhythmPoints {
		return false
	}
	r.look(step)
	half := rhythmPoints / 2
	for i := range half {
		r.curve[i] = r.curve[2*i]/2 + r.curve[2*i+1]/2
	}
	r.curve = r.curve[:half]
	r.every *= 2
	if r.every*longestLag > longestRhythm {
		r.curve = nil
	}
	return true
}

// look searches the cycle of the full curve. The first that is found stays: what is
// found at a lower resolution is the same, or several of it.
func (r *rhythm) look(step float64) {
	lag, ok := cycle(r.curve)
	if !ok {
		return
	}
	seconds := lag * r.every
	switch {
	case seconds < cyclesPerStep*step:
		if r.fast == 0 {
			r.fast = seconds
		}
	case r.slow == 0 && seconds <= longestRhythm:
		r.slow = seconds
		low, high := r.curve[0], r.curve[0]
		for _, v := range r.curve {
			low, high = min(low, v), max(high, v)
		}
		r.middle, r.swing = float64(low)/2+float64(high)/2, float64(high)-float64(low)
	}
}

// cycle finds the lag, in points, of the first clear peak of the autocorrelation behind
// its first fall: a slow change alone has no such peak.
func cycle(curve []float32) (lag float64, ok bool) {
	var room [rhythmPoints]float64
	x := room[:len(curve)]
	mean := 0.0
	for _, v := range curve {
		mean += float64(v) / float64(len(curve))
	}
	zero := 0.0
	for i, v := range curve {
		x[i] = float64(v) - mean
		zero += x[i] * x[i]
	}
	if !(zero > 0) || math.IsInf(zero, 0) {
		return 0, false
	}
	var r [longestLag + 2]float64
	for k := 1; k < len(r); k++ {
		sum := 0.0
		for i := k; i < len(x); i++ {
			sum += x[i] * x[i-k]
		}
		// Each lag has fewer pairs; without the correction long cycles look weak.
		r[k] = sum / zero * float64(len(x)) / float64(len(x)-k)
	}
	r[0] = 1
	fell := 1
	for fell < len(r) && r[fell] > clearRhythm/2 {
		fell++
	}
	best := 0
	for k := max(fell, shortestLag); k < len(r)-1; k++ {
		if r[k] >= clearRhythm && r[k] >= r[k-1] && r[k] >= r[k+1] && (best == 0 || r[k] > r[best]*1.1) {
			best = k
		}
	}
	if best == 0 {
		return 0, false
	}
	// A parabola through the peak and its neighbours.
	a, b, c := r[best-1], r[best], r[best+1]
	shift := 0.0
	if d := a - 2*b + c; d < 0 {
		shift = (a - c) / (2 * d)
	}
	return float64(best) + shift, true
}
