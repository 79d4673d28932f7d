package novelty

import "math"

// The time scale of a signal: novelty is counted in steps, not in values, so that a
// day of a signal at 10 Hz is as long as a day of one at 0.1 Hz.
const (
	shortestStep  = 10.0 // seconds
	longestStep   = 4 * 3600.0
	firstInterval = 8 // intervals that are looked at before the first step begins
	cyclesPerStep = 8 // a cycle shorter than so many steps is put into one step as a whole
	gapSteps      = 20
	backwards     = 60.0 // seconds that time may run backwards and count as standing still
)

// step is what is kept of the values of one step.
type step struct {
	at             int64 // ns since 1970, of its last value
	min, max, mean float64
}

// stepper learns the interval of a signal and cuts its values into steps.
type stepper struct {
	interval float64 // seconds between values, running median; 0 = not known yet
	seen     uint32  // intervals
	length   float64 // seconds of a step; 0 = not known yet
	last     int64   // time of the last value
	start    int64   // time of the first value of the open step
	count    uint32  // values in the open step
	lo, hi   float64
	mean     float64
	values   uint64 // in all
	gap      bool   // the open step is the first behind a gap
}

// overdue reports whether the open step ends before a value at this time.
func (s *stepper) overdue(at int64) bool {
	return s.count > 0 && float64(at-s.start)/1e9 >= s.length
}

// take adds a value and reports whether its step is complete. Time that runs backwards
// counts as standing still.
func (s *stepper) take(at int64, v float64) bool {
	if s.values > 0 {
		s.pace(at)
	}
	s.values++
	s.last = max(s.last, at)
	if s.length == 0 {
		return false
	}
	if s.count == 0 {
		s.start, s.lo, s.hi, s.mean = s.last, v, v, 0
	}
	s.count++
	s.lo, s.hi = min(s.lo, v), max(s.hi, v)
	s.mean += v/float64(s.count) - s.mean/float64(s.count)
	// Complete when the next value would lie beyond the end.
	return float64(s.last-s.start)/1e9+s.interval >= s.length*0.95
}

// pace learns the interval; values at the same time tell nothing of it.
func (s *stepper) pace(at int64) {
	d := float64(at-s.last) / 1e9
	if d < -backwards {
		s.last, s.count, s.gap = at, 0, true // the clock was set back: on from there
		return
	}
	if d <= 0 {
		return
	}
	if s.length > 0 && d > gapSteps*s.length {
		s.gap = true
		return
	}
	// A running median: up or down by a share that gets smaller.
	s.seen++
	switch share := max(1/float64(s.seen), 0.01); {
	case s.interval == 0:
		s.interval = d
	case d > s.interval:
		s.interval = min(d, s.interval*(1+share))
	default:
		s.interval = max(d, s.interval*(1-share))
	}
	if s.length == 0 && s.seen >= firstInterval {
		s.length = s.fit(0)
	}
}

// fit gives the length of a step for a cycle of so many seconds, 0 for none: at least
// ten seconds and one value, and whole cycles where they are short.
func (s *stepper) fit(cycle float64) float64 {
	length := min(max(shortestStep, s.interval), longestStep)
	if cycle > 0 && cycle < cyclesPerStep*length {
		length = math.Ceil(length/cycle*0.999) * cycle
	}
	return length
}

// late reports whether an open step waits for values that do not come.
func (s *stepper) late(now int64) bool {
	return s.count > 0 && float64(now-s.start)/1e9 > 2*s.length
}

// cut closes the open step; gap is true for the first one behind a gap.
func (s *stepper) cut() (st step, gap bool) {
	st, gap = step{s.last, s.lo, s.hi, s.mean}, s.gap
	s.count, s.gap = 0, false
	return st, gap
}
