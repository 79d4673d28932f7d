package trend

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

func high(v float64) []Limit { return []Limit{{"High", v, true}} }

// ramp stays at 60 for half an hour, then rises by so much an hour; noise on top.
func ramp(perHour float64, noise shape) shape {
	return func(r *rand.Rand, s float64) float64 {
		return 60 + max(s-1800, 0)/3600*perHour + noise(r, s)
	}
}

func TestASteadyRiseIsForetoldWithItsTimeInPlainWords(t *testing.T) {
	o := run(1, high(90), 3, 1, true, ramp(60, white(.3)))
	require.Equal(t, 1, o.told)
	require.Equal(t, 1, o.cameTrue)
	f := o.first
	require.Equal(t, event.SeverityLow, *f.Severity)
	require.Equal(t, "forecast/High", f.Condition)
	require.Regexp(t, `^oil\.temperature reaches High \(90 degC\) in \d+ to \d+ (minutes|s): it rises by [01]\.?\d* degC a minute and is at \d+\.?\d* degC now\. Of the last \d+ minutes\.$`, f.Data["explanation"])
	require.True(t, f.Curve)
}

func TestAFallTowardsALowLimitIsForetoldAsWell(t *testing.T) {
	o := run(1, []Limit{{"LowLow", 30, false}}, 3, 1, true, func(r *rand.Rand, s float64) float64 { return 60 - s/3600*20 + .2*r.NormFloat64() })
	require.Equal(t, 1, o.told)
	require.Equal(t, 1, o.cameTrue)
	require.Contains(t, o.first.Data["explanation"], "it falls by")
	require.Equal(t, event.SeverityMedium, *o.first.Severity)
}

// TestForecastsComeTrueAsOftenAsTheyTell is the back-test on made data: drifts of
// several speeds with noise of several kinds, from 3 minutes to hours ahead.
func TestForecastsComeTrueAsOftenAsTheyTell(t *testing.T) {
	o := backtest(12)
	t.Logf("%d told, %d came true, %d inside, median error %.2f, median lead %.1f min", o.told, o.cameTrue, o.inside, stats.Median(slices.Clone(o.errors)), stats.Median(slices.Clone(o.leads)))
	require.Greater(t, o.told, 100)
	require.GreaterOrEqual(t, float64(o.cameTrue)/float64(o.told), .95, "%d of %d came true", o.cameTrue, o.told)
	require.GreaterOrEqual(t, float64(o.inside)/float64(o.cameTrue), .80, "%d of %d within the interval", o.inside, o.cameTrue)
	require.Less(t, stats.Median(slices.Clone(o.errors)), .25)
}

func TestAnIntervalThatHelpsNobodyIsNotTold(t *testing.T) {
	for seed := range uint64(40) {
		o := run(seed, high(90), 2, 2, true, ramp(20, hanging(1, 60)))
		if o.told > 0 {
			soonest, latest := o.first.Data["soonestMs"].(int64), o.first.Data["latestMs"].(int64)
			require.LessOrEqual(t, float64(latest), 5*float64(soonest)+120_000, "seed %d: %s", seed, o.first.Data["explanation"])
		}
	}
}

func backtest(seeds uint64) (all outcome) {
	for seed := range seeds {
		for _, perHour := range []float64{6, 20, 60, 240} {
			for _, noise := range []func() shape{
				func() shape { return white(.3) },
				func() shape { return hanging(.3, 30) },
				func() shape { return hanging(.5, 300) },
			} {
				o := run(seed, high(90), .5+40/perHour, 2, true, ramp(perHour, noise()))
				all.add(o)
			}
		}
	}
	return all
}

func TestNoiseIsNeverForetoldToReachALimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit float64
		f     func() shape
	}{
		{"white noise", 64, func() shape { return white(1) }},
		{"noise that hangs together for a minute", 64, func() shape { return hanging(1, 60) }},
		{"noise that hangs together for 10 minutes", 64, func() shape { return hanging(1, 600) }},
		{"noise that hangs together for an hour", 65, func() shape { return hanging(1, 3600) }},
		{"daily rhythm", 75, func() shape {
			return func(r *rand.Rand, s float64) float64 { return 10*math.Sin(2*math.Pi*s/86400) + .5*r.NormFloat64() }
		}},
		{"jumps between two products", 80, func() shape {
			return func(r *rand.Rand, s float64) float64 { return 15*float64(int(s/5400)%2) + .5*r.NormFloat64() }
		}},
		{"heating up that levels off below the limit", 90, func() shape {
			return func(r *rand.Rand, s float64) float64 { return 25*(1-math.Exp(-s/1800)) + .2*r.NormFloat64() }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all outcome
			const days = 6
			for seed := range uint64(days) {
				f := c.f()
				all.add(run(seed, high(c.limit), 24, 2, false, func(r *rand.Rand, s float64) float64 { return 60 + f(r, s) }))
			}
			t.Logf("%d told in %d days, %d came true", all.told, days, all.cameTrue)
			require.LessOrEqual(t, all.told-all.cameTrue, 1, "false forecasts in %d days", days)
		})
	}
}

