package health

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// counterProof is how often a value must have risen, and never fallen, before it
// is taken for a counter.
const counterProof = 50

// Counter recognises a counter that begins anew or runs over. It finds out by
// itself which signals are counters: those that have only ever risen.
type Counter struct {
	sig    detect.Signal
	given  bool // configured as a counter
	last   float64
	seen   bool
	rises  int
	denied bool // it fell in a way that no counter does
	found  uint64
	values uint64
}

var _ detect.Detector = (*Counter)(nil)

// NewCounter makes a Counter.
func NewCounter(sig detect.Signal) *Counter { return &Counter{sig: sig, given: sig.Kind == "counter"} }

// Name implements detect.Named.
func (c *Counter) Name() string { return "counter" }

// IsCounter reports whether the signal counts upwards.
func (c *Counter) IsCounter() bool { return c.given || !c.denied && c.rises >= counterProof }

// Observe implements detect.Detector.
func (c *Counter) Observe(s detect.Sample) []detect.Finding {
	c.values++
	last, seen := c.last, c.seen
	c.last, c.seen = s.Value, true
	switch {
	case c.denied && !c.given || !seen || s.Value == last:
		return nil
	case s.Value > last:
		c.rises = min(c.rises+1, math.MaxInt32)
		return nil
	case !c.IsCounter():
		c.denied = true
		return nil
	}
	over := wraps(last)
	if !c.given && !over && s.Value > last/10 {
		c.denied, c.rises = true, 0
		return nil
	}
	c.found++
	reason := "began anew"
	if over {
		reason = "ran over"
	}
	return []detect.Finding{{
		Type: event.TypeSignalCounterReset, Condition: "CounterReset", At: s.At, Detector: "counter", Curve: true,
		Data: map[string]any{
			"value": s.Value, "previous": last, "reason": reason,
			"explanation": fmt.Sprintf("%s %s: %.10g after %.10g; differences over this moment mean nothing.", c.sig.Name, reason, s.Value, last),
		},
	}}
}

// wraps reports whether a value is just below where 16, 31, 32, 53 or 63 bits end.
func wraps(v float64) bool {
	for _, bits := range []float64{15, 16, 31, 32, 53, 63, 64} {
		if end := math.Exp2(bits); v < end && v > 0.999*end {
			return true
		}
	}
	return false
}

// Tick implements detect.Detector.
func (c *Counter) Tick(time.Time) []detect.Finding { return nil }

// Report implements detect.Reporter.
func (c *Counter) Report() detect.Report {
	r := detect.Report{Detector: "counter", State: "off", Values: c.values, Found: c.found}
	if c.IsCounter() {
		r.State = "watching"
	} else if !c.denied {
		r.State = "learning"
	}
	return r
}
