package spc

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/stats"
)

// pistonRings is table 6E (2nd edition) of D. C. Montgomery, Introduction to Statistical
// Quality Control, also data set pistonrings of the R package qcc: 25 subgroups to set
// up the chart, 15 to watch.
func pistonRings() [][5]float64 {
	return [][5]float64{
		{74.030, 74.002, 74.019, 73.992, 74.008},
		{73.995, 73.992, 74.001, 74.011, 74.004},
		{73.988, 74.024, 74.021, 74.005, 74.002},
		{74.002, 73.996, 73.993, 74.015, 74.009},
		{73.992, 74.007, 74.015, 73.989, 74.014},
		{74.009, 73.994, 73.997, 73.985, 73.993},
		{73.995, 74.006, 73.994, 74.000, 74.005},
		{73.985, 74.003, 73.993, 74.015, 73.988},
		{74.008, 73.995, 74.009, 74.005, 74.004},
		{73.998, 74.000, 73.990, 74.007, 73.995},
		{73.994, 73.998, 73.994, 73.995, 73.990},
		{74.004, 74.000, 74.007, 74.000, 73.996},
		{73.983, 74.002, 73.998, 73.997, 74.012},
		{74.006, 73.967, 73.994, 74.000, 73.984},
		{74.012, 74.014, 73.998, 73.999, 74.007},
		{74.000, 73.984, 74.005, 73.998, 73.996},
		{73.994, 74.012, 73.986, 74.005, 74.007},
		{74.006, 74.010, 74.018, 74.003, 74.000},
		{73.984, 74.002, 74.003, 74.005, 73.997},
		{74.000, 74.010, 74.013, 74.020, 74.003},
		{73.988, 74.001, 74.009, 74.005, 73.996},
		{74.004, 73.999, 73.990, 74.006, 74.009},
		{74.010, 73.989, 73.990, 74.009, 74.014},
		{74.015, 74.008, 73.993, 74.000, 74.010},
		{73.982, 73.984, 73.995, 74.017, 74.013},
		{74.012, 74.015, 74.030, 73.986, 74.000},
		{73.995, 74.010, 73.990, 74.015, 74.001},
		{73.987, 73.999, 73.985, 74.000, 73.990},
		{74.008, 74.010, 74.003, 73.991, 74.006},
		{74.003, 74.000, 74.001, 73.986, 73.997},
		{73.994, 74.003, 74.015, 74.020, 74.004},
		{74.008, 74.002, 74.018, 73.995, 74.005},
		{74.001, 74.004, 73.990, 73.996, 73.998},
		{74.015, 74.000, 74.016, 74.025, 74.000},
		{74.030, 74.005, 74.000, 74.016, 74.012},
		{74.001, 73.990, 73.995, 74.010, 74.024},
		{74.015, 74.020, 74.024, 74.005, 74.019},
		{74.035, 74.010, 74.012, 74.015, 74.026},
		{74.017, 74.013, 74.036, 74.025, 74.026},
		{74.010, 74.005, 74.029, 74.000, 74.020},
	}
}

// points makes subgroups of n values each.
func points(n int, values ...float64) (list []Point, overall stats.Welford) {
	g := group{size: n}
	for i, v := range values {
		overall.Add(v)
		if c, ok := g.add(time.Unix(int64(i), 0), v); ok {
			list = append(list, c.Point)
		}
	}
	return list, overall
}

func rings(groups [][5]float64) (list []Point, overall stats.Welford) {
	var values []float64
	for _, g := range groups {
		values = append(values, g[:]...)
	}
	return points(5, values...)
}

func TestPistonRingsHaveThePublishedLimits(t *testing.T) {
	list, overall := rings(pistonRings())
	b, err := NewBaseline(Xbar, list[:25], overall)
	require.NoError(t, err)
	// summary(qcc(diameter[1:25,], type="xbar")): center 74.00118, StdDev 0.009785039,
	// LCL 73.98805, UCL 74.0143; type="R": center 0.02276, UCL 0.04812518.
	require.InDelta(t, 74.00118, b.Center, 5e-6)
	require.InDelta(t, .009785, b.Within, 5e-6)
	low, high := b.Limits(list[0])
	require.InDelta(t, 73.98805, low, 5e-5)
	require.InDelta(t, 74.0143, high, 5e-5)
	require.InDelta(t, .02276, b.MeanRange, 5e-6)
	rl, rh, ok := rangeLimits(b.MeanRange, 5)
	require.True(t, ok)
	require.Zero(t, rl)
	require.InDelta(t, .04812, rh, 2e-5)
	require.Zero(t, b.Outside, "the 25 are in control")
	// Of the 15 that follow, 37, 38 and 39 lie above the upper limit (Montgomery: the
	// process went out of control around subgroup 34; qcc marks 37, 38, 39).
	var beyond []int
	for i, p := range list[25:] {
		if math.Abs(b.Z(p)) > 3 {
			beyond = append(beyond, i+26)
		}
	}
	require.Equal(t, []int{37, 38, 39}, beyond)
}

