package mqtt

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a source's time: RFC 3339 (also with a space, and without a
// zone, which counts as UTC and is told by zone=false) or seconds, milliseconds,
// microseconds or nanoseconds since 1970. Format is auto, rfc3339, s or ms; auto
// tells the unit of a number by its size. value is a text, int64 or float64. Errors
// do not quote it: it may be a name.
func parseTime(value any, format string) (t time.Time, zone bool, err error) {
	switch v := value.(type) {
	case string:
		if format == "auto" || format == "" || format == "rfc3339" {
			if t, zone, err = parseText(v); err == nil || format == "rfc3339" {
				return t, zone, err
			}
		}
		f, numErr := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if numErr != nil {
			return time.Time{}, true, fmt.Errorf("a text of %d bytes is no time", len(v))
		}
		return epoch(f, format)
	case int64:
		if format == "rfc3339" {
			return time.Time{}, true, errors.New("a number, not an RFC 3339 time")
		}
		return epochInt(v, format)
	case float64:
		if format == "rfc3339" {
			return time.Time{}, true, errors.New("a number, not an RFC 3339 time")
		}
		return epoch(v, format)
	}
	return time.Time{}, true, fmt.Errorf("a %T is no time", value)
}

func parseText(s string) (time.Time, bool, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, false, nil
		}
	}
	return time.Time{}, true, fmt.Errorf("a text of %d bytes is no RFC 3339 time", len(s))
}

// unit is the duration of one step of an epoch number, told by its size: 1e11 s
// is the year 5138, 1e11 ms is 1973.
func unit(f float64, format string) time.Duration {
	switch a := math.Abs(f); {
	case format == "s":
		return time.Second
	case format == "ms":
		return time.Millisecond
	case a < 1e11:
		return time.Second
	case a < 1e14:
		return time.Millisecond
	case a < 1e17:
		return time.Microsecond
	}
	return time.Nanosecond
}

func epochInt(n int64, format string) (time.Time, bool, error) {
	u := unit(float64(n), format)
	per := int64(time.Second / u)
	return time.Unix(n/per, n%per*int64(u)).UTC(), true, nil
}

func epoch(f float64, format string) (time.Time, bool, error) {
	if math.IsNaN(f) || math.Abs(f) > math.MaxInt64/2 {
		return time.Time{}, true, errors.New("a number that is no time")
	}
	u := unit(f, format)
	seconds, part := math.Modf(f / float64(time.Second/u))
	return time.Unix(int64(seconds), int64(math.Round(part*1e9))).UTC(), true, nil
}
