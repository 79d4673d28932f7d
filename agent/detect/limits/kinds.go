package limits

import (
	"math"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
)

// Defaults are start values for limits by kind of signal, as ISA-18.2 (annex on
// alarm deadbands and delays) and EEMUA 191 recommend; to be confirmed at the plant.
type Defaults struct {
	Deadband float64 // share of the range
	Delay    time.Duration
}

// DefaultsOf returns the start values of a kind.
func DefaultsOf(kind string) Defaults {
	switch kind {
	case "flow":
		return Defaults{0.05, 15 * time.Second}
	case "level":
		return Defaults{0.05, time.Minute}
	case "pressure":
		return Defaults{0.02, 15 * time.Second}
	case "temperature":
		return Defaults{0.01, time.Minute}
	}
	return Defaults{0.01, 5 * time.Second}
}

// KindOf is the configured kind, else what unit and name look like: flow, level,
// pressure, temperature or other.
func KindOf(sig detect.Signal) string {
	if sig.Kind != "" {
		return sig.Kind
	}
	unit, name := strings.ToLower(strings.TrimSpace(sig.Unit)), strings.ToLower(sig.Name)
	switch unit {
	case "degc", "°c", "c", "degf", "°f", "f", "k", "kelvin", "celsius", "cel":
		return "temperature"
	case "bar", "mbar", "pa", "hpa", "kpa", "mpa", "psi", "barg", "bar(g)", "n/mm2":
		return "pressure"
	}
	if over, per, ok := strings.Cut(unit, "/"); ok && (per == "s" || per == "min" || per == "h") {
		switch over {
		case "l", "ml", "m3", "m³", "nm3", "nl", "kg", "g", "t", "gal":
			return "flow"
		}
	}
	for _, kind := range []string{"temperature", "pressure", "level", "flow"} {
		if strings.Contains(name, kind) {
			return kind
		}
	}
	return "other"
}

// span is the range that default deadbands are a share of: the configured one,
// else the distance of the outermost limits, else the size of the only one.
func span(rng []float64, l config.Limits) float64 {
	if len(rng) == 2 {
		return rng[1] - rng[0]
	}
	low, high, n := math.Inf(1), math.Inf(-1), 0
	for _, v := range []*float64{l.LoLo, l.Lo, l.Hi, l.HiHi} {
		if v != nil {
			low, high, n = min(low, *v), max(high, *v), n+1
		}
	}
	if l.Lo != nil && l.Hi != nil || l.LoLo != nil && l.HiHi != nil {
		return high - low
	}
	return max(math.Abs(low), math.Abs(high))
}