func TestPistonRingsHaveThePublishedCapability(t *testing.T) {
	// Montgomery, chapter 6: tolerance 74.000 ± 0.05 mm, C_p = 0.1 / (6 · 0.0099) = 1.68
	// with σ rounded up; exactly 1.70, and Cpk 1.66 as the mean is 0.0012 off.
	list, overall := rings(pistonRings()[:25])
	b, err := NewBaseline(Xbar, list, overall)
	require.NoError(t, err)
	c, ok := b.Capability(Tolerance{Low: new(73.95), High: new(74.05)})
	require.True(t, ok)
	require.InDelta(t, 1.703, c.Cp, .001)
	require.InDelta(t, 1.663, c.Cpk, .001)
	require.Less(t, c.CpkLow, c.Cpk)
	// NIST e-Handbook 6.1.6: USL 20, LSL 8, mean 16, s 2: Cp 1.0, Cpk 0.6667.
	nist := Baseline{Base: Individuals, Center: 16, Within: 2, Overall: 2, Values: 50}
	c, _ = nist.Capability(Tolerance{Low: new(8.0), High: new(20.0)})
	require.InDelta(t, 1.0, c.Cp, 1e-9)
	require.InDelta(t, .6667, c.Cpk, 5e-5)
	// The same section: the interval of Cpk, n = 50: Cpk ± 1.96 sqrt(1/(9n) + Cpk²/(2(n−1))).
	require.InDelta(t, .6667-1.645*math.Sqrt(1/450.0+.44444/98), c.CpkLow, 1e-4)
}

func TestFlowRatesHaveThePublishedLimits(t *testing.T) {
	// NIST/SEMATECH e-Handbook 6.3.2.2, individuals: flow rates of ten batches. Mean
	// 50.81, mean moving range 1.8778, UCL 55.8041, LCL 45.8159.
	list, overall := points(1, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1)
	b, err := NewBaseline(Individuals, list, overall)
	require.NoError(t, err)
	require.InDelta(t, 50.81, b.Center, 1e-9)
	require.InDelta(t, 1.8778, b.MovingRange, 5e-5)
	low, high := b.Limits(list[0])
	require.InDelta(t, 55.8041, high, 3e-4)
	require.InDelta(t, 45.8159, low, 3e-4)
}

func TestWafersHaveThePublishedShares(t *testing.T) {
	// NIST/SEMATECH e-Handbook 6.3.3.2 (the counts are Montgomery's cans of orange juice):
	// failed of 50 in 30 samples. p = 0.2313, UCL 0.4103, LCL 0.0524.
	var list []Point
	for i, bad := range []int{
		12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6,
	} {
		list = append(list, Point{At: time.Unix(int64(i), 0), Value: float64(bad) / 50, N: 50})
	}
	b, err := NewBaseline(Share, list, stats.Welford{})
	require.NoError(t, err)
	require.InDelta(t, .2313, b.Center, 5e-5)
	low, high := b.Limits(list[0])
	require.InDelta(t, .4103, high, 2e-4)
	require.InDelta(t, .0524, low, 2e-4)
	// Montgomery: samples 15 and 23 are above the upper limit.
	require.Equal(t, 2, b.Outside)
	require.Greater(t, b.Z(list[14]), 3.0)
	require.Greater(t, b.Z(list[22]), 3.0)
	// A sample of other size has its own limits.
	low, high = b.Limits(Point{N: 200})
	require.InDelta(t, .2313+3*math.Sqrt(.2313*.7687/200), high, 1e-4)
	require.InDelta(t, .2313-3*math.Sqrt(.2313*.7687/200), low, 1e-4)
}

func TestTheMovingAverageHasThePublishedValues(t *testing.T) {
	// NIST/SEMATECH e-Handbook 6.3.2.4: target 50, s 2.0539, λ 0.3, limits 47.4115 and
	// 52.5884, twenty values and their averages.
	values := []float64{52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1}
	want := []float64{50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05, 49.38, 49.92, 50.73, 51.23, 51.94, 51.99}
	const s = 2.0539
	e := EWMA{Lambda: .3, Width: 3}
	for i, v := range values {
		require.False(t, e.Add((v-50)/s), "in control: value %d", i)
		require.InDelta(t, want[i], 50+s*e.Z, .0051)
	}
	e.N = 1000 // limits settled
	require.InDelta(t, 52.5884, 50+s*e.Limit(), 1e-4)
}

// shifted is table 9.1 of Montgomery (6th edition): N(10, 1), from the 21st on N(11, 1).
func shifted() []float64 {
	return []float64{
		9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52, 10.84,
		10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52,
	}
}

