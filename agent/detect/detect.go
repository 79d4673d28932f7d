// Package detect is the contract between what watches signals (the subpackages,
// one per idea) and what calls it: agent/detect/watch, which gives each signal
// and each station its detectors. A detector keeps its state to itself and is
// called from one goroutine at a time. The package also holds the limits of
// ISA-18.2 with deadband and delays.
package detect

import (
	"encoding/json"
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

// Sample is one good numeric value of a signal. Who calls a detector sees to it
// that Value is finite, that the status was good and that At never lies before
// that of the sample before; it may be equal, and may leap ahead after a gap.
type Sample struct {
	At    time.Time // when the value was true, by the agent's clock
	Value float64
}

// Finding is an event that a detector raises.
type Finding struct {
	Type     string
	Severity *event.Severity // nil = as the catalogue says
	Class    event.Class     // "" = as the catalogue says; manufacturing for what is found in a process value
	// Condition names what was found, unique in the signal; the pipeline makes
	// conditionId of it.
	Condition string
	// Data is event_data but for source, signal, unit and conditionId, which the
	// pipeline adds. Two names have a meaning for whoever shows the event:
	// "explanation", one sentence with its numbers, and "band", an object {low,
	// high} that the curve is drawn in.
	Data map[string]any

	At       time.Time // when it happened; zero = now
	Detector string    // for metadata.parser; "" = the Name of the detector
	// Curve asks for the curve before the finding, and for a signal.curve with
	// what comes after it, under the same correlation id.
	Curve bool
	// Recorded is a curve that the detector brings along, of what is no signal and so
	// has no recorder: the values of a characteristic.
	Recorded *event.Curve
	// Signal is the signal that the event is of and whose curve it carries; ""
	// is the detector's own. Detectors of a station use it.
	Signal string
	// Score orders findings of several signals by how unusual they are; 0 says
	// nothing. Scores of one detector compare, those of two need not.
	Score float64
}

// Detector watches one signal.
type Detector interface {
	// Observe takes the next value and returns what it raises, nil for nothing.
	Observe(s Sample) []Finding
	// Tick is called about once a second, for delays that end without a value.
	Tick(now time.Time) []Finding
}

// Named is a Detector with a name other than its Go package: lower case, unique
// in the signal. Saved state, metadata.parser and the signals command use it.
type Named interface {
	Name() string
}

// The states of production, for Context.State.
const (
	Production  = "production"
	Break       = "break"
	Changeover  = "changeover"
	Maintenance = "maintenance"
	Off         = "off"
)

// Context is what the plant is doing while a signal gives its values. Equal texts mean
// equal contexts; "" is unknown.
type Context struct {
	State  string // production, break, changeover, maintenance, off
	Recipe string // recipe or product
	Phase  string // of a batch or cycle, where the plant tells it
}

// Suppressed reports whether the line is off or in service: what detectors see
// then alarms nobody, and is nothing to learn production from.
func (c Context) Suppressed() bool { return c.State == Maintenance || c.State == Off }

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

// Learner is a Detector whose learning a person may stop and begin anew.
type Learner interface {
	// PauseLearning stops (true) or resumes learning; watching goes on.
	PauseLearning(pause bool)
	// Reset forgets what was learnt; a new warm-up begins.
	Reset()
}

// Reporter is a Detector that tells how it is, for the signals command.
type Reporter interface {
	Report() Report
}

// Report is how one detector of one signal is.
type Report struct {
	Detector string `json:"detector"`
	// State is learning, watching, paused, waiting (for a person), suppressed or off.
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"` // one sentence: what it waits for, its threshold, ...
	// Values and Found count since the program started.
	Values uint64 `json:"values"`
	Found  uint64 `json:"found"`
}

// Signal is what a detector is told of its signal when it is made.
type Signal struct {
	Source    string // configured name of the source
	Station   string
	Equipment string
	Name      string
	Unit      string
	Kind      string // flow, level, pressure, temperature, ... or "" (configured, else guessed of unit and name)
	// Texts names the values of a discrete signal; nil for a measured one.
	Texts map[int64]string
}

// Station is a Detector of what several signals, or events, of one station tell
// together. It is called from one goroutine at a time.
type Station interface {
	// Found is told each finding of the station's signals before it is written. It
	// may change the finding (its severity, its data) and returns what follows of it.
	Found(of Signal, at time.Time, f *Finding) []Finding
	// Event is told each event of the station that a source made.
	Event(e Event) []Finding
	// Tick is called about once a second.
	Tick(now time.Time) []Finding
}

// Event is what a Station sees of an event: user names are pseudonyms already.
type Event struct {
	At        time.Time // by the agent's clock
	Type      string
	Station   string
	Equipment string
	UserID    string // pseudonym, "" for none
	Data      json.RawMessage
}
