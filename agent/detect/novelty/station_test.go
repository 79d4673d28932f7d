package novelty

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/detecttest"
	"github.com/linewatch/linewatch/agent/detect/station"
	"github.com/linewatch/linewatch/shared/event"
)

// player plays one made signal into its detector, in event time.
type player struct {
	scenario string
	i        int
	rate     float64
	source   detecttest.Source
	d        *Detector
	context  detect.Context
	found    []detect.Finding // of type anomaly.detected
	n        int              // values played
}

func newPlayer(scenario string, i int, seed uint64, rate float64) *player {
	return &player{scenario: scenario, i: i, rate: rate, source: detecttest.New(scenario, i, seed), d: New(Options{
		Signal: detect.Signal{Station: "s", Source: scenario, Name: "signal" + strconv.Itoa(i)}, Location: time.UTC,
	})}
}

func (p *player) now() float64 { return float64(p.n) / p.rate }

func (p *player) next() float64 { return p.source.Value(p.now(), 1/p.rate) }

func (p *player) take(v float64) {
	t := p.now()
	p.n++
	if c := detecttest.RecipeAt(p.scenario, t); c != p.context {
		p.context = c
		p.d.SetContext(c)
	}
	for _, f := range p.d.Observe(detect.Sample{At: detecttest.Monday().Add(time.Duration(t * float64(time.Second))), Value: v}) {
		if f.Type == event.TypeAnomalyDetected {
			p.found = append(p.found, f)
		}
	}
}

// until plays clean values up to a day.
func (p *player) until(days float64) {
	for p.now() < days*24*detecttest.Hour {
		p.take(p.next())
	}
}

// tally is what a made station would have shown.
type tally struct {
	marks      float64 // per signal and day
	mostMarks  int     // of one signal in any 24 hours
	alerts     float64 // per shift, the station's own budget applied
	most       int     // alerts within any 8 hours
	first      float64 // alerts of the first day
	candidates float64 // groups and lasting novelty per shift, before the budget
}

// judge lets the station's detector see the findings of all signals.
func judge(players []*player, days float64) (t tally) {
	w := station.New(config.Alerting{Within: 10 * time.Second, Shift: 8 * time.Hour, PerShift: 1, Persist: 15 * time.Minute}, "s", nil)
	type one struct {
		p *player
		f detect.Finding
	}
	var all []one
	for _, p := range players {
		var marks []time.Time
		for _, f := range p.found {
			all = append(all, one{p, f})
			if f.Data[DataPersists] == false {
				marks = append(marks, f.At)
			}
		}
		t.marks += float64(len(marks)) / float64(len(players)) / days
		t.mostMarks = max(t.mostMarks, within(marks, 24*time.Hour))
	}
	slices.SortStableFunc(all, func(a, b one) int { return a.f.At.Compare(b.f.At) })
	var alerts []time.Time
	take := func(list []detect.Finding, at time.Time) {
		for _, f := range list {
			if f.Type != event.TypeAnomalyGroup {
				continue
			}
			t.candidates += 1 / (3 * days)
			if f.Data["alert"] == true {
				alerts = append(alerts, at)
			}
		}
	}
	i := 0
	for at := detecttest.Monday(); at.Sub(detecttest.Monday()).Hours() < days*24; at = at.Add(time.Second) {
		for ; i < len(all) && !all[i].f.At.After(at); i++ {
			take(w.Found(all[i].p.d.o.Signal, all[i].f.At, &all[i].f), all[i].f.At)
		}
		take(w.Tick(at), at)
	}
	t.alerts, t.most = float64(len(alerts))/(3*days), within(alerts, 8*time.Hour-time.Minute)
	for _, at := range alerts {
		if at.Sub(detecttest.Monday()) < 24*time.Hour {
			t.first++
		}
	}
	return t
}

