package watch

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/health"
	"github.com/linewatch/linewatch/agent/detect/limits"
	"github.com/linewatch/linewatch/agent/detect/recorder"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// Value is one value as a source gave it.
type Value struct {
	Received time.Time // the agent's clock
	Source   time.Time // zero when the source gave none
	Value    any       // as source.Reading.Value
	Quality  uint32    // OPC UA status code
	Old      bool      // kept by the broker or repeated: its time says nothing of now
}

// Signal is one watched signal. Callers hold the Watcher.
type Signal struct {
	w       *Watcher
	station *station
	origin  *origin
	point   *source.Point
	of      detect.Signal
	cfg     config.Signal

	clock   clock
	invalid invalid
	ring    *recorder.Ring
	beat    *health.Beat
	states  *health.States
	muted   bool // states are followed, but not told
	counter *health.Counter
	list    []detect.Detector // measured signals: limits and what Make gave
	names   []string          // of list
	learns  []bool            // of list: it learns what is usual
	banded  detect.Banded
	context detect.Context
	listens bool      // the plant wants its value
	renamed time.Time // when the unit last changed
	broken  bool      // a detector failed: it is not watched any more
	passive bool      // it makes events of its own and nothing is configured: only its value is known

	last     float64
	seen     bool
	lastAt   time.Time
	received time.Time
	lastText string
	lastRaw  any
	textAt   time.Time

	episode episode
	open    map[string]string // correlation of alarms that are active
	values  uint64
	found   uint64
}

// Signal returns the watched signal of a point, made when it is new; nil when it
// has no name, or more are watched than the configuration allows.
func (w *Watcher) Signal(p *source.Point) *Signal {
	k := key{p.Source, p.Station, p.Signal}
	if s := w.signals[k]; s != nil {
		return s
	}
	if p.Signal == "" {
		return nil
	}
	if len(w.signals) >= w.o.Detection.MaxSignals {
		w.tooMany(p)
		return nil
	}
	cfg := w.o.Signals[p.Signal]
	s := &Signal{
		w: w, point: p, cfg: cfg, open: map[string]string{},
		of: detect.Signal{Source: p.Source, Station: p.Station, Equipment: p.Equipment, Name: p.Signal, Unit: p.Unit, Kind: cfg.Kind, Texts: p.Map},
	}
	s.station = w.stationOf(p.Station)
	s.origin = w.originOf(p.Source, p.Station)
	s.listens = s.station.plant.Listens(p.Signal)
	_, configured := w.o.Signals[p.Signal]
	s.passive = (p.Event != "" || p.Bits != nil) && !configured && !s.listens
	w.signals[k] = s
	w.ordered = append(w.ordered, s)
	s.station.byName[p.Signal] = s
	if s.station.first == nil {
		s.station.first = s
	}
	silence, quiet := s.rules()
	if s.passive {
		silence, quiet = health.Rule{}, health.Rule{}
	}
	s.beat = s.origin.health.Add(s.of, quiet, silence)
	w.restore(stateKey(p.Station, p.Signal, "health"), p.Unit, s.beat)
	if !s.passive && s.discreteByConfig() {
		s.discrete()
	}
	return s
}

// tooMany says once that further signals are not watched.
func (w *Watcher) tooMany(p *source.Point) {
	if w.full {
		return
	}
	w.full = true
	most := w.o.Detection.MaxSignals
	w.o.Logger.Warn("further signals are not watched; detection.max_signals allows more", "max", most, "first", p.Signal)
	w.waiting = append(w.waiting, Out{
		Point: &source.Point{Source: p.Source, Kind: p.Kind, Endpoint: p.Endpoint, Station: p.Station},
		Finding: detect.Finding{
			Type: event.TypeSignalLearning, Condition: "TooMany", Detector: "watch",
			Data: map[string]any{
				"signal": p.Signal, "detector": "all", "state": "off",
				"explanation": fmt.Sprintf("%s and further signals are recorded and not watched: detection.max_signals is %d.", p.Signal, most),
			},
		},
	})
}