func TestTheCumulativeSumHasThePublishedValues(t *testing.T) {
	// Montgomery, example 9.1 and table 9.2: K 0.5, H 5. C+ passes H at observation 29
	// with 5.28 and N+ = 7: the shift began between 22 and 23; the new mean is estimated
	// as 10 + 0.5 + 5.28/7 = 11.25.
	c := CUSUM{K: .5, H: 5}
	for i, v := range shifted()[:29] {
		side := c.Add(v - 10)
		require.Equal(t, i == 28, side == 1, "observation %d", i+1)
	}
	require.InDelta(t, 5.28, c.High, 1e-9)
	sigmas, since := c.Shift(1)
	require.Equal(t, 7, since)
	require.InDelta(t, 1.25, sigmas, .005)
}

func TestTheCumulativeSumOfTheHandbookSignalsWhereItSays(t *testing.T) {
	// NIST/SEMATECH e-Handbook 6.3.2.3: target 325, k 0.3175, h 4.1959; the upper sum is
	// 3.01 after the 13th value and beyond h from the 14th on (4.94, 7.45, ...).
	c := CUSUM{K: .3175, H: 4.1959}
	sums := map[int]float64{13: 3.01, 14: 4.94, 15: 7.45, 16: 10.63, 17: 11.99, 18: 14.44, 19: 16.00, 20: 19.04}
	for i, v := range []float64{
		324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600, 324.625, 325.150, 328.325,
		327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350,
	} {
		side := c.Add(v - 325)
		require.Equal(t, i+1 >= 14, side == 1, "value %d", i+1)
		if want, ok := sums[i+1]; ok {
			require.InDelta(t, want, c.High, .011, "value %d", i+1)
		}
	}
}

func TestTheMovingAverageOfTheShiftedProcessHasThePublishedValues(t *testing.T) {
	// Montgomery, example 9.2 and table 9.10: the same data, λ 0.10, L 2.7, limits settle
	// at 10 ± 0.62; the averages of the last observations, of which the last two are out.
	e := EWMA{Lambda: .1, Width: 2.7}
	want := map[int]float64{1: 9.945, 2: 9.7495, 27: 10.4568, 28: 10.5731, 29: 10.6468, 30: 10.6341}
	for i, v := range shifted() {
		require.Equal(t, i >= 28, e.Add(v-10), "observation %d", i+1)
		if z, ok := want[i+1]; ok {
			require.InDelta(t, z, 10+e.Z, 6e-5, "observation %d", i+1)
		}
	}
	require.InDelta(t, .62, e.Limit(), .005)
}

func TestPistonRingsAreWatchedAsInTheBook(t *testing.T) {
	// Montgomery (2nd edition, chapter 5): after the 25 samples that set up the chart the
	// process shifts up around the 34th; the 37th is the first beyond the limit.
	book, err := OpenBook("")
	require.NoError(t, err)
	c := New(config.SPC{Chart: "xbar", Values: 5, Rules: []int{1}, Low: new(73.95), High: new(74.05)}, detect.Signal{Name: "ring", Unit: "mm"}, book)
	at := start()
	feed := func(groups [][5]float64) (out []detect.Finding) {
		for _, g := range groups {
			for _, v := range g {
				at = at.Add(time.Second)
				out = append(out, c.Observe(detect.Sample{At: at, Value: v})...)
			}
		}
		return out
	}
	got := feed(pistonRings()[:25])
	require.Len(t, got, 1)
	require.Equal(t, 1.7, math.Round(got[0].Data["capability"].(map[string]any)["cp"].(float64)*10)/10)
	for _, a := range []Action{Approve, Freeze} {
		_, err := book.Do(a, "", "ring", "", "anna", at)
		require.NoError(t, err)
	}
	require.Empty(t, feed(pistonRings()[25:36]))
	got = feed(pistonRings()[36:37])
	require.Len(t, got, 1)
	require.Regexp(t, `^ring in the mean of 5 parts is 74\.0166 mm, above the control limit of 74\.0143 mm\.`, explanation(got[0]))
	got = feed([][5]float64{{74.03, 73.97, 74.0, 74.0, 74.0}})
	require.Len(t, got, 1)
	require.Equal(t, "range", got[0].Data["rule"])
	require.Regexp(t, `^The parts of one subgroup of ring differ by 0\.06 mm, more than the control limit of 0\.048\d? mm \(usually 0\.022\d? mm\)\.`, explanation(got[0]))
}

func TestAShareOfFewPartsIsNotJudgedAndSaysSo(t *testing.T) {
	b := Baseline{Base: Share, Center: .02, Sigma: .02, Subgroups: 25, Values: 1250, Size: 50}
	require.Contains(t, b.Remarks()[0], "Only 1.0 failed parts are expected in a subgroup of 50")
	book, err := OpenBook("")
	require.NoError(t, err)
	c := newChart(config.SPC{Chart: "p", Values: 10}, detect.Signal{Name: "x"}, book)
	c.cur.active = &Entry{Version: 1, Baseline: b}
	p := closed{Point: Point{Value: 1, N: 10}}
	require.Empty(t, c.judge(c.cur, p))
	p.N = 40
	require.NotEmpty(t, func() []detect.Finding { c.cur.keep(p); return c.judge(c.cur, p) }())
}
