// Package spc is statistical process control on a station: subgroups of a signal or of
// a characteristic, baselines that a person approves and that then stay as they are,
// the charts of Shewhart (individuals, X-bar and R, share of failed parts), EWMA and
// CUSUM, Nelson's rules, and capability.
package spc

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

// Defaults of charts.
const (
	defaultEvery = 60 * time.Second // of a signal
	defaultParts = 50               // of a share
	// λ 0.2 with a width of 2.962 σ, and K 0.5 with H 5: once in 500 and in 465 points by
	// chance (J. M. Lucas and M. S. Saccucci, Technometrics 32 (1990) 1; Montgomery,
	// table 9.3).
	ewmaLambda, ewmaWidth = 0.2, 2.962
	cusumK, cusumH        = 0.5, 5.0
	// maxRecipes bounds the baselines that one chart watches in turn.
	maxRecipes = 32
	// hold is for how many quiet points a rule that fired stays silent: an alarm that
	// comes and goes is one.
	hold = 5
)

// Chart watches one signal or characteristic. It is a detect.Detector; its baselines
// may be asked for and changed from other goroutines.
type Chart struct {
	cfg       config.SPC
	of        detect.Signal
	source    string
	book      *Book
	rules     Rules
	tolerance Tolerance

	mu         sync.Mutex
	key        Key // of the current recipe
	tracks     map[string]*track
	cur        *track
	suppressed bool
	values     uint64
	found      uint64
}

var (
	_ detect.Detector   = (*Chart)(nil)
	_ detect.Contextual = (*Chart)(nil)
	_ detect.Keeper     = (*Chart)(nil)
	_ detect.Named      = (*Chart)(nil)
	_ detect.Reporter   = (*Chart)(nil)
)

// New makes the chart of a signal and enters it in the book.
func New(cfg config.SPC, of detect.Signal, book *Book) *Chart {
	if cfg.Subgroup == 0 && cfg.Values == 0 {
		cfg.Subgroup = defaultEvery
	}
	return newChart(cfg, of, book)
}

func newChart(cfg config.SPC, of detect.Signal, book *Book) *Chart {
	if cfg.Chart == "" {
		cfg.Chart = string(Individuals)
	}
	if cfg.Baseline < 2 {
		cfg.Baseline = 25
	}
	c := &Chart{
		cfg: cfg, of: of, source: of.Source, book: book, key: Key{Station: of.Station, Name: of.Name},
		tracks:    map[string]*track{},
		tolerance: Tolerance{Low: cfg.Low, High: cfg.High}, rules: DefaultRules,
	}
	if cfg.Rules != nil {
		c.rules = Of(cfg.Rules...)
	}
	if c.base() == Share {
		c.rules &= Of(1, 2, 3, 4) // the zones of the others ask for normal points
	}
	book.enter(c, of.Source)
	c.choose("")
	return c
}

// Name implements detect.Named.
func (c *Chart) Name() string { return "spc" }

func (c *Chart) base() Base { return Base(c.cfg.Chart) }

// address names a chart in the book.
func (c *Chart) address() string { return c.key.Station + "\x00" + c.key.Name }

// choose makes a recipe current. Parts of mixed products come in turn: each product goes
// on where it was. Callers hold mu, or are alone.
func (c *Chart) choose(recipe string) {
	if c.cur != nil && c.cfg.Subgroup > 0 {
		c.cur.group.restart() // what it has of its span is a part only
	}
	c.key.Recipe = recipe
	t := c.tracks[recipe]
	if t == nil {
		if len(c.tracks) >= maxRecipes {
			c.forget()
		}
		t = c.newTrack()
		c.tracks[recipe] = t
		t.refresh(c)
	}
	c.cur = t
}

// forget drops the recipe that was used least recently; its baselines are in the book.
func (c *Chart) forget() {
	oldest := slices.MinFunc(slices.Sorted(maps.Keys(c.tracks)), func(a, b string) int {
		return cmp.Compare(c.tracks[a].last().Unix(), c.tracks[b].last().Unix())
	})
	delete(c.tracks, oldest)
}

// SetContext implements detect.Contextual: each recipe has a baseline of its own, and
// nothing but production is taken in.
func (c *Chart) SetContext(ctx detect.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Recipe == "" { // unknown, as for a moment after a restart, is no change
		ctx.Recipe = c.key.Recipe
	}
	suppressed := ctx.State != "" && ctx.State != detect.Production
	if suppressed != c.suppressed {
		c.suppressed = suppressed
		c.cur.group.restart()
		c.cur.restart()
	}
	if ctx.Recipe != c.key.Recipe {
		c.choose(ctx.Recipe)
	}
}

// Observe implements detect.Detector.
func (c *Chart) Observe(s detect.Sample) []detect.Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values++
	if c.suppressed {
		return nil
	}
	p, done := c.cur.group.add(s.At, s.Value)
	if !done {
		return nil
	}
	return c.point(p)
}

// Tick implements detect.Detector.
func (c *Chart) Tick(now time.Time) []detect.Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.suppressed {
		return nil
	}
	p, done := c.cur.group.tick(now)
	if !done {
		return nil
	}
	return c.point(p)
}

