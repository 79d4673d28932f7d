package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Example returns a YAML file that explains each key of a struct (or pointer to
// one): its doc above it, with its default commented out, or with its example.
// Keys that have to be set, or that have an example, are set.
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
	switch {
	case f.tags.example != "":
		w.add(indent, f.name+": "+yamlText(f, f.tags.example))
	case isStruct(f.typ):
		w.add(indent, f.name+":")
		w.fields(f.typ, indent+"  ")
	case f.typ.Kind() == reflect.Slice && isStruct(inner):
		w.add(indent, f.name+":")
		w.item(inner, indent+"  ")
	case f.tags.required:
		w.add(indent, f.name+": "+zero(f.typ))
	case f.tags.value != "":
		w.add(indent, "# "+f.name+": "+yamlText(f, f.tags.value))
	default:
		w.add(indent, "# "+f.name+": "+zero(f.typ))
	}
}

// item writes one element of a list: the dash stands before its first key that
// is not a comment.
func (w *lines) item(t reflect.Type, indent string) {
	from := len(*w)
	w.fields(t, indent+"  ")
	for i, line := range (*w)[from:] {
		text := strings.TrimPrefix(line, indent+"  ")
		if !strings.HasPrefix(text, "#") {
			(*w)[from+i] = indent + "- " + text
			return
		}
	}
	w.add(indent, "- {}")
}

// describe is the doc of a field with the values that it may have.
func describe(f field) string {
	doc := f.tags.doc
	if len(f.tags.enum) > 0 {
		doc = strings.TrimSpace(doc + " One of " + strings.Join(f.tags.enum, ", ") + ".")
	}
	return doc
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
