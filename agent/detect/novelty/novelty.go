// Package novelty notices what a signal never did before, with nothing to configure. It
// keeps maps of where the signal has been, in several views at once (value over its
// running mean, over the past, over the hour of the day, ...), scores what is new in
// them, and marks what stands out from how often this signal is new anyway. How it
// works, where its numbers come from and what it can't see: docs/detection.md.
package novelty

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// Name is what the detector is called in events and configuration.
const Name = "novelty"

// Names in the data of a finding of type anomaly.detected that a station's detectors
// look at.
const (
	// DataPersists is true when the signal has been unusual for as long as
	// Options.Persist; it is false for a mark.
	DataPersists = "persists"
	// DataScore is the score, 0 to 1.
	DataScore = "score"
)

// Options of one signal's detector.
type Options struct {
	Signal detect.Signal
	// Sensitivity is low, normal (also "") or high.
	Sensitivity string
	// Persist is how long a signal must be unusual for it to be told; 0 = 15 minutes.
	Persist time.Duration
	// Location is where the hour of the day is taken; nil = that of the machine.
	Location *time.Location
	// Seed moves the borders of the levels; 0 = made of the signal's names, so that a
	// signal is judged in the same way after each start.
	Seed uint64
}

// The scores from which a step is marked.
const (
	lowSensitivity    = 0.24
	normalSensitivity = 0.16
	highSensitivity   = 0.11
)

const (
	largest      = 1e300 // what is larger is cut, so that sums stay finite
	settleSteps  = 8     // steps behind a gap or a change of situation that are not judged
	farAway      = 16    // widths of the seen range: beyond it a value is looked at twice
	farSteps     = 3     // steps in a row out there: the signal has another range
	lastingAfter = day   // of learning: what lasts is told only of a signal that is known for a day
	settledAfter = 3     // judged once nothing new came for a third of what was seen
	checkSteps   = 256
	paceChange   = 4.0
)

// Detector is the detector of learnt novelty of one signal.
type Detector struct {
	o       Options
	loc     *time.Location
	floor   float64 // threshold of the sensitivity
	pending []detect.Finding

	context    detect.Context
	suppressed bool
	paused     bool

	steps  stepper
	rhythm rhythm
	phase  phaser
	model  *Model
	band   band
	where  situations
	budget budget
	story  episode
	seen   span

	settle   uint8  // steps that are still not judged
	far      uint8  // steps in a row that were far away
	settled  bool   // has learnt enough to be judged
	news     uint64 // the step that was new last
	began    int64  // ns, when learning began
	values   uint64 // since the program started
	found    uint64
	learnt   uint64 // values behind what is known
	said     bool   // that the warm-up began
	lostWhy  string
	restored bool
}

// span is the range that a signal was seen in.
type span struct {
	low, high float64
	any       bool
}

func (s *span) add(low, high float64) {
	if !s.any {
		s.low, s.high, s.any = low, high, true
	}
	s.low, s.high = min(s.low, low), max(s.high, high)
}

var (
	_ detect.Detector   = (*Detector)(nil)
	_ detect.Named      = (*Detector)(nil)
	_ detect.Contextual = (*Detector)(nil)
	_ detect.Keeper     = (*Detector)(nil)
	_ detect.Banded     = (*Detector)(nil)
	_ detect.Learner    = (*Detector)(nil)
	_ detect.Reporter   = (*Detector)(nil)
)

// New makes a detector that has learnt nothing.
func New(o Options) *Detector {
	if o.Persist <= 0 {
		o.Persist = 15 * time.Minute
	}
	if o.Seed == 0 {
		h := fnv.New64a()
		h.Write([]byte(o.Signal.Station + "\x00" + o.Signal.Source + "\x00" + o.Signal.Name))
		o.Seed = h.Sum64()
	}
	d := &Detector{o: o, loc: o.Location, floor: Threshold(o.Sensitivity)}
	if d.loc == nil {
		d.loc = time.Local
	}
	return d
}

