package novelty

import "math"

// The features of a step: what a map of the signal may show over what.
const (
	fNone      = iota // 0: no context
	fValue            // the value of the step that is farthest from the running mean
	fFast             // running means: of about 5, 20 and 50 steps
	fMiddle           //
	fSlow             //
	fPast             // the value 8 steps ago
	fOff              // distance of the value from the middle mean
	fNoise            // running mean of the absolute distance
	fHour             // hour of the day
	fSpread           // greatest less smallest value of the step
	fSituation        // number of the production state and recipe
	fPhase            // phase of the cycle, 0 to 1 and a little more
	features
)

const (
	history   = 8
	rateFast  = 0.2
	rateMid   = 0.05
	rateSlow  = 0.02
	rateNoise = 0.1
)

type vector [features]float64

// memory is what the features need of the steps before.
type memory struct {
	ring                      [history]float64
	steps                     uint32 // since the memory began
	fast, middle, slow, noise float64
}

// next makes the features of a step but those of its situation and phase.
func (m *memory) next(v *vector, st step, hour float64) {
	if m.steps == 0 {
		m.fast, m.middle, m.slow = st.mean, st.mean, st.mean
		for i := range m.ring {
			m.ring[i] = st.mean
		}
	}
	x := st.max
	if m.middle-st.min > st.max-m.middle {
		x = st.min
	}
	v[fValue], v[fPast] = x, m.ring[m.steps%history]
	m.ring[m.steps%history] = x
	m.fast += rateFast * (st.mean - m.fast)
	m.middle += rateMid * (st.mean - m.middle)
	m.slow += rateSlow * (st.mean - m.slow)
	v[fFast], v[fMiddle], v[fSlow] = m.fast, m.middle, m.slow
	v[fOff] = x - m.middle
	m.noise += rateNoise * (math.Abs(v[fOff]) - m.noise)
	v[fNoise], v[fHour], v[fSpread] = m.noise, hour, st.max-st.min
	m.steps++
}

// again begins anew behind a gap: the running means and the past are those of the next
// step; how noisy the signal is stays known.
func (m *memory) again() { m.steps = 0 }
