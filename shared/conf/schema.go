package conf

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/parser"
)

// Schema returns a JSON Schema (draft 2020-12) of a struct, for editors: unknown
// keys are refused as Load does.
func Schema(of any, title string) ([]byte, error) {
	s := objectSchema(typeOf(of))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return append(text, '\n'), nil
}

func objectSchema(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t) {
		p := typeSchema(f.typ)
		if f.tags.doc != "" {
			p["description"] = f.tags.doc
		}
		if len(f.tags.enum) > 0 {
			p["enum"] = f.tags.enum
		}
		if f.tags.value != "" {
			p["default"] = tagValue(f, f.tags.value)
		}
		if f.tags.example != "" {
			p["examples"] = []any{tagValue(f, f.tags.example)}
		}
		if f.tags.required {
			required = append(required, f.name)
		}
		properties[f.name] = p
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// tagValue is the value of a default or example tag.
func tagValue(f field, text string) any {
	if f.typ.Kind() == reflect.String || isDuration(f.typ) || isText(f.typ) {
		return text
	}
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return text
	}
	return plain(file.Docs[0].Body)
}

func typeSchema(t reflect.Type) map[string]any {
	switch {
	case isDuration(t):
		return map[string]any{"type": "string", "pattern": `^(\d+d)?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))*$`}
	case isText(t):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Struct:
		return objectSchema(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Map:
		s := map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem())}
		if t.Key().Kind() != reflect.String {
			s["propertyNames"] = map[string]any{"pattern": `^-?\d+$`}
		}
		return s
	case reflect.String:
		return map[string]any{"type": []string{"string", "number"}}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	}
	return map[string]any{"type": "integer"}
}

// Reference returns a Markdown table of all keys of a struct, for the
// documentation.
func Reference(of any) []byte {
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	referenceRows(&b, typeOf(of), "")
	return []byte(b.String())
}

func referenceRows(b *strings.Builder, t reflect.Type, prefix string) {
	for _, f := range fieldsOf(t) {
		standard := ""
		switch {
		case f.tags.value != "":
			standard = "`" + f.tags.value + "`"
		case f.tags.required:
			standard = "required"
		}
		doc := describe(field{tags: fieldTags{doc: f.tags.doc, enum: f.tags.enum}})
		if f.tags.example != "" {
			doc = strings.TrimPrefix(doc+"; example `"+f.tags.example+"`", "; ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", prefix+f.name, typeName(f.typ), cell(standard), cell(doc))
		inner, suffix := f.typ, ""
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map || inner.Kind() == reflect.Pointer {
			switch inner.Kind() {
			case reflect.Slice:
				suffix += "[]"
			case reflect.Map:
				suffix += ".<name>"
			}
			inner = inner.Elem()
		}
		if isStruct(inner) {
			referenceRows(b, inner, prefix+f.name+suffix+".")
		}
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func typeName(t reflect.Type) string {
	switch {
	case isDuration(t):
		return "duration"
	case isText(t):
		return "text"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Struct:
		return "keys"
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return typeName(t.Elem()) + " by name"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return "whole number"
}
