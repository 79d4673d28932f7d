package watch

import (
	"github.com/linewatch/linewatch/agent/detect"
)

// View is how one signal is watched, for the signals command.
type View struct {
	Production string          `json:"production,omitempty"`
	Recipe     string          `json:"recipe,omitempty"`
	Low        *float64        `json:"low,omitempty"` // band of what is usual
	High       *float64        `json:"high,omitempty"`
	Problem    string          `json:"problem,omitempty"` // what is wrong with the values
	Alarms     int             `json:"alarms"`            // active
	StepMS     int64           `json:"step_ms,omitempty"` // of the flight recorder
	Values     uint64          `json:"values"`
	Found      uint64          `json:"found"`
	Detectors  []detect.Report `json:"detectors"`
}

// View returns how the signal is; nil gives nil.
func (s *Signal) View() *View {
	if s == nil {
		return nil
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	c := s.station.context
	v := &View{
		Production: c.State, Recipe: c.Recipe, Problem: s.invalid.problem, Alarms: len(s.open), Values: s.values, Found: s.found,
		Detectors: []detect.Report{},
	}
	if low, high, ok := s.Band(); ok {
		v.Low, v.High = &low, &high
	}
	if s.ring != nil {
		v.StepMS = s.ring.Step().Milliseconds()
	}
	counts := s.counter != nil && s.counter.IsCounter()
	for i, d := range s.list {
		r, ok := d.(detect.Reporter)
		if !ok {
			continue
		}
		report := r.Report()
		if counts && s.learns[i] {
			report.State, report.Detail = "off", "a counter is always where it never was before"
		}
		v.Detectors = append(v.Detectors, report)
	}
	if s.passive {
		return v
	}
	if s.states != nil {
		v.Detectors = append(v.Detectors, s.states.Report())
	}
	v.Detectors = append(v.Detectors, s.beat.Report())
	return v
}