// rules reads the configuration of heartbeat and flatline.
func (s *Signal) rules() (silence, quiet health.Rule) {
	off := func(name string) bool {
		return slices.Contains(s.cfg.Without, name) || s.sensitivity() == "off" && s.w.o.Signals[s.of.Name].Sensitivity == "off"
	}
	on, fixed, _ := config.Auto(s.cfg.Heartbeat) // checked with the configuration
	silence = health.Rule{On: on && !off("heartbeat"), Fixed: fixed}
	if s.point.Kind == "opcua" && fixed == 0 {
		silence.On = false // a server tells changes only: its silence means that nothing moved
	}
	on, fixed, _ = config.Auto(s.cfg.Flatline)
	quiet = health.Rule{On: on && !off("flatline"), Fixed: fixed}
	return silence, quiet
}

func (s *Signal) sensitivity() string {
	switch {
	case s.cfg.Sensitivity != "":
		return s.cfg.Sensitivity
	case s.w.o.Detection.Sensitivity != "":
		return s.w.o.Detection.Sensitivity
	}
	return "normal"
}

func (s *Signal) discreteByConfig() bool {
	return s.of.Texts != nil || s.cfg.States != nil || s.cfg.Kind == "state" || s.listens
}

// discrete makes the detectors of a signal with states.
func (s *Signal) discrete() {
	var cfg config.States
	if s.cfg.States != nil {
		cfg = *s.cfg.States
	}
	s.muted = slices.Contains(s.cfg.Without, "states")
	s.beat.Steps()
	s.states = health.NewStates(s.of, cfg, s.w.o.Detection.Chatter)
	s.w.restore(stateKey(s.of.Station, s.of.Name, "states"), "", s.states)
}

// measure makes the detectors of a signal with numbers, when its first one comes.
func (s *Signal) measure() {
	s.record()
	without := func(name string) bool { return slices.Contains(s.cfg.Without, name) }
	chatter := s.w.o.Detection.Chatter
	if l := s.cfg.Limits; l != nil && !without("limits") {
		s.add(limits.NewLevel(s.of, *l, s.cfg.Range, chatter))
	}
	if d := s.cfg.Deviation; d != nil && !without("deviation") {
		s.add(limits.NewDeviation(s.of, *d, s.cfg.Range, chatter, s.setpoint(d.Setpoint)))
	}
	if r := s.cfg.Rate; r != nil && !without("rate") {
		s.add(limits.NewRate(s.of, *r, chatter))
	}
	if !without("counter") {
		s.counter = health.NewCounter(s.of)
		s.add(s.counter)
	}
	if s.w.o.Make != nil {
		for _, d := range s.w.o.Make(s.of, s.cfg, s.sensitivity()) {
			if !without(nameOf(d)) {
				s.add(d)
			}
		}
	}
	s.setContext(s.station.context)
}

// record gives the signal its flight recorder.
func (s *Signal) record() {
	s.ring = recorder.New()
	if s.point.Kind == "opcua" {
		s.ring.Hold()
	}
}

func (s *Signal) add(d detect.Detector) {
	_, learns := d.(detect.Learner)
	s.list, s.names, s.learns = append(s.list, d), append(s.names, nameOf(d)), append(s.learns, learns)
	if b, ok := d.(detect.Banded); ok && s.banded == nil {
		s.banded = b
	}
	if k, ok := d.(detect.Keeper); ok {
		s.w.restore(stateKey(s.of.Station, s.of.Name, nameOf(d)), s.of.Unit, k)
	}
	if l, ok := d.(detect.Learner); ok && s.w.paused {
		l.PauseLearning(true)
	}
}

// setpoint finds the value of another signal of the station, or is a number.
func (s *Signal) setpoint(name string) func() (float64, bool) {
	if v, err := strconv.ParseFloat(name, 64); err == nil {
		return func() (float64, bool) { return v, true }
	}
	return func() (float64, bool) {
		other := s.station.byName[name]
		if other == nil {
			return 0, false
		}
		return other.last, other.seen
	}
}

