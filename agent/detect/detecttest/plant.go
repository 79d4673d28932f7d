// Package detecttest makes the signals of a station, of several kinds, and faults in them:
// what benchmarks and tests of detectors are measured on. Event time is counted, nothing
// waits.
package detecttest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
)

// Signals is how many a made station has.
const Signals = 20

// Hour in seconds.
const Hour = 3600.0

// Monday is a Monday, 00:00.
func Monday() time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) }

// Source is one made signal.
type Source interface {
	// Value is that at a time in seconds since [Monday], dt after the one before; to be
	// asked in order of time.
	Value(t, dt float64) float64
	// Deviation of its noise: the unit of injected faults.
	Deviation() float64
}

// noise is of several kinds, by its number: normal, correlated, with heavy tails,
// uniform, rounded.
type noise struct {
	rng   *rand.Rand
	kind  int
	sigma float64
	slow  float64 // state of the correlated part
}

func newNoise(seed uint64, kind int, sigma float64) *noise {
	return &noise{rng: rand.New(rand.NewPCG(seed, 5)), kind: kind % 5, sigma: sigma}
}

func (n *noise) next(dt float64) float64 {
	switch n.kind {
	case 1: // an Ornstein-Uhlenbeck process of half an hour
		a := math.Exp(-dt / 1800)
		n.slow = a*n.slow + math.Sqrt(1-a*a)*n.rng.NormFloat64()
		return n.sigma * n.slow
	case 2: // Student's t with 5 degrees of freedom, deviation 1
		g := 0.0
		for range 5 {
			x := n.rng.NormFloat64()
			g += x * x
		}
		return n.sigma * n.rng.NormFloat64() / math.Sqrt(g/5) * math.Sqrt(3.0/5)
	case 3:
		return n.sigma * (n.rng.Float64() - 0.5) * math.Sqrt(12)
	case 4:
		a := math.Exp(-dt / 60)
		n.slow = a*n.slow + math.Sqrt(1-a*a)*n.rng.NormFloat64()
		return math.Round(n.sigma*n.slow*4/n.sigma) * n.sigma / 4
	}
	return n.sigma * n.rng.NormFloat64()
}

// Deviation implements [Source].
func (n *noise) Deviation() float64 { return n.sigma }

// made is a shape with noise.
type made struct {
	*noise
	shape func(t float64) float64
}

// Value implements [Source].
func (m made) Value(t, dt float64) float64 { return m.shape(t) + m.next(dt) }

// Scenarios are the kinds of clean data, by name.
func Scenarios() []string {
	return []string{"constant", "noisy", "daily", "batch", "products", "recipes", "weekend"}
}

// New makes signal i of a scenario.
func New(scenario string, i int, seed uint64) Source {
	seed = seed*1000 + uint64(i)
	rng := rand.New(rand.NewPCG(seed, 9))
	level, sigma := 20+80*rng.Float64(), 0.2+1.5*rng.Float64()
	n := newNoise(seed, i, sigma)
	switch scenario {
	case "constant":
		if i%2 == 1 {
			return made{newNoise(seed, 3, 0), func(float64) float64 { return math.Round(level) }}
		}
		n.kind, n.sigma = 4, 0.02
		return made{n, func(float64) float64 { return level }}
	case "daily":
		size, at := sigma*(4+6*rng.Float64()), 24*rng.Float64()
		return made{n, func(t float64) float64 {
			day := math.Floor(t / (24 * Hour))
			change := 1 + 0.1*math.Sin(day*2.3+at) // no day is like the other
			return level + change*size*math.Sin((t/Hour-at)/24*2*math.Pi)
		}}
	case "batch":
		return made{n, batch(rng, level, sigma, i)}
	case "products", "recipes":
		return made{n, func(t float64) float64 { return level + 6*sigma*math.Sin(float64(product(t)*(i+3))) }}
	case "weekend":
		return made{n, func(t float64) float64 { return level * running(t) }}
	}
	return made{n, func(float64) float64 { return level }}
}

// batch is a heating, holding and cooling of some 40 minutes, or a press cycle of some
// 45 seconds, neither ever quite as long as the last one.
func batch(rng *rand.Rand, level, sigma float64, i int) func(float64) float64 {
	length, jitter := 2400.0, 0.05
	if i%3 == 0 {
		length, jitter = 45, 0.02
	}
	from, to := 0.0, length
	return func(t float64) float64 {
		for t >= to {
			from, to = to, to+length*(1+jitter*rng.NormFloat64())
		}
		switch p := (t - from) / (to - from); {
		case p < 0.2:
			return level + 15*sigma*p/0.2
		case p < 0.7:
			return level + 15*sigma
		case p < 0.9:
			return level + 15*sigma*(0.9-p)/0.2
		}
		return level
	}
}

// product is the number of the product of five, changed every few hours.
func product(t float64) int { return int(math.Floor(t/(3.7*Hour))) % 5 }

// running is 1 from Monday to Friday between 6 and 22, 0 otherwise, with ramps of 20
// minutes.
func running(t float64) float64 {
	if int(t/(24*Hour))%7 >= 5 {
		return 0
	}
	h := math.Mod(t/Hour, 24)
	return max(0, min(1, (h-6)*3, (22-h)*3))
}

// RecipeAt is what the plant tells of its product in a scenario.
func RecipeAt(scenario string, t float64) detect.Context {
	if scenario != "recipes" {
		return detect.Context{}
	}
	return detect.Context{State: detect.Production, Recipe: string(rune('A' + product(t)))}
}
