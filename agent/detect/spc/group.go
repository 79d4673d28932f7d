package spc

import (
	"math"
	"time"

	"github.com/linewatch/linewatch/shared/stats"
)

// group collects values into subgroups: by count, or by spans of time that begin at
// whole multiples of their length (a minute begins at :00).
type group struct {
	every time.Duration // 0 = by count
	size  int

	slot     int64 // number of the running span
	begun    bool
	partial  bool // the span began before we listened: its mean would be of a part only
	low      float64
	high     float64
	moments  stats.Welford
	lastFull int64 // number of the last span that gave a point
}

// closed is a finished subgroup.
type closed struct {
	Point
	s2  float64 // sum of squared distances from the mean, for the spread of all values
	gap bool    // spans without a value lie before it: runs of the rules end
}

// longGap is how many empty spans end a run.
const longGap = 3

// add takes a value; done tells that a subgroup was finished by it (by time: the one
// before the value).
func (g *group) add(at time.Time, v float64) (c closed, done bool) {
	if !stats.Finite(v) {
		return c, false
	}
	if g.every > 0 {
		c, done = g.advance(at)
	}
	if g.moments.N == 0 {
		g.low, g.high = v, v
	}
	g.low, g.high = math.Min(g.low, v), math.Max(g.high, v)
	g.moments.Add(v)
	if g.every == 0 && g.moments.N >= uint64(g.size) {
		return g.close(at), true
	}
	return c, done
}

// advance closes the span that ended before a time.
func (g *group) advance(at time.Time) (c closed, done bool) {
	slot := g.slotOf(at)
	switch {
	case !g.begun:
		g.begin(slot, at)
		return c, false
	case slot == g.slot:
		return c, false
	case slot < g.slot: // the clock was set back: the span begins anew
		g.drop()
		g.begin(slot, at)
		return c, false
	}
	skipped := slot - g.slot
	if g.moments.N > 0 && !g.partial {
		c, done = g.close(time.UnixMilli((g.slot+1)*g.every.Milliseconds()).UTC()), true
		c.gap = g.lastFull != 0 && g.slot-g.lastFull > longGap
		g.lastFull = g.slot
	}
	g.drop()
	g.slot, g.partial = slot, skipped > 1 && !g.early(at)
	return c, done
}

// tick closes a span that is over although no further value came; late values of the
// span get a moment.
func (g *group) tick(now time.Time) (c closed, done bool) {
	if g.every == 0 || !g.begun || g.moments.N == 0 {
		return c, false
	}
	at := now.Add(-min(g.every/4, 5*time.Second))
	if g.slotOf(at) <= g.slot {
		return c, false
	}
	return g.advance(at)
}

func (g *group) begin(slot int64, at time.Time) {
	g.slot, g.begun, g.partial = slot, true, !g.early(at)
}

// early is true in the first tenth of a span.
func (g *group) early(at time.Time) bool {
	return at.UnixMilli()-g.slotOf(at)*g.every.Milliseconds() <= g.every.Milliseconds()/10
}

func (g *group) slotOf(at time.Time) int64 {
	ms, every := at.UnixMilli(), g.every.Milliseconds()
	slot := ms / every
	if ms < 0 && ms%every != 0 {
		slot--
	}
	return slot
}

func (g *group) close(at time.Time) closed {
	c := closed{Point: Point{
		At: at.UTC().Round(0), Value: g.moments.M, Range: math.Min(g.high-g.low, math.MaxFloat64), N: int(min(g.moments.N, math.MaxInt32)),
	}, s2: g.moments.S2}
	g.drop()
	return c
}

func (g *group) drop() { g.moments, g.low, g.high = stats.Welford{}, 0, 0 }

// restart forgets the running subgroup: what follows is another product, or comes after
// a pause.
func (g *group) restart() {
	g.drop()
	g.begun = false
}
