package novelty

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The numbers of the method; docs/detection.md says where they come from. All count
// steps of the signal's own time scale.
const (
	warmUp       = 150
	generation   = 8000 // steps, or fourWeeks where that is longer
	fourWeeks    = 28 * 86400.0
	rateSteps    = 3000 // over which the share of new steps is kept
	ratePrior    = 0.02
	coarsest     = 12.0 // levels of the range of the warm-up
	finest       = 20.0
	governorKeep = 1 - 1.0/2000
	rearmSteps   = 100
	rearmFactor  = 1.4
	smallest     = 1e-300 // width of a level: doubling zero would take for ever
	hourVisit    = 1800.0 // seconds: a longer stay in an hour of the day counts as several visits
)

// kind is one view of a signal: a value over a context, in grids of different phase.
type kind struct {
	value, context uint8
	grids          uint8
}

const (
	kindAtLevel = iota
	kindValue
	kindHour
	kindNoise
	kindPast
	kindSlowHour
	kindOff
	kindSituation // the following are made when they are needed
	kindPhase
	kindSpread
	kinds
)

var views = [kinds]kind{
	kindAtLevel:   {fValue, fMiddle, 3},
	kindValue:     {fValue, fNone, 3},
	kindHour:      {fFast, fHour, 3},
	kindNoise:     {fNoise, fMiddle, 3},
	kindPast:      {fValue, fPast, 3},
	kindSlowHour:  {fSlow, fHour, 3},
	kindOff:       {fOff, fNone, 3},
	kindSituation: {fValue, fSituation, 2},
	kindPhase:     {fValue, fPhase, 2},
	kindSpread:    {fSpread, fMiddle, 2},
}

const alwaysThere = kindSituation // kinds before it are always there

// Model learns the steps of one signal and says how new each is. It knows nothing of
// budgets and alarms: that is the Detector's. It is the part that is measured on the
// benchmark, with every value as a step.
type Model struct {
	rng    rand.PCG
	memory memory
	steps  uint64 // learnt, the warm-up included
	length float64
	early  []early // steps of the warm-up, nil afterwards
	paused bool    // judge, don't learn
	grids  [kinds][]grid
	held   *[kinds]held // of the first grid of each view, in an episode
	now    vector
	parts  [kinds]float64 // weighted novelty of the last step

	quiet    float64 // alarm-rate governor: sum of what was emitted, slowly forgotten
	last     float64 // last emitted score
	lastAge  uint32
	swapped  uint64
	hourSeen int64 // ns, of the last visit that was counted of an hour
}

// early is a step of the warm-up with its context.
type early struct {
	step
	hour, situation, phase float64
}

// NewModel makes a model that has learnt nothing; steps are about so many seconds long.
// The seed moves the borders of its levels.
func NewModel(seed uint64, length float64) *Model {
	return &Model{rng: *rand.NewPCG(seed, 0x6c696e65), length: length, lastAge: math.MaxUint32}
}

// Threshold is the score from which a step is marked at a sensitivity: low, normal or
// high.
func Threshold(sensitivity string) float64 {
	switch sensitivity {
	case "low":
		return lowSensitivity
	case "high":
		return highSensitivity
	}
	return normalSensitivity
}

// Step takes one value as a step and returns its score from 0 to 1: what is left of its
// novelty after the governor. It is 0 in the warm-up.
func (m *Model) Step(at time.Time, v float64) float64 {
	hour, minute, second := at.Clock()
	h := float64(hour) + float64(minute)/60 + float64(second)/3600
	raw := m.step(step{at.UnixNano(), v, v, v}, h, -1, -1)
	return m.emit(raw)
}

