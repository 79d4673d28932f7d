package trend

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// shape gives the value at a time, in seconds since the start.
type shape func(r *rand.Rand, second float64) float64

func white(sd float64) shape {
	return func(r *rand.Rand, _ float64) float64 { return sd * r.NormFloat64() }
}

// hanging is noise whose neighbours hang together over about tau seconds.
func hanging(sd, tau float64) shape {
	x := 0.0
	return func(r *rand.Rand, _ float64) float64 {
		k := math.Exp(-1 / tau)
		x = k*x + sd*math.Sqrt(1-k*k)*r.NormFloat64()
		return x
	}
}

// outcome counts what a run of the detector foretold.
type outcome struct {
	told, cameTrue, withdrawn int
	inside                    int // reached within the interval that was told first
	errors                    []float64
	leads                     []float64 // minutes from telling to reaching
	first                     detect.Finding
}

// run feeds a shape for some hours, a value each so many seconds, and stops when the
// limit is passed if stop is set.
func run(seed uint64, limits []Limit, hours, every float64, stop bool, f shape) (o outcome) {
	d := New(limits, detect.Signal{Name: "oil.temperature", Unit: "degC"})
	r := rand.New(rand.NewPCG(seed, 11))
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	var open *detect.Finding
	for s := 0.0; s < hours*3600; s += every {
		now := at.Add(time.Duration(s * float64(time.Second)))
		v := f(r, s)
		for _, g := range d.Observe(detect.Sample{At: now, Value: v}) {
			if g.Type != event.TypeSignalForecast {
				continue
			}
			switch g.Data["state"] {
			case "expected":
				if open == nil {
					o.told++
					open = &g
					if o.told == 1 {
						o.first = g
					}
				}
			case "reached":
				o.settle(open, now)
				o.cameTrue++
				open = nil
			default:
				o.withdrawn++
				open = nil
			}
		}
		if stop && (v >= limits[0].Value) == limits[0].Upper {
			break
		}
	}
	return o
}

func (o *outcome) settle(told *detect.Finding, now time.Time) {
	soonest, latest := told.Data["soonest"].(time.Time), told.Data["latest"].(time.Time)
	if !now.Before(soonest) && !now.After(latest) {
		o.inside++
	}
	lead := now.Sub(told.At).Minutes()
	middle := (soonest.Sub(told.At) + latest.Sub(told.At)).Minutes() / 2
	o.leads = append(o.leads, lead)
	if lead > 0 {
		o.errors = append(o.errors, math.Abs(middle-lead)/lead)
	}
}

func (o *outcome) add(p outcome) {
	o.told += p.told
	o.cameTrue += p.cameTrue
	o.withdrawn += p.withdrawn
	o.inside += p.inside
	o.errors = append(o.errors, p.errors...)
	o.leads = append(o.leads, p.leads...)
}
