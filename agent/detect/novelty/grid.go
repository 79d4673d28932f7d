package novelty

import "math"

const (
	levels      = 32
	generations = 2
	widest      = 1e302           // width of a level: 32 of them hold every difference of two values
	fullRow     = 10              // visits from which a context counts in full
	rarest      = 1.0 / rateSteps // share of new steps that is not told from less
)

// scale cuts numbers into levels. It is doubled when a number lies outside.
type scale struct{ low, width float64 }

// fit gives the level of a number. When the number lies outside, the scale is doubled
// once instead and again is true; up says that what was stands in the upper half now.
func (s *scale) fit(v float64) (level int, up, again bool) {
	l := (v - s.low) / s.width
	switch {
	case l >= 0 && l < levels:
		return int(l), false, false
	case s.width >= widest && l >= levels: // only a state made by hand holds such numbers
		return levels - 1, false, false
	case s.width >= widest:
		return 0, false, false
	}
	if l < 0 {
		s.low -= levels * s.width
	}
	if s.width *= 2; s.width >= widest { // holds every number
		s.width, s.low = widest, -levels/2*widest
	}
	return 0, l < 0, true
}

// at is the number at the begin of a level.
func (s *scale) at(level int) float64 { return s.low + float64(level)*s.width }

// grid is a map of where a signal has been, seen as one feature over another: which
// levels of the value were ever reached at each level of the context. It keeps two
// generations: 0 is judged by, 1 takes its place when it is full. Both learn.
type grid struct {
	cells          [levels][generations]uint32 // by level of the context: one bit per level of the value
	visits         [levels][generations]uint8  // of the context's level, up to 255
	value, context scale
	perValue       float64 // 1/width
	perContext     float64
	rate           float32 // share of steps that were new here, running
	row, level     uint8   // of the last step
	fresh          bool    // the last step was new here
}

// held are the cells of a grid that are new since an episode began. They are no part of
// the grid, because most have none and a pointer in it would cost a tenth of its size.
type held [levels]uint32

// place finds the cell of a step. h is nil but for the first grid of a view in an
// episode.
func (g *grid) place(value, context float64, h *held) {
	if l := (value - g.value.low) * g.perValue; l >= 0 && l < levels {
		g.level = uint8(l)
	} else {
		level, up, again := g.value.fit(value)
		for ; again; level, up, again = g.value.fit(value) {
			g.mergeValues(up, h)
		}
		g.level = uint8(level)
		g.prepare()
	}
	if l := (context - g.context.low) * g.perContext; l >= 0 && l < levels {
		g.row = uint8(l)
	} else {
		row, up, again := g.context.fit(context)
		for ; again; row, up, again = g.context.fit(context) {
			g.mergeContexts(up, h)
		}
		g.row = uint8(row)
		g.prepare()
	}
}

// prepare keeps what saves divisions, after a change of the scales.
func (g *grid) prepare() { g.perValue, g.perContext = 1/g.value.width, 1/g.context.width }

// near is the mask of the step's level and its neighbours.
func (g *grid) near() uint32 {
	m := uint32(1) << g.level
	return m | m<<1 | m>>1
}

// novelty of the placed step: 0 when it or a neighbour was reached before, else up to 1,
// less where the context was seldom visited.
func (g *grid) novelty() float64 {
	if g.cells[g.row][0]&g.near() != 0 {
		return 0
	}
	return min(1, float64(g.visits[g.row][0])/fullRow)
}

// learn takes the placed step in; visit says whether it counts as a visit of its
// context too.
func (g *grid) learn(visit bool, h *held) {
	m := uint32(1) << g.level
	if h != nil && g.cells[g.row][0]&m == 0 {
		h[g.row] |= m
	}
	cells, visits := &g.cells[g.row], &g.visits[g.row]
	for i := range generations {
		cells[i] |= m
		if visit && visits[i] < math.MaxUint8 {
			visits[i]++
		}
	}
}

// still reports whether the placed step would be new without what was learnt since the
// episode began.
func (g *grid) still(h *held) bool {
	return h != nil && g.visits[g.row][0] >= fullRow && g.cells[g.row][0]&^h[g.row]&g.near() == 0
}

// weight is how much a novelty of this grid says: more, the rarer they are here.
func (g *grid) weight() float64 { return -math.Log10(max(float64(g.rate), rarest)) }

// age puts the younger generation in the place of the older one.
func (g *grid) age() {
	for k := range levels {
		g.cells[k][0], g.cells[k][1] = g.cells[k][1], 0
		g.visits[k][0], g.visits[k][1] = g.visits[k][1], 0
	}
}

// known gives the range of values that was reached at the placed step's context, the
// step itself not counted.
func (g *grid) known() (low, high float64, ok bool) {
	cells := g.cells[g.row][0] &^ (1 << g.level)
	if cells == 0 {
		return 0, 0, false
	}
	first, last := 0, levels-1
	for cells>>first&1 == 0 {
		first++
	}
	for cells>>last&1 == 0 {
		last--
	}
	return g.value.at(first), g.value.at(last + 1), true
}

func (g *grid) mergeValues(up bool, h *held) {
	for k := range g.cells {
		for i, b := range g.cells[k] {
			g.cells[k][i] = squeeze(b, up)
		}
	}
	if h != nil {
		for k, b := range h {
			h[k] = squeeze(b, up)
		}
	}
}

// squeeze joins neighbouring bits.
func squeeze(b uint32, up bool) uint32 {
	b = (b | b>>1) & 0x55555555
	b = (b | b>>1) & 0x33333333
	b = (b | b>>2) & 0x0f0f0f0f
	b = (b | b>>4) & 0x00ff00ff
	b = (b | b>>8) & 0x0000ffff
	if up {
		b <<= levels / 2
	}
	return b
}

func (g *grid) mergeContexts(up bool, h *held) {
	var cells [levels][generations]uint32
	var visits [levels][generations]uint8
	for k := range levels / 2 {
		to := half(k, up)
		for i := range generations {
			cells[to][i] = g.cells[2*k][i] | g.cells[2*k+1][i]
			sum := uint(g.visits[2*k][i]) + uint(g.visits[2*k+1][i])
			visits[to][i] = uint8(min(sum, math.MaxUint8))
		}
	}
	g.cells, g.visits = cells, visits
	if h != nil {
		var merged held
		for k := range levels / 2 {
			merged[half(k, up)] = h[2*k] | h[2*k+1]
		}
		*h = merged
	}
}

func half(k int, up bool) int {
	if up {
		return k + levels/2
	}
	return k
}