// point takes a finished subgroup.
func (c *Chart) point(p closed) []detect.Finding {
	t := c.cur
	if p.gap {
		t.restart()
	}
	t.keep(p)
	t.refresh(c)
	if t.active == nil {
		if t.count < c.cfg.Baseline || t.proposed {
			return nil
		}
		e, err := c.propose(p.At)
		if err != nil {
			return nil // constant so far: tried again with the next point
		}
		return []detect.Finding{{
			Type: event.TypeSpcBaseline, Class: event.Security, Condition: "baseline", At: p.At,
			Detector: "spc", Data: c.baselineData(e, "system"),
		}}
	}
	return c.judge(t, p)
}

// propose computes a baseline of the newest subgroups. Callers hold mu.
func (c *Chart) propose(now time.Time) (Entry, error) { return c.proposeOf(c.cur, c.key, now) }

func (c *Chart) proposeOf(t *track, key Key, now time.Time) (Entry, error) {
	if t.count < c.cfg.Baseline {
		return Entry{}, fmt.Errorf("only %d of %d subgroups so far", t.count, c.cfg.Baseline)
	}
	points, overall := t.points()
	b, err := NewBaseline(c.base(), points, overall)
	if err != nil {
		return Entry{}, err
	}
	t.proposed = true
	return c.book.propose(Entry{
		Key: key, Every: c.cfg.Subgroup, Group: c.cfg.Values, Unit: c.of.Unit, Source: c.source, Baseline: b, Proposed: now.UTC().Round(0),
	}), nil
}

// fits refuses a baseline that was made of other subgroups, in another unit, or of another
// source, than the configuration says.
func (c *Chart) fits(e Entry) bool {
	if e.Unit != "" && e.Unit != c.of.Unit || e.Source != "" && e.Source != c.source {
		return false
	}
	return e.Every == c.cfg.Subgroup && e.Group == c.cfg.Values && e.Baseline.Base == c.base()
}

// Report implements detect.Reporter.
func (c *Chart) Report() detect.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report()
}

func (c *Chart) report() detect.Report {
	r := detect.Report{Detector: "spc", Values: c.values, Found: c.found}
	t := c.cur
	switch {
	case c.suppressed:
		r.State, r.Detail = "suppressed", "the line does not produce"
	case t.active != nil:
		b := t.active.Baseline
		r.State = "watching"
		r.Detail = fmt.Sprintf("baseline %d: mean %s, limits %s to %s", t.active.Version, c.number(b.Center, b.Sigma),
			c.number(b.Center-3*b.Sigma, b.Sigma), c.number(b.Center+3*b.Sigma, b.Sigma))
	case t.proposed:
		r.State, r.Detail = "waiting", "a baseline waits for approval: linewatch-agent spc baseline show "+c.key.Name
	default:
		r.State = "learning"
		r.Detail = fmt.Sprintf("%d of %d subgroups for a first baseline", t.count, c.cfg.Baseline)
	}
	return r
}

func (c *Chart) number(v, spread float64) string {
	return words.With(words.Number(v, spread), c.of.Unit)
}

// track is what a chart knows of one recipe.
type track struct {
	group    group
	ring     []closed // the newest subgroups
	next     int
	count    int
	proposed bool // a proposal of the present points waits for a person

	active *Entry // frozen baseline that fits the configuration
	looked uint64 // changes of the book, plus 1, when active was read

	tests Tests
	ewma  EWMA
	cusum CUSUM
	quiet [alarms]uint8 // points that a rule still stays silent after it fired
}

// alarms: Nelson's rules by number, and the three further charts.
const (
	alarmRange = iota + 9
	alarmEWMA
	alarmCUSUM
	alarms
)

func (c *Chart) newTrack() *track {
	return &track{
		group: group{every: c.cfg.Subgroup, size: max(c.cfg.Values, 1)}, ring: make([]closed, c.cfg.Baseline),
		ewma: EWMA{Lambda: ewmaLambda, Width: ewmaWidth}, cusum: CUSUM{K: cusumK, H: cusumH},
	}
}

// restart ends all runs: the next point is no neighbour of the last one.
func (t *track) restart() {
	t.tests.Reset()
	t.ewma.Reset()
	t.cusum.Reset()
	t.quiet = [alarms]uint8{}
}

func (t *track) keep(p closed) {
	t.ring[t.next] = p
	t.next = (t.next + 1) % len(t.ring)
	t.count = min(t.count+1, len(t.ring))
}

// last is the time of the newest point.
func (t *track) last() time.Time {
	if t.count == 0 {
		return time.Time{}
	}
	return t.ring[(t.next+len(t.ring)-1)%len(t.ring)].At
}

// each calls f for the kept subgroups, oldest first.
func (t *track) each(f func(closed)) {
	for i := range t.count {
		f(t.ring[(t.next+len(t.ring)-t.count+i)%len(t.ring)])
	}
}

func (t *track) points() (list []Point, overall stats.Welford) {
	t.each(func(p closed) {
		list = append(list, p.Point)
		overall.Merge(stats.Welford{N: uint64(p.N), M: p.Value, S2: p.s2})
	})
	return list, overall
}

// refresh takes up what people froze since the last look.
func (t *track) refresh(c *Chart) { t.refreshAs(c, c.key) }

func (t *track) refreshAs(c *Chart, key Key) {
	changes := c.book.changes.Load() + 1
	if t.looked == changes {
		return
	}
	t.looked = changes
	e, ok := c.book.newest(key, Frozen)
	if !ok || !c.fits(e) {
		t.active = nil
		return
	}
	if t.active == nil || t.active.Version != e.Version {
		t.active = &e
		t.restart()
	}
}
