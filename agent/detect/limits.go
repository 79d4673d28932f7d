package detect

import (
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/event"
)

// limit is one configured limit with its own state in the words of ISA-18.2: setpoint,
// deadband, on-delay, off-delay.
type limit struct {
	level    string // HighHigh, High, Low, LowLow
	value    float64
	high     bool // passed when the value is above
	severity event.Severity

	active   bool
	pending  time.Time // since when the value asks for the other state, zero for not at all
	extreme  float64   // farthest value while it asks or is active
	lastSeen float64
}

// Limits is the Detector of the configured limits of one signal.
type Limits struct {
	limits   []*limit
	deadband float64
	on, off  time.Duration
}

var _ Detector = (*Limits)(nil)

// Severities of OPC UA (1 to 1000) that the limits carry: 401 to 600 is medium,
// 601 to 800 high.
const (
	outer = 800
	inner = 500
)

// NewLimits makes a detector of the configuration; hihi and lolo weigh more than
// hi and lo.
func NewLimits(cfg config.Limits) *Limits {
	l := &Limits{deadband: max(cfg.Deadband, 0), on: cfg.OnDelay, off: cfg.OffDelay}
	for _, c := range []struct {
		level    string
		value    *float64
		high     bool
		severity event.Severity
	}{
		{"High", cfg.Hi, true, event.SeverityMedium},
		{"HighHigh", cfg.HiHi, true, event.SeverityHigh},
		{"Low", cfg.Lo, false, event.SeverityMedium},
		{"LowLow", cfg.LoLo, false, event.SeverityHigh},
	} {
		if c.value != nil {
			l.limits = append(l.limits, &limit{level: c.level, value: *c.value, high: c.high, severity: c.severity})
		}
	}
	return l
}

// Observe implements Detector.
func (l *Limits) Observe(s Sample) []Finding {
	var out []Finding
	for _, m := range l.limits {
		m.lastSeen = s.Value
		wants := m.wants(s.Value, l.deadband)
		switch {
		case wants == m.active:
			m.pending = time.Time{}
		case m.pending.IsZero():
			m.pending = s.At
			if wants {
				m.extreme = s.Value
			}
		}
		if (wants || m.active) && m.beyond(s.Value, m.extreme) {
			m.extreme = s.Value
		}
		out = l.settle(m, s.At, out)
	}
	return out
}

// Tick implements Detector: a value that stays where it is still ends a delay.
func (l *Limits) Tick(now time.Time) []Finding {
	var out []Finding
	for _, m := range l.limits {
		out = l.settle(m, now, out)
	}
	return out
}

// settle changes the state once its delay is over.
func (l *Limits) settle(m *limit, now time.Time, out []Finding) []Finding {
	delay := l.on
	if m.active {
		delay = l.off
	}
	if m.pending.IsZero() || now.Sub(m.pending) < delay {
		return out
	}
	since := m.pending
	m.pending, m.active = time.Time{}, !m.active
	f := Finding{Type: event.TypeAlarmState, Condition: m.level, Data: map[string]any{
		"condition": m.level, "state": "active", "severity": inner,
		"value": m.lastSeen, "limit": m.value, "since": since, "extreme": m.extreme,
	}}
	if m.severity == event.SeverityHigh {
		f.Data["severity"] = outer
	}
	if f.Severity = &m.severity; !m.active {
		f.Data["state"], f.Severity = "cleared", new(event.SeverityInfo)
	}
	return append(out, f)
}

// wants says which state a value asks for; an active limit is left only when the
// value is back by more than the deadband.
func (m *limit) wants(v, deadband float64) bool {
	if !m.active {
		deadband = 0
	}
	if m.high {
		return v > m.value-deadband
	}
	return v < m.value+deadband
}

func (m *limit) beyond(v, than float64) bool {
	if m.high {
		return v > than
	}
	return v < than
}