func TestTheFirstHourOfASignalIsNoTimeForGuesses(t *testing.T) {
	// Nothing is known yet of how the signal usually moves: the line alone must be sure.
	told := 0
	for seed := range uint64(300) {
		told += run(seed, high(63.5), .8, 2, true, func() shape {
			f := hanging(1, []float64{5, 30, 120}[seed%3])
			return func(r *rand.Rand, s float64) float64 { return 60 + f(r, s) }
		}()).told
	}
	t.Logf("%d told in 300 first hours", told)
	require.LessOrEqual(t, told, 2)
}

func TestWhatSlowsDownIsNotForetold(t *testing.T) {
	// Settles below the limit, as a heater does on a new setpoint: a straight line through
	// its rise would pass the limit.
	for _, tau := range []float64{60, 150, 600} {
		for seed := range uint64(20) {
			o := run(seed, high(86), 2.5, 2, false, func(r *rand.Rand, s float64) float64 {
				return 60 + 25*(1-math.Exp(-max(s-1800, 0)/tau)) + .1*r.NormFloat64()
			})
			require.Zero(t, o.told, "seed %d, %v s: %v", seed, tau, o.first.Data["explanation"])
		}
	}
}

func TestABatchThatTurnsBelowTheLimitEachTimeIsToldAtMostOnceADay(t *testing.T) {
	// 20 minutes up in a straight line, 10 down: a line says "soon" in each batch, and is
	// wrong in each.
	saw := func(r *rand.Rand, s float64) float64 {
		phase := math.Mod(s, 1800)
		if phase < 1200 {
			return 20 + phase/1200*60 + .2*r.NormFloat64()
		}
		return 80 - (phase-1200)/600*60 + .2*r.NormFloat64()
	}
	o := run(1, high(90), 72, 2, false, saw)
	t.Logf("%d told in 144 batches", o.told)
	require.LessOrEqual(t, o.told, 3)
}

func TestAForecastThatDidNotComeTrueIsTakenBack(t *testing.T) {
	o := run(1, high(90), 4, 1, false, func(r *rand.Rand, s float64) float64 {
		return 60 + min(s, 1500)/60 + .1*r.NormFloat64() // stops at 85
	})
	require.Equal(t, 1, o.told)
	require.Equal(t, 1, o.withdrawn)
	require.Zero(t, o.cameTrue)
}

func TestOnePersonsInterventionDoesNotSilenceForecastsForEver(t *testing.T) {
	var r record
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	require.True(t, r.trusted(at))
	r.settle(false, at)
	require.True(t, r.trusted(at.Add(time.Hour)), "one miss is forgiven")
	r.settle(false, at)
	require.False(t, r.trusted(at.Add(time.Hour)))
	require.True(t, r.trusted(at.Add(5*24*time.Hour)))
	r.settle(true, at.Add(73*time.Hour))
	require.True(t, r.trusted(at.Add(73*time.Hour)))
	require.Equal(t, "1 of 3 forecasts of this signal came true", r.sentence())
}

func TestAChangeOfProductOrAStopIsNoTrend(t *testing.T) {
	d := New(high(90), detect.Signal{Name: "x"})
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	for s := range 3600 {
		if s%200 == 0 {
			d.SetContext(detect.Context{State: detect.Production, Recipe: fmt.Sprint(s)})
		}
		require.Empty(t, d.Observe(detect.Sample{At: at.Add(time.Duration(s) * time.Second), Value: 60 + float64(s%200)/10}))
	}
	d.SetContext(detect.Context{State: detect.Off})
	for s := range 3600 {
		require.Empty(t, d.Observe(detect.Sample{At: at.Add(time.Duration(3600+s) * time.Second), Value: 60 + float64(s)/100}))
	}
	require.Equal(t, "suppressed", d.Report().State)
}

