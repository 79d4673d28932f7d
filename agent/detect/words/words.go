// Package words writes numbers and times as people on the floor say them: in the
// sentences of detections.
package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number writes a value with as many digits as matter beside a spread (the standard
// deviation, or the width of a band): 87.3 for 87.3124 with a spread of 1.4. Without a
// spread four digits are shown.
func Number(v, spread float64) string {
	switch {
	case math.IsNaN(v):
		return "no number"
	case math.IsInf(v, 0):
		return "beyond all numbers"
	}
	size := math.Abs(v)
	if size != 0 && (size < 1e-4 || size >= 1e9) {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	scale := math.Abs(spread)
	if !(scale > 0) || math.IsInf(scale, 0) {
		scale = size / 100
	}
	digits := 0
	if scale > 0 {
		digits = min(max(1-int(math.Floor(math.Log10(scale))), 0), 6)
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if text == "-0" {
		return "0"
	}
	return text
}

// With adds the unit, when there is one: "87.3 degC".
func With(number, unit string) string {
	if unit == "" {
		return number
	}
	return number + " " + unit
}

// Duration in one unit that fits: "40 s", "6 minutes", "3 hours", "2 days".
func Duration(d time.Duration) string {
	switch d = d.Abs(); {
	case d < 90*time.Second:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + " s"
	case d < 90*time.Minute:
		return strconv.Itoa(int(math.Round(d.Minutes()))) + " minutes"
	case d < 36*time.Hour:
		return strconv.Itoa(int(math.Round(d.Hours()))) + " hours"
	}
	return strconv.Itoa(int(math.Round(d.Hours()/24))) + " days"
}

// Between writes a range of times in one unit, that of the end: "6 to 9 minutes".
func Between(from, to time.Duration) string {
	unit, name := time.Second, "s"
	switch {
	case to >= 36*time.Hour:
		unit, name = 24*time.Hour, "days"
	case to >= 90*time.Minute:
		unit, name = time.Hour, "hours"
	case to >= 90*time.Second:
		unit, name = time.Minute, "minutes"
	}
	a, b := int(from/unit), int((to+unit-1)/unit)
	switch {
	case a == b && b == 1:
		return "1 " + strings.TrimSuffix(name, "s")
	case a == b:
		return fmt.Sprintf("%d %s", b, name)
	}
	return fmt.Sprintf("%d to %d %s", a, b, name)
}

// List joins texts: "a, b and c".
func List(texts []string) string {
	switch len(texts) {
	case 0:
		return ""
	case 1:
		return texts[0]
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " and " + texts[len(texts)-1]
}

// Count writes a number of things: "1 value", "42,000 values".
func Count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text + " " + many
}
