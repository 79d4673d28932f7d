package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/conf"
)

// SPC makes control charts of one signal or characteristic.
type SPC struct {
	Chart    string        `yaml:"chart" default:"individuals" enum:"individuals,xbar,p" doc:"individuals: each point stands for itself (moving range); xbar: mean and range of subgroups of parts; p: share of failed parts"`
	With     []string      `yaml:"with" doc:"further charts on the same points: ewma and cusum find small lasting shifts" example:"[ewma, cusum]"`
	Subgroup time.Duration `yaml:"subgroup" doc:"one point of all values of this time; default for a signal 60s" example:"60s"`
	Values   int           `yaml:"values" doc:"one point of so many values (parts) instead; default for a characteristic 1, for p 50"`
	Rules    []int         `yaml:"rules" default:"[1, 2, 3, 5, 6]" doc:"Nelson rules, 1 to 8; of a p chart 1 to 4 count"`
	Baseline int           `yaml:"baseline" default:"25" doc:"subgroups of a baseline"`
	Low      *float64      `yaml:"low" doc:"lower limit of the tolerance, for Cp and Cpk"`
	High     *float64      `yaml:"high" doc:"upper limit of the tolerance"`
}

// Characteristic is what is measured or judged of each part, in events of one type.
type Characteristic struct {
	Event  string   `yaml:"event" default:"quality.check" doc:"type of the events"`
	Where  string   `yaml:"characteristic" doc:"only events whose event_data.characteristic says this; default: the name of the entry, where the event has such a field"`
	Field  string   `yaml:"field" default:"value" doc:"field of event_data with the measured value"`
	Result string   `yaml:"result" default:"result" doc:"field of event_data that says whether the part passed (p chart)"`
	Pass   []string `yaml:"pass" default:"[pass, ok, good, io, \"true\", \"1\"]" doc:"what the field says of a good part; case does not matter"`
	Recipe string   `yaml:"recipe" doc:"field of event_data that names the product: each has a baseline of its own" example:"variant"`
	Unit   string   `yaml:"unit" doc:"engineering unit" example:"mm"`
	SPC    SPC      `yaml:"spc" doc:"control charts"`
}

// Alerting says when what the detectors find becomes an alert.
type Alerting struct {
	Within    time.Duration `yaml:"within" default:"10s" doc:"findings of one station in this time belong together"`
	Shift     time.Duration `yaml:"shift" default:"8h" doc:"length of a shift, in hours of clean data"`
	PerShift  int           `yaml:"per_shift" default:"1" doc:"most alerts from novelty in one shift and station"`
	Persist   time.Duration `yaml:"persist" default:"15m" doc:"novelty of one signal that goes on for this long may alert by itself"`
	Starved   []string      `yaml:"starved" default:"[starved, blocked, waiting]" doc:"states of a station that waits for its neighbours: it does not alert by itself"`
	Stopped   []string      `yaml:"stopped" default:"[fault, faulted, stopped, stop, aborted, error]" doc:"states of a station that stopped"`
	StateType string        `yaml:"state_event" default:"equipment.status" doc:"type of the events that tell the state, in event_data.status"`
}

// The least that keeps charts off raw values, whose neighbours hang together.
const (
	minSubgroup = 10 * time.Second
	minBaseline = 10
	maxBaseline = 200
)

func (s *SPC) validate(r *conf.Report, path string, parts bool) {
	for _, w := range s.With {
		if w != "ewma" && w != "cusum" {
			r.Suggest(path+".with", fmt.Sprintf("%q is none of ewma, cusum", w), "")
		}
	}
	for _, n := range s.Rules {
		if n < 1 || n > 8 {
			r.Addf(path+".rules", "there is no rule %d: 1 to 8", n)
		}
	}
	if s.Baseline < minBaseline || s.Baseline > maxBaseline {
		r.Addf(path+".baseline", "must be %d to %d subgroups", minBaseline, maxBaseline)
	}
	switch {
	case s.Subgroup != 0 && s.Values != 0:
		r.Add(path+".values", "a point is made by subgroup (time) or by values (parts), not by both")
	case s.Subgroup != 0 && s.Subgroup < minSubgroup:
		r.Addf(path+".subgroup", "must be at least %s: neighbouring raw values hang together, the rules would flood", minSubgroup)
	case s.Values < 0 || s.Values > 1_000_000:
		r.Add(path+".values", "must be 1 to 1000000")
	case s.Chart == "xbar" && (s.Values < 2 || s.Values > 25):
		r.Add(path+".values", "xbar needs subgroups of 2 to 25 parts")
	case !parts && s.Values == 1:
		r.Add(path+".values", "a signal gives no point per value: neighbours hang together; use subgroup, or 2 values and more where each is a part")
	case !parts && s.Chart == "p":
		r.Add(path+".chart", "p counts failed parts: it belongs below quality, not signals")
	}
	if s.Low != nil && s.High != nil && *s.Low >= *s.High {
		r.Add(path+".low", "must be below high")
	}
}

func (c *Config) validateSPC(r *conf.Report) {
	for _, name := range slices.Sorted(maps.Keys(c.Quality)) {
		q := c.Quality[name]
		q.SPC.validate(r, "quality."+name+".spc", true)
	}
	if a := c.Alerting; a.Within <= 0 || a.Shift <= 0 || a.PerShift < 0 || a.Persist <= 0 {
		r.Add("alerting", "times must be above 0, per_shift not negative")
	}
}
