package station

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

// verdict is what becomes of a window, or of novelty that lasts.
type verdict struct {
	new      int  // signals with novelty
	other    kind // the weightiest other finding, none for only novelty
	persists bool
	strength float64

	alert  bool
	reason string // a sentence: why people are called, or not
}

// mean is a running mean of scores.
type mean struct {
	N     float64 `json:"n"`
	Value float64 `json:"mean"`
}

// add gives the score against the usual one so far: 1 is usual.
func (m *mean) add(score float64) float64 {
	const memory = 50
	against := 1.0
	if m.N > 0 && m.Value > 0 {
		against = score / m.Value
	}
	m.N = min(m.N+1, memory)
	m.Value += (score - m.Value) / m.N
	return min(max(against, 0.25), 4)
}

// weigh makes scores of different detectors comparable.
func (w *Watch) weigh(f *detect.Finding) float64 {
	if !(f.Score > 0) || math.IsInf(f.Score, 0) {
		return 0
	}
	m := w.usual[f.Detector]
	if m == nil {
		const most = 64
		if len(w.usual) >= most {
			return 1
		}
		m = &mean{}
		w.usual[f.Detector] = m
	}
	return m.add(min(f.Score, 1e9))
}

// strength of the window: each signal counts by how unusual it is (1 is as usual for a
// mark), and each kind of fact beside novelty counts 1.
func (w *Watch) strength() (sum float64) {
	best := map[string]float64{}
	facts := map[kind]bool{}
	for _, p := range w.parts {
		if p.kind == novelty {
			best[p.name] = max(best[p.name], max(p.score, 0.25))
		} else {
			facts[p.kind] = true
		}
	}
	for _, v := range best {
		sum += v
	}
	return sum + float64(len(facts))
}

// judge says whether people are called.
func (w *Watch) judge(now time.Time, v verdict) verdict {
	quiet := w.quiet()
	switch {
	case v.new == 0:
		v.reason = "No alert of its own: what is known (limits, stops, failed parts, charts, forecasts) speaks for itself."
	case quiet != "":
		v.reason = "No alert: " + quiet + "."
	case v.new < 2 && v.other == none && !v.persists:
		v.reason = "No alert: one signal alone, once."
	default:
		v.alert, v.reason = w.budget.ask(now, v, w.cfg)
	}
	return v
}

// group makes the event of a window.
func (w *Watch) group(names []string, v verdict) detect.Finding {
	parts := make([]any, 0, min(len(w.parts), maxParts))
	for _, p := range w.parts[:min(len(w.parts), maxParts)] {
		d := map[string]any{"name": p.name, "kind": p.kind.String(), "type": p.typ, "at": p.at.UTC().Round(0)}
		if p.condition != "" {
			d["condition"] = p.condition
		}
		if p.score > 0 {
			d["score"] = math.Round(p.score*100) / 100
		}
		if p.text != "" {
			d["explanation"] = event.Shorten(p.text, 300)
		}
		if p.count > 1 {
			d["count"] = p.count
		}
		parts = append(parts, d)
	}
	text := fmt.Sprintf("%s were unusual within %s: %s.", words.Count(uint64(len(names)), "signal", "signals"), words.Duration(w.cfg.Within), shortly(names))
	if w.parts[0].text != "" {
		text += " Strongest: " + w.parts[0].text
	}
	return w.finding(names, parts, v, text, w.first, w.id)
}

func (w *Watch) finding(names []string, parts []any, v verdict, text string, at time.Time, id string) detect.Finding {
	f := detect.Finding{
		Type: event.TypeAnomalyGroup, Class: event.Manufacturing, Condition: "group", At: at, Detector: "station", Score: v.strength,
		Data: map[string]any{
			"stationId": w.station, "signals": event.Shorten(shortly(names), 500), "count": len(names), "parts": parts,
			"alert": v.alert, "reason": v.reason, "strength": math.Round(v.strength*100) / 100,
			"threshold": math.Round(w.budget.Threshold*100) / 100, "group": id, "explanation": text + " " + v.reason,
		},
	}
	switch {
	case v.alert:
		f.Severity = new(event.SeverityMedium)
	case v.new == 0 || len(w.waiting) > 0 || w.context.Suppressed():
		f.Severity = new(event.SeverityInfo)
	}
	if first, ok := w.line.first(w.station); ok && len(w.waiting) > 0 {
		f.Data["firstStop"] = map[string]any{"station": first.station, "equipment": first.equipment, "since": first.at}
	}
	return f
}

// marks are the novelty of one signal, as long as it goes on.
type marks struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count int       `json:"count"`
	Told  bool      `json:"told"`
}

// least is how many marks make novelty last.
const least = 3

// persists notices novelty of one signal that goes on, and lets it alert by itself. A
// detector may know it better and say so with "persists" in its data.
func (w *Watch) persists(name string, at time.Time, f *detect.Finding) []detect.Finding {
	m := w.marks[name]
	if m == nil || at.Sub(m.Last) > 2*w.cfg.Persist {
		if len(w.marks) >= maxNames && m == nil {
			return nil
		}
		m = &marks{First: at}
		w.marks[name] = m
	}
	m.Last = at
	m.Count++
	says, _ := f.Data["persists"].(bool)
	if m.Told || !says && (m.Count < least || at.Sub(m.First) < w.cfg.Persist) {
		return nil
	}
	m.Told = true
	v := w.judge(at, verdict{new: 1, persists: true, strength: max(w.budget.floor(), float64(m.Count)/least*w.budget.floor())})
	lasted := at.Sub(m.First)
	if ms, ok := f.Data["lastedMs"].(int64); ok && says {
		lasted = time.Duration(ms) * time.Millisecond
	}
	text := fmt.Sprintf("%s has been unusual for %s (%s).", name, words.Duration(lasted), words.Count(uint64(m.Count), "mark", "marks"))
	part := map[string]any{"name": name, "kind": novelty.String(), "type": f.Type, "at": at.UTC().Round(0), "count": m.Count}
	if t, ok := f.Data["explanation"].(string); ok {
		text += " Last: " + t
		part["explanation"] = event.Shorten(t, 300)
	}
	return []detect.Finding{w.finding([]string{name}, []any{part}, v, text, at, w.id)}
}

