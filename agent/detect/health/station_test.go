package health

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/detecttest"
	"github.com/linewatch/linewatch/shared/event"
)

// plant is a made station whose signals give their values together.
type plant struct {
	s      *Station
	beats  []*Beat
	source []detecttest.Source
	rate   float64
	n      int // values of each
	calls  []time.Time
	told   map[string]bool // signals with an alarm
}

func newMade(scenario string, seed uint64, rate float64) *plant {
	p := &plant{rate: rate}
	for i := range detecttest.Signals {
		p.source = append(p.source, detecttest.New(scenario, i, seed))
	}
	p.fresh()
	return p
}

// fresh gives the plant detectors that know nothing.
func (p *plant) fresh() {
	p.s, p.beats, p.told = NewStation(), nil, map[string]bool{}
	for i := range p.source {
		p.beats = append(p.beats, p.s.Add(detect.Signal{Name: "signal" + strconv.Itoa(i), Source: "made"}, learnt, learnt))
	}
}

func (p *plant) now() float64 { return float64(p.n) / p.rate }

// round gives each signal a value; change may alter it.
func (p *plant) round(change func(i int, v float64) float64) {
	t := p.now()
	at := detecttest.Monday().Add(time.Duration(t * float64(time.Second)))
	for i, b := range p.beats {
		v := p.source[i].Value(t, 1/p.rate)
		if change != nil {
			v = change(i, v)
		}
		b.Saw(at, at, v)
	}
	p.n++
	if int(p.now()) == int(t) {
		return // a tick a second
	}
	for _, f := range p.s.Tick(at) {
		if f.Data["state"] != "active" {
			continue
		}
		p.told[f.Signal] = true
		if *f.Severity >= event.SeverityMedium {
			p.calls = append(p.calls, at)
		}
	}
}

func (p *plant) until(days float64) {
	for p.now() < days*24*detecttest.Hour {
		p.round(nil)
	}
}

// most is the largest number of calls in any eight hours.
func (p *plant) most() (most int) {
	for i, from := range p.calls {
		n := 0
		for _, at := range p.calls[i:] {
			if at.Sub(from) < 8*time.Hour {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

var stations = []struct{ rate, days, learnt float64 }{{0.1, 14, 9}, {1, 3, 1.5}, {10, 1.5, 1.1}}

// BenchmarkCleanStation counts alarms of signals that stand still, or hardly move, on
// clean data by kind of data and rate.
func BenchmarkCleanStation(b *testing.B) {
	for _, scenario := range detecttest.Scenarios() {
		for _, run := range stations {
			b.Run(scenario+"/"+strconv.FormatFloat(run.rate, 'g', -1, 64)+"Hz", func(b *testing.B) {
				var p *plant
				for b.Loop() {
					p = newMade(scenario, 1, run.rate)
					p.until(run.days)
				}
				b.ReportMetric(float64(len(p.calls))/run.days/3, "alarms/shift")
				b.ReportMetric(float64(p.most()), "most-alarms/8h")
			})
		}
	}
}

// inject lets a made station learn and then tells of how many signals that move a fault
// of one hour is found while it lasts, by kind of fault.
func inject(tb testing.TB, scenario string, rate, days float64) (found map[string]int, of int) {
	learnt := newMade(scenario, 1, rate)
	learnt.until(days + 9.0/24)
	var kept [][]byte
	for _, b := range learnt.beats {
		kept = append(kept, b.Save())
	}
	tail := make([][]float64, int((detecttest.Hour+120)*rate))
	for k := range tail {
		t := learnt.now() + float64(k)/rate
		for _, s := range learnt.source {
			tail[k] = append(tail[k], s.Value(t, 1/rate))
		}
	}
	found = map[string]int{}
	for i := range learnt.beats {
		if learnt.source[i].Deviation() == 0 {
			continue // what never moves can't be seen to stand still
		}
		of++
		for _, kind := range stuck {
			p := &plant{rate: rate, n: learnt.n, source: learnt.source}
			p.fresh()
			for k, b := range p.beats {
				require.NoError(tb, b.Restore(kept[k]))
			}
			f := detecttest.NewFault(kind, learnt.now()+60, uint64(i)+3)
			for _, row := range tail {
				p.play(row, i, f)
			}
			if p.told["signal"+strconv.Itoa(i)] {
				found[kind]++
			}
		}
	}
	return found, of
}

// stuck are the faults of a sensor that is stuck.
var stuck = []string{"flatline", "frozen"}

// play gives the signals a row of values, one of them with a fault.
func (p *plant) play(row []float64, faulty int, f *detecttest.Fault) {
	t, sources := p.now(), p.source
	defer func() { p.source = sources }()
	p.source = make([]detecttest.Source, len(row))
	for i := range row {
		p.source[i] = given{row[i]}
	}
	p.round(func(i int, v float64) float64 {
		if i != faulty {
			return v
		}
		return f.Change(t, v, sources[i].Deviation())
	})
}

// given is a source whose next value is known.
type given struct{ v float64 }

func (g given) Value(float64, float64) float64 { return g.v }
func (g given) Deviation() float64             { return 0 }

// BenchmarkFaults tells the share of signals that is found while it stands still, or
// moves by a twentieth of what it did, for an hour.
func BenchmarkFaults(b *testing.B) {
	for _, run := range stations {
		b.Run(strconv.FormatFloat(run.rate, 'g', -1, 64)+"Hz", func(b *testing.B) {
			for b.Loop() {
				all, of := map[string]int{}, 0
				for _, scenario := range detecttest.Scenarios() {
					found, n := inject(b, scenario, run.rate, run.learnt)
					of += n
					for kind, n := range found {
						all[kind] += n
					}
				}
				for _, kind := range stuck {
					b.ReportMetric(100*float64(all[kind])/float64(of), kind+"-%")
				}
			}
		})
	}
}

func TestSensorsThatAreStuckAreFoundAndACleanStationIsSilent(t *testing.T) {
	for _, scenario := range detecttest.Scenarios() {
		t.Run(scenario, func(t *testing.T) {
			clean := newMade(scenario, 2, 0.1)
			clean.until(8)
			require.Empty(t, clean.calls, "24 shifts")
			found, of := inject(t, scenario, 0.1, 1.5)
			t.Logf("%v of %d", found, of)
			for _, kind := range stuck {
				require.GreaterOrEqual(t, float64(found[kind]), 0.7*float64(of), kind)
			}
		})
	}
}
