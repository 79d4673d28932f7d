package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Example returns a YAML file that explains each key of a struct (or pointer to
// one): its doc above it, and the key with its example or default. Keys that are
// required, or have the tag show:"true", are set; the others are commented out,
// so that the file can be used as it is.
func Example(of any) []byte {
	var w lines
	w.fields(typeOf(of), "")
	return []byte(strings.Join(w, "\n") + "\n")
}

func typeOf(of any) reflect.Type {
	t := reflect.TypeOf(of)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

type lines []string

func (w *lines) add(indent, text string) { *w = append(*w, indent+text) }

func (w *lines) fields(t reflect.Type, indent string) {
	for i, f := range fieldsOf(t) {
		if i > 0 && indent == "" {
			w.add("", "")
		}
		if doc := describe(f); doc != "" {
			w.add(indent, "# "+doc)
		}
		w.field(f, indent)
	}
}

func (w *lines) field(f field, indent string) {
	inner := element(f.typ)
	listOfKeys := f.typ.Kind() == reflect.Slice && isStruct(inner)
	switch {
	case isStruct(f.typ):
		w.add(indent, f.name+":")
		w.fields(f.typ, indent+"  ")
	case listOfKeys && f.tags.example == "":
		w.list(f.name, inner, indent)
	default:
		text := zero(f.typ)
		if f.tags.value != "" {
			text = yamlText(f, f.tags.value)
		}
		if f.tags.example != "" {
			text = yamlText(f, f.tags.example)
		}
		mark := "# "
		if f.tags.required || f.tags.show {
			mark = ""
		}
		w.add(indent, mark+f.name+": "+text)
	}
}

// list writes a list with one element: the dash stands before its first key that
// is set. When none is, the whole list is commented out.
func (w *lines) list(name string, t reflect.Type, indent string) {
	var item lines
	item.fields(t, "  ")
	if first, set := item.first(); set {
		item[first] = "- " + strings.TrimPrefix(item[first], "  ")
		w.add(indent, name+":")
		for _, line := range item {
			w.add(indent+"  ", line)
		}
		return
	}
	w.add(indent, "# "+name+":")
	for _, line := range item {
		w.add(indent, "#   "+line)
	}
}

// first returns the first line that is no comment, and whether any key is set
// (a line that only opens a part sets nothing).
func (w lines) first() (first int, set bool) {
	first = -1
	for i, line := range w {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if first < 0 {
			first = i
		}
		set = set || !strings.HasSuffix(line, ":")
	}
	return first, set
}

// describe is the doc of a field with the values that it may have and, where an
// example stands in its place, its default.
func describe(f field) string {
	parts := []string{strings.TrimSuffix(f.tags.doc, ".")}
	if len(f.tags.enum) > 0 {
		parts = append(parts, "one of "+strings.Join(f.tags.enum, ", "))
	}
	if f.tags.value != "" && f.tags.example != "" && f.tags.value != f.tags.example {
		parts = append(parts, "default "+f.tags.value)
	}
	if parts[0] == "" {
		parts = parts[1:]
	}
	return strings.Join(parts, "; ")
}

// yamlText quotes the text of a tag where YAML would read it as something else.
func yamlText(f field, text string) string {
	if f.typ.Kind() != reflect.String || isText(f.typ) {
		return text
	}
	plainStart := text != "" && !strings.ContainsAny(text[:1], "{}[]&*#?|-<>=!%@`\"'0123456789.~, ")
	if plainStart && !strings.Contains(text, ": ") && !strings.Contains(text, " #") && text != "true" && text != "false" && text != "null" {
		return text
	}
	if strings.HasPrefix(text, `"`) || strings.HasPrefix(text, `'`) {
		return text // the tag has its own quotes
	}
	return fmt.Sprintf("%q", text)
}

// element returns what a list or map holds, or a pointer points at.
func element(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return t.Elem()
	}
	return t
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

// isStruct reports a struct with keys of its own.
func isStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

func zero(t reflect.Type) string {
	switch {
	case isText(t):
		return `""`
	case isDuration(t):
		return "0s"
	}
	switch t.Kind() {
	case reflect.String:
		return `""`
	case reflect.Bool:
		return "false"
	case reflect.Slice:
		return "[]"
	case reflect.Map, reflect.Struct:
		return "{}"
	case reflect.Pointer:
		return zero(t.Elem())
	}
	return "0"
}