// step learns a step and returns its novelty, 0 in the warm-up. Situation and phase are
// negative when there is none.
func (m *Model) step(st step, hour, situation, phase float64) float64 {
	if m.steps < warmUp {
		if m.paused {
			return 0
		}
		if m.early == nil {
			m.early = make([]early, 0, warmUp)
		}
		m.early = append(m.early, early{st, hour, situation, phase})
		if m.steps++; m.steps == warmUp {
			m.warm()
		}
		return 0
	}
	m.memory.next(&m.now, st, hour)
	m.now[fSituation], m.now[fPhase] = situation, phase
	if !m.paused {
		m.steps++
	}
	if m.steps-m.swapped >= max(generation, uint64(fourWeeks/m.length)) {
		m.age()
	}
	m.optional()
	hourVisit := m.visitsHour(st.at)
	sum, active := 0.0, 0
	for k := range m.grids {
		m.parts[k] = 0
		if !m.active(k) {
			continue
		}
		active++
		visit := true
		if views[k].context == fHour {
			visit = hourVisit
		}
		m.parts[k] = m.look(k, visit)
		sum += m.parts[k]
	}
	return sum / float64(active)
}

// active reports whether a kind has a say in this step.
func (m *Model) active(k int) bool {
	return len(m.grids[k]) > 0 && m.now[views[k].context] >= m.least(k)
}

// least is the smallest number of a kind's context that means something.
func (m *Model) least(k int) float64 {
	if k == kindSituation || k == kindPhase {
		return 0
	}
	return math.Inf(-1)
}

// look places the step in the grids of a kind, learns it, and returns the weighted
// novelty, the mean of the grids.
func (m *Model) look(k int, visit bool) float64 {
	v := &views[k]
	value, context := m.now[v.value], m.now[v.context]
	grids, sum := m.grids[k], 0.0
	for i := range grids {
		g := &grids[i]
		before := g.row
		h := m.holds(k, i)
		g.place(value, context, h)
		s := g.novelty()
		if g.fresh = s > 0; g.fresh {
			sum += s * g.weight()
		}
		if m.paused {
			continue
		}
		g.rate += (float32(s) - g.rate) * (1.0 / rateSteps)
		if k == kindPhase { // a visit is one cycle, however long it stays
			visit = g.row != before
		}
		g.learn(visit, h)
	}
	return sum / float64(len(grids))
}

// holds gives what a grid remembers of an episode, nil for nothing.
func (m *Model) holds(k, i int) *held {
	if m.held == nil || i > 0 {
		return nil
	}
	return &m.held[k]
}

// visitsHour is true once in half an hour: steps of ten seconds would make an hour well
// known on its first day.
func (m *Model) visitsHour(at int64) bool {
	if float64(at-m.hourSeen)/1e9 < hourVisit*0.95 && at >= m.hourSeen {
		return false
	}
	m.hourSeen = at
	return true
}

// warm makes the grids of what the warm-up has shown, and learns it.
func (m *Model) warm() {
	var low, high vector
	m.replay(func(i int) {
		for f, v := range m.now {
			if i == 0 {
				low[f], high[f] = v, v
			}
			low[f], high[f] = min(low[f], v), max(high[f], v)
		}
	})
	for k := range alwaysThere {
		m.grids[k] = m.make(k, &low, &high)
	}
	m.replay(func(i int) {
		// Hours are counted by time, see visitsHour.
		visit := int(float64(i+1)*m.length/hourVisit) > int(float64(i)*m.length/hourVisit)
		for k := range alwaysThere {
			m.look(k, visit || views[k].context != fHour)
		}
	})
	for k := range alwaysThere {
		for i := range m.grids[k] {
			m.grids[k][i].rate = ratePrior
		}
	}
	m.early = nil
}

// replay goes through the steps of the warm-up.
func (m *Model) replay(each func(i int)) {
	m.memory = memory{}
	for i := range m.early {
		e := &m.early[i]
		m.memory.next(&m.now, e.step, e.hour)
		m.now[fSituation], m.now[fPhase] = e.situation, e.phase
		each(i)
	}
}

