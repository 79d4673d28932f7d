package spc

import "math"

// maxGroup is the largest subgroup that a range makes sense for.
const maxGroup = 25

// d2 and d3 are mean and standard deviation of the range of n independent normal values
// with σ = 1 (E. S. Pearson; ASTM MNL 7, table 49), for n = 2 to 25.
var (
	d2 = [maxGroup + 1]float64{
		0, 0, 1.128, 1.693, 2.059, 2.326, 2.534, 2.704, 2.847, 2.970, 3.078, 3.173, 3.258, 3.336,
		3.407, 3.472, 3.532, 3.588, 3.640, 3.689, 3.735, 3.778, 3.819, 3.858, 3.895, 3.931,
	}
	d3 = [maxGroup + 1]float64{
		0, 0, 0.853, 0.888, 0.880, 0.864, 0.848, 0.833, 0.820, 0.808, 0.797, 0.787, 0.778, 0.770,
		0.763, 0.756, 0.750, 0.744, 0.739, 0.734, 0.729, 0.724, 0.720, 0.716, 0.712, 0.708,
	}
)

// rangeLimits are the limits of a range chart: mean range times D3 and D4. Below n = 2
// and above 25 there are none.
func rangeLimits(mean float64, n int) (low, high float64, ok bool) {
	if n < 2 || n > maxGroup {
		return 0, 0, false
	}
	r := 3 * d3[n] / d2[n]
	return mean * math.Max(0, 1-r), mean * (1 + r), true
}
