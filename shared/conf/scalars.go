package conf

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

func (d *decoder) unmarshal(n ast.Node, u encoding.TextUnmarshaler, path string) {
	text, ok := scalarText(n)
	if !ok {
		d.mistake(n, path, "must be a text, not "+kindOf(n), "")
		return
	}
	if err := u.UnmarshalText([]byte(text)); err != nil {
		d.mistake(n, path, err.Error(), "")
	}
}

func (d *decoder) duration(n ast.Node, v reflect.Value, path string) {
	text, ok := scalarText(n)
	if !ok {
		d.mistake(n, path, "must be a duration such as 500ms, 5m or 7d, not "+kindOf(n), "")
		return
	}
	length, err := ParseDuration(text)
	if err != nil {
		suggestion := ""
		if _, number := strconv.ParseFloat(text, 64); number == nil {
			suggestion = text + "s"
		}
		d.mistake(n, path, fmt.Sprintf("%q is no duration such as 500ms, 5m or 7d", text), suggestion)
		return
	}
	if length < 0 {
		d.mistake(n, path, "must not be negative", strings.TrimPrefix(text, "-"))
		return
	}
	v.SetInt(int64(length))
}

// ParseDuration reads what time.ParseDuration reads, and whole days: 7d, 1d12h.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	length := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return length, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	return length + more, nil
}

// ParseSize reads a number of bytes: 512, 64MiB, 4GiB, 10MB.
func ParseSize(text string) (uint64, error) {
	i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if i < 0 {
		i = len(text)
	}
	n, err := strconv.ParseUint(text[:i], 10, 64)
	unit, known := sizeUnit(strings.TrimSpace(text[i:]))
	if err != nil || !known || n > 1<<62/unit {
		return 0, fmt.Errorf("%q is no size such as 64MiB or 4GiB", text)
	}
	return n * unit, nil
}

func sizeUnit(name string) (uint64, bool) {
	switch strings.ToLower(name) {
	case "", "b":
		return 1, true
	case "kib", "k":
		return 1 << 10, true
	case "mib", "m":
		return 1 << 20, true
	case "gib", "g":
		return 1 << 30, true
	case "tib", "t":
		return 1 << 40, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	case "tb":
		return 1e12, true
	}
	return 1, false
}

// fieldTags is what a struct says about a field.
type fieldTags struct {
	doc, value, example string
	enum                []string
	required, show      bool
}

// field is one key of a struct.
type field struct {
	name  string
	index []int
	typ   reflect.Type
	tags  fieldTags
}

// fieldsOf lists the keys of a struct; embedded structs give theirs.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || f.Anonymous || name == "-" {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		tags := fieldTags{
			doc: f.Tag.Get("doc"), value: f.Tag.Get("default"), example: f.Tag.Get("example"),
			required: f.Tag.Get("required") == "true", show: f.Tag.Get("show") == "true",
		}
		if e := f.Tag.Get("enum"); e != "" {
			tags.enum = strings.Split(e, ",")
		}
		out = append(out, field{name: name, index: f.Index, typ: f.Type, tags: tags})
	}
	return out
}

func indexOf(fields []field, name string) int {
	return slices.IndexFunc(fields, func(f field) bool { return f.name == name })
}

func indexText(list []string, text string) int { return slices.Index(list, text) }

// setDefault sets v from the YAML text of a default tag.
func setDefault(v reflect.Value, text string) error {
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return err
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return errors.New("not one value")
	}
	r := &Report{places: &Places{at: map[string]place{}}}
	d := decoder{report: r, anchors: map[string]ast.Node{}}
	n := file.Docs[0].Body
	// A text field's default may look like a number.
	if s, ok := scalarText(n); ok && v.Kind() == reflect.String {
		v.SetString(s)
		return nil
	}
	d.value(n, v, "", fieldTags{})
	return r.sorted()
}

// plain turns a node into any: map[string]any, []any, string, int64, float64, bool, nil.
func plain(n ast.Node) any {
	switch x := n.(type) {
	case *ast.MappingNode:
		out := map[string]any{}
		for _, m := range x.Values {
			out[keyText(m.Key)] = plain(m.Value)
		}
		return out
	case *ast.MappingValueNode:
		return map[string]any{keyText(x.Key): plain(x.Value)}
	case *ast.SequenceNode:
		out := make([]any, len(x.Values))
		for i, v := range x.Values {
			out[i] = plain(v)
		}
		return out
	case *ast.IntegerNode:
		if u, ok := x.Value.(uint64); ok && u <= 1<<63-1 {
			return int64(u)
		}
		return x.Value
	case *ast.FloatNode:
		return x.Value
	case *ast.BoolNode:
		return x.Value
	case *ast.NullNode:
		return nil
	}
	text, _ := scalarText(n)
	return text
}