// within is the most times of a sorted list in one window.
func within(list []time.Time, window time.Duration) (most int) {
	for i := range list {
		n := 0
		for _, at := range list[i:] {
			if at.Sub(list[i]) < window {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// runs is how long, and with how many signals, a rate is measured.
var runs = []struct {
	rate, days, learnt float64
	faulty             int // signals with faults
}{{0.1, 14, 9, 20}, {1, 14, 6, 10}, {10, 3, 2, 3}}

// BenchmarkCleanStation counts marks and alerts of 20 signals on clean data, by kind of
// data and rate.
func BenchmarkCleanStation(b *testing.B) {
	for _, scenario := range detecttest.Scenarios() {
		for _, run := range runs {
			b.Run(scenario+"/"+strconv.FormatFloat(run.rate, 'g', -1, 64)+"Hz", func(b *testing.B) {
				var t tally
				for b.Loop() {
					t = judge(play(scenario, 1, run.rate, run.days), run.days)
				}
				b.ReportMetric(t.marks, "marks/signal-day")
				b.ReportMetric(float64(t.mostMarks), "most-marks/24h")
				b.ReportMetric(t.alerts, "alerts/shift")
				b.ReportMetric(float64(t.most), "most-alerts/8h")
				b.ReportMetric(t.candidates, "candidates/shift")
			})
		}
	}
}

// play plays all signals of a clean station.
func play(scenario string, seed uint64, rate, days float64) []*player {
	players := make([]*player, detecttest.Signals)
	var all sync.WaitGroup
	for i := range players {
		players[i] = newPlayer(scenario, i, seed, rate)
	}
	for worker := range 2 {
		all.Go(func() {
			for i := worker; i < len(players); i += 2 {
				players[i].until(days)
			}
		})
	}
	all.Wait()
	return players
}

// BenchmarkFaults tells the share of injected faults that are marked while they last,
// the mean of all kinds of data. A mark counts only beyond those of the same hours
// without the fault.
func BenchmarkFaults(b *testing.B) {
	for _, run := range runs {
		b.Run(strconv.FormatFloat(run.rate, 'g', -1, 64)+"Hz", func(b *testing.B) {
			var marked, lasting map[string]float64
			var n float64
			for b.Loop() {
				marked, lasting, n = map[string]float64{}, map[string]float64{}, 0
				for _, scenario := range detecttest.Scenarios() {
					for i := range run.faulty {
						n++
						for kind, f := range inject(b, scenario, i, run.rate, run.learnt) {
							marked[kind] += f[0]
							lasting[kind] += f[1]
						}
					}
				}
			}
			for _, kind := range detecttest.Faults() {
				b.ReportMetric(100*marked[kind]/n, kind+"-%")
				b.ReportMetric(100*lasting[kind]/n, kind+"-lasting-%")
			}
		})
	}
}

// inject learns a clean signal for some days and plays each fault behind it; the state
// is kept and restored for each. Per kind: marked, and told to last.
func inject(tb testing.TB, scenario string, i int, rate, learnt float64) map[string][2]float64 {
	p := newPlayer(scenario, i, 1, rate)
	p.until(learnt + (9+float64(i)/5)/24) // from nine to one o'clock
	state, began, from := p.d.Save(), p.n, p.now()
	tail := make([]float64, int(25*detecttest.Hour*rate))
	for k := range tail {
		tail[k] = p.source.Value(from+float64(k)/rate, 1/rate)
	}
	play := func(f *detecttest.Fault, seconds float64) (marks, lasting int) {
		q := newPlayer(scenario, i, 1, rate)
		q.n, q.d = began, New(p.d.o)
		require.NoError(tb, q.d.Restore(state))
		for _, v := range tail[:min(len(tail), int((seconds+600)*rate))] {
			if f != nil {
				v = f.Change(q.now(), v, p.source.Deviation())
			}
			q.take(v)
		}
		for _, f := range q.found {
			if f.Data[DataPersists] == true {
				lasting++
			} else {
				marks++
			}
		}
		return marks, lasting
	}
	result := map[string][2]float64{}
	for _, kind := range detecttest.Faults() {
		f := detecttest.NewFault(kind, from+60, uint64(i)+3)
		clean, cleanLasting := play(nil, f.Lasts())
		marks, lasting := play(f, f.Lasts())
		var r [2]float64
		if lasting > cleanLasting {
			r[1] = 1
		}
		if marks > clean || r[1] == 1 {
			r[0] = 1
		}
		result[kind] = r
	}
	return result
}

func TestACleanStationIsMarkedSeldomAndCalledOutHardlyEver(t *testing.T) {
	const days = 7
	for _, scenario := range detecttest.Scenarios() {
		t.Run(scenario, func(t *testing.T) {
			players := play(scenario, 2, 0.1, days)
			for i, p := range players {
				require.True(t, p.d.settled, "signal %d: %s", i, p.d.detail())
			}
			got := judge(players, days)
			t.Logf("%+v", got)
			require.LessOrEqual(t, got.mostMarks, marksPerDay)
			require.LessOrEqual(t, got.most, 1)
			require.Less(t, got.alerts, 0.7)
			require.Less(t, got.marks, 2.0)
		})
	}
}

func TestFaultsAreMarkedWhileTheyLast(t *testing.T) {
	marked, n := map[string]float64{}, 0.0
	for _, scenario := range []string{"noisy", "daily", "batch", "recipes"} {
		for i := range 6 {
			n++
			for kind, f := range inject(t, scenario, i, 0.1, 4) {
				marked[kind] += f[0]
			}
		}
	}
	t.Logf("%v of %g", marked, n)
	for _, kind := range []string{"spike", "step", "noise"} {
		require.Greater(t, marked[kind]/n, 0.8, kind)
	}
	require.Greater(t, marked["drift"]/n, 0.6)
}
