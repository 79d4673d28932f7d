package novelty

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/detect/words"
)

// reason is one view in which a step was new.
type reason struct {
	kind      string
	text      string
	low, high float64 // what was seen in this view until now
	known     bool
	weight    float64
}

// explanation says why a step is unusual, the strongest reasons first.
type explanation struct {
	reasons []reason
	x       float64 // the value that is unusual
}

const mostReasons = 2

// kindNames are how the views are called in the data of an event.
var kindNames = [kinds]string{
	kindAtLevel: "level", kindValue: "range", kindHour: "hour", kindNoise: "noise", kindPast: "speed",
	kindSlowHour: "hour_mean", kindOff: "distance", kindSituation: "situation", kindPhase: "phase", kindSpread: "spread",
}

// explain makes sentences of the last step of the model.
func (d *Detector) explain(st step) explanation {
	m := d.model
	e := explanation{x: m.now[fValue]}
	if d.far > 0 { // the model saw a cut value
		e.x = st.max
		if d.seen.low-st.min > st.max-d.seen.high {
			e.x = st.min
		}
	}
	said := map[string]bool{}
	for _, k := range m.strongest() {
		if len(e.reasons) == mostReasons {
			break
		}
		if name := group(k); !said[name] {
			said[name] = true
			e.reasons = append(e.reasons, d.reason(k, e.x))
		}
	}
	return e
}

// group joins the views that say nearly the same, of which one is enough.
func group(k int) string {
	switch k {
	case kindHour, kindSlowHour:
		return "hour"
	case kindAtLevel, kindOff:
		return "level"
	}
	return kindNames[k]
}

func (d *Detector) reason(k int, x float64) reason {
	m := d.model
	g := &m.grids[k][0]
	for i := range m.grids[k] { // the one that found it new
		if m.grids[k][i].fresh {
			g = &m.grids[k][i]
		}
	}
	r := reason{kind: kindNames[k], weight: m.parts[k]}
	r.low, r.high, r.known = g.known()
	num := func(v float64) string { return words.Number(v, d.spread()) }
	unit := func(v float64) string { return words.With(num(v), d.o.Signal.Unit) }
	until := ""
	if r.known {
		until = fmt.Sprintf("%s to %s", num(r.low), num(r.high))
	}
	switch k {
	case kindValue:
		r.low, r.high = d.seen.low, d.seen.high
		r.text = d.never(x, num, unit)
	case kindAtLevel:
		r.text = fmt.Sprintf("%s was never seen at this operating level (%s)", unit(x), note("at a mean of "+num(m.now[fMiddle]), until))
	case kindOff:
		r.text = fmt.Sprintf("%s is farther from the running mean of %s than ever (%s)", unit(x), num(m.now[fMiddle]), note("distance "+num(m.now[fOff]), until))
	case kindHour, kindSlowHour:
		mean := m.now[views[k].value]
		r.text = fmt.Sprintf("a mean of %s is unusual %s (%s)", unit(mean), hours(&g.context, int(g.row)), note("", orNothing(until)))
	case kindNoise:
		word := "noisier"
		if r.known && m.now[fNoise] < r.low {
			word = "quieter"
		}
		r.text = fmt.Sprintf("%s than ever at this level (%s)", word, note("it moves by "+num(m.now[fNoise])+" about its mean", until))
	case kindPast:
		r.text = fmt.Sprintf("a change from %s to %s within %s was never seen (%s)", num(m.now[fPast]), unit(x), d.span(history), note("from there", orNothing(until)))
	case kindSituation:
		r.text = fmt.Sprintf("%s was never seen with %s (%s)", unit(x), d.situationName(), note("", orNothing(until)))
	case kindPhase:
		r.text = fmt.Sprintf("%s was never seen at this point of the cycle (%s)", unit(x), note(fmt.Sprintf("%d %% of %s", int(100*m.now[fPhase]), seconds(d.phase.period)), until))
	case kindSpread:
		word := "more"
		if r.known && m.now[fSpread] < r.low {
			word = "less"
		}
		r.text = fmt.Sprintf("it varies %s within %s than ever at this level (%s)", word, seconds(d.steps.length), note("by "+num(m.now[fSpread]), until))
	}
	r.low, r.high = max(min(r.low, largest), -largest), max(min(r.high, largest), -largest)
	return r
}

// never tells of a value that was never reached.
func (d *Detector) never(x float64, num, unit func(float64) string) string {
	until := fmt.Sprintf("%s to %s in %s", num(d.seen.low), num(d.seen.high), words.Count(d.learnt, "value", "values"))
	if x >= d.seen.low && x <= d.seen.high {
		return fmt.Sprintf("%s was never seen before, although it lies within %s", unit(x), until)
	}
	return fmt.Sprintf("%s was never seen before (%s)", unit(x), until)
}

