package watch

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// A signal whose values come this late is being caught up: time has not passed
// for it until they have all come.
const catchUp = 5 * time.Second

// Tick ends delays of the signals of one source, about once a second, and tells
// curves that are due.
func (w *Watcher) Tick(source string, now time.Time) (out []Out) {
	now = now.Round(0)
	for _, o := range w.waiting {
		o.At, o.Finding.At = now, now
		out = append(out, o)
	}
	w.waiting = nil
	for _, s := range w.ordered {
		if s.of.Source == source {
			out = s.tick(out, now)
		}
	}
	for _, st := range w.stations {
		if st.first == nil || st.first.of.Source != source {
			continue
		}
		out = w.tickStation(out, st, now)
	}
	for _, s := range w.ordered { // health belongs to source and station: once for each
		if s.of.Source == source && s.origin.health != nil && s.origin.leads(s) {
			for _, f := range s.origin.health.Tick(now) {
				out = s.health(out, f, now)
			}
		}
	}
	return out
}

// leads reports whether a signal is the first of its origin.
func (o *origin) leads(s *Signal) bool {
	if o.first == nil {
		o.first = s
	}
	return o.first == s
}

// health makes the event of a finding about one signal's life, or about many.
func (s *Signal) health(out []Out, f detect.Finding, now time.Time) []Out {
	if f.Signal == "" {
		return s.w.tellStation(out, s.station, s.point, f, now, 0)
	}
	if other := s.station.byName[f.Signal]; other != nil {
		s = other
	}
	f.Signal = ""
	return s.one(out, f, now, 0)
}

func (s *Signal) tick(list []Out, now time.Time) (out []Out) {
	out = list
	if s.broken {
		return out
	}
	defer func() {
		if r := recover(); r != nil {
			out = append(list, s.failed(r, now))
		}
	}()
	if lag := s.received.Sub(s.lastAt); lag > catchUp && now.Sub(s.received) < catchUp {
		return out
	}
	if s.context != s.station.context {
		s.setContext(s.station.context)
	}
	counts := s.counter != nil && s.counter.IsCounter()
	for i, d := range s.list {
		if counts && s.learns[i] {
			continue // see observe: it would begin to learn of the first values
		}
		if found := d.Tick(now); found != nil {
			out = s.tell(out, found, s.names[i], now)
		}
	}
	if s.states != nil {
		if found := s.states.Tick(now); found != nil && !s.muted {
			out = s.tell(out, found, "states", now)
		}
	}
	if s.episode.due(now) {
		out = s.after(out, now)
	}
	return out
}

// failed is the event of a detector that failed. The signal is recorded and not
// watched any more: what failed once will fail with each value.
func (s *Signal) failed(why any, now time.Time) Out {
	s.broken = true
	text := fmt.Sprintf("a detector of %s failed: %v; the signal is recorded and not watched until the next start", s.of.Name, why)
	stack := event.Shorten(string(debug.Stack()), 4000)
	s.w.o.Logger.Error("a detector failed", "signal", s.of.Name, "error", fmt.Sprint(why), "stack", stack)
	return Out{Point: s.point, Signal: s.of.Name, At: now, Finding: detect.Finding{
		Type: event.TypeSystemError, Condition: "Failed", Detector: "watch", At: now,
		Data: map[string]any{"component": "detect", "code": "detector.failed", "text": text, "stack": stack},
	}}
}

func (w *Watcher) tickStation(out []Out, st *station, now time.Time) []Out {
	out = w.settle(out, st, now)
	for _, d := range st.detectors {
		for _, f := range name(d.Tick(now), d) {
			out = w.tellStation(out, st, nil, f, now, 0)
		}
	}
	return out
}

// settle finds out what the plant is doing.
func (w *Watcher) settle(out []Out, st *station, now time.Time) []Out {
	c, f := st.plant.Now(now)
	if c != st.context {
		st.enter(c)
	}
	if f == nil {
		return out
	}
	out = w.tellStation(out, st, nil, *f, now, 0)
	o := &out[len(out)-1]
	o.Key, o.Keep = stateKey(st.name, "", "plant"), stamp(now, st.plant.Save())
	return out
}

// Flush tells the curves that wait, at the end of the agent.
func (w *Watcher) Flush(source string, now time.Time) (out []Out) {
	for _, s := range w.ordered {
		if s.of.Source == source && !s.episode.until.IsZero() {
			out = s.after(out, now.Round(0))
		}
	}
	return out
}

// enter lets the station's detectors know what the plant is doing.
func (st *station) enter(c detect.Context) {
	st.context = c
	for _, d := range st.detectors {
		if t, ok := d.(detect.Contextual); ok {
			t.SetContext(c)
		}
	}
	for _, s := range st.byName {
		s.origin.health.Suppress(c.Suppressed())
	}
}

// Command sets the state of production by hand; station "" means all, also those
// whose first value comes later. It returns the events that say so, none when the
// station is not known.
func (w *Watcher) Command(stationName, state string, until, now time.Time) ([]Out, error) {
	var out []Out
	if w.o.Home != "" && (stationName == "" || stationName == w.o.Home) {
		w.stationOf(w.o.Home)
	}
	for _, st := range w.stations {
		if stationName != "" && st.name != stationName {
			continue
		}
		if err := st.plant.Command(state, until); err != nil {
			return nil, err
		}
		out = append(out, w.changed(st, "production state", st.context.State, orDefault(state, "as the plant tells"), now))
		out = w.settle(out, st, now.Round(0))
	}
	if stationName == "" {
		w.told = production{state, until}
	}
	return out, nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// changed records that a person changed what is watched.
func (w *Watcher) changed(st *station, setting, from, to string, now time.Time) Out {
	p := w.stationPoint(st)
	return Out{Point: p, At: now.Round(0), Finding: detect.Finding{
		Type: event.TypeAlarmSettingsChange, Condition: "Settings", Detector: "command", At: now.Round(0),
		Data: map[string]any{"source": st.name, "setting": setting, "old": from, "new": to, "by": "local administrator"},
	}}
}

// Learn pauses (or resumes) learning of all signals.
func (w *Watcher) Learn(pause bool, now time.Time) (out []Out) {
	old := w.paused
	w.paused = pause
	if w.o.Home != "" {
		w.stationOf(w.o.Home) // so that it is on record
	}
	for _, s := range w.ordered {
		for _, d := range s.list {
			if l, ok := d.(detect.Learner); ok {
				l.PauseLearning(pause)
			}
		}
	}
	for _, st := range w.stations {
		out = append(out, w.changed(st, "learning", learning(old), learning(pause), now))
	}
	return out
}

func learning(paused bool) string {
	if paused {
		return "paused"
	}
	return "on"
}

// Reset forgets what was learnt of the signals that match; it returns how many.
func (w *Watcher) Reset(match func(station, signal string) bool, now time.Time) (out []Out, n int) {
	for _, s := range w.ordered {
		if !match(s.of.Station, s.of.Name) {
			continue
		}
		n++
		s.beat.Forget()
		for _, d := range s.list {
			if l, ok := d.(detect.Learner); ok {
				l.Reset()
			}
		}
		out = append(out, w.changed(s.station, "learning of "+s.of.Name, "learnt", "forgotten", now))
	}
	return out, n
}
