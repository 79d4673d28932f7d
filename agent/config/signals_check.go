package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no time zones of its own, a calendar needs them

	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/nearest"
)

// DetectorNames are the detectors that without: may name.
func DetectorNames() []string {
	return []string{"limits", "deviation", "rate", "flatline", "heartbeat", "counter", "states", "novelty", "spc", "trend"}
}

// GuardRules are the rules that guard.off may name.
func GuardRules() []string {
	return []string{"first_seen_user", "first_seen_client", "change_outside_window", "write_rate", "mode_change_unattended"}
}

// productionStates are the states that the plant may be in.
func productionStates() []string {
	return []string{"production", "break", "changeover", "maintenance", "off"}
}

func (s *Signal) validate(r *conf.Report, path string) {
	if s.Range != nil && (len(s.Range) != 2 || s.Range[0] >= s.Range[1]) {
		r.Add(path+".range", "must be [smallest, largest]")
	}
	if s.Limits != nil {
		s.Limits.validate(r, path+".limits")
	}
	if s.Deviation != nil {
		s.Deviation.validate(r, path+".deviation")
		if name := s.Deviation.Setpoint; name != "" && strings.HasSuffix(path, "."+name) {
			r.Add(path+".deviation.setpoint", "is the signal itself")
		}
	}
	if s.Rate != nil {
		s.Rate.validate(r, path+".rate")
		if s.Rate.Per <= 0 || s.Rate.Over <= 0 {
			r.Add(path+".rate", "per and over must be longer than nothing")
		}
	}
	if s.SPC != nil {
		s.SPC.validate(r, path+".spc", false)
	}
	checkAuto(r, path+".flatline", s.Flatline)
	checkAuto(r, path+".heartbeat", s.Heartbeat)
	if t := s.States; t != nil && (t.Changes < 0 || t.Within <= 0) {
		r.Add(path+".states", "changes and within must not be negative")
	}
	for i, name := range s.Without {
		if !slices.Contains(DetectorNames(), name) {
			r.Suggest(fmt.Sprintf("%s.without[%d]", path, i), "is no detector; there are "+strings.Join(DetectorNames(), ", "), nearest.To(name, DetectorNames()))
		}
	}
}

// checkAuto wants auto, off or a duration.
func checkAuto(r *conf.Report, path, text string) {
	if _, _, err := Auto(text); err != nil {
		r.Addf(path, "%v", err)
	}
}

// Auto reads auto, off or a duration; "" is auto. A fixed duration is above zero.
func Auto(text string) (on bool, fixed time.Duration, err error) {
	switch text {
	case "", "auto":
		return true, 0, nil
	case "off":
		return false, 0, nil
	}
	d, err := conf.ParseDuration(text)
	if err != nil || d <= 0 {
		return false, 0, fmt.Errorf("%q must be auto, off, or a duration such as 30s", text)
	}
	return true, d, nil
}

// validate wants the limits in ascending order.
func (l *Limits) validate(r *conf.Report, path string) {
	names := []string{"lolo", "lo", "hi", "hihi"}
	last, lastName := 0.0, ""
	set := map[string]bool{}
	for i, v := range []*float64{l.LoLo, l.Lo, l.Hi, l.HiHi} {
		if v == nil {
			continue
		}
		set[names[i]] = true
		if lastName != "" && *v <= last {
			r.Addf(path+"."+names[i], "%s (%g) must be above %s (%g)", names[i], *v, lastName, last)
		}
		last, lastName = *v, names[i]
	}
	if len(set) == 0 && !r.Faulty(path) {
		r.Add(path, "names no limit: hihi, hi, lo or lolo")
	}
	if l.Lo != nil && l.Hi != nil && l.Deadband != nil && *l.Hi-*l.Lo <= 2**l.Deadband {
		r.Addf(path+".deadband", "%g is too wide for limits %g apart: an alarm might never return", *l.Deadband, *l.Hi-*l.Lo)
	}
	if negative(l.Deadband) || negative(l.OnDelay) || negative(l.OffDelay) || l.ReAlarm < 0 {
		r.Add(path, "deadband and delays must not be negative")
	}
	for _, name := range slices.Sorted(maps.Keys(l.Each)) {
		at, e := path+".each."+name, l.Each[name]
		switch {
		case !slices.Contains(names, name):
			r.Suggest(at, "is none of hihi, hi, lo, lolo", nearest.To(name, names))
		case !set[name]:
			r.Addf(at, "there is no limit %s", name)
		case negative(e.Deadband) || negative(e.OnDelay) || negative(e.OffDelay):
			r.Add(at, "deadband and delays must not be negative")
		case e.Severity < 0 || e.Severity > 1000:
			r.Add(at+".severity", "must be 1 to 1000")
		}
	}
}

