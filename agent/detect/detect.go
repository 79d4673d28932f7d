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
