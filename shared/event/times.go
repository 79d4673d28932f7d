package event

import "time"

// ParseTime reads a time as a leaf carries it: RFC 3339 with Z, at most 9 digits
// of a second, years 1970 to 2199.
func ParseTime(text string) (time.Time, error) {
	t, reason := parseTime(text)
	if reason != "" {
		return time.Time{}, &ProfileError{Reason: reason}
	}
	return t, nil
}

const timePattern = "dddd-dd-ddTdd:dd:dd"

// parseTime reads a time and says what is wrong with it, "" for nothing.
func parseTime(s string) (time.Time, string) {
	const noTime = "no RFC 3339 time in UTC"
	if len(s) < len(timePattern)+1 || s[len(s)-1] != 'Z' {
		return time.Time{}, noTime
	}
	for i := range len(timePattern) {
		if c := s[i]; timePattern[i] == 'd' && (c < '0' || c > '9') || timePattern[i] != 'd' && c != timePattern[i] {
			return time.Time{}, noTime
		}
	}
	nanos, fraction := 0, s[len(timePattern):len(s)-1]
	if fraction != "" {
		if fraction[0] != '.' || len(fraction) == 1 {
			return time.Time{}, noTime
		}
		if len(fraction) > 10 {
			return time.Time{}, "more than 9 digits of a second"
		}
		for i := 1; i < 10; i++ {
			nanos *= 10
			if i < len(fraction) {
				if c := fraction[i]; c < '0' || c > '9' {
					return time.Time{}, noTime
				}
				nanos += int(fraction[i] - '0')
			}
		}
	}
	two := func(i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, noTime
	}
	if year < minYear || year > maxYear {
		return time.Time{}, "year outside 1970 to 2199"
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	if t.Day() != day {
		return time.Time{}, noTime
	}
	return t, ""
}

// appendTime writes a time as a leaf carries it, without trailing zeros of the
// fraction.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	if nanos := t.Nanosecond(); nanos > 0 {
		dst = appendDigits(append(dst, '.'), nanos, 9)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, 'Z')
}

// appendDigits appends v with at least n digits; it has no more in what a leaf carries.
func appendDigits(dst []byte, v, n int) []byte {
	from := len(dst)
	for range n {
		dst = append(dst, '0')
	}
	for i := from + n - 1; v > 0 && i >= from; i, v = i-1, v/10 {
		dst[i] = byte('0' + v%10)
	}
	return dst
}
