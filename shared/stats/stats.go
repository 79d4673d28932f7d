// Package stats has the few statistics that detectors share: running moments,
// quantiles, robust spread, the normal distribution and a robust slope with its
// interval. Nothing here allocates; what needs room takes it from the caller.
package stats

import (
	"math"
	"slices"
)

// Finite reports whether v is a number that can be calculated with.
func Finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Welford is the running mean and variance of a series (B. P. Welford, Technometrics
// 4 (1962) 419): exact where the sum of squares would lose all digits. The zero value
// is ready. The fields are exported so that it can be kept in a file.
type Welford struct {
	N  uint64  `json:"n"`
	M  float64 `json:"mean"`
	S2 float64 `json:"s2"` // sum of squared distances from the mean
}

// Add takes a value. What is not finite is ignored.
func (w *Welford) Add(v float64) {
	if !Finite(v) {
		return
	}
	n := w.N + 1
	d := v - w.M
	m := w.M + d/float64(n)
	s := w.S2 + d*(v-m)
	if !Finite(m) || !Finite(s) {
		return // 1e308 beside -1e308: the value can't be taken in
	}
	w.N, w.M, w.S2 = n, m, s
}

// Merge takes in all values of another series (Chan, Golub and LeVeque 1979).
func (w *Welford) Merge(o Welford) {
	switch {
	case o.N == 0:
		return
	case w.N == 0:
		*w = o
		return
	}
	n, m := float64(w.N), float64(o.N)
	d := o.M - w.M
	mean := w.M + d*m/(n+m)
	s := w.S2 + o.S2 + d*d*n*m/(n+m)
	if !Finite(mean) || !Finite(s) {
		return
	}
	w.N, w.M, w.S2 = w.N+o.N, mean, s
}

// Mean is 0 for no values.
func (w *Welford) Mean() float64 { return w.M }

// Std is the sample standard deviation (n - 1), 0 below two values.
func (w *Welford) Std() float64 {
	if w.N < 2 {
		return 0
	}
	return math.Sqrt(w.S2 / float64(w.N-1))
}

// Quantile of a sorted list by linear interpolation between the neighbours (type 7
// of Hyndman and Fan 1996, which R and numpy use); q from 0 to 1. NaN for none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	h := float64(len(sorted)-1) * min(max(q, 0), 1)
	i := int(h)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// Median sorts the list in place and gives its middle, NaN for none.
func Median(list []float64) float64 {
	slices.Sort(list)
	return Quantile(list, 0.5)
}

// madScale makes the median absolute deviation of normal values their standard
// deviation: 1 / quantile(0.75).
const madScale = 1.4826022185056018

// MAD gives the median and the median absolute deviation, scaled so that it is the
// standard deviation of normal values. The list is overwritten.
func MAD(list []float64) (median, spread float64) {
	median = Median(list)
	for i, v := range list {
		list[i] = math.Abs(v - median)
	}
	return median, madScale * Median(list)
}

// Phi is the distribution function of the standard normal distribution.
func Phi(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// PhiInverse is its inverse; p from 0 to 1.
func PhiInverse(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// Lag1 is the correlation of neighbours in a series, from -1 to 1; 0 for fewer than
// three values or no spread.
func Lag1(list []float64) float64 {
	if len(list) < 3 {
		return 0
	}
	mean := 0.0
	for _, v := range list {
		mean += v / float64(len(list))
	}
	var c0, c1 float64
	for i, v := range list {
		c0 += (v - mean) * (v - mean)
		if i > 0 {
			c1 += (v - mean) * (list[i-1] - mean)
		}
	}
	if c0 <= 0 || !Finite(c0) || !Finite(c1) {
		return 0
	}
	return min(max(c1/c0, -1), 1)
}