func TestLimitsOfTheConfigurationAreTaken(t *testing.T) {
	require.Equal(t, []Limit{{"High", 90, true}, {"LowLow", 5, false}}, LimitsOf(&config.Limits{Hi: new(90.0), LoLo: new(5.0), HiHi: new(math.Inf(1))}))
	require.Nil(t, LimitsOf(nil))
	require.Equal(t, "off", New(nil, detect.Signal{}).Report().State)
}

func TestAForecastGoesOnAfterARestart(t *testing.T) {
	feed := func(d *Forecast, from, to int) (out []detect.Finding) {
		at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
		for s := from; s < to; s++ {
			out = append(out, d.Observe(detect.Sample{At: at.Add(time.Duration(s) * time.Second), Value: 60 + float64(s)/10 + float64(s%7)/50})...)
		}
		return out
	}
	a := New(high(90), detect.Signal{Name: "x"})
	producing := detect.Context{State: detect.Production, Recipe: "A"}
	a.SetContext(producing)
	require.Empty(t, feed(a, 0, 200))
	b := New(high(90), detect.Signal{Name: "x"})
	require.NoError(t, b.Restore(a.Save()))
	b.SetContext(detect.Context{}) // not known yet
	b.SetContext(producing)
	require.NotEmpty(t, feed(b, 200, 298), "the steps before the restart count")
	require.Empty(t, feed(New(high(90), detect.Signal{Name: "x"}), 200, 298), "without them it is too early")
	c := New(high(90), detect.Signal{Name: "x"})
	require.Error(t, c.Restore([]byte(`{"format":7}`)))
	require.Error(t, c.Restore([]byte(`{`)))
	require.Nil(t, c.Save())
}

func TestAValueCostsNoMemory(t *testing.T) {
	d := New(high(90), detect.Signal{Name: "x"})
	at, s := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC), 0
	require.Zero(t, testing.AllocsPerRun(20_000, func() {
		d.Observe(detect.Sample{At: at.Add(time.Duration(s) * time.Second), Value: 60 + float64(s%13)})
		s++
	}))
}

func FuzzForecast(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, []byte(`{"format":1,"scales":[{},{},{},{}]}`))
	d := New(high(90), detect.Signal{Name: "x"})
	for s := range 2000 {
		d.Observe(detect.Sample{At: time.Unix(int64(s), 0), Value: float64(s) / 30})
	}
	f.Add([]byte{255, 0, 255}, d.Save())
	f.Fuzz(func(t *testing.T, moves, state []byte) {
		d := New([]Limit{{"High", 90, true}, {"Low", -90, false}}, detect.Signal{Name: "x"})
		_ = d.Restore(state)
		at, v := time.Unix(1_700_000_000, 0), 0.0
		for i, m := range moves {
			switch m {
			case 0:
				v = math.NaN()
			case 1:
				v = 1e308
			case 2:
				v = -1e308
			case 3:
				at = at.Add(-time.Hour)
			case 4:
				at = at.Add(1000 * time.Hour)
			default:
				v = float64(i) * float64(m)
			}
			for range 3 {
				at = at.Add(time.Duration(m) * time.Second)
				d.Observe(detect.Sample{At: at, Value: v})
				d.Tick(at)
			}
		}
		if s := d.Save(); s != nil && d.Restore(s) != nil {
			t.Fatalf("what was saved can't be restored: %s", s)
		}
	})
}

func BenchmarkForecast(b *testing.B) {
	d := New(high(90), detect.Signal{Name: "x"})
	r := rand.New(rand.NewPCG(1, 1))
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	noise := make([]float64, 4096)
	for i := range noise {
		noise[i] = 60 + r.NormFloat64()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.Observe(detect.Sample{At: at.Add(time.Duration(i) * time.Second), Value: noise[i%len(noise)]})
	}
}

// BenchmarkBacktest reports how forecasts on made drifts do: their share that came true,
// the share of those within the interval, the error of its middle against the time until
// the limit, and that time.
func BenchmarkBacktest(b *testing.B) {
	var o outcome
	for b.Loop() {
		o = backtest(6)
	}
	b.ReportMetric(float64(o.told), "told")
	b.ReportMetric(100*float64(o.cameTrue)/float64(o.told), "%true")
	b.ReportMetric(100*float64(o.inside)/float64(o.cameTrue), "%inside")
	b.ReportMetric(100*stats.Median(o.errors), "%error")
	b.ReportMetric(stats.Median(o.leads), "lead-min")
}
