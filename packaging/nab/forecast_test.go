package nab

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/trend"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

// forecasts counts what was foretold on recorded curves.
type forecasts struct {
	told, cameTrue, inside int
	days                   float64
	errors, leads          []float64
}

// follow feeds one curve with a limit above and one below: the values that the curve
// itself passes 2 times of 100. A curve of servers has no limits; these are as far out as
// an engineer's would be, and are reached often enough to count.
func (o *forecasts) follow(s *Series) {
	sorted := slices.Clone(s.Values)
	slices.Sort(sorted)
	low, high := stats.Quantile(sorted, .02), stats.Quantile(sorted, .98)
	if !(high > low) {
		return
	}
	d := trend.New([]trend.Limit{{Name: "High", Value: high, Upper: true}, {Name: "Low", Value: low}}, detect.Signal{Name: s.Name})
	var told *detect.Finding
	last := s.Times[0]
	for i, v := range s.Values {
		at := s.Times[i]
		if at.Before(last) {
			at = last
		}
		o.days += min(at.Sub(last), time.Hour).Hours() / 24
		last = at
		for _, f := range d.Observe(detect.Sample{At: at, Value: v}) {
			if f.Type != event.TypeSignalForecast {
				continue
			}
			switch f.Data["state"] {
			case "expected":
				if told == nil {
					told = &f
					o.told++
				}
			case "reached":
				o.settle(told, at)
				told = nil
			default:
				told = nil
			}
		}
	}
}

func (o *forecasts) settle(told *detect.Finding, at time.Time) {
	soonest, latest := told.Data["soonest"].(time.Time), told.Data["latest"].(time.Time)
	o.cameTrue++
	if !at.Before(soonest) && !at.After(latest) {
		o.inside++
	}
	lead := at.Sub(told.At).Minutes()
	o.leads = append(o.leads, lead)
	if lead > 0 {
		middle := (soonest.Sub(told.At) + latest.Sub(told.At)).Minutes() / 2
		o.errors = append(o.errors, math.Abs(middle-lead)/lead)
	}
}

// BenchmarkForecastOnRecordedCurves back-tests trend to limit on the curves of NAB, where
// NAB_DIR names them.
func BenchmarkForecastOnRecordedCurves(b *testing.B) {
	dir := os.Getenv("NAB_DIR")
	if dir == "" {
		b.Log("no recorded curves: name them with NAB_DIR")
		return
	}
	list, err := Load(dir)
	require.NoError(b, err)
	var o forecasts
	for b.Loop() {
		o = forecasts{}
		for _, s := range list {
			o.follow(s)
		}
	}
	b.ReportMetric(float64(o.told), "told")
	b.ReportMetric(100*float64(o.cameTrue)/math.Max(float64(o.told), 1), "%true")
	b.ReportMetric(100*float64(o.inside)/math.Max(float64(o.cameTrue), 1), "%inside")
	b.ReportMetric(100*stats.Median(o.errors), "%error")
	b.ReportMetric(stats.Median(o.leads), "lead-min")
	b.ReportMetric(float64(o.told-o.cameTrue)/o.days*30, "false/month")
}