// note joins what a number is and what it was until now.
func note(what, until string) string {
	switch {
	case until == "":
		return what
	case what == "":
		return until + " until now"
	}
	return what + ": " + until + " until now"
}

func orNothing(until string) string {
	if until == "" {
		return "nothing like it"
	}
	return until
}

// hours names the time of day of a level.
func hours(s *scale, row int) string {
	clock := func(h float64) string {
		minutes := int(math.Round(min(max(h, 0), 24) * 60))
		return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
	}
	return fmt.Sprintf("between %s and %s", clock(s.at(row)), clock(s.at(row+1)))
}

// span is how long some steps are.
func (d *Detector) span(steps int) string { return seconds(float64(steps) * d.steps.length) }

func seconds(s float64) string { return words.Duration(time.Duration(s * float64(time.Second))) }

// spread says how many digits matter.
func (d *Detector) spread() float64 {
	if low, high, ok := d.band.ends(); ok && high > low {
		return (high - low) / 4
	}
	return (d.seen.high - d.seen.low) / 4
}

func (d *Detector) situationName() string {
	var parts []string
	if d.context.State != "" {
		parts = append(parts, "state "+d.context.State)
	}
	if d.context.Recipe != "" {
		parts = append(parts, "recipe "+d.context.Recipe)
	}
	if d.context.Phase != "" {
		parts = append(parts, "phase "+d.context.Phase)
	}
	if len(parts) == 0 {
		return "no recipe"
	}
	return strings.Join(parts, ", ")
}

// first is the explanation without how rare it is.
func (e explanation) first() string { return e.sentence("") }

// sentence joins the reasons.
func (e explanation) sentence(rare string) string {
	var parts []string
	for _, r := range e.reasons {
		parts = append(parts, r.text)
	}
	text := strings.Join(parts, "; ")
	if text == "" {
		text = "it does what it never did before"
	}
	text = strings.ToUpper(text[:1]) + text[1:] + "."
	if rare != "" {
		text += " " + rare
	}
	return text
}

// rare tells how often this signal is marked.
func (d *Detector) rare(at int64) string {
	since := words.Duration(time.Duration(at - d.began))
	if d.budget.total <= 1 {
		return fmt.Sprintf("The first mark of this signal in %s.", since)
	}
	return fmt.Sprintf("Mark number %d of this signal in %s.", d.budget.total, since)
}

// data is what an event of a step carries.
func (d *Detector) data(st step, score float64, e explanation) map[string]any {
	var reasons []map[string]any
	for _, r := range e.reasons {
		one := map[string]any{"view": r.kind, "text": r.text, "weight": round(r.weight)}
		if r.known {
			one["low"], one["high"] = r.low, r.high
		}
		reasons = append(reasons, one)
	}
	low, high, ok := d.Band()
	if !ok {
		low, high = d.seen.low, d.seen.high
	}
	length := time.Duration(d.steps.length * float64(time.Second))
	return map[string]any{
		"detector": Name, "metric": d.o.Signal.Name, "value": e.x,
		"expected": map[string]any{"low": low, "high": high},
		"band":     map[string]any{"low": low, "high": high},
		"window":   map[string]any{"from": time.Unix(0, st.at).Add(-length).UTC(), "to": time.Unix(0, st.at).UTC()},
		DataScore:  round(score), "reasons": reasons, "values": d.learnt,
		"seen": map[string]any{"low": d.seen.low, "high": d.seen.high},
		"marks": map[string]any{
			"count": d.budget.total, "days": round(float64(st.at-d.began) / float64(day)), "per_day_at_most": marksPerDay,
		},
		"step_s": round(d.steps.length),
	}
}

// detail is one sentence on how the detector is, for the signals command.
func (d *Detector) detail() string {
	switch {
	case d.suppressed:
		return "the line is " + d.context.State
	case d.model == nil || d.steps.length == 0:
		return "waits for values"
	case d.model.steps < warmUp:
		return fmt.Sprintf("warm-up: %d of %d steps of %s", d.model.steps, warmUp, seconds(d.steps.length))
	case !d.settled:
		return fmt.Sprintf("still new in its ways after %s", d.span(int(d.model.steps)))
	case !d.where.known():
		return "learns " + d.situationName()
	}
	return fmt.Sprintf("steps of %s, %s learnt, threshold %.2f, %s", seconds(d.steps.length),
		words.Count(d.learnt, "value", "values"), d.floor*d.budget.factor(d.steps.last), words.Count(uint64(d.budget.total), "mark", "marks"))
}
