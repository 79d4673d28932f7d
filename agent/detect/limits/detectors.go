package limits

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
)

// Names of quantities, as they stand in conditions.
const (
	deviationName = "Deviation"
	rateName      = "RateOfChange"
)

// Level watches the value of a signal itself.
type Level struct{ set *set }

// Deviation watches the difference of a signal from its setpoint.
type Deviation struct {
	set      *set
	setpoint func() (float64, bool)
	value    float64
	point    float64
	seen     bool
}

// RateOfChange watches how fast a signal changes.
type RateOfChange struct {
	set   *set
	per   time.Duration
	over  time.Duration
	slots slope
}

var (
	_ detect.Detector   = (*Level)(nil)
	_ detect.Keeper     = (*Level)(nil)
	_ detect.Contextual = (*Level)(nil)
	_ detect.Detector   = (*Deviation)(nil)
	_ detect.Detector   = (*RateOfChange)(nil)
)

// NewLevel makes a Level of limits; rng is the range of the sensor, nil for unknown.
func NewLevel(sig detect.Signal, cfg config.Limits, rng []float64, chatter config.Chatter) *Level {
	return &Level{newSet(sig, "", levelType, cfg, span(rng, cfg), chatter)}
}

// NewDeviation makes a Deviation; setpoint returns the setpoint now, false while
// it is unknown.
func NewDeviation(sig detect.Signal, cfg config.Deviation, rng []float64, chatter config.Chatter, setpoint func() (float64, bool)) *Deviation {
	return &Deviation{set: newSet(sig, deviationName, deviationType, cfg.Limits, span(rng, cfg.Limits), chatter), setpoint: setpoint}
}

// NewRate makes a RateOfChange.
func NewRate(sig detect.Signal, cfg config.Rate, chatter config.Chatter) *RateOfChange {
	s := newSet(sig, rateName, rateType, cfg.Limits, span(nil, cfg.Limits), chatter)
	s.per = cfg.Per.String()
	return &RateOfChange{set: s, per: cfg.Per, over: cfg.Over, slots: slope{step: cfg.Over / slopeSlots}}
}

// Observe implements detect.Detector.
func (l *Level) Observe(s detect.Sample) []detect.Finding { return l.set.observe(s.At, s.Value) }

// Tick implements detect.Detector: a value that stays where it is still ends a delay.
func (l *Level) Tick(now time.Time) []detect.Finding { return l.set.tick(now) }

// SetContext implements detect.Contextual.
func (l *Level) SetContext(c detect.Context) { l.set.suppress(c.Suppressed()) }

// Save implements detect.Keeper.
func (l *Level) Save() []byte { return l.set.save() }

// Restore implements detect.Keeper.
func (l *Level) Restore(state []byte) error { return l.set.restore(state) }

// Report implements detect.Reporter.
func (l *Level) Report() detect.Report { return l.set.report("limits") }

// Name implements detect.Named.
func (l *Level) Name() string { return "limits" }

// Observe implements detect.Detector. Until the setpoint is known nothing is told.
func (d *Deviation) Observe(s detect.Sample) []detect.Finding {
	d.value, d.seen = s.Value, true
	return d.look(s.At)
}

// Tick implements detect.Detector: the setpoint may have moved alone.
func (d *Deviation) Tick(now time.Time) []detect.Finding {
	if point, ok := d.setpoint(); d.seen && ok && point != d.point {
		return d.look(now)
	}
	return d.set.tick(now)
}

func (d *Deviation) look(at time.Time) []detect.Finding {
	point, ok := d.setpoint()
	if !ok {
		return nil
	}
	d.point = point
	if math.IsInf(d.value-point, 0) {
		return nil
	}
	out := d.set.observe(at, d.value-point)
	for _, f := range out {
		f.Data["setpoint"], f.Data["actual"] = point, d.value
	}
	return out
}

// SetContext implements detect.Contextual.
func (d *Deviation) SetContext(c detect.Context) { d.set.suppress(c.Suppressed()) }

// Save implements detect.Keeper.
func (d *Deviation) Save() []byte { return d.set.save() }

// Restore implements detect.Keeper.
func (d *Deviation) Restore(state []byte) error { return d.set.restore(state) }

// Report implements detect.Reporter.
func (d *Deviation) Report() detect.Report { return d.set.report("deviation") }

// Name implements detect.Named.
func (d *Deviation) Name() string { return "deviation" }

// Observe implements detect.Detector.
func (r *RateOfChange) Observe(s detect.Sample) []detect.Finding {
	slope, ok := r.slots.add(s.At, s.Value)
	if !ok {
		return nil
	}
	q := slope * r.per.Seconds()
	if math.IsNaN(q) || math.IsInf(q, 0) {
		return nil
	}
	return r.set.observe(s.At, q)
}

// Tick implements detect.Detector.
func (r *RateOfChange) Tick(now time.Time) []detect.Finding { return r.set.tick(now) }

// SetContext implements detect.Contextual.
func (r *RateOfChange) SetContext(c detect.Context) { r.set.suppress(c.Suppressed()) }

// Save implements detect.Keeper.
func (r *RateOfChange) Save() []byte { return r.set.save() }

// Restore implements detect.Keeper.
func (r *RateOfChange) Restore(state []byte) error { return r.set.restore(state) }

// Report implements detect.Reporter.
func (r *RateOfChange) Report() detect.Report { return r.set.report("rate") }

// Name implements detect.Named.
func (r *RateOfChange) Name() string { return "rate" }

// kept is the state of one limit over a restart.
type kept struct {
	Limit   string    `json:"limit"`
	Active  bool      `json:"active"`
	Told    bool      `json:"told"`
	Since   time.Time `json:"since"`
	Extreme float64   `json:"extreme"`
}

// save keeps which alarms are active and told; "[]" when none is, so that an
// older state is overwritten.
func (s *set) save() []byte {
	list := []kept{}
	for i, m := range s.limits {
		t := s.tellers[min(i, len(s.tellers)-1)]
		told := t.fold.told && (!s.exclusive || t.name == m.name)
		if m.active || told {
			list = append(list, kept{m.name, m.active, told, m.since.Round(0), m.extreme})
		}
	}
	out, err := json.Marshal(list)
	if err != nil { // a time that JSON can't hold: better no state than none at all
		return nil
	}
	return out
}

func (s *set) restore(state []byte) error {
	var list []kept
	if err := json.Unmarshal(state, &list); err != nil {
		return fmt.Errorf("limits of %s: %w", s.signal.Name, err)
	}
	for _, k := range list {
		for i, m := range s.limits {
			if m.name != k.Limit {
				continue
			}
			m.active, m.since, m.extreme = k.Active, k.Since, k.Extreme
			if k.Told {
				t := s.tellers[min(i, len(s.tellers)-1)]
				t.fold.Restore(true)
				t.name = m.name
			}
		}
	}
	return nil
}

func (s *set) report(name string) detect.Report {
	r := detect.Report{Detector: name, State: "watching", Values: s.values, Found: s.found}
	if s.suppressed {
		r.State = "suppressed"
	}
	for i := range s.tellers {
		if m := s.of(i); m != nil {
			r.Detail = m.name + " since " + m.since.UTC().Format("2006-01-02 15:04:05Z")
			break
		}
	}
	return r
}
