package spc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// Shown is what people see of one chart, for one recipe.
type Shown struct {
	Key
	Unit      string      `json:"unit,omitempty"`
	Chart     string      `json:"chart"`
	With      []string    `json:"with,omitempty"`
	Rules     []int       `json:"rules"`
	Subgroup  string      `json:"subgroup"` // "60s" or "5 values"
	Collected int         `json:"collected"`
	Wanted    int         `json:"wanted"` // subgroups for a baseline
	Current   bool        `json:"current"`
	State     string      `json:"state"` // learning, waiting, watching, suppressed
	Detail    string      `json:"detail,omitempty"`
	Points    []Point     `json:"points"` // newest subgroups, oldest first
	Active    *Entry      `json:"active,omitempty"`
	Fit       *Capability `json:"capability,omitempty"` // of the active baseline, else of the newest
	Versions  []Entry     `json:"versions"`             // newest first
	Remarks   []string    `json:"remarks,omitempty"`    // what to look at before approving
	// ByChance is how many events to expect in 8 hours though nothing is wrong; 0 where
	// points come by parts, not by time.
	ByChance float64 `json:"byChance,omitempty"`
}

// byChance adds up how often the rules and charts fire by chance. They overlap, so it is
// a little more than counted (80 instead of 89 points for the default rules); a baseline
// of few subgroups has rough limits, which nearly doubles it.
func (c *Chart) byChance() (per8Hours float64) {
	if c.cfg.Subgroup <= 0 {
		return 0
	}
	rate := 0.0
	for _, r := range c.rules.numbers() {
		rate += 1 / float64(chance[r])
	}
	for _, w := range c.cfg.With {
		if n := chance[map[string]int{"ewma": alarmEWMA, "cusum": alarmCUSUM}[w]]; n > 0 {
			rate += 1 / float64(n)
		}
	}
	return rate * float64(8*time.Hour) / float64(c.cfg.Subgroup)
}

// Charts shows all charts by station and name; name "" means all.
func (b *Book) Charts(name string) []Shown {
	b.mu.Lock()
	charts := make([]*Chart, 0, len(b.charts))
	for _, c := range b.charts {
		charts = append(charts, c)
	}
	b.mu.Unlock()
	out := []Shown{}
	for _, c := range charts {
		c.mu.Lock()
		if name == "" || c.key.Name == name {
			out = append(out, c.shows()...)
		}
		c.mu.Unlock()
	}
	out = append(out, b.idle(name, out)...)
	slices.SortFunc(out, func(x, y Shown) int {
		return cmp.Or(cmp.Compare(x.Station, y.Station), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Recipe, y.Recipe))
	})
	return out
}

// idle are the charts of which only the baselines are known: their signal or parts have
// given no value since the agent started.
func (b *Book) idle(name string, live []Shown) (out []Shown) {
	b.mu.Lock()
	seen := map[Key]bool{}
	for _, s := range live {
		seen[s.Key] = true
	}
	var keys []Key
	for _, e := range b.entries {
		if (name == "" || e.Name == name) && !seen[e.Key] {
			seen[e.Key] = true
			keys = append(keys, e.Key)
		}
	}
	b.mu.Unlock()
	for _, k := range keys {
		s := Shown{Key: k, State: "idle", Detail: "no value since the agent started", Rules: []int{}, Points: []Point{}, Versions: b.history(k)}
		if len(s.Versions) == 0 {
			continue
		}
		newest := s.Versions[0]
		s.Unit, s.Chart, s.Subgroup = newest.Unit, string(newest.Baseline.Base), subgroupOf(newest.Every, newest.Group)
		if e, ok := b.newest(k, Frozen); ok {
			s.Active = &e
		}
		out = append(out, s)
	}
	return out
}

// shows lists the recipes of a chart. Callers hold mu.
func (c *Chart) shows() (out []Shown) {
	report := c.report()
	for recipe, t := range c.tracks {
		k := c.key
		k.Recipe = recipe
		s := Shown{
			Key: k, Unit: c.of.Unit, Chart: c.cfg.Chart, With: c.cfg.With, Rules: c.rules.numbers(), Subgroup: c.subgroup(),
			Collected: t.count, Wanted: c.cfg.Baseline, Current: t == c.cur, Active: t.active, Versions: c.book.history(k),
			ByChance: c.byChance(),
		}
		s.Points, _ = t.points()
		if s.Current {
			s.State, s.Detail = report.State, report.Detail
		}
		if len(s.Versions) > 0 {
			e := s.Versions[0]
			if t.active != nil {
				e = *t.active
			}
			if fit, ok := e.Baseline.Capability(c.tolerance); ok {
				s.Fit = &fit
			}
			if newest := s.Versions[0]; newest.State == Proposed || newest.State == Approved {
				s.Remarks = newest.Baseline.Remarks()
			}
			if frozen, ok := c.book.newest(k, Frozen); ok && !c.fits(frozen) {
				s.Remarks = append(s.Remarks, fmt.Sprintf("Baseline %d was made of other subgroups, in another unit or of another source than the configuration asks for now: it is not used; approve and freeze a new one.", frozen.Version))
			}
		}
		out = append(out, s)
	}
	return out
}

func (c *Chart) subgroup() string { return subgroupOf(c.cfg.Subgroup, c.cfg.Values) }

func subgroupOf(every time.Duration, values int) string {
	if every > 0 {
		return every.String()
	}
	return words.Count(uint64(max(values, 1)), "value", "values")
}

