// Package conf reads a program's YAML file strictly: unknown keys, wrong types
// and values that the program itself refuses are all reported at once, each with
// its line, its column and, where there is one, a suggestion. From the same
// structs it makes an example file, a JSON Schema and a reference page.
//
// A struct field takes part under its yaml tag. Further tags: doc (one
// sentence), default (YAML text, set where the file says nothing), example,
// enum (values divided by commas), required ("true"), show ("true": set in the
// example file).
package conf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a configuration file in bytes.
const maxFile = 4 << 20

// Mistake is one thing that is wrong, and where.
type Mistake struct {
	File       string
	Path       string // such as opcua[0].groups[1].sampling
	Line       int    // from 1; 0 when the place is unknown
	Column     int
	Message    string
	Suggestion string // what was probably meant, "" for nothing
}

// String is one line as compilers write it: file:line:column: path: message.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	if m.Path != "" {
		b.WriteString(": " + m.Path)
	}
	b.WriteString(": " + m.Message)
	if m.Suggestion != "" {
		b.WriteString("; did you mean " + m.Suggestion + "?")
	}
	return b.String()
}

// Errors are all mistakes of a file, in the order of their places.
type Errors []Mistake

// Error has one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, m := range e {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// Validator is implemented by configurations that check more than types. It is
// called after decoding, with defaults set, also when there are mistakes
// already: fields that could not be read have their default.
type Validator interface {
	Validate(r *Report)
}

// Options of Load and Parse.
type Options struct {
	// Places, if not nil, is filled for checks that come later.
	Places *Places
	// Partial allows required fields to be absent: a second file may bring them.
	Partial bool
}

// Load reads a file into a struct (a pointer to it). The error is of type Errors
// if the file can be read.
func Load(path string, into any, opts Options) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if info.Size() > maxFile {
		return fmt.Errorf("configuration: %s is larger than 4 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, text, into, opts)
}

// LoadIn is Load of a whole configuration; settle fills in what depends on the
// folder of its file, such as relative paths.
func LoadIn[T any](path string, settle func(c *T, dir string)) (T, error) {
	var c T
	if err := Load(path, &c, Options{}); err != nil {
		return c, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	settle(&c, filepath.Dir(abs))
	return c, nil
}

// ParseIn is LoadIn of a text; dir stands for the folder of its file. What it
// returns is settled also when the text has mistakes.
func ParseIn[T any](name string, text []byte, dir string, settle func(c *T, dir string)) (T, error) {
	var c T
	err := Parse(name, text, &c, Options{})
	settle(&c, dir)
	return c, err
}

// Parse reads YAML text into a struct; name stands for the file in messages.
func Parse(name string, text []byte, into any, opts Options) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("configuration: %T is no pointer to a struct", into)
	}
	places := opts.Places
	if places == nil {
		places = &Places{}
	}
	*places = Places{file: name, at: map[string]place{}}
	r := &Report{places: places}
	d := decoder{report: r, partial: opts.Partial, anchors: map[string]ast.Node{}}
	text, ok := d.encoding(text)
	if !ok {
		return r.sorted()
	}
	root, ok := d.document(text)
	if !ok {
		return r.sorted()
	}
	d.value(root, v.Elem(), "", fieldTags{})
	if c, ok := into.(Validator); ok {
		c.Validate(r)
	}
	return r.sorted()
}

// encoding takes the mark off that Windows editors put before UTF-8, and refuses
// other encodings by name.
func (d *decoder) encoding(text []byte) ([]byte, bool) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if utf8.Valid(text) {
		return text, true
	}
	d.report.mistakes = append(d.report.mistakes, Mistake{File: d.report.places.file, Message: "is no UTF-8 text; save it with the encoding UTF-8"})
	return nil, false
}

// remedy says what to write instead, for the two mistakes that everybody makes.
func remedy(message string) string {
	switch {
	case strings.Contains(message, "'\t'"), strings.Contains(message, "tab character"):
		return "; indent with spaces, not with tabs"
	case strings.Contains(message, "unknown escape character"):
		return `; write a path with \ in single quotes`
	}
	return ""
}

// document parses the text to its one node; nil for an empty file.
func (d *decoder) document(text []byte) (ast.Node, bool) {
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		m := Mistake{File: d.report.places.file, Message: err.Error()}
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			m.Message = syntax.GetMessage()
			m.Message += remedy(m.Message)
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				m.Line, m.Column = t.Position.Line, t.Position.Column
			}
		}
		d.report.mistakes = append(d.report.mistakes, m)
		return nil, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, true
	case 1:
		return bodies[0], true
	}
	d.mistake(bodies[1], "", "a second document in one file", "")
	return nil, false
}

// Places knows where in a file each value stands.
type Places struct {
	file string
	at   map[string]place
}

type place struct{ line, column int }

// Locate returns line and column of a path such as opcua[0].endpoint, or of the
// closest thing above it that the file has; 0, 0 for an empty file.
func (p *Places) Locate(path string) (line, column int) {
	for {
		if at, ok := p.at[path]; ok {
			return at.line, at.column
		}
		if path == "" {
			return 0, 0
		}
		path = parent(path)
	}
}

// Mistake makes a mistake with its place, for checks after Load (a file that
// does not exist, a server that refuses).
func (p *Places) Mistake(path, message, suggestion string) Mistake {
	m := Mistake{File: p.file, Path: path, Message: message, Suggestion: suggestion}
	m.Line, m.Column = p.Locate(path)
	return m
}

// parent cuts the last step off a path.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// Report collects mistakes.
type Report struct {
	places   *Places
	mistakes []Mistake
}

// Add reports a mistake at a path; a path that is not in the file is placed at
// the closest thing above it.
func (r *Report) Add(path, message string) { r.Suggest(path, message, "") }

// Addf is Add with a format.
func (r *Report) Addf(path, format string, args ...any) {
	r.Suggest(path, fmt.Sprintf(format, args...), "")
}

// Suggest is Add with what was probably meant.
func (r *Report) Suggest(path, message, suggestion string) {
	r.mistakes = append(r.mistakes, r.places.Mistake(path, message, suggestion))
}

// Faulty reports whether a mistake was already found at a path or below it, so
// that a check does not complain about a value that could not be read.
func (r *Report) Faulty(path string) bool {
	return slices.ContainsFunc(r.mistakes, func(m Mistake) bool {
		rest, ok := strings.CutPrefix(m.Path, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func (r *Report) sorted() error {
	if len(r.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return Errors(r.mistakes)
}
