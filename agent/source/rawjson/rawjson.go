// Package rawjson looks into JSON text that is already inside the event profile
// (see event.Normalize: valid, compact, keys unique) without decoding it: paths
// such as $.a.b[0], the members of an object, one scalar. It allocates nothing
// while it looks, and it must not be given text that was not checked before.
package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Path is a compiled path; the zero value is the whole document.
type Path struct {
	steps []step
	text  string
}

type step struct {
	key   string
	index int // used when key is ""
}

// ParsePath compiles $, $.a.b, $.a[0], $['odd key']. A key that is empty is refused.
func ParsePath(text string) (Path, error) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return Path{}, fmt.Errorf("path %q: must begin with $", text)
	}
	p := Path{text: text}
	for rest != "" {
		s, after, err := parseStep(rest)
		if err != nil {
			return Path{}, fmt.Errorf("path %q: %w", text, err)
		}
		p.steps, rest = append(p.steps, s), after
	}
	return p, nil
}

func parseStep(rest string) (step, string, error) {
	switch {
	case strings.HasPrefix(rest, "['"):
		end := strings.Index(rest[2:], "']")
		if end <= 0 {
			return step{}, "", fmt.Errorf("no key in %q", rest)
		}
		return step{key: rest[2 : 2+end]}, rest[2+end+2:], nil
	case rest[0] == '[':
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return step{}, "", fmt.Errorf("no ] in %q", rest)
		}
		n, err := strconv.Atoi(rest[1:end])
		if err != nil || n < 0 {
			return step{}, "", fmt.Errorf("%q is no index", rest[1:end])
		}
		return step{index: n}, rest[end+1:], nil
	case rest[0] == '.':
		end := strings.IndexAny(rest[1:], ".[")
		if end < 0 {
			end = len(rest) - 1
		}
		if end == 0 {
			return step{}, "", fmt.Errorf("no key after the point in %q", rest)
		}
		return step{key: rest[1 : 1+end]}, rest[1+end:], nil
	}
	return step{}, "", fmt.Errorf("%q is neither .key nor [index]", rest)
}

// String gives back the text of the path.
func (p Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// Root reports whether the path is the whole document.
func (p Path) Root() bool { return len(p.steps) == 0 }

// Lookup returns the value at the path; it shares memory with doc.
func (p Path) Lookup(doc []byte) (json.RawMessage, bool) {
	at := doc
	for _, s := range p.steps {
		var ok bool
		if s.key != "" {
			at, ok = member(at, s.key)
		} else {
			at, ok = element(at, s.index)
		}
		if !ok {
			return nil, false
		}
	}
	return at, true
}

func member(object []byte, key string) ([]byte, bool) {
	for k, v := range Members(object) {
		if Is(k, key) {
			return v, true
		}
	}
	return nil, false
}

func element(array []byte, index int) ([]byte, bool) {
	for v := range Elements(array) {
		if index == 0 {
			return v, true
		}
		index--
	}
	return nil, false
}

// Members yields the keys (as written, with quotes) and values of an object in
// their order; nothing for anything else.
func Members(object []byte) func(yield func(key, value []byte) bool) {
	return func(yield func(key, value []byte) bool) {
		if len(object) < 2 || object[0] != '{' {
			return
		}
		for i := 1; i < len(object) && object[i] != '}'; {
			colon := Skip(object, i)
			if colon >= len(object) {
				return
			}
			end := Skip(object, colon+1)
			if !yield(object[i:colon], object[colon+1:end]) {
				return
			}
			if i = end; i < len(object) && object[i] == ',' {
				i++
			}
		}
	}
}

// Elements yields the values of an array; nothing for anything else.
func Elements(array []byte) func(yield func(value []byte) bool) {
	return func(yield func(value []byte) bool) {
		if len(array) < 2 || array[0] != '[' {
			return
		}
		for i := 1; i < len(array) && array[i] != ']'; {
			end := Skip(array, i)
			if !yield(array[i:end]) {
				return
			}
			if i = end; i < len(array) && array[i] == ',' {
				i++
			}
		}
	}
}

// Skip returns the index behind the value that begins at i. It always moves on
// by at least one byte, whatever the text is, so that no caller turns for ever.
func Skip(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipText(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':':
			i++
			continue
		default:
			i = skipWord(b, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return len(b)
}

func skipText(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func skipWord(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case ',', ':', '}', ']', '{', '[', '"':
			return i
		}
	}
	return i
}

// Is reports whether a text as written (with quotes) says s.
func Is(quoted []byte, s string) bool {
	if len(quoted) < 2 || quoted[0] != '"' {
		return false
	}
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == s {
		return true
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return false
	}
	text, ok := Text(quoted)
	return ok && text == s
}

// Text decodes a JSON string; false for other values.
func Text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return "", false
			}
			return s, true
		}
	}
	return string(inner), true
}

// Scalar decodes null, booleans, numbers (int64 where it is an integer in range,
// else float64) and texts; false for objects and arrays.
func Scalar(value []byte) (any, bool) {
	if len(value) == 0 {
		return nil, false
	}
	switch value[0] {
	case '{', '[':
		return nil, false
	case '"':
		return Text(value)
	case 't', 'f':
		return value[0] == 't', true
	case 'n':
		return nil, true
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(value), 64)
	return f, err == nil
}
