// Package limits watches configured limits in the words and states of OPC UA
// Part 9 and ISA-18.2: the value itself (LowLow, Low, High, HighHigh), its
// deviation from a setpoint, and its rate of change.
//
// Each limit has a state machine of four states. A value beyond the limit leads
// from normal to rising, the on-delay from rising to active; a value back by more
// than the deadband leads from active to falling, the off-delay from falling to
// normal. A value that turns round meanwhile leads back. Only normal→active and
// active→normal are told, and of an alarm that chatters not even those (see fold).
package limits

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// Severities of OPC UA that limits carry unless configured otherwise.
const (
	outer = 800
	inner = 500
)

// Types of alarm in the words of OPC UA Part 9.
const (
	levelType     = "LevelAlarmType"
	deviationType = "DeviationAlarmType"
	rateType      = "RateOfChangeAlarmType"
)

// limit is one limit with its state machine.
type limit struct {
	name     string // HighHigh, High, Low, LowLow
	value    float64
	deadband float64
	high     bool // passed when the quantity is above
	on, off  time.Duration
	severity int

	active  bool
	since   time.Time // when the quantity passed the limit, of the active or rising state
	pending time.Time // since when the quantity asks for the other state, zero for not at all
	extreme float64   // farthest quantity while rising or active
}

// set is all limits of one quantity of one signal.
type set struct {
	signal    detect.Signal
	prefix    string // "", Deviation, RateOfChange
	alarmType string
	limits    []*limit
	exclusive bool
	reAlarm   time.Duration
	per       string // of a rate: the time that its limits are change per

	suppressed bool
	// Between low and high no limit is passed; while calm none is active, rising
	// or falling, and nothing waits to be told. Most values end here.
	low, high float64
	calm      bool
	last      float64 // quantity
	seen      bool

	tellers []*teller // one for each limit, or one alone when exclusive
	all     map[string]any
	values  uint64
	found   uint64
}

// newSet makes the limits of a configuration; kind and span say what their
// defaults are.
func newSet(sig detect.Signal, prefix, alarmType string, cfg config.Limits, span float64, chatter config.Chatter) *set {
	s := &set{signal: sig, prefix: prefix, alarmType: alarmType, exclusive: cfg.Exclusive, reAlarm: cfg.ReAlarm, all: map[string]any{}, low: math.Inf(-1), high: math.Inf(1)}
	d := DefaultsOf(KindOf(sig))
	deadband, on := span*d.Deadband, d.Delay
	if cfg.Deadband != nil {
		deadband = *cfg.Deadband
	}
	if cfg.OnDelay != nil {
		on = *cfg.OnDelay
	}
	off := on
	if cfg.OffDelay != nil {
		off = *cfg.OffDelay
	}
	for _, c := range []struct {
		key, name string
		value     *float64
		high      bool
		severity  int
	}{
		{"hihi", "HighHigh", cfg.HiHi, true, outer},
		{"hi", "High", cfg.Hi, true, inner},
		{"lo", "Low", cfg.Lo, false, inner},
		{"lolo", "LowLow", cfg.LoLo, false, outer},
	} {
		if c.value == nil {
			continue
		}
		m := &limit{name: c.name, value: *c.value, deadband: deadband, high: c.high, on: on, off: off, severity: c.severity}
		m.override(cfg.Each[c.key])
		s.limits, s.all[c.key] = append(s.limits, m), m.value
		if m.high {
			s.high = min(s.high, m.value)
		} else {
			s.low = max(s.low, m.value)
		}
	}
	conditions := len(s.limits)
	if s.exclusive {
		conditions = 1
	}
	for i := range conditions {
		s.tellers = append(s.tellers, newTeller(s.condition(i), chatter))
	}
	return s
}

func (m *limit) override(e config.LimitTimes) {
	if e.Deadband != nil {
		m.deadband = *e.Deadband
	}
	if e.OnDelay != nil {
		m.on = *e.OnDelay
	}
	if e.OffDelay != nil {
		m.off = *e.OffDelay
	}
	if e.Severity > 0 {
		m.severity = e.Severity
	}
}

// condition names what the i-th teller tells of.
func (s *set) condition(i int) string {
	name := "Limit"
	if !s.exclusive {
		name = s.limits[i].name
	}
	if s.prefix == "" {
		return name
	}
	return s.prefix + "." + name
}

// observe takes the next quantity.
func (s *set) observe(at time.Time, q float64) []detect.Finding {
	s.last, s.seen = q, true
	s.values++
	if s.suppressed || s.calm && q >= s.low && q <= s.high {
		return nil
	}
	changed := false
	for _, m := range s.limits {
		changed = m.step(at, q) || changed
	}
	s.rest()
	if !changed && !s.due(at) {
		return nil
	}
	return s.tell(at)
}

// tick ends delays without a new value.
func (s *set) tick(now time.Time) []detect.Finding {
	if s.suppressed || !s.seen {
		return s.tell(now)
	}
	if s.calm {
		return nil
	}
	for _, m := range s.limits {
		m.settle(now)
	}
	out := s.tell(now)
	s.rest()
	return out
}

// rest finds out whether all is calm.
func (s *set) rest() {
	s.calm = true
	for _, m := range s.limits {
		s.calm = s.calm && !m.active && m.pending.IsZero()
	}
	for _, t := range s.tellers {
		s.calm = s.calm && !t.fold.told && !t.fold.chattering
	}
}

// step moves the state machine of a limit and reports whether it changed.
func (m *limit) step(at time.Time, q float64) bool {
	wants := m.wants(q)
	switch {
	case wants == m.active:
		m.pending = time.Time{}
	case m.pending.IsZero():
		m.pending = at
		if wants {
			m.extreme = q
		}
	}
	if (wants || m.active) && m.beyond(q) {
		m.extreme = q
	}
	return m.settle(at)
}

