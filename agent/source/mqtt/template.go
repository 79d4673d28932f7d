package mqtt

import (
	"fmt"
	"strings"
)

// template is a text with {name} parts that a topic's levels fill in.
type template struct {
	text  string
	parts []part
}

// part is literal text, or the name of a level.
type part struct{ text, name string }

// parseTemplate compiles a text; known tells which names there are.
func parseTemplate(text string, known func(string) bool) (template, error) {
	t := template{text: text}
	for rest := text; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		shut := strings.IndexByte(rest[open:], '}')
		if shut < 0 {
			return template{}, fmt.Errorf("%q: no } behind {", text)
		}
		name := rest[open+1 : open+shut]
		if !known(name) {
			return template{}, fmt.Errorf("%q: the topic has no level named {%s}", text, name)
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: rest[:open]})
		}
		t.parts = append(t.parts, part{name: name})
		rest = rest[open+shut+1:]
	}
	return t, nil
}

// fixed reports whether the text does not depend on the topic.
func (t template) fixed() bool {
	for _, p := range t.parts {
		if p.name != "" {
			return false
		}
	}
	return true
}

// fill writes the text with the levels' values.
func (t template) fill(levels map[string]string) string {
	if len(t.parts) == 1 && t.parts[0].name == "" {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.name != "" {
			b.WriteString(levels[p.name])
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// expandStation replaces ${station} and ${station.<level>} in a text. Levels are
// the names of the path's levels and are counted from its end.
func expandStation(text, station string, levels []string) (string, error) {
	for {
		open := strings.Index(text, "${")
		if open < 0 {
			return text, nil
		}
		shut := strings.IndexByte(text[open:], '}')
		if shut < 0 {
			return "", fmt.Errorf("%q: no } behind ${", text)
		}
		name := text[open+2 : open+shut]
		value, err := stationLevel(name, station, levels)
		if err != nil {
			return "", fmt.Errorf("%q: %w", text, err)
		}
		text = text[:open] + value + text[open+shut+1:]
	}
}

func stationLevel(name, station string, levels []string) (string, error) {
	if name == "station" {
		return station, nil
	}
	level, ok := strings.CutPrefix(name, "station.")
	if !ok {
		return "", fmt.Errorf("${%s} is unknown: only ${station} and ${station.<level>}", name)
	}
	segments := strings.Split(station, "/")
	for i, l := range levels {
		if l != level {
			continue
		}
		at := len(segments) - len(levels) + i
		if at < 0 || station == "" {
			return "", fmt.Errorf("station %q has no level %s", station, level)
		}
		return segments[at], nil
	}
	return "", fmt.Errorf("${%s}: the levels are %s", name, strings.Join(levels, ", "))
}