// Remarks are what a person should look at before approving.
func (b *Baseline) Remarks() (out []string) {
	if b.Outside > 0 {
		out = append(out, fmt.Sprintf("%d of its %d subgroups lie outside of their own limits: something happened while it was collected. Look for the cause, and propose anew when it is gone.", b.Outside, b.Subgroups))
	}
	const enough = 5.0 // failed parts: below it the binomial distribution is too crooked for limits of 3 σ
	if n := float64(b.Values) / float64(b.Subgroups); b.Base == Share && n*b.Center < enough {
		out = append(out, fmt.Sprintf("Only %.1f failed parts are expected in a subgroup of %.0f: limits are rough below %.0f. Larger subgroups help.", n*b.Center, n, enough))
	}
	const hangs = 0.5
	if b.Lag1 > hangs {
		out = append(out, fmt.Sprintf("Neighbouring points hang together (correlation %.2f): the rules will fire more often than by chance. Longer subgroups help.", b.Lag1))
	}
	return out
}

// Action is what a person does with a baseline.
type Action string

// The actions. Propose computes one of the newest subgroups.
const (
	Propose Action = "propose"
	Approve Action = "approve"
	Freeze  Action = "freeze"
)

// Errors of Do.
var (
	// ErrNoChart means that no chart has the name.
	ErrNoChart = errors.New("no chart of this name; linewatch-agent spc baseline show lists them")
	// ErrSeveral means that the name, or the recipe, is needed to tell which.
	ErrSeveral = errors.New("several stations have a chart of this name: add --station")
)

// Change is a change of a baseline: the event to be recorded of it, by the person who
// asked.
type Change struct {
	Type    string         `json:"-"`
	Station string         `json:"-"`
	Data    map[string]any `json:"-"`
	Entry   Entry          `json:"entry"`
	Remarks []string       `json:"remarks,omitempty"`
}

// Do changes the baseline of a chart; station "" when only one has the name. The result
// is in force and on disk when Do returns; by goes into the event only.
func (b *Book) Do(action Action, station, name, recipe, by string, now time.Time) (Change, error) {
	c, err := b.chart(station, name)
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.key
	key.Recipe = recipe
	t := c.tracks[recipe]
	var e Entry
	switch {
	case action == Propose && t == nil:
		return Change{}, fmt.Errorf("%s: no subgroups of recipe %q yet", name, recipe)
	case action == Propose:
		e, err = c.proposeOf(t, key, now)
	case action == Approve:
		e, err = b.approve(key, now)
	case action == Freeze:
		if e, err = b.freeze(key, now); err == nil && t != nil {
			t.proposed = false
			t.refreshAs(c, key)
		}
	default:
		err = fmt.Errorf("unknown action %q: propose, approve or freeze", action)
	}
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", name, err)
	}
	return Change{
		Type: event.TypeSpcBaseline, Station: key.Station, Entry: e, Data: c.baselineData(e, by), Remarks: e.Baseline.Remarks(),
	}, nil
}

func (b *Book) chart(station, name string) (found *Chart, err error) {
	b.mu.Lock()
	charts := make([]*Chart, 0, 1)
	for _, c := range b.charts {
		charts = append(charts, c)
	}
	b.mu.Unlock()
	for _, c := range charts {
		c.mu.Lock()
		fits := c.key.Name == name && (station == "" || c.key.Station == station)
		c.mu.Unlock()
		switch {
		case fits && found != nil:
			return nil, ErrSeveral
		case fits:
			found = c
		}
	}
	if found == nil {
		return nil, ErrNoChart
	}
	return found, nil
}

// baselineData is event_data of spc.baseline: all numbers, so that the evidence holds
// what the charts compared with.
func (c *Chart) baselineData(e Entry, by string) map[string]any {
	b := e.Baseline
	low, high := b.Limits(Point{N: max(b.Size, int(float64(b.Values)/float64(b.Subgroups)))})
	d := map[string]any{
		"characteristic": e.Name, "state": string(e.State), "version": e.Version, "by": by, "chart": string(b.Base),
		"subgroups": b.Subgroups, "subgroup": c.subgroup(), "from": b.From, "to": b.To, "values": b.Values,
		"center": b.Center, "sigma": b.Sigma, "low": low, "high": high, "meanRange": b.MeanRange,
		"movingRange": b.MovingRange, "outside": b.Outside, "lag1": round(b.Lag1, 1),
	}
	if e.Recipe != "" {
		d["recipe"] = e.Recipe
	}
	text := fmt.Sprintf("Baseline %d of %s is %s: mean %s, control limits %s to %s, of %d subgroups.",
		e.Version, e.Name, map[State]string{Proposed: "ready for approval", Approved: "approved", Frozen: "in force"}[e.State],
		c.shown(b.Center, &b), c.shown(low, &b), c.shown(high, &b), b.Subgroups)
	for _, r := range b.Remarks() {
		text += " " + r
	}
	if fit, ok := b.Capability(c.tolerance); ok {
		d["capability"] = map[string]any{"cp": round(fit.Cp, .1), "cpk": round(fit.Cpk, .1), "cpkLow": round(fit.CpkLow, .1), "ppk": round(fit.Ppk, .1)}
		if fit.Cpk != 0 {
			text += fmt.Sprintf(" Cpk %.2f.", fit.Cpk)
		}
	}
	d["explanation"] = text
	return d
}
