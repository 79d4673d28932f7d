package watch

import "time"

const (
	// A value up to this much older than the one before is taken as simultaneous.
	jitter = 2 * time.Second
	// So many values in a row that are older, each younger than the last, mean
	// that the source's clock was set back.
	setBack = 5
	// maxQueue is how old the first value of a signal may be.
	maxQueue = 30 * 24 * time.Hour
	// skewLimit is how far a source's clock may be from the station's.
	skewLimit = time.Minute
	// skewAfter values show that the difference is that of the clocks and not of
	// values that waited in a queue.
	skewAfter = 60
)

// clock turns times of the source into times of the agent's clock. Values that
// waited in a queue keep their distances: the least delay so far, slowly
// forgotten, is the difference of the clocks.
type clock struct {
	offset time.Duration // agent less source
	known  bool
	count  int
	last   time.Time     // of the source
	back   int           // values in a row that were older
	late   time.Duration // how much older the last value was than one before it; 0 for in order
	told   bool
}

// time returns when a value was true, by the agent's clock and never before last;
// skew is true once when the clocks differ.
func (c *clock) time(v Value, last time.Time) (at time.Time, skew bool) {
	received := v.Received.Round(0)
	if c.late = 0; last.IsZero() {
		last = received.Add(-maxQueue)
	}
	if v.Source.IsZero() || v.Old {
		return c.order(received, received, last), false
	}
	delay := received.Sub(v.Source)
	if back := c.last.Sub(v.Source); c.known && back > jitter {
		if c.back++; c.back < setBack {
			c.late = back
			return last, false
		}
		c.known, c.count, c.told = false, 0, false
	}
	c.back = 0
	c.last = v.Source
	switch {
	case !c.known || delay < c.offset:
		c.offset, c.known = delay, true
	default:
		c.offset += (delay - c.offset) / 16384
	}
	c.count = min(c.count+1, skewAfter)
	wrong := c.count == skewAfter && c.offset.Abs() > skewLimit
	skew = wrong && !c.told
	c.told = wrong
	return c.order(v.Source.Add(c.offset).Round(0), received, last), skew
}

// order keeps a time between that of the value before and now.
func (c *clock) order(at, received, last time.Time) time.Time {
	if at.After(received) {
		at = received
	}
	if at.Before(last) && last.Sub(at) <= jitter {
		return last
	}
	if at.Before(last) { // the agent's own clock was set back
		c.late = last.Sub(at)
		if c.back++; c.back >= setBack {
			c.back, c.late = 0, 0
			return at
		}
		return last
	}
	return at
}
