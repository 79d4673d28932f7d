package event

import (
	"fmt"
	"strings"
)

// severityNames are the names in ascending order, for messages.
const severityNames = "debug info low medium high critical"

// Severities lists the severities in ascending order.
func Severities() []Severity {
	return []Severity{SeverityDebug, SeverityInfo, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical}
}

// String returns the name that stands in a leaf, such as "medium".
func (s Severity) String() string {
	switch s {
	case SeverityDebug:
		return "debug"
	case SeverityInfo:
		return "info"
	case SeverityLow:
		return "low"
	case SeverityMedium:
		return "medium"
	case SeverityHigh:
		return "high"
	case SeverityCritical:
		return "critical"
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// Valid reports whether s is one of the six severities.
func (s Severity) Valid() bool { return s <= SeverityCritical }

// ParseSeverity returns the severity of a lower-case name.
func ParseSeverity(name string) (Severity, error) {
	s, ok := severityOf(name)
	if !ok {
		return 0, fmt.Errorf("severity %q is none of %s", name, strings.ReplaceAll(severityNames, " ", ", "))
	}
	return s, nil
}

func severityOf(name string) (Severity, bool) {
	switch name {
	case "debug":
		return SeverityDebug, true
	case "info":
		return SeverityInfo, true
	case "low":
		return SeverityLow, true
	case "medium":
		return SeverityMedium, true
	case "high":
		return SeverityHigh, true
	case "critical":
		return SeverityCritical, true
	}
	return 0, false
}

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("severity %d does not exist", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a name.
func (s *Severity) UnmarshalText(text []byte) error {
	v, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// Valid reports whether c is one of the four retention classes.
func (c Class) Valid() bool {
	switch c {
	case Security, Manufacturing, Performance, Debug:
		return true
	}
	return false
}
