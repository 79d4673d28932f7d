package stats

import (
	"math"
	"slices"
)

// MaxSlopePoints is the longest series that Slope takes: its pairs fit on the stack.
const MaxSlopePoints = 32

// Slope is a robust line through a series of equal steps.
type Slope struct {
	PerStep   float64 // Theil–Sen: the median of the slopes of all pairs
	Low, High float64 // interval of PerStep
	Level     float64 // of the line at the last point
	Spread    float64 // robust standard deviation of the points about the line
	Lag1      float64 // correlation of neighbouring distances from the line
	Points    int     // that have a value
}

// TheilSen fits a line to values at 0, 1, 2, ... NaN is a missing step. z is the
// quantile of the normal distribution for the wanted confidence (1.645 for 90 %).
//
// The slope is the median of the slopes of all pairs (H. Theil 1950), its interval
// that of P. K. Sen (J. Am. Stat. Assoc. 63 (1968) 1379): Kendall's S has the variance
// n(n-1)(2n+5)/18 without a trend, and the ranks (N -+ z sqrt(var))/2 of the sorted
// pair slopes bound the true one. Values of a process are no independent draws, so the
// variance is inflated by (1+r)/(1-r) with the lag-1 correlation r of the distances
// from the line, where that is positive (S. Yue and C. Wang, Water Resources
// Management 18 (2004) 201). Half of the points may be wild without moving the result
// much: breakdown point 29 %.
//
// ok is false for fewer than 5 points, more than MaxSlopePoints steps, or an interval
// that the points are too few for.
func TheilSen(values []float64, z float64) (s Slope, ok bool) {
	if len(values) > MaxSlopePoints {
		return s, false
	}
	var pairs [MaxSlopePoints * (MaxSlopePoints - 1) / 2]float64
	n := 0
	for i, a := range values {
		if !Finite(a) {
			continue
		}
		s.Points++
		for j := i + 1; j < len(values); j++ {
			if d := (values[j] - a) / float64(j-i); Finite(d) {
				pairs[n] = d
				n++
			}
		}
	}
	if s.Points < 5 || n < s.Points*(s.Points-1)/2 {
		return s, false
	}
	list := pairs[:n]
	slices.Sort(list)
	s.PerStep = Quantile(list, 0.5)
	s.rest(values)
	return s, s.interval(list, z)
}

// rest finds level, spread and correlation of the distances from the line.
func (s *Slope) rest(values []float64) {
	var room [MaxSlopePoints]float64
	fill := func() []float64 {
		list := room[:0]
		for i, v := range values {
			if Finite(v) {
				list = append(list, v+s.PerStep*float64(len(values)-1-i))
			}
		}
		return list
	}
	s.Lag1 = Lag1(fill())
	s.Level, s.Spread = MAD(fill())
}

func (s *Slope) interval(sorted []float64, z float64) bool {
	n := float64(s.Points)
	variance := n * (n - 1) * (2*n + 5) / 18
	// The correlation of a short series is estimated too low, by about (1+4r)/n
	// (M. G. Kendall 1954).
	r := min(max(s.Lag1+(1+4*s.Lag1)/n, 0), 0.95)
	c := z * math.Sqrt(variance*(1+r)/(1-r))
	low := int((float64(len(sorted))-c)/2) - 1
	high := int(math.Ceil((float64(len(sorted)) + c) / 2))
	if low < 0 || high >= len(sorted) {
		return false
	}
	s.Low, s.High = sorted[low], sorted[high]
	return true
}