func negative[T cmp.Ordered](v *T) bool {
	var zero T
	return v != nil && *v < zero
}

func (d *Detection) validate(r *conf.Report, path string) {
	if d.MaxSignals < 0 {
		r.Add(path+".max_signals", "must not be negative")
	}
	if d.Save < time.Minute {
		r.Add(path+".save", "must be at least 1m: what was learnt is large")
	}
	if d.Chatter.Raises < 0 || d.Chatter.Raises > 100 || d.Chatter.Within <= 0 {
		r.Add(path+".chatter", "raises must be 0 to 100, within longer than nothing")
	}
	d.Production.validate(r, path+".production")
	for i, name := range d.Guard.Off {
		if !slices.Contains(GuardRules(), name) {
			r.Suggest(fmt.Sprintf("%s.guard.off[%d]", path, i), "is no rule; there are "+strings.Join(GuardRules(), ", "), nearest.To(name, GuardRules()))
		}
	}
	if d.Guard.Writes < 0 || d.Guard.WriteTime <= 0 || d.Guard.Learn < 0 {
		r.Add(path+".guard", "writes and times must not be negative")
	}
	for i := range d.Guard.Windows {
		d.Guard.Windows[i].validate(r, fmt.Sprintf("%s.guard.windows[%d]", path, i))
	}
}

func (p *Production) validate(r *conf.Report, path string) {
	if p.Map != nil && p.Signal == "" {
		r.Add(path+".map", "needs signal: whose values are these?")
	}
	for value, state := range p.Map {
		if !slices.Contains(productionStates(), state) {
			r.Suggest(path+".map."+value, fmt.Sprintf("%q is none of %s", state, strings.Join(productionStates(), ", ")), nearest.To(state, productionStates()))
		}
	}
	if _, err := time.LoadLocation(p.Zone); err != nil {
		r.Addf(path+".zone", "%q is no time zone such as Europe/Berlin", p.Zone)
	}
	for i := range p.Calendar {
		p.Calendar[i].validate(r, fmt.Sprintf("%s.calendar[%d]", path, i))
	}
}

func (s *Shift) validate(r *conf.Report, path string) {
	if _, err := Weekdays(s.Days); err != nil {
		r.Addf(path+".days", "%v", err)
	}
	for key, text := range map[string]string{"from": s.From, "to": s.To} {
		if _, err := Clock(text); err != nil && text != "" {
			r.Addf(path+"."+key, "%v", err)
		}
	}
}

// Weekdays reads mon-fri or mon,wed,sat.
func Weekdays(text string) (days [7]bool, err error) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	if text == "" {
		text = "mon-sun"
	}
	for part := range strings.SplitSeq(strings.ToLower(text), ",") {
		first, last, many := strings.Cut(strings.TrimSpace(part), "-")
		if !many {
			last = first
		}
		from, to := slices.Index(names, strings.TrimSpace(first)), slices.Index(names, strings.TrimSpace(last))
		if from < 0 || to < 0 {
			return days, fmt.Errorf("%q is no list of days such as mon-fri or mon,wed,sat", text)
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

// Clock reads hours and minutes, 00:00 to 24:00, as the time since midnight.
func Clock(text string) (time.Duration, error) {
	h, m, ok := strings.Cut(text, ":")
	hours, err1 := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	at := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if !ok || err1 != nil || err2 != nil || len(m) != 2 || hours < 0 || minutes < 0 || minutes > 59 || at > 24*time.Hour {
		return 0, fmt.Errorf("%q is no time of day such as 06:00", text)
	}
	return at, nil
}
