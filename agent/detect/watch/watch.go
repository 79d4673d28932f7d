// Package watch gives each signal and each station its detectors, hands them the
// values, and makes of what they find events with the curve around them. It is
// what the pipeline calls for each value, and what a replay of a recorded curve
// calls in the same way.
//
// A value passes here: what can't be used is told once and goes no further; its
// time becomes one of the agent's clock that never runs backwards; then it goes
// to the flight recorder and to the detectors, with what the plant is doing.
package watch

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/guard"
	"github.com/linewatch/linewatch/agent/detect/health"
	"github.com/linewatch/linewatch/agent/detect/plant"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// Options are what a Watcher needs.
type Options struct {
	Signals   map[string]config.Signal
	Detection config.Detection
	// Make returns further detectors of a measured signal, in the order in which
	// they are asked; sensitivity is off, low, normal or high.
	Make func(of detect.Signal, cfg config.Signal, sensitivity string) []detect.Detector
	// Station returns further detectors of a station.
	Station func(station string) []detect.Station
	// File is where what was learnt is kept; "" keeps nothing.
	File string
	// Home is the agent's own station: what people say of the plant is taken and
	// recorded there also before any value has come.
	Home   string
	Logger *slog.Logger
}

// Watcher watches all signals of an agent. Whoever hands it values holds it by
// Begin and End meanwhile.
type Watcher struct {
	o  Options
	mu sync.Mutex

	stations map[string]*station
	signals  map[key]*Signal
	ordered  []*Signal
	sources  map[string]*origin
	saved    map[string]savedState // of the file, until a signal claims it
	paused   bool
	told     production // what a person said of all stations, those to come too
	full     bool       // there are more signals than are watched, which is told once
	waiting  []Out      // told with the next tick
}

// production is a state of production by hand, until a time (zero: taken back by hand).
type production struct {
	state string
	until time.Time
}

type key struct{ source, station, name string }

// station is what the signals of one station share.
type station struct {
	name      string
	plant     *plant.Plant
	context   detect.Context
	detectors []detect.Station
	byName    map[string]*Signal
	first     *Signal // stands for the station where an event is of no signal
	keeper    map[string]detect.Keeper
}

// origin is what the signals of one source in one station share.
type origin struct {
	health *health.Station
	skew   time.Time // when a wrong clock was last told
	first  *Signal
}

// Out is one event to be made.
type Out struct {
	Point   *source.Point // what it is of
	Signal  string        // "" where it is of no signal
	Finding detect.Finding
	At      time.Time
	// Correlation links what belongs together: an alarm, its end, its curve.
	Correlation string
	Curve       *event.Curve
	// Keep is state that belongs into the transaction of the event, under Key.
	Key  string
	Keep []byte
}

// New makes a Watcher and reads what was kept. What can't be read is left out and
// begins anew; the error says so, the Watcher works.
func New(o Options) (*Watcher, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{
		o: o, stations: map[string]*station{}, signals: map[key]*Signal{}, sources: map[string]*origin{},
	}
	if _, err := plant.New("", o.Detection.Production); err != nil {
		return nil, err
	}
	return w, w.load()
}

// Begin takes hold of the Watcher, End lets it go. Values, ticks and events are
// handed over in between.
func (w *Watcher) Begin() { w.mu.Lock() }

// End lets the Watcher go.
func (w *Watcher) End() { w.mu.Unlock() }

// stationOf finds or makes what belongs to a station.
func (w *Watcher) stationOf(name string) *station {
	if st := w.stations[name]; st != nil {
		return st
	}
	st := &station{name: name, byName: map[string]*Signal{}, keeper: map[string]detect.Keeper{}}
	w.stations[name] = st
	p, err := plant.New(name, w.o.Detection.Production)
	if err != nil { // New has looked at the same configuration
		w.o.Logger.Error("production states are not known", "station", name, "error", err)
		p, _ = plant.New(name, config.Production{})
	}
	st.plant = p
	g, err := guard.New(name, w.o.Detection.Guard, w.o.Detection.Production.Zone, func() string { return st.context.State })
	if err != nil {
		w.o.Logger.Error("rules about people are not watched", "station", name, "error", err)
	} else {
		st.detectors = append(st.detectors, g)
	}
	if w.o.Station != nil {
		st.detectors = append(st.detectors, w.o.Station(name)...)
	}
	st.keeper["plant"] = st.plant
	for _, d := range st.detectors {
		if k, ok := d.(detect.Keeper); ok {
			st.keeper[nameOf(d)] = k
		}
	}
	for n, k := range st.keeper {
		w.restore(stateKey(name, "", n), "", k)
	}
	if w.told.state != "" { // Command looked at it; the next tick tells of it
		_ = st.plant.Command(w.told.state, w.told.until)
		st.enter(detect.Context{State: w.told.state})
	}
	return st
}

// origin finds or makes what belongs to a source in a station.
func (w *Watcher) originOf(name, station string) *origin {
	id := name + "\x00" + station
	o := w.sources[id]
	if o == nil {
		o = &origin{health: health.NewStation()}
		w.sources[id] = o
	}
	return o
}

// nameOf is the name of a detector, for its state and its reports.
func nameOf(d any) string {
	if n, ok := d.(detect.Named); ok {
		return n.Name()
	}
	return fmt.Sprintf("%T", d)
}

// Connection tells that a source lost or found its connection.
func (w *Watcher) Connection(name string, lost bool) {
	for k, s := range w.signals {
		if k.source == name {
			s.origin.health.Disconnect(lost)
		}
	}
}

// Wants reports whether events of a type are looked at by any detector.
func (w *Watcher) Wants(typ string) bool {
	return typ != event.TypeSignalSummary
}

// Event takes an event of a station that a source made.
func (w *Watcher) Event(p *source.Point, e detect.Event) []Out {
	st := w.stationOf(e.Station)
	var found []detect.Finding
	for _, d := range st.detectors {
		if f := d.Event(e); f != nil {
			found = append(found, name(f, d)...)
		}
	}
	if found == nil {
		return nil
	}
	var out []Out
	for i := range found {
		out = w.tellStation(out, st, p, found[i], e.At, 0)
	}
	return out
}

// name fills in which detector found something.
func name(list []detect.Finding, d any) []detect.Finding {
	for i := range list {
		if list[i].Detector == "" {
			list[i].Detector = nameOf(d)
		}
	}
	return list
}