// Take takes the next value and returns the events that it causes.
func (s *Signal) Take(v Value) (out []Out) {
	if s.broken {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			out = append(out, s.failed(r, v.Received))
		}
	}()
	s.values++
	s.received = v.Received
	if s.passive {
		if f, ok := numeric(v.Value); ok && v.Quality>>30 == 0 {
			s.last, s.seen = f, true
		}
		return nil
	}
	at, skew := s.clock.time(v, s.lastAt)
	if v.Quality>>30 != 0 {
		s.beat.Came(at, v.Received.Round(0))
		return nil // signal.quality tells it; nobody learns from it
	}
	if skew {
		out = s.tellSkew(out, v.Received)
	}
	value, fault := s.number(v.Value)
	if late := s.clock.late; fault == "" && late > 0 {
		fault = backwards
	}
	if fault != "" {
		came := v.Received.Round(0)
		if came.Before(s.lastAt) { // the clock was set back: a sign of life all the same
			came = s.lastAt
		}
		s.beat.Came(came, came)
		if fault == isText && (s.ring == nil || s.states != nil) {
			return s.see(out, at, v.Value)
		}
		return s.unusable(out, fault, v, at)
	}
	if s.invalid.good() {
		out = s.usable(out, at)
	}
	if s.seen && at.Equal(s.lastAt) && value == s.last {
		s.beat.Came(at, v.Received.Round(0))
		return out // a repeat
	}
	s.last, s.seen, s.lastAt = value, true, at
	s.beat.Saw(at, v.Received.Round(0), value)
	if s.states != nil {
		return s.see(out, at, v.Value)
	}
	if s.list == nil && s.ring == nil {
		if _, isBool := v.Value.(bool); isBool {
			s.discrete()
			return s.see(out, at, v.Value)
		}
		s.measure()
	}
	if math.Abs(value) >= event.MaxInteger && health.TooLarge(v.Value) {
		out = s.tell(out, s.beat.Coarse(at, v.Value), "health", at)
	}
	return s.observe(out, at, value)
}

// observe hands a value to the detectors.
func (s *Signal) observe(out []Out, at time.Time, value float64) []Out {
	if s.context != s.station.context {
		s.setContext(s.station.context)
	}
	s.ring.Add(at, value)
	sample := detect.Sample{At: at, Value: value}
	counts := s.counter != nil && s.counter.IsCounter()
	for i, d := range s.list {
		if counts && s.learns[i] {
			continue // a counter is always where it never was before
		}
		if found := d.Observe(sample); found != nil {
			out = s.tell(out, found, s.names[i], at)
		}
	}
	if s.episode.due(at) {
		out = s.after(out, at)
	}
	return out
}

// see takes a value of a signal with states.
func (s *Signal) see(out []Out, at time.Time, raw any) []Out {
	text := s.lastText
	if raw != s.lastRaw || s.textAt.IsZero() {
		text, s.lastRaw = s.text(raw), raw
	}
	s.lastText, s.textAt, s.lastAt = text, at, at
	if f, ok := numeric(raw); ok {
		if s.ring == nil {
			s.record()
		}
		s.ring.Add(at, f)
	}
	if s.states == nil {
		s.discrete()
	}
	if s.context != s.station.context {
		s.setContext(s.station.context)
	}
	if s.listens {
		s.station.plant.See(s.of.Name, text)
		out = s.w.settle(out, s.station, at)
	}
	if found := s.states.See(at, text); found != nil && !s.muted {
		out = s.tell(out, found, "states", at)
	}
	return out
}

// text names a value: by the map of the configuration, else as it is.
func (s *Signal) text(raw any) string {
	const longest = 80
	switch v := raw.(type) {
	case string:
		return v[:min(len(v), longest)]
	case bool:
		return strconv.FormatBool(v)
	case int64, uint64:
		if health.TooLarge(v) {
			return fmt.Sprint(v)
		}
	}
	f, _ := numeric(raw)
	if name, ok := s.of.Texts[int64(f)]; ok && f == math.Trunc(f) {
		return name
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func (s *Signal) setContext(c detect.Context) {
	s.context = c
	for _, d := range s.list {
		if t, ok := d.(detect.Contextual); ok {
			t.SetContext(c)
		}
	}
	if s.states != nil {
		s.states.SetContext(c)
	}
}

// Band is what the value usually lies between; ok is false while nobody knows.
func (s *Signal) Band() (low, high float64, ok bool) {
	if s == nil || s.banded == nil {
		return 0, 0, false
	}
	low, high, ok = s.banded.Band()
	finite := !math.IsNaN(low) && !math.IsNaN(high) && !math.IsInf(low, 0) && !math.IsInf(high, 0)
	return low, high, ok && finite && low <= high
}
