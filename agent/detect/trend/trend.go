// Package trend foretells when a signal will reach one of its limits: a robust line
// through the means of its last steps, with an interval. It speaks only when the whole
// interval says that the limit will be reached soon, when the trend is no chance, and
// when such forecasts of this signal have come true before.
package trend

import (
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

// Limit is where a signal must not go.
type Limit struct {
	Name  string // HighHigh, High, Low, LowLow
	Value float64
	Upper bool
}

// LimitsOf lists the configured limits of a signal.
func LimitsOf(l *config.Limits) (out []Limit) {
	if l == nil {
		return nil
	}
	for _, c := range []struct {
		name  string
		value *float64
		upper bool
	}{{"High", l.Hi, true}, {"HighHigh", l.HiHi, true}, {"Low", l.Lo, false}, {"LowLow", l.LoLo, false}} {
		if c.value != nil && stats.Finite(*c.value) {
			out = append(out, Limit{c.name, *c.value, c.upper})
		}
	}
	return out
}

// A line is fitted to the last 30 steps, and not before 24 of them have a value. Four
// lengths of a step see what goes on over 5 minutes, half an hour, 3 hours and 15 hours.
const (
	window  = 30
	least   = 24
	scales  = 4
	horizon = 0.75 // windows: a line is trusted less far ahead than it was seen
	// "In 1 to 50 minutes" helps nobody: the end of the interval is at most so many times
	// its begin.
	wide = 4.0
	// The interval is the 98 % one: in the back-tests it holds the truth 5 times of 6,
	// because real noise hangs together longer than a window tells.
	zTold = 2.326
	// agree is how many steps in a row must foretell the same.
	agree = 2
	// Forecasts are told while at least this share of those before came true, with two
	// that did and one that did not given in advance. A miss is forgotten by half in a
	// week: somebody may have acted on it.
	trusted  = 0.45
	halfLife = 7 * 24 * time.Hour
	// A trend is told only when the signal moves much more than it usually does in such
	// a time: so many times the mean movement over a window, once so many windows are
	// known. A signal whose forecasts come true is asked no such thing.
	unusual, known = 4.0, 10
	moveRate       = 0.02
)

var steps = [scales]time.Duration{10 * time.Second, time.Minute, 6 * time.Minute, 30 * time.Minute}

// Forecast is the detector of one signal.
type Forecast struct {
	of         detect.Signal
	limits     []Limit
	context    detect.Context
	suppressed bool
	scale      [scales]scale
	open       open
	track      record
	told       uint64
	values     uint64
}

var (
	_ detect.Detector   = (*Forecast)(nil)
	_ detect.Contextual = (*Forecast)(nil)
	_ detect.Keeper     = (*Forecast)(nil)
	_ detect.Named      = (*Forecast)(nil)
	_ detect.Reporter   = (*Forecast)(nil)
)

// New makes the detector of a signal with limits.
func New(limits []Limit, of detect.Signal) *Forecast {
	f := &Forecast{of: of, limits: limits}
	for i := range f.scale {
		f.scale[i].restart()
	}
	return f
}

// Name implements detect.Named.
func (f *Forecast) Name() string { return "trend" }

// SetContext implements detect.Contextual: another product or a pause is no trend.
func (f *Forecast) SetContext(c detect.Context) {
	c.Phase = ""       // phases of a batch may be shorter than a step
	if c.State == "" { // unknown, as for a moment after a restart, is no change
		c.State = f.context.State
	}
	if c.Recipe == "" {
		c.Recipe = f.context.Recipe
	}
	if c == f.context {
		return
	}
	f.context = c
	for i := range f.scale {
		f.scale[i].begin()
	}
	f.open = open{}
	f.suppressed = c.State != "" && c.State != detect.Production
}

// Observe implements detect.Detector.
func (f *Forecast) Observe(s detect.Sample) (out []detect.Finding) {
	if f.suppressed || len(f.limits) == 0 || !stats.Finite(s.Value) {
		return nil
	}
	f.values++
	// Each scale is made of the finished steps of the shorter one: a value costs one.
	v := chunk{ms: s.At.UnixMilli(), mean: s.Value, low: s.Value, high: s.Value, n: 1}
	for i := range f.scale {
		next, done := f.scale[i].add(v, steps[i].Milliseconds())
		if !done {
			break
		}
		out = f.look(i, s.At, out)
		if next.n == 0 {
			break
		}
		v = next
	}
	if f.open.limit != nil {
		out = f.follow(s, out)
	}
	return out
}

// Tick implements detect.Detector: a forecast that did not come true ends without a
// value, too.
func (f *Forecast) Tick(now time.Time) []detect.Finding {
	if f.open.limit == nil || now.Before(f.open.expires) {
		return nil
	}
	return f.end(now, false, "the time is over", nil)
}

// scale is the steps of one length.
type scale struct {
	means [window]float64 // ring, NaN for a step without values
	next  int
	have  int // steps with a value
	slot  int64
	begun bool
	n     uint64
	mean  float64
	low   float64 // of the running step
	high  float64
	above float64 // how far the values of a step reach above its mean, averaged
	below float64
	moved float64 // mean movement from the older to the younger third of a window
	moves int     // windows that it is the mean of
	since int     // steps since the last of them
	found int     // steps in a row that foretold
	which int     // limit that they foretold
}

// begin forgets the steps, not how much the signal usually moves.
func (s *scale) begin() {
	moved, moves := s.moved, s.moves
	s.restart()
	s.moved, s.moves = moved, moves
}

func (s *scale) restart() {
	*s = scale{}
	for i := range s.means {
		s.means[i] = math.NaN()
	}
}

// chunk is one value, or a finished step of values.
type chunk struct {
	ms              int64
	mean, low, high float64
	n               uint64
}

// add takes a chunk; done says that a step has just been completed by it, and which.
func (s *scale) add(c chunk, step int64) (finished chunk, done bool) {
	slot := c.ms / step
	switch {
	case !s.begun:
		s.begun, s.slot = true, slot
	case slot < s.slot || slot-s.slot > window: // the clock was set back, or a long gap
		s.begin()
		s.begun, s.slot = true, slot
	case slot > s.slot:
		s.reachOut()
		finished, done = chunk{s.slot * step, s.mean, s.low, s.high, s.n}, true
		s.push(s.value())
		for s.slot++; s.slot < slot; s.slot++ {
			s.push(math.NaN())
		}
		s.n, s.mean = 0, 0
	}
	if s.n == 0 {
		s.low, s.high = c.low, c.high
	}
	s.low, s.high = min(s.low, c.low), max(s.high, c.high)
	s.n += c.n
	if d := (c.mean - s.mean) * float64(c.n) / float64(s.n); stats.Finite(d) {
		s.mean += d
	}
	return finished, done
}

// reachOut averages how far single values lie from the mean of their step.
func (s *scale) reachOut() {
	const share = 0.2
	if up, down := s.high-s.mean, s.mean-s.low; s.n > 0 && stats.Finite(up) && stats.Finite(down) {
		s.above += share * (up - s.above)
		s.below += share * (down - s.below)
	}
}

func (s *scale) value() float64 {
	if s.n == 0 {
		return math.NaN()
	}
	return s.mean
}

func (s *scale) push(v float64) {
	if !math.IsNaN(s.means[s.next]) {
		s.have--
	}
	if !math.IsNaN(v) {
		s.have++
	}
	s.means[s.next] = v
	s.next = (s.next + 1) % window
}

// ordered copies the ring, oldest first.
func (s *scale) ordered(into *[window]float64) []float64 {
	n := copy(into[:], s.means[s.next:])
	copy(into[n:], s.means[:s.next])
	return into[:]
}

// look fits a line when a step was completed.
func (f *Forecast) look(i int, at time.Time, out []detect.Finding) []detect.Finding {
	s := &f.scale[i]
	e, ok := f.estimate(s, steps[i])
	if !ok {
		s.found = 0
		return out
	}
	if s.found > 0 && s.which != e.limit {
		s.found = 0
	}
	s.found, s.which = s.found+1, e.limit
	if s.found < agree {
		return out
	}
	return f.foretell(e, i, at, out)
}

// estimate is what one line says.
type estimate struct {
	limit    int
	soonest  time.Duration
	latest   time.Duration
	perHour  float64
	level    float64
	spread   float64
	overTime time.Duration // that the line was fitted to
}

// estimate fits the line and asks when it reaches the next limit in its direction. It is
// false for anything but a clear yes.
func (f *Forecast) estimate(s *scale, step time.Duration) (e estimate, ok bool) {
	if s.have < least {
		return e, false
	}
	var room [window]float64
	values := s.ordered(&room)
	newest := values[window-1]
	movement, level, ok := moved(values)
	usual := s.usual(movement)
	if !ok || math.IsNaN(newest) || usual && !f.track.proven() || !f.worthIt(movement, level) {
		return e, false
	}
	line, ok := stats.TheilSen(values, zTold)
	if !ok || line.Low <= 0 && line.High >= 0 {
		return e, false
	}
	noise := max(2*line.Spread, s.above)
	if line.PerStep < 0 {
		noise = max(2*line.Spread, s.below)
	}
	return f.reach(line, newest, noise, step)
}

// moved is the movement from the older to the younger third of a window, and the level
// of the younger.
func moved(values []float64) (movement, level float64, ok bool) {
	var first, last stats.Welford
	for i, v := range values {
		if i < window/3 {
			first.Add(v)
		} else if i >= window-window/3 {
			last.Add(v)
		}
	}
	movement = last.M - first.M
	return movement, last.M, first.N >= 3 && last.N >= 3 && stats.Finite(movement)
}

// usual learns how much the signal moves, window by window, and tells whether a movement
// is one of the many.
func (s *scale) usual(movement float64) bool {
	size := math.Abs(movement)
	is := s.moves >= known && size < unusual*s.moved
	if s.since++; s.since >= window {
		s.since = 0
		s.moves = min(s.moves+1, math.MaxInt32)
		if s.moves > 3 {
			size = min(size, unusual*s.moved) // one real drift must not make the next a usual one
		}
		s.moved += max(moveRate, 1/float64(s.moves)) * (size - s.moved)
	}
	return is
}

// worthIt is a cheap look before the expensive one: is there a limit in the direction of
// the movement that it would reach at all?
func (f *Forecast) worthIt(movement, level float64) bool {
	_, ok := f.next(level, movement*1.5*horizon)
	return ok && movement != 0
}

// next is the nearest limit in the direction of a movement; ok is false where none lies
// within it.
func (f *Forecast) next(level, movement float64) (best int, ok bool) {
	for i, l := range f.limits {
		d := l.Value - level
		if l.Upper != (movement > 0) || l.Upper && d <= 0 || !l.Upper && d >= 0 || math.Abs(d) > math.Abs(movement)*1.5 {
			continue
		}
		if !ok || math.Abs(d) < math.Abs(f.limits[best].Value-level) {
			best, ok = i, true
		}
	}
	return best, ok
}

// reach turns a line into a time with an interval.
func (f *Forecast) reach(told stats.Slope, newest, noise float64, step time.Duration) (e estimate, ok bool) {
	i, ok := f.next(told.Level, told.PerStep*window*horizon)
	if !ok {
		return e, false
	}
	l := f.limits[i]
	if l.Upper && newest >= l.Value || !l.Upper && newest <= l.Value {
		return e, false // it is there: the limit itself speaks
	}
	fast, slow := told.High, told.Low
	if !l.Upper {
		fast, slow = told.Low, told.High
	}
	distance := l.Value - told.Level
	// Values spread about the line: the first beyond the limit comes while the line is
	// still short of it.
	soonest := (distance - math.Copysign(noise, distance)) / fast
	latest := (distance + math.Copysign(told.Spread/2, distance)) / slow
	if !(latest <= window*horizon) || !(latest > 0) || !(soonest >= latest/wide) {
		return e, false
	}
	const half = 0.5 // the line's last point is the middle of its step
	e = estimate{
		limit: i, level: told.Level, spread: told.Spread, overTime: time.Duration(told.Points) * step,
		soonest: time.Duration(max(soonest-half, 0) * float64(step)),
		latest:  time.Duration(max(latest-half, 1) * float64(step)),
		perHour: told.PerStep * float64(time.Hour) / float64(step),
	}
	return e, stats.Finite(e.perHour)
}

// Report implements detect.Reporter.
func (f *Forecast) Report() detect.Report {
	r := detect.Report{Detector: "trend", State: "watching", Values: f.values, Found: f.told, Detail: f.track.sentence()}
	switch {
	case len(f.limits) == 0:
		r.State, r.Detail = "off", "the signal has no limits"
	case f.suppressed:
		r.State, r.Detail = "suppressed", "the line does not produce"
	case f.open.limit != nil && f.open.shown:
		r.Detail = f.open.text
	}
	return r
}

var severities = map[string]event.Severity{"HighHigh": event.SeverityMedium, "LowLow": event.SeverityMedium}
