// Package station judges what the detectors of one station find together: several
// signals that are unusual within seconds become one event with its parts, and of
// novelty as little as possible becomes an alert. It keeps the budget of alerts in hours
// of clean data, and keeps quiet while the station is off, in service, or waits for its
// neighbours.
package station

import (
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

// kind is what a finding is for the judgement, in the order of weight.
type kind int

const (
	none kind = iota
	novelty
	control  // a control chart
	forecast // a trend that will reach a limit
	health   // a sensor that sticks, falls silent, ...
	quality  // a part failed
	limit
	stop
)

var kinds = [...]string{"", "novelty", "control chart", "forecast", "signal health", "quality", "limit", "stop"}

func (k kind) String() string { return kinds[k] }

const (
	maxParts = 20   // of one event
	maxNames = 256  // signals whose marks are remembered
	maxSeen  = 4000 // parts of one window that are looked at at all
)

// part is one finding of a window.
type part struct {
	kind      kind
	name      string // signal, characteristic or equipment
	typ       string
	condition string
	at        time.Time
	score     float64 // against the detector's usual one, 0 for none
	text      string
	count     int // how often in the window
}

// Watch judges one station. It is a detect.Station.
type Watch struct {
	cfg     config.Alerting
	station string
	line    *Lines

	context detect.Context
	waiting map[string]string // equipment that is starved or blocked, and what it says
	stopped map[string]time.Time

	id    string // of the running window
	until time.Time
	parts []part
	first time.Time

	groups map[string]folded // by their signals
	marks  map[string]*marks // novelty of single signals, for what persists
	usual  map[string]*mean  // usual score of each detector
	budget budget
}

var (
	_ detect.Station    = (*Watch)(nil)
	_ detect.Contextual = (*Watch)(nil)
	_ detect.Keeper     = (*Watch)(nil)
	_ detect.Named      = (*Watch)(nil)
)

// New makes the judge of one station. Lines is shared by the stations of one agent, nil
// for none.
func New(cfg config.Alerting, station string, lines *Lines) *Watch {
	return &Watch{
		cfg: cfg, station: station, line: lines, waiting: map[string]string{}, stopped: map[string]time.Time{},
		groups: map[string]folded{}, marks: map[string]*marks{}, usual: map[string]*mean{}, budget: newBudget(),
	}
}

// Name implements detect.Named.
func (w *Watch) Name() string { return "station" }

// SetContext implements detect.Contextual.
func (w *Watch) SetContext(c detect.Context) {
	if c.State != "" && c.State != w.context.State {
		clear(w.marks) // what is new in another state is not what lasted
	}
	w.context = c
}

// quiet says why nothing shall alert now, "" when it may.
func (w *Watch) quiet() string {
	switch {
	case w.context.Suppressed():
		return "the line is " + map[string]string{detect.Off: "off", detect.Maintenance: "in service"}[w.context.State]
	case w.context.State == detect.Break, w.context.State == detect.Changeover:
		return "the line is in " + w.context.State
	case len(w.waiting) > 0:
		return "the station waits (" + w.waitsFor() + ")"
	}
	return ""
}

func (w *Watch) waitsFor() string {
	var list []string
	for equipment, state := range w.waiting {
		list = append(list, equipment+" "+state)
	}
	slices.Sort(list)
	return strings.Join(list[:min(len(list), 3)], ", ")
}

// Found implements detect.Station.
func (w *Watch) Found(of detect.Signal, at time.Time, f *detect.Finding) []detect.Finding {
	k := kindOf(f)
	if k == none {
		return nil
	}
	name := of.Name
	if c, ok := f.Data["characteristic"].(string); ok && name == "" {
		name = c
	}
	if name == "" {
		name = f.Condition
	}
	if reason := w.waits(k); reason != "" {
		w.hold(f, reason)
	}
	text, _ := f.Data["explanation"].(string)
	out := w.take(part{kind: k, name: name, typ: f.Type, condition: f.Condition, at: at, score: w.weigh(f), text: text, count: 1})
	if f.Data != nil {
		f.Data["group"] = w.id
	}
	if k == novelty {
		out = append(out, w.persists(name, at, f)...)
	}
	return out
}

// waits tells whether a finding is only what a station that waits shows: its machine
// stands because of another one. A passed limit still alarms: that it waits does not
// make 95 degrees harmless.
func (w *Watch) waits(k kind) string {
	if k == limit || k == stop || k == quality || len(w.waiting) == 0 {
		return ""
	}
	return w.waitsFor()
}

// hold lets a finding be recorded without alarming anybody.
func (w *Watch) hold(f *detect.Finding, reason string) {
	f.Severity = new(event.SeverityInfo)
	if f.Data == nil {
		return
	}
	f.Data["waiting"] = reason
	if first, ok := w.line.first(w.station); ok {
		f.Data["firstStop"] = map[string]any{"station": first.station, "equipment": first.equipment, "since": first.at}
	}
}

// kindOf tells what a finding is.
func kindOf(f *detect.Finding) kind {
	switch f.Type {
	case event.TypeAnomalyDetected:
		if f.Data["state"] == "cleared" {
			return none
		}
		return novelty
	case event.TypeQualityTrend:
		return control
	case event.TypeSignalForecast:
		if f.Data["state"] == "expected" {
			return forecast
		}
	case event.TypeAlarmState:
		switch {
		case f.Data["state"] != "active":
		case f.Data["alarmType"] == "InstrumentDiagnosticAlarmType":
			return health
		default:
			return limit
		}
	}
	return none
}

// Event implements detect.Station: stops, states and failed parts.
func (w *Watch) Event(e detect.Event) []detect.Finding {
	switch e.Type {
	case w.cfg.StateType:
		return w.state(e)
	case event.TypeEquipmentFault:
		code, state := field(e, "code"), field(e, "state")
		if state != "cleared" {
			return w.take(part{kind: stop, name: named(e), typ: e.Type, condition: code, at: e.At, text: faultText(e, code), count: 1})
		}
	case event.TypeAlarmState: // an alarm of the equipment itself
		if field(e, "state") == "active" && field(e, "refresh") != "true" { // a refresh tells what stood before
			name := field(e, "source")
			if name == "" {
				name = named(e)
			}
			return w.take(part{kind: limit, name: name, typ: e.Type, condition: field(e, "condition"), at: e.At, text: alarmText(e, name), count: 1})
		}
	case event.TypeQualityCheck:
		if failed(field(e, "result")) {
			return w.take(part{
				kind: quality, name: named(e), typ: e.Type, condition: field(e, "characteristic"), at: e.At,
				text: strings.TrimSpace("A part failed: " + field(e, "characteristic")), count: 1,
			})
		}
	}
	return nil
}

func alarmText(e detect.Event, name string) string {
	if text := field(e, "message"); text != "" {
		return name + ": " + text
	}
	return strings.TrimSpace(name + ": alarm " + field(e, "condition"))
}

func faultText(e detect.Event, code string) string {
	if text := field(e, "text"); text != "" {
		return named(e) + ": " + text
	}
	return named(e) + ": fault " + code
}

func named(e detect.Event) string {
	if e.Equipment != "" {
		return e.Equipment
	}
	return e.Station
}

// failed are the words for a bad part.
func failed(result string) bool {
	switch strings.ToLower(result) {
	case "fail", "failed", "nok", "ng", "nio", "reject", "rejected", "scrap", "bad", "false":
		return true
	}
	return false
}

// field is a text of event_data, "" for none; only scalars count.
func field(e detect.Event, name string) string {
	const longest = 200
	for key, value := range rawjson.Members(e.Data) {
		if !rawjson.Is(key, name) || len(value) > longest {
			continue
		}
		if s, ok := rawjson.Text(value); ok {
			return strings.TrimSpace(s)
		}
		if len(value) > 0 && value[0] != '{' && value[0] != '[' && string(value) != "null" {
			return string(value)
		}
	}
	return ""
}

// state follows what the station's machines do.
func (w *Watch) state(e detect.Event) []detect.Finding {
	status, equipment := field(e, "status"), named(e)
	if status == "" {
		status = field(e, "state") // as PackML says it
	}
	if status = strings.ToLower(status); status == "" {
		return nil
	}
	delete(w.waiting, equipment)
	if slices.ContainsFunc(w.cfg.Starved, func(s string) bool { return strings.EqualFold(s, status) }) && len(w.waiting) < maxNames {
		w.waiting[equipment] = status
	}
	if !slices.ContainsFunc(w.cfg.Stopped, func(s string) bool { return strings.EqualFold(s, status) }) {
		if _, was := w.stopped[equipment]; was {
			delete(w.stopped, equipment)
			if len(w.stopped) == 0 {
				w.line.resume(w.station)
			}
		}
		return nil
	}
	if _, already := w.stopped[equipment]; already || len(w.stopped) >= maxNames {
		return nil
	}
	w.stopped[equipment] = e.At
	w.line.stop(w.station, equipment, e.At)
	return w.take(part{kind: stop, name: equipment, typ: e.Type, condition: status, at: e.At, text: equipment + " is in " + status + ".", count: 1})
}

// take puts a part into the running window, or opens one. What waited in a queue comes
// faster than the clock ticks: then the part itself closes the window before.
func (w *Watch) take(p part) (out []detect.Finding) {
	if !w.until.IsZero() && (p.at.After(w.until) || p.at.Before(w.first.Add(-w.cfg.Within))) {
		if f, ok := w.close(p.at); ok {
			out = append(out, f)
		}
		w.until = time.Time{}
	}
	if w.until.IsZero() {
		w.parts = w.parts[:0]
		w.id, w.first, w.until = event.NewID(p.at), p.at, p.at.Add(w.cfg.Within)
	}
	for i := range w.parts {
		q := &w.parts[i]
		if q.kind == p.kind && q.name == p.name && q.condition == p.condition {
			q.count = min(q.count+1, maxSeen)
			if p.score > q.score {
				q.score, q.text = p.score, p.text
			}
			return out
		}
	}
	if len(w.parts) < maxSeen/10 {
		w.parts = append(w.parts, p)
	}
	return out
}

// Tick implements detect.Station: it closes the window, and counts clean hours.
func (w *Watch) Tick(now time.Time) (out []detect.Finding) {
	if f := w.budget.tick(now, w.quiet() == "" && len(w.stopped) == 0, w.cfg); f != nil {
		out = append(out, *f)
	}
	if !w.until.IsZero() && !now.Before(w.until) {
		if f, ok := w.close(now); ok {
			out = append(out, f)
		}
		w.parts, w.until = w.parts[:0], time.Time{}
	}
	return out
}

// close judges the window.
func (w *Watch) close(now time.Time) (f detect.Finding, ok bool) {
	names := w.names()
	if len(names) < 2 {
		return f, false // one signal alone is told by its own event
	}
	new, other := 0, kind(none)
	seen := map[string]bool{}
	for _, p := range w.parts {
		if p.kind != novelty {
			other = max(other, p.kind)
		} else if !seen[p.name] {
			seen[p.name] = true
			new++
		}
	}
	v := w.judge(now, verdict{new: new, other: other, strength: w.strength()})
	f = w.group(names, v)
	if n, again := w.repeats(names, f.At, v.alert); again {
		return f, false
	} else if n > 0 {
		f.Data["repeats"] = n
	}
	return f, true
}

// Groups of the same signals are told once in this time, unless people are called.
const foldFor = time.Hour

// folded is a group that was told, and how often it came again since.
type folded struct {
	at    time.Time
	count int
}

// repeats tells whether the same signals were told lately; else how often they came
// untold since.
func (w *Watch) repeats(names []string, at time.Time, alert bool) (count int, again bool) {
	key := strings.Join(slices.Sorted(slices.Values(names)), "\x00")
	last, ok := w.groups[key]
	if ok && !alert && at.Sub(last.at).Abs() < foldFor {
		last.count++
		w.groups[key] = last
		return 0, true
	}
	if len(w.groups) >= maxNames {
		clear(w.groups) // far too many different ones to be the same again
	}
	w.groups[key] = folded{at: at}
	return last.count, false
}

// names lists the signals of the window, strongest first.
func (w *Watch) names() (names []string) {
	slices.SortStableFunc(w.parts, func(a, b part) int {
		switch x, y := a.rank(), b.rank(); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return a.at.Compare(b.at)
	})
	for _, p := range w.parts {
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// rank orders facts before surmises, and the same kind by how unusual it is.
func (p part) rank() float64 { return float64(p.kind) + p.score/(1+p.score) }

// shortly is how a part is told in a sentence.
func shortly(list []string) string {
	const most = 4
	if len(list) <= most {
		return words.List(list)
	}
	return words.List(append(slices.Clone(list[:most]), words.Count(uint64(len(list)-most), "other", "others")))
}
