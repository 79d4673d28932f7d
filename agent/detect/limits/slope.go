package limits

import "time"

// slopeSlots is how finely the time of a slope is divided.
const slopeSlots = 8

// slope measures the change per second over a stretch of time: the mean of its
// younger half less that of its older half, so that a single peak counts little.
// It takes constant time and memory.
type slope struct {
	step  time.Duration // length of a slot
	start time.Time     // begin of the running slot
	slots [slopeSlots]slot
	next  int // running slot
	full  int // slots filled since the last gap, with the running one
}

// slot sums the values of one slot; times count from the slot's begin.
type slot struct {
	begin time.Time
	n     float64
	value float64
	late  float64 // seconds
}

// add takes a value; ok is false while the stretch is not covered yet.
func (s *slope) add(at time.Time, v float64) (perSecond float64, ok bool) {
	ahead := at.Sub(s.start)
	switch {
	case s.full == 0 || ahead >= slopeSlots*s.step || ahead < 0:
		s.full, s.next, s.start = 1, 0, at
		s.slots[0] = slot{begin: at}
	case ahead >= s.step:
		n := ahead / s.step
		s.start = s.start.Add(n * s.step)
		s.next = (s.next + 1) % slopeSlots
		s.slots[s.next] = slot{begin: s.start}
		s.full = min(s.full+1, slopeSlots)
	}
	c := &s.slots[s.next]
	c.n++
	c.value += v
	c.late += at.Sub(c.begin).Seconds()
	return s.rate()
}

// rate compares the halves of the slots younger than the stretch.
func (s *slope) rate() (float64, bool) {
	newest := s.start
	var young, old slot
	var youngAt, oldAt float64
	oldest := time.Duration(0)
	for i := range s.full {
		c := &s.slots[(s.next-i+slopeSlots)%slopeSlots]
		age := newest.Sub(c.begin)
		if age >= slopeSlots*s.step {
			break
		}
		oldest = age
		t := c.late/c.n - age.Seconds()
		if age < slopeSlots/2*s.step {
			young.n, young.value, youngAt = young.n+c.n, young.value+c.value, youngAt+t*c.n
		} else {
			old.n, old.value, oldAt = old.n+c.n, old.value+c.value, oldAt+t*c.n
		}
	}
	// Covered means: values in the oldest quarter of the stretch.
	if young.n == 0 || old.n == 0 || oldest < slopeSlots*3/4*s.step {
		return 0, false
	}
	dt := youngAt/young.n - oldAt/old.n
	if dt <= 0 {
		return 0, false
	}
	return (young.value/young.n - old.value/old.n) / dt, true
}
