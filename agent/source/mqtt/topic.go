package mqtt

import (
	"fmt"
	"slices"
	"strings"
)

// pattern is a topic filter whose single-level wildcards may have names:
// plant/line3/press/{signal} subscribes plant/line3/press/+.
type pattern struct {
	filter string   // as it is subscribed
	levels []string // literal, "+" or "#"
	names  []string // by level, "" for none
}

// parsePattern compiles a match text after the station's levels were put in.
func parsePattern(text string) (pattern, error) {
	var p pattern
	if text == "" || len(text) > 65535 || strings.ContainsRune(text, 0) {
		return p, fmt.Errorf("topic filter %q: empty, too long or with NUL", text)
	}
	levels := strings.Split(text, "/")
	for i, level := range levels {
		name := ""
		switch {
		case strings.HasPrefix(level, "{") && strings.HasSuffix(level, "}"):
			name, level = level[1:len(level)-1], "+"
			if name == "" || strings.ContainsAny(name, "{}+#") || slices.Contains(p.names, name) {
				return p, fmt.Errorf("topic filter %q: {%s} is empty, malformed or used twice", text, name)
			}
		case level == "#" && i != len(levels)-1:
			return p, fmt.Errorf("topic filter %q: # must be the last level", text)
		case level != "+" && level != "#" && strings.ContainsAny(level, "+#{}"):
			return p, fmt.Errorf("topic filter %q: +, # and {name} must be a whole level", text)
		}
		p.levels, p.names = append(p.levels, level), append(p.names, name)
	}
	p.filter = strings.Join(p.levels, "/")
	return p, nil
}

// named reports whether a level has this name.
func (p pattern) named(name string) bool { return name != "" && slices.Contains(p.names, name) }

// match says whether a topic fits (MQTT 3.1.1 section 4.7).
func (p pattern) match(topic string) bool {
	if strings.HasPrefix(topic, "$") && (p.levels[0] == "+" || p.levels[0] == "#") {
		return false
	}
	rest, more := topic, true
	for _, level := range p.levels {
		if level == "#" {
			return true // also the parent level: sport/# matches sport
		}
		if !more {
			return false
		}
		var head string
		head, rest, more = strings.Cut(rest, "/")
		if level != "+" && level != head {
			return false
		}
	}
	return !more
}

// values returns the named levels of a topic that matches.
func (p pattern) values(topic string) map[string]string {
	out := map[string]string{}
	for i, head := range strings.Split(topic, "/") {
		if i < len(p.names) && p.names[i] != "" {
			out[p.names[i]] = head
		}
	}
	return out
}

// covers reports whether every topic that b matches is matched by a too.
func covers(a, b pattern) bool {
	for i, level := range a.levels {
		if level == "#" {
			return true
		}
		if i >= len(b.levels) || b.levels[i] == "#" {
			return false
		}
		if level != "+" && level != b.levels[i] {
			return false
		}
	}
	return len(a.levels) == len(b.levels)
}

// overlap reports whether some topic is matched by both.
func overlap(a, b pattern) bool {
	for i := 0; ; i++ {
		endA, endB := i >= len(a.levels), i >= len(b.levels)
		switch {
		case endA && endB:
			return true
		case endA:
			return b.levels[i] == "#"
		case endB:
			return a.levels[i] == "#"
		case a.levels[i] == "#" || b.levels[i] == "#":
			return true
		case a.levels[i] != "+" && b.levels[i] != "+" && a.levels[i] != b.levels[i]:
			return false
		}
	}
}

// filters are the subscriptions that a list of patterns needs: those covered by
// another are left out, because a broker may send a message once per subscription.
func filters(patterns []pattern) []string {
	var out []string
	for i, p := range patterns {
		needed := true
		for j, other := range patterns {
			if i != j && covers(other, p) && (!covers(p, other) || j < i) {
				needed = false
				break
			}
		}
		if needed {
			out = append(out, p.filter)
		}
	}
	slices.Sort(out)
	return out
}