// settle changes the state once its delay is over.
func (m *limit) settle(now time.Time) bool {
	delay := m.on
	if m.active {
		delay = m.off
	}
	if m.pending.IsZero() || now.Sub(m.pending) < delay {
		return false
	}
	if m.active = !m.active; m.active {
		m.since = m.pending
	}
	m.pending = time.Time{}
	return true
}

// wants says which state a quantity asks for; an active limit is left only when
// the quantity is back by more than the deadband.
func (m *limit) wants(q float64) bool {
	deadband := 0.0
	if m.active {
		deadband = m.deadband
	}
	if m.high {
		return q > m.value-deadband
	}
	return q < m.value+deadband
}

func (m *limit) beyond(q float64) bool {
	if m.high {
		return q > m.extreme
	}
	return q < m.extreme
}

// due reports whether a teller waits for time to pass.
func (s *set) due(at time.Time) bool {
	for _, t := range s.tellers {
		if t.fold.chattering || s.reAlarm > 0 && t.fold.told && at.Sub(t.last) >= s.reAlarm {
			return true
		}
	}
	return false
}

// tell compares what is with what was told.
func (s *set) tell(at time.Time) []detect.Finding {
	var out []detect.Finding
	for i, t := range s.tellers {
		m := s.of(i)
		active, name := m != nil, ""
		if active {
			name = m.name
		}
		// Among the limits of an exclusive alarm a change is told like a raise.
		if v := t.next(at, active, name, s.reAlarm); v != silent {
			if m == nil {
				m = s.limitNamed(t.name)
			}
			out = append(out, s.finding(t, m, v, at))
		}
	}
	s.found += uint64(len(out))
	return out
}

// of is the limit that the i-th condition is in, nil for none: of an exclusive
// alarm the outermost one.
func (s *set) of(i int) *limit {
	if !s.exclusive {
		if m := s.limits[i]; m.active {
			return m
		}
		return nil
	}
	var found *limit
	for _, m := range s.limits { // hihi, hi, lo, lolo: of the high ones the first, of the low ones the last
		if m.active && (found == nil || !m.high) {
			found = m
		}
	}
	return found
}

func (s *set) limitNamed(name string) *limit {
	for _, m := range s.limits {
		if m.name == name {
			return m
		}
	}
	return s.limits[0]
}

// finding makes the event of a change.
func (s *set) finding(t *teller, m *limit, v verdict, at time.Time) detect.Finding {
	severity := Severity(m.severity)
	data := map[string]any{
		"condition": m.name, "alarmType": s.typeName(), "state": "active", "severity": m.severity,
		"value": s.last, "limit": m.value, "deadband": m.deadband, "since": m.since.Round(0), "extreme": m.extreme, "limits": s.all,
	}
	if s.prefix != "" {
		data["condition"], data["quantity"] = s.prefix+"."+m.name, s.prefix
	}
	if v == returned {
		severity, data["state"] = event.SeverityInfo, "cleared"
		data["activeMs"] = at.Sub(m.since).Milliseconds()
		if s.suppressed {
			data["reason"] = "suppressed by design: the line is off or in maintenance"
		}
	}
	t.describe(data, v)
	data["explanation"] = s.explain(m, v, data)
	return detect.Finding{
		Type: event.TypeAlarmState, Severity: &severity, Condition: t.condition, Data: data, At: at, Curve: v == raised || v == moved,
	}
}

func (s *set) typeName() string {
	if s.exclusive {
		return "Exclusive" + s.alarmType
	}
	return "NonExclusive" + s.alarmType
}

// explain says it in one sentence.
func (s *set) explain(m *limit, v verdict, data map[string]any) string {
	what := s.signal.Name
	switch s.prefix {
	case deviationName:
		what = "The deviation of " + what + " from its setpoint"
	case rateName:
		what = "The change of " + what
	}
	side, unit := "above", s.signal.Unit
	if !m.high {
		side = "below"
	}
	if unit != "" {
		unit = " " + unit
	}
	if s.prefix == rateName {
		unit += " per " + s.per
	}
	switch {
	case v == returned && s.suppressed:
		return fmt.Sprintf("%s is not watched while the line is off or in maintenance.", what)
	case v == returned:
		return fmt.Sprintf("%s is back at %.6g%s, within its %s limit of %.6g by more than the deadband of %.4g; the farthest was %.6g.",
			what, s.last, unit, m.name, m.value, m.deadband, m.extreme)
	}
	text := fmt.Sprintf("%s is %.6g%s, %s its %s limit of %.6g", what, s.last, unit, side, m.name, m.value)
	if m.on > 0 {
		text += fmt.Sprintf(" for longer than %s", m.on)
	}
	if n, ok := data["raises"]; ok {
		text += fmt.Sprintf("; it was raised %d times in a short while, further ones are counted and not told", n)
	}
	return text + "."
}

// suppress clears what is active, by design, and watches again afterwards. What is
// found then is told with the next tick.
func (s *set) suppress(on bool) {
	s.suppressed, s.calm = on, false
	if !on {
		return
	}
	for _, m := range s.limits {
		m.active, m.pending = false, time.Time{}
	}
}

// Severity is that of an event for an OPC UA severity of 1 to 1000.
func Severity(opcua int) event.Severity {
	switch {
	case opcua <= 200:
		return event.SeverityInfo
	case opcua <= 400:
		return event.SeverityLow
	case opcua <= 600:
		return event.SeverityMedium
	case opcua <= 800:
		return event.SeverityHigh
	}
	return event.SeverityCritical
}
