package watch

import (
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/health"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// beforePoints and afterPoints of the recorder lead up to a finding and follow it.
	beforePoints = 200
	afterPoints  = 60
	// The curve after a finding is told no sooner and no later than this.
	afterLeast = 15 * time.Second
	afterMost  = 5 * time.Minute
	// maxDepth bounds what follows from what follows.
	maxDepth = 3
	// maxOpen bounds the alarms whose correlation is remembered.
	maxOpen = 64
)

// episode is what happens to one signal from a finding until its curve is told:
// further findings meanwhile belong to it.
type episode struct {
	correlation string
	from        time.Time // of the first finding
	until       time.Time // when the curve after it is told, zero for no episode
	of          []string  // conditions
	detector    string
}

func (e *episode) due(now time.Time) bool { return !e.until.IsZero() && !now.Before(e.until) }

// tell makes events of what a detector found.
func (s *Signal) tell(out []Out, found []detect.Finding, detector string, at time.Time) []Out {
	for i := range found {
		if found[i].Detector == "" {
			found[i].Detector = detector
		}
		out = s.one(out, found[i], at, 0)
	}
	return out
}

// one makes the event of one finding, and of what the station makes of it.
func (s *Signal) one(out []Out, f detect.Finding, at time.Time, depth int) []Out {
	if f.Signal != "" && f.Signal != s.of.Name {
		if other := s.station.byName[f.Signal]; other != nil {
			f.Signal = ""
			return other.one(out, f, at, depth)
		}
	}
	s.found++
	if f.At.IsZero() {
		f.At = at
	}
	s.addContext(f.Data)
	var follow []detect.Finding
	if depth < maxDepth {
		for _, d := range s.station.detectors {
			follow = append(follow, name(d.Found(s.of, f.At, &f), d)...)
		}
	}
	o := Out{Point: s.point, Signal: s.of.Name, Finding: f, At: f.At}
	o.Correlation = s.correlate(&f)
	if f.Curve && s.ring != nil {
		o.Curve = s.ring.Before(at, beforePoints, s.of.Unit)
		if low, high, ok := s.Band(); ok && f.Data["band"] == nil {
			f.Data["band"] = map[string]any{"low": low, "high": high}
		}
	}
	if f.Type == event.TypeAlarmState {
		o.Key, o.Keep = s.keep(f.Detector, at)
	}
	out = append(out, o)
	for i := range follow {
		out = s.w.tellStation(out, s.station, s.point, follow[i], at, depth+1)
	}
	return out
}

// addContext says what the plant was doing.
func (s *Signal) addContext(data map[string]any) {
	c := s.station.context
	for key, value := range map[string]string{"production": c.State, "recipe": c.Recipe, "phase": c.Phase} {
		if _, ok := data[key]; !ok && value != "" && data != nil {
			data[key] = value
		}
	}
}

// correlate gives the id that links a finding with its end and its curve.
func (s *Signal) correlate(f *detect.Finding) string {
	alarm := (f.Type == event.TypeAlarmState || f.Type == event.TypeSignalInvalid) && f.Data["state"] != health.Noted
	if alarm && (f.Data["state"] == "cleared" || f.Data["state"] == "over") {
		id := s.open[f.Condition]
		delete(s.open, f.Condition)
		return id
	}
	if !f.Curve && !alarm {
		return groupOf(f)
	}
	e := &s.episode
	if e.until.IsZero() {
		if e.correlation = groupOf(f); e.correlation == "" {
			e.correlation = event.NewID(f.At)
		}
		if f.Curve && s.ring != nil {
			e.from, e.detector, e.of = f.At, f.Detector, nil
			e.until = f.At.Add(min(max(afterPoints*s.ring.Step(), afterLeast), afterMost))
		}
	}
	if f.Curve {
		e.of = append(e.of, f.Condition)
	}
	if alarm && len(s.open) < maxOpen {
		s.open[f.Condition] = e.correlation
	}
	return e.correlation
}

// groupOf is the id that a detector of the station gave to what belongs together, "" for
// none.
func groupOf(f *detect.Finding) string {
	id, _ := f.Data["group"].(string)
	return id
}

// after tells the curve after a finding.
func (s *Signal) after(out []Out, now time.Time) []Out {
	e := s.episode
	s.episode = episode{}
	curve := s.ring.Curve(e.from, now, s.of.Unit)
	if curve == nil {
		return out // no value came any more, which heartbeat and quality tell
	}
	const most = 8
	of := e.of[:min(len(e.of), most)]
	return append(out, Out{
		Point: s.point, Signal: s.of.Name, At: e.from, Correlation: e.correlation, Curve: curve,
		Finding: detect.Finding{
			Type: event.TypeSignalCurve, Condition: "Curve", Detector: e.detector, At: e.from,
			Data: map[string]any{"of": of[0], "conditions": of, "from": e.from.Round(0), "to": now.Round(0)},
		},
	})
}

// strongest is the curve of the first part of a group that has one; the event says
// which it is.
func (st *station) strongest(f *detect.Finding, at time.Time) *event.Curve {
	parts, _ := f.Data["parts"].([]any)
	for _, p := range parts {
		part, _ := p.(map[string]any)
		name, _ := part["name"].(string)
		if s := st.byName[name]; s != nil && s.ring != nil {
			f.Data["curveOf"] = name
			return s.ring.Before(at, beforePoints, s.of.Unit)
		}
	}
	return nil
}

// tellStation makes the event of a finding of a station.
func (w *Watcher) tellStation(out []Out, st *station, p *source.Point, f detect.Finding, at time.Time, depth int) []Out {
	if f.At.IsZero() {
		f.At = at
	}
	if s := st.byName[f.Signal]; s != nil && f.Signal != "" {
		f.Signal = ""
		return s.one(out, f, at, depth)
	}
	if p == nil && st.first != nil {
		p = st.first.point
	}
	var follow []detect.Finding
	if depth < maxDepth {
		for _, d := range st.detectors {
			follow = append(follow, name(d.Found(detect.Signal{Station: st.name}, f.At, &f), d)...)
		}
	}
	own := &source.Point{Kind: "agent", Station: st.name}
	if p != nil {
		own = &source.Point{Source: p.Source, Kind: p.Kind, Endpoint: p.Endpoint, Station: st.name, Equipment: p.Equipment}
	}
	out = append(out, Out{Point: own, Finding: f, At: f.At, Correlation: groupOf(&f), Curve: f.Recorded})
	if o := &out[len(out)-1]; o.Curve == nil {
		o.Curve = st.strongest(&o.Finding, at)
	}
	for i := range follow {
		out = w.tellStation(out, st, p, follow[i], at, depth+1)
	}
	return out
}
