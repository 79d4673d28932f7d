// Package detect watches signals: what a detector is, and the limits of ISA-18.2
// with deadband and delays. A detector belongs to one signal, keeps its state to
// itself and is called from one goroutine at a time.
package detect

import (
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

// Sample is one good numeric value of a signal.
type Sample struct {
	At    time.Time // the agent's clock, with monotonic part
	Value float64
}

// Finding is an event that a detector raises.
type Finding struct {
	Type     string
	Severity *event.Severity // nil = as the catalogue says
	// Condition names what was found, unique in the signal; the pipeline makes
	// conditionId of it.
	Condition string
	Data      map[string]any // event_data but for source, signal and conditionId, which the pipeline adds
}

// Detector watches one signal.
type Detector interface {
	// Observe takes the next value and returns what it raises, nil for nothing.
	Observe(s Sample) []Finding
	// Tick is called about once a second, for delays that end without a value.
	Tick(now time.Time) []Finding
}

// Context is what the plant is doing while a signal gives its values. Equal texts mean
// equal contexts; "" is unknown.
type Context struct {
	State  string // production, break, changeover, maintenance, off
	Recipe string // recipe or product
}

// Contextual is a Detector that learns each context by itself. SetContext is called from
// the goroutine of Observe, before the first value of the new context.
type Contextual interface {
	SetContext(c Context)
}

// Keeper is a Detector whose state survives a restart. Save returns nil when there is
// nothing to keep. An error of Restore means that the detector begins anew.
type Keeper interface {
	Save() []byte
	Restore(state []byte) error
}

// Banded is a Detector that knows what the signal's value usually lies between; ok is
// false while it doesn't know yet.
type Banded interface {
	Band() (low, high float64, ok bool)
}
