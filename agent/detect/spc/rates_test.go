package spc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/stats"
)

// runLength is how many independent normal points pass in the mean until a set of
// rules fires.
func runLength(set Rules, seed uint64, runs int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for range runs {
		var t Tests
		for {
			total++
			if t.Add(r.NormFloat64())&set != 0 {
				break
			}
		}
	}
	return float64(total) / float64(runs)
}

// westernElectric are the four zone rules of the Statistical Quality Control Handbook
// (1956): one beyond 3 σ, 2 of 3 beyond 2 σ, 4 of 5 beyond 1 σ, 8 in a row on one side.
// Nelson counts nine, so the run of eight is counted here.
func westernElectric(seed uint64, runs int) float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	set, total := Of(1, 5, 6), 0
	for range runs {
		var t Tests
		for {
			total++
			if t.Add(r.NormFloat64())&set != 0 || t.Side >= 8 || t.Side <= -8 {
				break
			}
		}
	}
	return float64(total) / float64(runs)
}

func TestZoneRulesFireByChanceAsOftenAsPublished(t *testing.T) {
	// C. W. Champ and W. H. Woodall, Technometrics 29 (1987) 393, table 1, no shift: rule 1
	// alone 370.40; with 2 of 3 225.44; with 4 of 5 166.05; all four 91.75.
	const runs = 8000 // standard error 1.1 %
	require.InEpsilon(t, 370.40, runLength(Of(1), 1, runs), .035)
	require.InEpsilon(t, 225.44, runLength(Of(1, 5), 2, runs), .035)
	require.InEpsilon(t, 166.05, runLength(Of(1, 6), 3, runs), .035)
	require.InEpsilon(t, 91.75, westernElectric(4, runs), .035)
}

func TestRulesFireByChanceAsOftenAsTheyTell(t *testing.T) {
	// What the sentences say ("once in about ... points") is counted here. Rule 2 is known
	// exactly, 2^9 − 1; rule 7 as well, (1 − p^15) / ((1 − p) p^15) with p = 0.6827.
	p := 1 - 2*stats.Phi(-1)
	require.InEpsilon(t, chance[7], (1-math.Pow(p, 15))/((1-p)*math.Pow(p, 15)), .01)
	require.Equal(t, 511, chance[2])
	for rule := 1; rule <= 8; rule++ {
		t.Run(fmt.Sprintf("rule %d", rule), func(t *testing.T) {
			runs, within := 4000, .06
			if rule == 8 {
				runs, within = 500, .15
			}
			require.InEpsilon(t, chance[rule], runLength(Of(rule), uint64(rule), runs), within)
		})
	}
}

func TestTheDefaultRulesTogetherFireByChanceOnceIn89Points(t *testing.T) {
	require.InEpsilon(t, 89, runLength(DefaultRules, 12, 8000), .035)
	book, err := OpenBook("")
	require.NoError(t, err)
	c := New(config.SPC{}, detect.Signal{Name: "x"}, book)
	require.InEpsilon(t, 480.0/80, c.byChance(), .02)
}

func TestChartsWithAMemoryFireByChanceAsOftenAsTheyTell(t *testing.T) {
	// Lucas and Saccucci 1990, table 3: λ 0.2, L 2.962 gives 500; Montgomery, table 9.3:
	// K 0.5, H 5 gives 465.
	r := rand.New(rand.NewPCG(5, 5))
	const runs = 4000
	averages, sums := 0, 0
	for range runs {
		for e := (EWMA{Lambda: ewmaLambda, Width: ewmaWidth}); ; {
			averages++
			if e.Add(r.NormFloat64()) {
				break
			}
		}
		for c := (CUSUM{K: cusumK, H: cusumH}); ; {
			sums++
			if c.Add(r.NormFloat64()) != 0 {
				break
			}
		}
	}
	// The limits of the first points are narrower here than those of the table, so a few
	// more runs end early.
	require.InEpsilon(t, chance[alarmEWMA], float64(averages)/runs, .06)
	require.InEpsilon(t, chance[alarmCUSUM], float64(sums)/runs, .06)
}

func TestAShiftOfOneSigmaIsFoundAsSoonAsPublished(t *testing.T) {
	// Montgomery, table 9.3: CUSUM with H 5 finds a shift of 1 σ after 10.4 points in the
	// mean; a Shewhart chart needs 43.9 (Champ and Woodall).
	r := rand.New(rand.NewPCG(6, 6))
	const runs = 4000
	sums, shewhart := 0, 0
	for range runs {
		for c := (CUSUM{K: cusumK, H: cusumH}); ; {
			sums++
			if c.Add(1+r.NormFloat64()) != 0 {
				break
			}
		}
		for {
			shewhart++
			if math.Abs(1+r.NormFloat64()) > 3 {
				break
			}
		}
	}
	require.InEpsilon(t, 10.4, float64(sums)/runs, .03)
	require.InEpsilon(t, 43.9, float64(shewhart)/runs, .05)
}

func TestRangesFireByChanceAsOftenAsTheyTell(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	const n, points = 5, 400_000
	_, high, _ := rangeLimits(d2[n], n) // the true mean range of σ = 1
	fired := 0
	for range points {
		low, top := math.Inf(1), math.Inf(-1)
		for range n {
			v := r.NormFloat64()
			low, top = min(low, v), max(top, v)
		}
		if top-low > high {
			fired++
		}
	}
	require.InEpsilon(t, chance[alarmRange], points/float64(fired), .06)
}

func TestTheMovingRangeWouldFireOnceIn109ByChance(t *testing.T) {
	// Why it does not alarm: D4(2) times its mean is 2.606 standard deviations of a difference.
	_, high, _ := rangeLimits(d2[2], 2)
	require.InDelta(t, 109, 1/(2*stats.Phi(-high/math.Sqrt2)), 1)
}

func TestTheConstantsOfRangesAreThoseOfTheNormalDistribution(t *testing.T) {
	// d2 = ∫ 1 − Φ^n − (1−Φ)^n (L. H. C. Tippett 1925); d3 by simulation.
	r := rand.New(rand.NewPCG(9, 9))
	for n := 2; n <= maxGroup; n++ {
		sum, step := 0.0, .01
		for x := -8.0; x < 8; x += step {
			p := stats.Phi(x)
			sum += (1 - math.Pow(p, float64(n)) - math.Pow(1-p, float64(n))) * step
		}
		require.InDelta(t, sum, d2[n], 6e-4, "d2 of %d", n)
		var w stats.Welford
		for range 20_000 {
			low, top := math.Inf(1), math.Inf(-1)
			for range n {
				v := r.NormFloat64()
				low, top = min(low, v), max(top, v)
			}
			w.Add(top - low)
		}
		require.InEpsilon(t, w.Std(), d3[n], .025, "d3 of %d", n)
	}
}
