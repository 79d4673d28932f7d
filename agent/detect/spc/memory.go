package spc

import "math"

// EWMA is the exponentially weighted moving average chart (S. W. Roberts 1959): it
// finds small lasting shifts. The zero value starts at the centre.
type EWMA struct {
	Lambda float64 `json:"-"` // weight of the newest point
	Width  float64 `json:"-"` // half width of the limits in σ of the average

	Z float64 `json:"z"` // standardised average
	N int     `json:"n"` // points since the start
}

// Add takes a standardised point and tells whether the average left its limits.
func (e *EWMA) Add(z float64) (out bool) {
	z = min(max(z, -1e6), 1e6)
	e.Z = e.Lambda*z + (1-e.Lambda)*e.Z
	e.N = min(e.N+1, math.MaxInt32)
	return math.Abs(e.Z) > e.Limit()
}

// Limit is the half width of the limits now, in σ of a point: narrower for the first
// points (Montgomery, equations 9.25 and 9.26).
func (e *EWMA) Limit() float64 {
	r := 1 - e.Lambda
	return e.Width * math.Sqrt(e.Lambda/(2-e.Lambda)*(1-math.Pow(r, 2*float64(e.N))))
}

// Reset starts anew at the centre.
func (e *EWMA) Reset() { e.Z, e.N = 0, 0 }

// CUSUM is the tabular cumulative sum chart (E. S. Page 1954; Montgomery, chapter 9.1),
// in standard deviations of a point. It finds small lasting shifts and tells since when.
type CUSUM struct {
	K float64 `json:"-"` // slack: half of the shift that shall be found
	H float64 `json:"-"` // decision interval

	High     float64 `json:"high"`
	Low      float64 `json:"low"`
	HighRuns int     `json:"highRuns"` // points since High was last 0
	LowRuns  int     `json:"lowRuns"`
}

// Add takes a standardised point; side is 1 or −1 when the sum of that side left its
// interval, else 0.
func (c *CUSUM) Add(z float64) (side int) {
	z = min(max(z, -1e6), 1e6)
	c.High, c.HighRuns = accumulate(c.High+z-c.K, c.HighRuns)
	c.Low, c.LowRuns = accumulate(c.Low-z-c.K, c.LowRuns)
	switch {
	case c.High > c.H && c.High >= c.Low:
		return 1
	case c.Low > c.H:
		return -1
	}
	return 0
}

func accumulate(sum float64, runs int) (float64, int) {
	if sum <= 0 {
		return 0, 0
	}
	return min(sum, 1e9), min(runs+1, math.MaxInt32)
}

// Shift estimates by how many σ the mean has moved on a side that left its interval,
// and since how many points (Montgomery, equation 9.6).
func (c *CUSUM) Shift(side int) (sigmas float64, points int) {
	if side > 0 && c.HighRuns > 0 {
		return c.K + c.High/float64(c.HighRuns), c.HighRuns
	}
	if side < 0 && c.LowRuns > 0 {
		return -c.K - c.Low/float64(c.LowRuns), c.LowRuns
	}
	return 0, 0
}

// Reset starts anew.
func (c *CUSUM) Reset() { c.High, c.Low, c.HighRuns, c.LowRuns = 0, 0, 0, 0 }
