package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMomentsAgreeWithCertifiedValues(t *testing.T) {
	// NIST Statistical Reference Datasets, NumAcc3 and NumAcc4: one value in the
	// middle of many that differ in the seventh and ninth digit. Certified mean
	// 1000000.2 and 10000000.2, standard deviation 0.1.
	for _, base := range []float64{1e6, 1e7} {
		var w Welford
		w.Add(base + .2)
		for range 500 {
			w.Add(base + .1)
			w.Add(base + .3)
		}
		require.InDelta(t, base+.2, w.Mean(), 1e-8)
		require.InEpsilon(t, .1, w.Std(), 2e-8)
	}
	// NIST StRD Mavro (filter transmittance), certified mean 2.001856, standard
	// deviation 0.000429123454003053.
	var w Welford
	for _, v := range []float64{
		2.00180, 2.00170, 2.00180, 2.00190, 2.00180, 2.00170, 2.00150, 2.00140, 2.00150, 2.00150,
		2.00170, 2.00180, 2.00180, 2.00190, 2.00190, 2.00210, 2.00200, 2.00160, 2.00140, 2.00130,
		2.00130, 2.00150, 2.00150, 2.00160, 2.00150, 2.00140, 2.00130, 2.00140, 2.00150, 2.00140,
		2.00150, 2.00160, 2.00150, 2.00160, 2.00190, 2.00200, 2.00200, 2.00210, 2.00220, 2.00230,
		2.00240, 2.00250, 2.00270, 2.00260, 2.00260, 2.00260, 2.00270, 2.00260, 2.00250, 2.00240,
	} {
		w.Add(v)
	}
	require.InEpsilon(t, 2.00185600000000, w.Mean(), 1e-13)
	require.InEpsilon(t, 0.000429123454003053, w.Std(), 1e-11)
}

func TestTwoHalvesMergedAreTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var all, a, b Welford
	for i := range 1000 {
		v := r.NormFloat64()*3 + 70
		all.Add(v)
		if i%3 == 0 {
			a.Add(v)
		} else {
			b.Add(v)
		}
	}
	a.Merge(b)
	require.Equal(t, all.N, a.N)
	require.InEpsilon(t, all.Mean(), a.Mean(), 1e-12)
	require.InEpsilon(t, all.Std(), a.Std(), 1e-12)
}

func TestWildValuesNeverPoisonTheMoments(t *testing.T) {
	var w Welford
	for _, v := range []float64{1, math.NaN(), math.Inf(1), 3, 1e308, -1e308, math.Inf(-1)} {
		w.Add(v)
	}
	require.True(t, Finite(w.Mean()))
	require.True(t, Finite(w.Std()))
}

func TestQuantilesMedianAndSpread(t *testing.T) {
	require.Equal(t, 2.5, Quantile([]float64{1, 2, 3, 4}, .5))
	require.Equal(t, 1.75, Quantile([]float64{1, 2, 3, 4}, .25)) // numpy.quantile
	require.True(t, math.IsNaN(Median(nil)))
	median, spread := MAD([]float64{1, 1, 2, 2, 4, 6, 9}) // median 2, deviations 0 0 1 1 2 4 7
	require.Equal(t, 2.0, median)
	require.InEpsilon(t, 1.4826, spread, 1e-4)
}

func TestTheNormalDistribution(t *testing.T) {
	require.InDelta(t, 0.99865, Phi(3), 1e-6)
	require.InDelta(t, 1.959964, PhiInverse(.975), 1e-6)
	require.InDelta(t, 370.398, 1/(2*Phi(-3)), 1e-3)
}

func TestTheSlopeOfAStraightLineIsExactDespiteWildPoints(t *testing.T) {
	values := make([]float64, 30)
	for i := range values {
		values[i] = 10 + 0.5*float64(i)
	}
	values[3], values[17], values[28] = 1e6, -1e6, math.NaN()
	s, ok := TheilSen(values, 1.645)
	require.True(t, ok)
	require.InDelta(t, .5, s.PerStep, 1e-9)
	require.InDelta(t, 24.5, s.Level, 1e-9)
	require.Equal(t, 29, s.Points)
}

func TestTheIntervalOfTheSlopeHoldsTheTruthAsOftenAsItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		name string
		ar   float64
		atLeast,
		atMost float64
	}{{"independent", 0, .87, .97}, {"neighbours hang together", .5, .80, .97}} {
		held := 0
		const runs = 2000
		for range runs {
			values, noise := make([]float64, 30), 0.0
			for i := range values {
				noise = c.ar*noise + math.Sqrt(1-c.ar*c.ar)*r.NormFloat64()
				values[i] = .1*float64(i) + noise
			}
			s, ok := TheilSen(values, 1.645) // 90 %
			if ok && s.Low <= .1 && .1 <= s.High {
				held++
			}
		}
		share := float64(held) / runs
		require.Greater(t, share, c.atLeast, c.name)
		require.Less(t, share, c.atMost, c.name)
	}
}

func TestTooFewPointsGiveNoSlope(t *testing.T) {
	_, ok := TheilSen([]float64{1, 2, 3, 4}, 1.645)
	require.False(t, ok)
	_, ok = TheilSen(make([]float64, MaxSlopePoints+1), 1.645)
	require.False(t, ok)
	_, ok = TheilSen([]float64{1e308, -1e308, 1e308, -1e308, 1e308, -1e308}, 1.645)
	require.False(t, ok)
}

func BenchmarkTheilSen(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 30)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	b.ReportAllocs()
	for b.Loop() {
		TheilSen(values, 1.645)
	}
}
