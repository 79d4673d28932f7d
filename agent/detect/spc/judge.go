package spc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// chance is how many points of a process in control pass, in the mean, until a rule
// fires by chance: the average run length for independent normal points. The test
// TestRulesFireByChanceAsOftenAsTheyTell counts them.
var chance = map[int]int{
	1: 370, 2: 511, 3: 418, 4: 606, 5: 511, 6: 292, 7: 965, 8: 14300, alarmRange: 217, alarmEWMA: 500, alarmCUSUM: 465,
}

// judgement is what one point broke.
type judgement struct {
	p     Point
	z     float64
	entry *Entry
	fired []int // rules and charts, strongest first
	rise  int
	side  int // of the cumulative sum
	shift float64
	since int
	mean  float64 // of the moving average
}

// judge compares a point with the frozen baseline.
func (c *Chart) judge(t *track, p closed) []detect.Finding {
	b := &t.active.Baseline
	if b.Base == Share && float64(p.N)*b.Center < leastFailed {
		return nil // of so few parts one that fails would be an alarm
	}
	j := judgement{p: p.Point, z: b.Z(p.Point), entry: t.active}
	broken := t.tests.Add(j.z) & c.rules
	j.rise = t.tests.Rise
	var out [alarms]bool
	for r := RuleBeyond; r <= RuleAvoiding; r++ {
		out[r] = broken.Has(r)
	}
	out[alarmRange] = b.rangeOutside(p.Point)
	for _, w := range c.cfg.With {
		switch w {
		case "ewma":
			out[alarmEWMA] = t.ewma.Add(j.z)
			j.mean = t.ewma.Z
		case "cusum":
			if j.side = t.cusum.Add(j.z); j.side != 0 {
				out[alarmCUSUM] = true
				j.shift, j.since = t.cusum.Shift(j.side)
				t.cusum.Reset() // Montgomery: look for the cause, then begin at zero
			}
		}
	}
	j.fired = t.fresh(out)
	if len(j.fired) == 0 {
		return nil
	}
	c.found++
	return []detect.Finding{c.finding(t, j)}
}

// leastFailed is how many failed parts must be expected for a share to be judged.
const leastFailed = 0.5

// order of what is told first: the plainest and rarest.
var order = [...]int{
	int(RuleBeyond), alarmRange, int(RuleTwoOfThree), int(RuleFourOfFive), int(RuleOneSide), alarmCUSUM, alarmEWMA,
	int(RuleTrend), int(RuleAlternating), int(RuleHugging), int(RuleAvoiding),
}

// fresh are the alarms that fire now and were not still held from before.
func (t *track) fresh(out [alarms]bool) (fired []int) {
	for _, a := range order {
		switch {
		case out[a] && t.quiet[a] == 0:
			fired = append(fired, a)
			t.quiet[a] = hold
		case out[a]:
			t.quiet[a] = hold
		case t.quiet[a] > 0:
			t.quiet[a]--
		}
	}
	return fired
}

// finding makes the event of a judgement.
func (c *Chart) finding(t *track, j judgement) detect.Finding {
	b := &j.entry.Baseline
	low, high := b.Limits(j.p)
	rules, texts := []any{}, []string{}
	for i, a := range j.fired {
		rules = append(rules, name(a))
		if i < 2 { // the two plainest are enough for a sentence
			texts = append(texts, c.sentence(t, j, a))
		}
	}
	points, _ := t.points()
	recent := make([]any, len(points))
	for i, p := range points {
		recent[i] = round(p.Value, b.Sigma)
	}
	data := map[string]any{
		"characteristic": c.key.Name, "rule": rules[0], "rules": rules, "chart": string(b.Base),
		"window": map[string]any{"from": points[0].At, "to": j.p.At, "points": len(points), "values": j.p.N},
		"stats": map[string]any{
			"value": j.p.Value, "range": j.p.Range, "center": b.Center, "sigma": b.sigmaOf(j.p), "z": j.z,
			"low": low, "high": high, "baseline": j.entry.Version, "oncePerPoints": chance[j.fired[0]],
		},
		"recent": recent, "band": map[string]any{"low": low, "high": high},
		"explanation": strings.Join(texts, " ") + c.comparison(j),
	}
	if c.key.Recipe != "" {
		data["recipe"] = c.key.Recipe
	}
	if c.of.Unit != "" && b.Base != Share {
		data["unit"] = c.of.Unit
	}
	if cap, ok := b.Capability(c.tolerance); ok && cap.Cpk > 0 {
		data["cpk"] = round(cap.Cpk, .1)
	}
	f := detect.Finding{
		Type: event.TypeQualityTrend, Class: event.Manufacturing, Condition: "spc", Data: data, At: j.p.At,
		Detector: "spc", Curve: true, Score: math.Abs(j.z),
	}
	if slow(j.fired[0]) {
		f.Severity = new(event.SeverityLow)
	}
	return f
}

// slow are patterns within the limits: nothing is out of tolerance yet.
func slow(a int) bool { return a >= int(RuleOneSide) && a <= int(RuleAvoiding) }

func name(a int) string {
	switch a {
	case alarmRange:
		return "range"
	case alarmEWMA:
		return "ewma"
	case alarmCUSUM:
		return "cusum"
	}
	return "nelson " + strconv.Itoa(a)
}

