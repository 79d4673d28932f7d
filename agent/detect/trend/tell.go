package trend

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// open is the forecast that stands.
type open struct {
	limit   *Limit
	shown   bool // told, not only noted to learn whether it comes true
	made    time.Time
	soonest time.Time
	latest  time.Time
	expires time.Time
	text    string
}

// record is how the forecasts of this signal did so far.
type record struct {
	Hits   float64   `json:"hits"`
	Misses float64   `json:"misses"`
	At     time.Time `json:"at"` // of the last change
	// Counted since ever, for people.
	CameTrue uint64 `json:"cameTrue"`
	Failed   uint64 `json:"failed"`
}

// settle forgets with time and adds one outcome.
func (r *record) settle(hit bool, now time.Time) {
	r.fade(now)
	if hit {
		r.Hits++
		r.CameTrue++
	} else {
		r.Misses++
		r.Failed++
	}
}

func (r *record) fade(now time.Time) {
	if age := now.Sub(r.At); age > 0 && !r.At.IsZero() {
		keep := math.Pow(0.5, float64(age)/float64(halfLife))
		r.Hits, r.Misses = r.Hits*keep, r.Misses*keep
	}
	if now.After(r.At) {
		r.At = now
	}
}

// trusted says whether forecasts are told.
func (r *record) trusted(now time.Time) bool {
	r.fade(now)
	return (r.Hits+2)/(r.Hits+r.Misses+3) >= trusted
}

// proven says that forecasts of this signal mostly come true.
func (r *record) proven() bool { return r.Hits >= 0.5 && r.Hits > 2*r.Misses }

func (r *record) sentence() string {
	if r.CameTrue+r.Failed == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d forecasts of this signal came true", r.CameTrue, r.CameTrue+r.Failed)
}

// foretell opens a forecast, or tells again when it comes at another time than was told.
func (f *Forecast) foretell(e estimate, scale int, at time.Time, out []detect.Finding) []detect.Finding {
	l := &f.limits[e.limit]
	latest := at.Add(e.latest)
	if f.open.limit == l {
		if f.open.shown && (latest.Before(f.open.soonest) || at.After(f.open.latest)) {
			return append(out, f.tell(e, at, scale))
		}
		// The same trend, still on: it is given the time of the newest line.
		f.open.expires = later(f.open.expires, expiry(at, e))
		return out
	}
	if f.open.limit != nil && f.open.limit.Upper == l.Upper && math.Abs(f.open.limit.Value-e.level) < math.Abs(l.Value-e.level) {
		return out // the nearer limit comes first
	}
	f.open = open{limit: l, made: at, expires: expiry(at, e)}
	if !f.track.trusted(at) {
		return out
	}
	return append(out, f.tell(e, at, scale))
}

// expiry is when a forecast has failed: a quarter of the time later than the latest.
func expiry(at time.Time, e estimate) time.Time { return at.Add(e.latest + e.latest/4 + time.Second) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// tell makes the event of a forecast.
func (f *Forecast) tell(e estimate, at time.Time, scale int) detect.Finding {
	l := f.limits[e.limit]
	o := &f.open
	again := o.shown
	o.shown, o.soonest, o.latest = true, at.Add(e.soonest), at.Add(e.latest)
	o.expires = expiry(at, e)
	f.told++
	movement := "rises"
	if !l.Upper {
		movement = "falls"
	}
	per, unit := e.perHour, "an hour"
	if e.overTime < time.Hour {
		per, unit = per/60, "a minute"
	}
	number := func(v float64) string {
		return words.With(words.Number(v, max(e.spread, math.Abs(l.Value-e.level)/10)), f.of.Unit)
	}
	o.text = fmt.Sprintf("%s reaches %s (%s) in %s: it %s by %s %s and is at %s now.", f.of.Name, l.Name,
		words.With(words.Number(l.Value, 0), f.of.Unit), words.Between(e.soonest, e.latest), movement,
		number(math.Abs(per)), unit, number(e.level))
	text := o.text + fmt.Sprintf(" Of the last %s.", words.Duration(e.overTime))
	if s := f.track.sentence(); s != "" {
		text += " So far " + s + "."
	}
	severity := event.SeverityLow
	if s, ok := severities[l.Name]; ok {
		severity = s
	}
	return detect.Finding{
		Type: event.TypeSignalForecast, Class: event.Manufacturing, Severity: &severity, Condition: "forecast/" + l.Name,
		At: at, Detector: "trend", Curve: !again, Score: 1,
		Data: map[string]any{
			"limit": l.Name, "state": "expected", "limitValue": l.Value, "level": e.level, "perHour": e.perHour,
			"soonest": o.soonest, "latest": o.latest, "soonestMs": e.soonest.Milliseconds(), "latestMs": e.latest.Milliseconds(),
			"overMs": e.overTime.Milliseconds(), "stepMs": steps[scale].Milliseconds(),
			"cameTrue": f.track.CameTrue, "failed": f.track.Failed, "explanation": text,
		},
	}
}

// follow notices that the limit is reached, or the time over.
func (f *Forecast) follow(s detect.Sample, out []detect.Finding) []detect.Finding {
	l := f.open.limit
	if l.Upper && s.Value >= l.Value || !l.Upper && s.Value <= l.Value {
		return f.end(s.At, true, "", out)
	}
	if s.At.After(f.open.expires) {
		return f.end(s.At, false, "the time is over", out)
	}
	return out
}

// end closes the forecast.
func (f *Forecast) end(at time.Time, reached bool, why string, out []detect.Finding) []detect.Finding {
	o := f.open
	f.open = open{}
	f.track.settle(reached, at)
	if !o.shown {
		return out
	}
	state, text := "reached", fmt.Sprintf("%s has reached %s after %s, as foretold.", f.of.Name, o.limit.Name, words.Duration(at.Sub(o.made)))
	switch {
	case !reached:
		state = "withdrawn"
		text = fmt.Sprintf("%s no longer tends to %s (%s).", f.of.Name, o.limit.Name, why)
	case at.Before(o.soonest) || at.After(o.latest):
		text = fmt.Sprintf("%s has reached %s after %s; %s was foretold.", f.of.Name, o.limit.Name, words.Duration(at.Sub(o.made)),
			words.Between(o.soonest.Sub(o.made), o.latest.Sub(o.made)))
	}
	return append(out, detect.Finding{
		Type: event.TypeSignalForecast, Class: event.Manufacturing, Severity: new(event.SeverityInfo),
		Condition: "forecast/" + o.limit.Name, At: at, Detector: "trend",
		Data: map[string]any{
			"limit": o.limit.Name, "state": state, "limitValue": o.limit.Value, "made": o.made,
			"soonest": o.soonest, "latest": o.latest, "afterMs": at.Sub(o.made).Milliseconds(), "explanation": text,
		},
	})
}