// Name implements detect.Named.
func (d *Detector) Name() string { return Name }

// Observe implements detect.Detector.
func (d *Detector) Observe(s detect.Sample) []detect.Finding {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return d.take()
	}
	d.values++
	if d.suppressed {
		return d.take()
	}
	at, v := s.At.UnixNano(), min(max(s.Value, -largest), largest)
	if d.steps.overdue(at) {
		d.close()
	}
	if d.rhythm.take(at, v, d.steps.length) {
		d.retime()
	}
	if d.steps.take(at, v) {
		d.close()
	}
	if d.pending == nil {
		return nil
	}
	return d.take()
}

// Tick implements detect.Detector: a step whose values stay away is closed.
func (d *Detector) Tick(now time.Time) []detect.Finding {
	if d.steps.late(now.UnixNano()) {
		d.close()
	}
	return d.take()
}

func (d *Detector) take() []detect.Finding {
	out := d.pending
	d.pending = nil
	return out
}

// SetContext implements detect.Contextual: each production state, recipe and phase is a
// situation that is learnt by itself; nothing is learnt while the line is off or in
// service.
func (d *Detector) SetContext(c detect.Context) {
	if c == d.context {
		return
	}
	d.context = c
	if c.Suppressed() {
		d.suppressed = true
		d.story.close(d.model)
		return
	}
	if d.suppressed {
		d.suppressed = false
		d.interrupt()
	}
	if forget := d.where.enter(c); forget >= 0 {
		d.model.forget(forget)
	}
	d.settle = settleSteps
}

// interrupt begins anew with what only a gapless series can tell.
func (d *Detector) interrupt() {
	d.steps.count = 0
	d.phase.again()
	if d.model != nil {
		d.model.memory.again()
	}
	d.settle = settleSteps
}

// PauseLearning implements detect.Learner.
func (d *Detector) PauseLearning(pause bool) {
	if d.paused == pause {
		return
	}
	d.paused = pause
	if d.model != nil {
		d.model.paused = pause
	}
	if pause {
		d.announce("paused", "Learning is paused: the signal is watched with what was learnt until now.")
		return
	}
	d.announce("resumed", "Learning goes on.")
}

// Reset implements detect.Learner.
func (d *Detector) Reset() {
	d.begin()
	d.budget = budget{}
	d.announce("reset", "What was learnt of this signal was forgotten; learning begins anew.")
}

// begin forgets what was learnt of the signal's values, not its rate.
func (d *Detector) begin() {
	d.model, d.band, d.seen = nil, band{}, span{}
	d.phase, d.where = phaser{}, situations{}
	d.story = episode{tell: d.story.tell}
	d.settled, d.news, d.learnt, d.far, d.settle, d.began = false, 0, 0, 0, 0, 0
	if c := d.context; c != (detect.Context{}) && !d.suppressed {
		d.where.enter(c)
	}
}

// Band implements detect.Banded.
func (d *Detector) Band() (low, high float64, ok bool) {
	low, high, ok = d.band.ends()
	if !ok || !d.settled {
		return 0, 0, false
	}
	if a, b, known := d.model.situationRange(); known {
		low, high = max(low, a), min(high, b)
	}
	return low, high, low <= high
}

// Report implements detect.Reporter.
func (d *Detector) Report() detect.Report {
	r := detect.Report{Detector: Name, State: "watching", Values: d.values, Found: d.found}
	switch {
	case d.suppressed:
		r.State = "suppressed"
	case d.paused:
		r.State = "paused"
	case !d.settled:
		r.State = "learning"
	}
	r.Detail = d.detail()
	return r
}

// announce tells a change of what the detector does.
func (d *Detector) announce(state, sentence string) {
	d.pending = append(d.pending, detect.Finding{
		Type: event.TypeSignalLearning, Condition: Name, Detector: Name,
		Data: map[string]any{"detector": Name, "state": state, "explanation": sentence},
	})
}
