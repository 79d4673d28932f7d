package detecttest

import (
	"math"
	"math/rand/v2"
)

// Fault is something that goes wrong with a signal at a time.
type Fault struct {
	kind string
	from float64 // seconds
	held float64
	rng  *rand.Rand
}

// NewFault makes a fault of a kind that begins at a time in seconds.
func NewFault(kind string, from float64, seed uint64) *Fault {
	return &Fault{kind: kind, from: from, rng: rand.New(rand.NewPCG(seed, 5))}
}

// Faults lists the kinds, in the words of the benchmark: 12 standard deviations for 10 s; 8 for an hour;
// to 12 within two hours; five times the noise for an hour; the last value for an hour;
// a twentieth of its movement for an hour; to 12 within a day.
func Faults() []string {
	return []string{"spike", "step", "drift", "noise", "flatline", "frozen", "slow"}
}

// Lasts is how long a fault lasts, in seconds.
func (f *Fault) Lasts() float64 {
	switch f.kind {
	case "spike":
		return 10
	case "drift":
		return 2 * Hour
	case "slow":
		return 24 * Hour
	}
	return Hour
}

// Change is the value with the fault.
func (f *Fault) Change(t, v, sigma float64) float64 {
	if sigma == 0 {
		sigma = 0.01 * math.Abs(v)
	}
	if t < f.from || t > f.from+f.Lasts() {
		f.held = v
		return v
	}
	part := (t - f.from) / f.Lasts()
	switch f.kind {
	case "spike":
		return v + 12*sigma
	case "step":
		return v + 8*sigma
	case "drift", "slow":
		return v + 12*sigma*part
	case "noise":
		return v + 5*sigma*f.rng.NormFloat64()
	case "flatline":
		return f.held
	}
	return v - (v-f.held)*0.95
}
