package nab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/trend"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/stats"
)

// Forecasts counts what trend to limit foretold on recorded curves: how often, how
// often the limit was then reached, and how often within the stated interval.
type Forecasts struct {
	Told, CameTrue, Inside int
	days                   float64
	errors                 []float64 // of the foretold time, as a share of the warning
	leads                  []float64 // minutes between warning and limit
}

// follow feeds one curve with a limit above and one below: the values that the curve
// itself passes 2 times of 100. A curve of servers has no limits; these are as far out as
// an engineer's would be, and are reached often enough to count.
func (o *Forecasts) follow(s *Series) {
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
					o.Told++
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

func (o *Forecasts) settle(told *detect.Finding, at time.Time) {
	soonest, latest := told.Data["soonest"].(time.Time), told.Data["latest"].(time.Time)
	o.CameTrue++
	if !at.Before(soonest) && !at.After(latest) {
		o.Inside++
	}
	lead := at.Sub(told.At).Minutes()
	o.leads = append(o.leads, lead)
	if lead > 0 {
		middle := (soonest.Sub(told.At) + latest.Sub(told.At)).Minutes() / 2
		o.errors = append(o.errors, math.Abs(middle-lead)/lead)
	}
}

// Forecast back-tests trend to limit on the recorded curves.
func Forecast(corpus []*Series) (o Forecasts) {
	for _, s := range corpus {
		o.follow(s)
	}
	return o
}

// Text is the outcome as one sentence.
func (o Forecasts) Text() string {
	return fmt.Sprintf("Trend to limit on the same curves (limits where each curve passes 2 values of 100, above and below; %.0f days): "+
		"told %d times, %.0f %% came true, %.0f %% of those within the stated interval; median error of the time %.0f %%, median warning %.0f minutes ahead.\n",
		o.days, o.Told, 100*float64(o.CameTrue)/math.Max(float64(o.Told), 1), 100*float64(o.Inside)/math.Max(float64(o.CameTrue), 1),
		100*stats.Median(o.errors), stats.Median(o.leads))
}