// optional makes the grids of kinds that only some signals need, once they do.
func (m *Model) optional() {
	if m.now[fSituation] > 0 && len(m.grids[kindSituation]) == 0 {
		m.add(kindSituation)
	}
	if m.now[fPhase] >= 0 && len(m.grids[kindPhase]) == 0 {
		m.add(kindPhase)
	}
	if m.now[fSpread] > 0 && len(m.grids[kindSpread]) == 0 {
		m.add(kindSpread)
	}
}

func (m *Model) add(k int) {
	low, high := m.now, m.now
	v := &m.grids[kindValue][0].value // as wide as the value was
	low[fValue], high[fValue] = v.low, v.low+levels*v.width
	high[fSpread] = levels * v.width / 2
	low[fSpread] = 0
	c := &m.grids[kindAtLevel][0].context
	low[fMiddle], high[fMiddle] = c.low, c.low+levels*c.width
	m.grids[k] = m.make(k, &low, &high)
}

func (m *Model) make(k int, low, high *vector) []grid {
	v := &views[k]
	grids := make([]grid, v.grids)
	for i := range grids {
		grids[i] = grid{
			rate:    ratePrior,
			value:   m.scale(int(v.value), low[v.value], high[v.value]),
			context: m.scale(int(v.context), low[v.context], high[v.context]),
		}
		grids[i].prepare()
	}
	return grids
}

func (m *Model) random() float64 { return float64(m.rng.Uint64()>>11) / (1 << 53) }

// scale cuts the range of a feature into some 12 to 20 levels with as many in reserve.
func (m *Model) scale(feature int, low, high float64) scale {
	switch feature {
	case fNone:
		return scale{0, 1}
	case fHour:
		return scale{-m.random(), 1.5}
	case fSituation:
		return scale{0, 1}
	case fPhase:
		return scale{0, 1.25 / levels}
	}
	parts := coarsest + (finest-coarsest)*m.random()
	size := max(math.Abs(low), math.Abs(high))
	r := high - low
	if r <= 0 {
		r = max(size*1e-3, 1e-9)
	}
	width := max(r/parts, size*1e-13, smallest)
	return scale{low - ((levels-parts)/2+m.random()-0.5)*width, width}
}

// age makes the younger generation the one that is judged by.
func (m *Model) age() {
	m.swapped = m.steps
	for k := range m.grids {
		for i := range m.grids[k] {
			m.grids[k][i].age()
		}
	}
}

// emit passes a novelty on only when it stands out from what was emitted before: the
// governor divides it by what was emitted in the last two thousand steps or so, and for
// a hundred steps only what is clearly larger than the last one comes through.
func (m *Model) emit(raw float64) float64 {
	m.quiet *= governorKeep
	if m.lastAge < math.MaxUint32 {
		m.lastAge++
	}
	s := raw / (1 + m.quiet)
	if s <= 0 || (m.lastAge <= rearmSteps && s <= m.last*rearmFactor) {
		return 0
	}
	s = min(s, 1)
	m.last, m.lastAge = s, 0
	m.quiet += s
	return s
}

// strongest lists the kinds that made the last step new, the strongest first.
func (m *Model) strongest() []int {
	var list []int
	for k, part := range m.parts {
		if part > 0 {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		if m.parts[a] > m.parts[b] {
			return -1
		}
		return 1
	})
	return list
}

// forget empties a level of the situations, which another one takes.
func (m *Model) forget(row int) {
	if m == nil {
		return
	}
	for i := range m.grids[kindSituation] {
		g := &m.grids[kindSituation][i]
		for k := range generations {
			g.cells[row][k], g.visits[row][k] = 0, 0
		}
	}
}

// situationRange is what was seen in the situation of the last step, when it is known.
func (m *Model) situationRange() (low, high float64, ok bool) {
	if !m.active(kindSituation) {
		return 0, 0, false
	}
	g := &m.grids[kindSituation][0]
	if g.visits[g.row][0] < math.MaxUint8 {
		return 0, 0, false
	}
	return g.known()
}
