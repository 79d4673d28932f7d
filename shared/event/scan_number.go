package event

import (
	"bytes"
	"strconv"
)

// number scans a number; in loose mode one that the profile can't hold is
// emitted as text.
func (s *scanner) number() *ProfileError {
	from := s.i
	integer, err := s.digits()
	if err != nil {
		return err
	}
	token := s.b[from:s.i]
	reason := numberFault(token, integer)
	switch {
	case reason == "":
		s.put(token...)
	case s.loose:
		s.put('"')
		s.put(token...)
		s.put('"')
	default:
		return s.fail(from, reason)
	}
	return nil
}

// digits walks over a number by the grammar of JSON.
func (s *scanner) digits() (integer bool, err *ProfileError) {
	b, i := s.b, s.i
	run := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	first := i
	if !run() {
		return false, s.fail(s.i, "broken number")
	}
	if b[first] == '0' && i > first+1 {
		return false, s.fail(s.i, "number with a leading zero")
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		i++
		integer = false
		if !run() {
			return false, s.fail(s.i, "broken number")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		integer = false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return false, s.fail(s.i, "broken number")
		}
	}
	s.i = i
	return integer, nil
}

// numberFault says why a well-formed number is outside the profile.
func numberFault(token []byte, integer bool) string {
	if len(token) > MaxNumber {
		return "number of more than 40 characters"
	}
	if integer {
		if len(token) <= 15 {
			return ""
		}
		v, err := strconv.ParseInt(string(token), 10, 64)
		if err != nil || v > MaxInteger || v < -MaxInteger {
			return "integer beyond 2^53"
		}
		return ""
	}
	e := bytes.IndexAny(token, "eE")
	if e < 0 {
		return "" // 40 digits without an exponent are within float64
	}
	if exponent := bytes.TrimLeft(token[e+1:], "+-"); len(exponent) > 3 {
		return "number outside float64"
	}
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil || v == 0 && bytes.ContainsAny(token[:e], "123456789") {
		return "number outside float64"
	}
	return ""
}
