package novelty

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// close ends the open step: it is learnt and judged.
func (d *Detector) close() {
	values := uint64(d.steps.count)
	st, gap := d.steps.cut()
	if d.model == nil {
		d.model = NewModel(d.o.Seed, d.steps.length)
		d.model.paused = d.paused
		d.began = st.at
	}
	if d.rhythm.every == 0 {
		d.rhythm.begin(d.steps.interval)
	}
	d.greet()
	if gap {
		d.phase.again()
		d.model.memory.again()
		d.settle = settleSteps
	}
	actual := st
	if d.away(&st) {
		return
	}
	hour, minute, second := time.Unix(0, st.at).In(d.loc).Clock()
	clock := float64(hour) + float64(minute)/60 + float64(second)/3600
	situation := d.where.level()
	if d.settle > 0 { // the way into a situation is none of its ways
		situation = -1
	}
	raw := d.model.step(st, clock, situation, d.phase.next(st.at, st.mean))
	if !d.paused {
		d.where.learn()
		d.learnt += values
	}
	if d.model.steps == warmUp && d.band.width == 0 {
		d.band.begin(d.model.grids[kindValue][0].value)
	}
	d.judge(actual, raw)
	if !d.paused {
		d.band.add(st.min, st.max)
		d.seen.add(st.min, st.max)
	}
	if d.model.steps%checkSteps == 0 {
		d.pace()
	}
}

// greet says once how the detector begins.
func (d *Detector) greet() {
	if d.said {
		return
	}
	d.said = true
	long := words.Duration(time.Duration(warmUp * d.steps.length * float64(time.Second)))
	switch {
	case d.lostWhy != "":
		d.announce("lost", fmt.Sprintf("What was learnt of this signal could not be read (%s): learning begins anew and takes %s or longer.", d.lostWhy, long))
	case !d.restored:
		d.announce("learning", fmt.Sprintf("Learning begins: nothing is marked for %s, or longer while the signal still shows what it did not show before.", long))
	}
}

// away looks at a step far outside of what was seen: it is cut to the neighbourhood, so
// that one wild value does not spoil the maps; where several follow each other the
// signal has another range and is learnt anew, which is reported as true.
func (d *Detector) away(st *step) bool {
	r := d.seen.high - d.seen.low
	if d.model.steps <= warmUp || r <= 0 {
		return false
	}
	low, high := d.seen.low-farAway*r, d.seen.high+farAway*r
	if st.min >= low && st.max <= high {
		d.far = 0
		return false
	}
	if d.far++; d.far >= farSteps {
		from, to := words.Number(d.seen.low, r), words.Number(d.seen.high, r)
		now := words.With(words.Number(st.mean, 0), d.o.Signal.Unit)
		d.begin()
		d.announce("relearning", fmt.Sprintf("The signal gives %s; until now it was between %s and %s. Has its unit or its range changed? Learning begins anew.", now, from, to))
		return true
	}
	low, high = d.seen.low-r, d.seen.high+r
	st.min, st.max, st.mean = min(max(st.min, low), high), min(max(st.max, low), high), min(max(st.mean, low), high)
	return false
}

// judge decides whether a step is marked.
func (d *Detector) judge(st step, raw float64) {
	if d.model.steps <= warmUp {
		return
	}
	if d.settle > 0 {
		d.settle--
		return
	}
	if !d.where.known() {
		return
	}
	score := d.model.emit(raw)
	if score >= d.floor {
		d.news = d.model.steps
	}
	if !d.settled {
		d.settled = d.calm(st.at)
		return
	}
	still := d.story.open && d.model.stillNew() >= episodeNews
	if d.story.next(d.model, st.at, still, int64(d.o.Persist)) && st.at-d.began > lastingAfter {
		d.lasting(st)
	}
	factor, moved := d.budget.moved(st.at)
	if moved {
		d.tellThreshold(factor)
	}
	if score < d.floor {
		return
	}
	e := d.explain(st)
	if !d.story.open {
		d.story.begin(d.model, st.at, score, e.first())
	}
	if score >= d.floor*factor && d.budget.take(st.at) {
		d.mark(st, score, factor, e)
	}
}

// calm reports whether enough was learnt: nothing new for a third of the time, or three
// days.
func (d *Detector) calm(at int64) bool {
	n := d.model.steps
	if n < settledAfter*warmUp || (n-d.news)*settledAfter < n && at-d.began < 3*day {
		return false
	}
	d.announce("watching", fmt.Sprintf("Learnt enough in %s (%s): what is new is marked from now on.",
		words.Duration(time.Duration(at-d.began)), words.Count(d.learnt, "value", "values")))
	return true
}

func (d *Detector) tellThreshold(factor float64) {
	state, sentence := "threshold", fmt.Sprintf(
		"The threshold of this signal is raised to %.1f times its usual one for about a day, to keep to %d marks a day.", factor, marksPerDay)
	if !d.budget.told {
		sentence = "The threshold of this signal is back at its usual value."
	}
	d.announce(state, sentence)
}

// retime takes over a cycle that was just found.
func (d *Detector) retime() {
	if d.rhythm.slow > 0 && d.phase.period == 0 {
		d.phase.begin(d.rhythm.slow, d.rhythm.middle, d.rhythm.swing)
	}
	if length := d.steps.fit(d.rhythm.fast); math.Abs(length-d.steps.length) > 0.1*d.steps.length {
		d.setLength(length)
	}
}

// pace follows a signal whose values come at quite another rate.
func (d *Detector) pace() {
	length := d.steps.fit(d.rhythm.fast)
	if length > paceChange*d.steps.length || length < d.steps.length/paceChange {
		d.setLength(length)
	}
}

// setLength begins anew with steps of another length.
func (d *Detector) setLength(length float64) {
	was := d.settled
	period := d.phase
	d.steps.length = length
	d.begin()
	d.phase = period
	if was {
		d.announce("relearning", fmt.Sprintf("The rhythm of the signal is another one: it is now looked at in steps of %s. Learning begins anew.",
			words.Duration(time.Duration(length*float64(time.Second)))))
	}
}

// mark raises what was found in a step.
func (d *Detector) mark(st step, score, factor float64, e explanation) {
	data := d.data(st, score, e)
	data[DataPersists] = false
	data["threshold"] = round(d.floor * factor)
	if d.budget.withheld > 0 {
		data["withheld"] = d.budget.withheld
		d.budget.withheld = 0
	}
	data["explanation"] = e.sentence(d.rare(st.at))
	d.raise(st, score, data)
}

// lasting raises that a signal stays unusual.
func (d *Detector) lasting(st step) {
	e := d.explain(st)
	data := d.data(st, d.story.score, e)
	took := time.Duration(st.at - d.story.since)
	data[DataPersists] = true
	data["since"] = time.Unix(0, d.story.since).UTC()
	data["lastedMs"] = took.Milliseconds()
	data["explanation"] = fmt.Sprintf("Unusual for %s now, in %d of 100 steps. It began: %s",
		words.Duration(took), int(100*d.story.share), d.story.why)
	d.raise(st, d.story.score, data)
}

func (d *Detector) raise(st step, score float64, data map[string]any) {
	d.found++
	d.pending = append(d.pending, detect.Finding{
		Type: event.TypeAnomalyDetected, Class: event.Manufacturing, Condition: Name, Detector: Name,
		Data: data, At: time.Unix(0, st.at), Curve: true, Score: score,
	})
}

// round leaves as many digits as a person reads.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
