package spc

import "math"

// Tolerance is what the drawing or the customer asks for; nil = no limit on that side.
type Tolerance struct {
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
}

// Capability says how well a process fits its tolerance.
type Capability struct {
	// Cp = (high − low) / 6 σ, Cpk = the nearer limit's distance from the mean / 3 σ,
	// with σ as the ranges within subgroups tell it. 0 = not known (one-sided
	// tolerance, or no σ).
	Cp  float64 `json:"cp,omitempty"`
	Cpk float64 `json:"cpk,omitempty"`
	// CpkLow: Cpk is at least this with 95 % certainty, for so many values (A. F.
	// Bissell, Applied Statistics 39 (1990) 331).
	CpkLow float64 `json:"cpkLow,omitempty"`
	// Ppk is Cpk with σ of all values together: what the customer got.
	Ppk float64 `json:"ppk,omitempty"`
}

// Capability of a baseline. It means something only while the process is in control.
func (b *Baseline) Capability(t Tolerance) (c Capability, ok bool) {
	if b.Base == Share || t.Low == nil && t.High == nil {
		return c, false
	}
	if b.Within > 0 {
		if t.Low != nil && t.High != nil {
			c.Cp = (*t.High - *t.Low) / (6 * b.Within)
		}
		c.Cpk = t.nearest(b.Center) / (3 * b.Within)
		if n := float64(b.Values); n > 1 {
			c.CpkLow = c.Cpk - 1.645*math.Sqrt(1/(9*n)+c.Cpk*c.Cpk/(2*(n-1)))
		}
	}
	if b.Overall > 0 {
		c.Ppk = t.nearest(b.Center) / (3 * b.Overall)
	}
	return c, b.Within > 0 || b.Overall > 0
}

// nearest is the distance to the nearer limit, negative when it is passed.
func (t Tolerance) nearest(v float64) float64 {
	d := math.Inf(1)
	if t.High != nil {
		d = *t.High - v
	}
	if t.Low != nil {
		d = min(d, v-*t.Low)
	}
	return d
}
