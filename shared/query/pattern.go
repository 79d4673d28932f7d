package query

import "strings"

// MatchStation reports whether a station fits a pattern: * stands for any run of
// characters within a segment, a segment ** for any number of segments, none
// too. A pattern may start at any segment (line3/** fits
// hamburg/body/line3/st07) unless it begins with a slash.
//
// It is for searching. For rights use [InScope], which begins at the first segment.
func MatchStation(pattern, station string) bool {
	return matchSegments(stationPattern(pattern), strings.Split(station, "/"))
}

// InScope reports whether one of the patterns covers a station. Unlike in a
// search a pattern always begins at the first segment: hamburg/body/** covers
// nothing below x/hamburg/body.
func InScope(patterns []string, station string) bool {
	if station == "" {
		return false
	}
	path := strings.Split(station, "/")
	for _, p := range patterns {
		if matchSegments(split(strings.TrimPrefix(p, "/"), "/"), path) {
			return true
		}
	}
	return false
}

// MatchType reports whether an event type fits a pattern over dotted segments:
// user.* fits user.login, x.** all types of integrators.
func MatchType(pattern, name string) bool {
	return matchSegments(split(pattern, "."), strings.Split(name, "."))
}

// MatchText reports whether a text fits a pattern in which * stands for any run
// of characters.
func MatchText(pattern, text string) bool { return glob(pattern, text) }

// Pattern reports whether a value has a star, which only means something in
// pattern fields (all but severity, class, ip, id, data and the times).
func Pattern(value string) bool { return strings.Contains(value, "*") }

// Regexp returns a regular expression (of Go and of PostgreSQL) for the values
// of a field that fit a pattern.
func Regexp(field Field, pattern string) string {
	switch field {
	case Station:
		return segmentsRegexp(stationPattern(pattern), "/")
	case Type, Signal:
		return segmentsRegexp(split(pattern, "."), ".")
	}
	return "^" + globRegexp(pattern, ".*") + "$"
}

// separator returns what divides the values of a field into segments.
func separator(field Field) string {
	switch field {
	case Station:
		return "/"
	case Type, Signal:
		return "."
	}
	return ""
}

// split divides a pattern into segments and makes one of neighbouring double stars.
func split(pattern, separator string) []string {
	parts := strings.Split(pattern, separator)
	out := parts[:0]
	for _, p := range parts {
		if p == "**" && len(out) > 0 && out[len(out)-1] == "**" {
			continue
		}
		out = append(out, p)
	}
	return out
}

func stationPattern(pattern string) []string {
	if anchored, ok := strings.CutPrefix(pattern, "/"); ok {
		return split(anchored, "/")
	}
	return split("**/"+pattern, "/")
}

// matchSegments matches in one row of a table, so that no pattern is slow.
func matchSegments(pattern, path []string) bool {
	fits := make([]bool, len(path)+1) // fits[j]: the pattern so far fits path[:j]
	fits[0] = true
	for _, p := range pattern {
		if p == "**" {
			for j := 1; j <= len(path); j++ {
				fits[j] = fits[j] || fits[j-1]
			}
			continue
		}
		for j := len(path); j > 0; j-- {
			fits[j] = fits[j-1] && glob(p, path[j-1])
		}
		fits[0] = false
	}
	return fits[len(path)]
}

// glob matches * as any run of characters; it goes back to the last star only.
func glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func segmentsRegexp(pattern []string, separator string) string {
	class, literal := "[^"+separator+"]", regexpQuote(separator)
	var b strings.Builder
	b.WriteByte('^')
	open := false // a separator must come before the next segment
	for i, p := range pattern {
		last := i == len(pattern)-1
		switch {
		case p != "**":
			if open {
				b.WriteString(literal)
			}
			b.WriteString(globRegexp(p, class+"*"))
			open = true
		case last && i == 0:
			b.WriteString(".*")
		case last:
			b.WriteString("(" + literal + class + "+)*")
		default:
			if open {
				b.WriteString(literal)
			}
			b.WriteString("(" + class + "+" + literal + ")*")
			open = false
		}
	}
	b.WriteByte('$')
	return b.String()
}

func globRegexp(pattern, any string) string {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexpQuote(p)
	}
	return strings.Join(parts, any)
}

func regexpQuote(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