func round(v, spread float64) float64 {
	if spread <= 0 || math.IsInf(spread, 0) {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(spread))-2)
	if r := math.Round(v/unit) * unit; !math.IsInf(r, 0) && !math.IsNaN(r) {
		return r
	}
	return v
}

// sentence says what one rule found.
func (c *Chart) sentence(t *track, j judgement, a int) string {
	b := &j.entry.Baseline
	low, high := b.Limits(j.p)
	side, limit := "above", high
	if j.z < 0 {
		side, limit = "below", low
	}
	what := c.what(j.p)
	switch a {
	case int(RuleBeyond):
		return fmt.Sprintf("%s is %s, %s the control limit of %s.", what, c.shown(j.p.Value, b), side, c.shown(limit, b))
	case int(RuleTwoOfThree):
		return fmt.Sprintf("2 of the last 3 points of %s lie far %s the mean of %s (beyond %s), the newest at %s.",
			c.key.Name, side, c.shown(b.Center, b), c.shown(b.Center+math.Copysign(2*b.sigmaOf(j.p), j.z), b), c.shown(j.p.Value, b))
	case int(RuleFourOfFive):
		return fmt.Sprintf("4 of the last 5 points of %s lie well %s the mean of %s, the newest at %s.",
			c.key.Name, side, c.shown(b.Center, b), c.shown(j.p.Value, b))
	case int(RuleOneSide):
		return fmt.Sprintf("%d points of %s in a row lie %s the mean of %s, the newest at %s: the mean has moved.",
			max(t.tests.Side, -t.tests.Side), c.key.Name, side, c.shown(b.Center, b), c.shown(j.p.Value, b))
	case int(RuleTrend):
		return fmt.Sprintf("%s has been %s for %d points in a row, to %s.",
			c.key.Name, map[bool]string{true: "rising", false: "falling"}[j.rise > 0], max(j.rise, -j.rise), c.shown(j.p.Value, b))
	}
	return c.further(j, a)
}

// further are the sentences of the rarer rules and of the charts with a memory.
func (c *Chart) further(j judgement, a int) string {
	b := &j.entry.Baseline
	switch a {
	case int(RuleAlternating):
		return fmt.Sprintf("%d points of %s in a row went up and down in turn: two sources that alternate, or a controller that overshoots?", runAlternate, c.key.Name)
	case int(RuleHugging):
		return fmt.Sprintf("%d points of %s in a row lie close to the mean of %s: less spread than the baseline has (a sensor that sticks, or a better process: propose a new baseline).", runWithin, c.key.Name, c.shown(b.Center, b))
	case int(RuleAvoiding):
		return fmt.Sprintf("%d points of %s in a row avoid the mean of %s on both sides: two products or tools mixed?", runOutside, c.key.Name, c.shown(b.Center, b))
	case alarmRange:
		_, high, _ := rangeLimits(b.MeanRange, j.p.N)
		more := "more than the control limit of " + c.shown(high, b)
		if j.p.Range < high {
			more = "less than the lower control limit"
		}
		return fmt.Sprintf("The parts of one subgroup of %s differ by %s, %s (usually %s).", c.key.Name, c.shown(j.p.Range, b), more, c.shown(b.MeanRange, b))
	case alarmEWMA:
		return fmt.Sprintf("The moving average of %s has drifted to %s, the mean is %s.", c.key.Name, c.shown(b.Center+j.mean*b.Sigma, b), c.shown(b.Center, b))
	}
	return fmt.Sprintf("%s has shifted from %s to about %s, %s ago.", c.key.Name, c.shown(b.Center, b), c.shown(b.Center+j.shift*b.Sigma, b), c.ago(j.since))
}

// what names a point: a value, or the mean of a minute or of parts.
func (c *Chart) what(p Point) string {
	switch {
	case c.base() == Share:
		return fmt.Sprintf("The share of failed parts of %s (%d parts)", c.key.Name, p.N)
	case c.cfg.Subgroup > 0:
		return fmt.Sprintf("%s in the mean of %s", c.key.Name, words.Duration(c.cfg.Subgroup))
	case c.cfg.Values > 1:
		return fmt.Sprintf("%s in the mean of %d parts", c.key.Name, p.N)
	}
	return c.key.Name
}

// shown is a value with its unit, a share in percent.
func (c *Chart) shown(v float64, b *Baseline) string {
	if b.Base == Share {
		return words.Number(100*v, 100*b.Sigma) + " %"
	}
	return c.number(v, b.Sigma)
}

// ago says how long a number of points takes.
func (c *Chart) ago(points int) string {
	if c.cfg.Subgroup > 0 {
		return words.Duration(time.Duration(points) * c.cfg.Subgroup)
	}
	return words.Count(uint64(max(points, 0)), "point", "points")
}

// comparison says with what, and how rare.
func (c *Chart) comparison(j judgement) string {
	return fmt.Sprintf(" By chance that happens once in about %s. Compared with baseline %d of %d subgroups, frozen on %s.",
		words.Count(uint64(chance[j.fired[0]]), "point", "points"), j.entry.Version, j.entry.Baseline.Subgroups, j.entry.Frozen.Format(time.DateOnly))
}