// budget keeps alerts from novelty rare, in hours of clean data: hours in which the line
// produced and nothing stood.
type budget struct {
	Clean     time.Duration   `json:"clean"`     // since the first start
	Alerts    []time.Duration `json:"alerts"`    // clean time of the newest alerts
	Threshold float64         `json:"threshold"` // least strength of an alert
	Shift     time.Duration   `json:"shift"`     // clean time at which the running shift began
	Refused   int             `json:"refused"`   // alerts that the budget refused in it
	Granted   int             `json:"granted"`   // alerts that went out in it
	Told      float64         `json:"told"`      // threshold that was last told

	last time.Time
}

// lowest threshold: two signals, each as unusual as marks usually are.
const lowest = 2.0

func newBudget() budget { return budget{Threshold: lowest, Told: lowest} }

// floor is the strength of what just counts.
func (b *budget) floor() float64 { return lowest }

// ask decides whether an alert may go out, and counts it.
func (b *budget) ask(now time.Time, v verdict, cfg config.Alerting) (bool, string) {
	if v.strength < b.Threshold {
		return false, fmt.Sprintf("No alert: strength %.1f is below the threshold of %.1f that keeps alerts rare here.", v.strength, b.Threshold)
	}
	recent := 0
	for _, at := range b.Alerts {
		if b.Clean-at < cfg.Shift {
			recent++
		}
	}
	if recent >= cfg.PerShift {
		b.Refused++
		return false, fmt.Sprintf("No alert: the budget of %s in %s of production is used up.", words.Count(uint64(max(cfg.PerShift, 0)), "alert", "alerts"), words.Duration(cfg.Shift))
	}
	b.Granted++
	b.Alerts = append(b.Alerts, b.Clean)
	const most = 32
	if len(b.Alerts) > most {
		b.Alerts = b.Alerts[len(b.Alerts)-most:]
	}
	return true, because(v)
}

func because(v verdict) string {
	switch {
	case v.persists:
		return "Alert: it lasts."
	case v.other != none && v.new > 0:
		return fmt.Sprintf("Alert: together with what is known (%s).", v.other)
	}
	return fmt.Sprintf("Alert: %d signals at once.", v.new)
}

// How the threshold moves: each alert that the budget refused in a shift raises it, a
// shift without any alert lowers it. So the one alert of a shift tends to be the strongest.
const (
	raise   = 1.1
	lower   = 0.93
	highest = 50.0
	// longTick is the longest time between ticks that counts: a computer that slept saw
	// nothing.
	longTick = 5 * time.Second
)

// tick counts clean time, and moves the threshold at the end of each shift of it.
func (b *budget) tick(now time.Time, clean bool, cfg config.Alerting) *detect.Finding {
	d := now.Sub(b.last)
	b.last = now
	if !clean || d <= 0 || d > longTick {
		return nil
	}
	b.Clean += d
	if b.Clean-b.Shift < cfg.Shift {
		return nil
	}
	before, refused := b.Threshold, b.Refused
	switch {
	case refused > 0:
		b.Threshold = min(b.Threshold*math.Pow(raise, float64(min(refused, 5))), highest)
	case b.Granted == 0:
		b.Threshold = max(b.Threshold*lower, lowest)
	}
	b.Shift, b.Refused, b.Granted = b.Clean, 0, 0
	const worth = 1.1 // smaller moves are nobody's business
	if r := b.Threshold / b.Told; r < worth && r > 1/worth && (b.Threshold != lowest || b.Told == lowest) {
		return nil
	}
	b.Told = b.Threshold
	text := fmt.Sprintf("The threshold for alerts from unusual signals went from %.1f to %.1f: ", before, b.Threshold)
	if refused > 0 {
		text += fmt.Sprintf("%s more than the budget in the last %s of production.", words.Count(uint64(refused), "alert", "alerts"), words.Duration(cfg.Shift))
	} else {
		text += fmt.Sprintf("there was none in the last %s of production.", words.Duration(cfg.Shift))
	}
	return &detect.Finding{
		Type: event.TypeAnomalyBudget, Class: event.Manufacturing, Condition: "budget", At: now, Detector: "station",
		Data: map[string]any{"previous": math.Round(before*100) / 100, "threshold": math.Round(b.Threshold*100) / 100, "refused": refused, "cleanHours": math.Round(b.Clean.Hours()*10) / 10, "explanation": text},
	}
}

// valid refuses what can't be calculated with.
func (b *budget) valid() bool {
	return stats.Finite(b.Threshold) && b.Threshold >= lowest && b.Threshold <= highest && stats.Finite(b.Told) && b.Told > 0 &&
		b.Clean >= 0 && b.Shift >= 0 && b.Shift <= b.Clean && b.Refused >= 0 && b.Granted >= 0
}
