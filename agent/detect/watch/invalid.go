package watch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/health"
	"github.com/linewatch/linewatch/shared/event"
)

// What can be wrong with a value.
const (
	notNumber = "not_a_number"
	infinite  = "infinite"
	isText    = "text"
	backwards = "time_backwards"
	isObject  = "no_scalar"
	noUnit    = "unit"
)

// goodAgain is how many good values in a row end the trouble.
const goodAgain = 20

// invalid is what is wrong with a signal's values now.
type invalid struct {
	problem string // "" for nothing
	since   time.Time
	count   uint64
	row     int // good values in a row
}

// good counts a usable value and reports whether the trouble is over.
func (i *invalid) good() bool {
	if i.problem == "" {
		return false
	}
	i.row++
	return i.row >= goodAgain
}

// number is the numeric value of a reading, or what is wrong with it.
func (s *Signal) number(raw any) (float64, string) {
	v, ok := numeric(raw)
	switch {
	case math.IsNaN(v):
		return 0, notNumber
	case math.IsInf(v, 0):
		return 0, infinite
	case ok:
		return v, ""
	}
	if text, ok := raw.(string); ok {
		if s.ring != nil && s.states == nil && longInteger(text) {
			v, _ := strconv.ParseFloat(text, 64) // at most 40 digits
			return v, ""
		}
		return 0, isText
	}
	return 0, isObject
}

// longInteger reports whether a text is an integer beyond 2^53, as sources write those
// that a leaf can't hold as numbers.
func longInteger(text string) bool {
	const least, most = 16, event.MaxNumber
	digits := strings.TrimPrefix(text, "-")
	if len(digits) < least || len(digits) > most || strings.Trim(digits, "0123456789") != "" || digits[0] == '0' {
		return false
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return err != nil || health.TooLarge(v)
}

// numeric converts numbers and truth values.
func numeric(raw any) (float64, bool) {
	switch v := raw.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// unusable tells of a value that can't be used, once until good ones have come.
func (s *Signal) unusable(out []Out, problem string, v Value, at time.Time) []Out {
	i := &s.invalid
	if problem == isObject && s.ring == nil && s.states == nil {
		return out // a message with parts, never meant as a number
	}
	i.row = 0
	i.count++
	if i.problem != "" {
		return out
	}
	i.problem, i.since, i.count = problem, at, 1
	return s.tell(out, []detect.Finding{{
		Type: event.TypeSignalInvalid, Condition: "Invalid", At: at, Curve: true,
		Data: map[string]any{"problem": problem, "state": "begun", "explanation": s.sentence(problem, v)},
	}}, "input", at)
}

func (s *Signal) sentence(problem string, v Value) string {
	name, rest := s.of.Name, " It is left out, and nothing is learnt from it."
	switch problem {
	case notNumber:
		return name + " gave NaN, which is no number." + rest
	case infinite:
		return name + " gave an infinite value." + rest
	case isText:
		text := fmt.Sprint(v.Value)
		return fmt.Sprintf("%s gave the text %q where numbers came before.%s", name, event.Shorten(event.Clean(text), 60), rest)
	case backwards:
		return fmt.Sprintf("%s gave a value that is %s older than the one before.%s", name, s.clock.late.Round(time.Millisecond), rest)
	case noUnit:
		return name + " changed its unit; what was learnt in the old one is forgotten."
	}
	return name + " gave something that is no single value." + rest
}

// usable tells that good values come again.
func (s *Signal) usable(out []Out, at time.Time) []Out {
	i := s.invalid
	s.invalid = invalid{}
	info := event.SeverityInfo
	return s.tell(out, []detect.Finding{{
		Type: event.TypeSignalInvalid, Severity: &info, Condition: "Invalid", At: at,
		Data: map[string]any{
			"problem": i.problem, "state": "over", "since": i.since.Round(0), "count": i.count,
			"explanation": fmt.Sprintf("%s gives good values again; %d could not be used.", s.of.Name, i.count),
		},
	}}, "input", at)
}

// Unit tells in which unit the values come now. Another one makes worthless what
// was learnt. Two points of one name with two units are told once an hour, and
// the unit stays.
func (s *Signal) Unit(unit string, at time.Time) []Out {
	if unit == s.of.Unit || !s.renamed.IsZero() && at.Sub(s.renamed) < time.Hour {
		return nil
	}
	old := s.of.Unit
	s.of.Unit, s.renamed = unit, at
	s.beat.Forget()
	for _, d := range s.list {
		if l, ok := d.(detect.Learner); ok {
			l.Reset()
		}
	}
	return s.tell(nil, []detect.Finding{{
		Type: event.TypeSignalInvalid, Condition: "Unit", At: at,
		Data: map[string]any{"problem": noUnit, "state": "begun", "from": old, "to": unit, "explanation": s.sentence(noUnit, Value{})},
	}}, "input", at)
}

// tellSkew tells that the source's clock is wrong, once an hour for a source.
func (s *Signal) tellSkew(out []Out, now time.Time) []Out {
	if !s.origin.skew.IsZero() && now.Sub(s.origin.skew) < time.Hour {
		return out
	}
	s.origin.skew = now
	offset := -s.clock.offset
	return s.tell(out, []detect.Finding{{
		Type: event.TypeTimeDrift, Condition: "ClockSkew", At: now,
		Data: map[string]any{
			"host": s.point.Endpoint, "offsetMs": offset.Milliseconds(), "source": s.of.Source, "limitMs": skewLimit.Milliseconds(),
			"explanation": fmt.Sprintf("The clock of %s is %s from that of this station; detection counts by the station's.", s.of.Source, offset.Round(time.Second)),
		},
	}}, "clock", now)
}
