package query

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linewatch/linewatch/shared/nearest"
)

// Limits of a text; a search box needs less, a hostile client gets no more.
const (
	MaxText   = 4096 // bytes
	MaxTerms  = 64
	MaxValues = 256 // per term
)

// Error says what of a text can't be understood. Pos and Len count UTF-16 code
// units, as JavaScript does, so that a browser can mark the place.
type Error struct {
	Pos, Len   int
	Message    string
	Suggestion string // a text to put in place of the marked one, "" for none
}

// Error names the message and, if there is one, the suggestion.
func (e *Error) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("%s (at %d)", e.Message, e.Pos)
	}
	return fmt.Sprintf("%s (at %d); did you mean %s?", e.Message, e.Pos, e.Suggestion)
}

// Parse reads a text of the search language; the error is an *Error. Relative
// times (since:2h) become absolute, counted back from now.
func Parse(text string, now time.Time) (Query, error) {
	p := parser{text: text, now: now}
	q := Query{Text: text}
	if len(text) > MaxText {
		return Query{}, p.fail(MaxText, len(text), "text is too long", "")
	}
	if !utf8.ValidString(text) {
		return Query{}, p.fail(0, len(text), "text is not UTF-8", "")
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return Query{}, p.fail(i, i+1, "no text has a NUL", "")
	}
	for p.space(); p.i < len(text); p.space() {
		if len(q.Terms) == MaxTerms {
			return Query{}, p.fail(p.i, len(text), "too many terms", "")
		}
		t, err := p.term()
		if err != nil {
			return Query{}, err
		}
		q.Terms = append(q.Terms, t)
	}
	return q, nil
}

// Must is Parse for texts in code; it panics on a mistake.
func Must(text string, now time.Time) Query {
	q, err := Parse(text, now)
	if err != nil {
		panic(err)
	}
	return q
}

type parser struct {
	text string
	i    int
	now  time.Time
}

// fail makes an error for the bytes from..to.
func (p *parser) fail(from, to int, message, suggestion string) error {
	return &Error{Pos: units(p.text[:from]), Len: units(p.text[from:to]), Message: message, Suggestion: suggestion}
}

// units counts UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// isSpace reports what separates terms: ASCII white space and the no-break space
// that comes with pasted text.
func isSpace(r rune) bool {
	return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\u00a0'
}

func (p *parser) space() {
	for p.i < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.i:])
		if !isSpace(r) {
			return
		}
		p.i += n
	}
}

// bare reads up to white space, a quote or one of stop.
func (p *parser) bare(stop string) string {
	from := p.i
	for p.i < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.i:])
		if isSpace(r) || r == '"' || strings.ContainsRune(stop, r) {
			break
		}
		p.i += n
	}
	return p.text[from:p.i]
}

// quoted reads a text between quotes, in which \" and \\ stand for " and \.
func (p *parser) quoted() (string, error) {
	from := p.i
	var b strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; c {
		case '"':
			p.i++
			return b.String(), nil
		case '\\':
			if p.i+1 < len(p.text) && (p.text[p.i+1] == '"' || p.text[p.i+1] == '\\') {
				p.i++
			}
			b.WriteByte(p.text[p.i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail(from, len(p.text), "closing quote is missing", p.text[from:]+`"`)
}

// ended checks that a quoted text is not glued to what follows.
func (p *parser) ended(stop string) error {
	r, _ := utf8.DecodeRuneInString(p.text[p.i:])
	if p.i == len(p.text) || isSpace(r) || strings.ContainsRune(stop, r) {
		return nil
	}
	return p.fail(p.i, len(p.text), "a space is missing after the quote", "")
}

func (p *parser) term() (Term, error) {
	from := p.i
	t := Term{Op: Is}
	if p.text[p.i] == '-' {
		t.Not = true
		p.i++
		if r, _ := utf8.DecodeRuneInString(p.text[p.i:]); p.i == len(p.text) || isSpace(r) {
			return t, p.fail(from, p.i, "nothing stands after the minus", "")
		}
	}
	if n := fieldLike(p.text[p.i:]); n > 0 {
		return p.field(t, n)
	}
	return p.word(t)
}

func (p *parser) word(t Term) (Term, error) {
	t.Field = Word
	from := p.i
	var value string
	var err error
	if p.text[p.i] == '"' {
		if value, err = p.quoted(); err == nil {
			err = p.ended("")
		}
	} else {
		value = p.bare("")
		if p.i < len(p.text) && p.text[p.i] == '"' {
			err = p.fail(p.i, p.i+1, "a quote must stand at the start of a word", "")
		}
	}
	if err != nil {
		return t, err
	}
	if tokens, _ := WordTokens(value); len(tokens) == 0 {
		return t, p.fail(from, p.i, "a word needs letters or digits", "")
	}
	t.Values = []string{value}
	return t, nil
}

// isName reports whether s is a plain key: letters, digits, _ and - (not first).
func isName(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i], i == 0) {
			return false
		}
	}
	return s != ""
}

func isNameByte(c byte, first bool) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' && !first
}

// fieldLike returns the length of the field name, with its path, that s begins
// with, if an operator follows it; else 0.
func fieldLike(s string) int {
	i := 0
	for i < len(s) {
		from := i
		if s[i] == '"' && i > 0 {
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			i++
		} else {
			for i < len(s) && isNameByte(s[i], i == from) {
				i++
			}
		}
		if i == from || i >= len(s) || from == 0 && '0' <= s[0] && s[0] <= '9' {
			return 0
		}
		switch s[i] {
		case '.':
			i++
		case ':', '=', '<', '>':
			return i
		default:
			return 0
		}
	}
	return 0
}

// field reads a term whose name and path have n bytes.
func (p *parser) field(t Term, n int) (Term, error) {
	from := p.i
	name, path, err := p.name(n)
	if err != nil {
		return t, err
	}
	p.i = from + n
	t.Path = path
	t.Field = Field(name)
	at := p.i
	t.Op = p.op()
	if t.Op != Is && t.Field != Severity {
		return t, p.fail(at, p.i, "only severity can be compared; "+name+" takes a colon", ":")
	}
	if (t.Field == Since || t.Field == Until) && t.Not {
		return t, p.fail(from-1, p.i, "a time can't be excluded; turn since and until round", "")
	}
	for {
		v, err := p.value(t.Field)
		if err != nil {
			return t, err
		}
		t.Values = append(t.Values, v)
		if p.i == len(p.text) || p.text[p.i] != ',' {
			return t, nil
		}
		if t.Op != Is || t.Field == Since || t.Field == Until {
			return t, p.fail(p.i, p.i+1, "one value is all that fits here", "")
		}
		if len(t.Values) == MaxValues {
			return t, p.fail(p.i, p.i+1, "too many values", "")
		}
		p.i++
	}
}

func (p *parser) op() Op {
	c := p.text[p.i]
	p.i++
	equal := p.i < len(p.text) && p.text[p.i] == '='
	switch {
	case c == '>' && equal:
		p.i++
		return GE
	case c == '<' && equal:
		p.i++
		return LE
	case c == '>':
		return GT
	case c == '<':
		return LT
	}
	return Is
}

// name resolves the field name and path in the next n bytes.
func (p *parser) name(n int) (name string, path []string, err error) {
	from, all := p.i, p.text[p.i:p.i+n]
	first, _, dotted := strings.Cut(all, ".")
	name = alias(strings.ToLower(first))
	known := false
	for _, f := range fields() {
		known = known || f == name
	}
	switch {
	case !known:
		if s := nearest.To(name, fields()); s != "" {
			return "", nil, p.fail(from, from+len(first), "no field is called "+first, s)
		}
		whole := from + n
		for whole < len(p.text) && !strings.ContainsRune(" \t\n\r\u00a0\"", rune(p.text[whole])) {
			whole++
		}
		return "", nil, p.fail(from, whole, "no field is called "+first+"; put quotes around free words", quote(p.text[from:whole]))
	case dotted && name != "data":
		return "", nil, p.fail(from, from+n, "only data has fields below it", "")
	case !dotted && name == "data":
		return "", nil, p.fail(from, from+n, "data needs the name of a field: data.panel", "data.panel")
	case !dotted:
		return name, nil, nil
	}
	p.i = from + len(first)
	path, err = p.path(from + n)
	return name, path, err
}

// path reads the keys between here and end, each behind a dot.
func (p *parser) path(end int) ([]string, error) {
	var path []string
	for p.i < end {
		p.i++
		if p.i < end && p.text[p.i] == '"' {
			key, err := p.quoted()
			if err != nil {
				return nil, err
			}
			path = append(path, key)
			continue
		}
		from := p.i
		for p.i < end && p.text[p.i] != '.' {
			p.i++
		}
		path = append(path, p.text[from:p.i])
	}
	return path, nil
}

// alias accepts the names that the envelope has.
func alias(name string) string {
	switch name {
	case "event_type":
		return "type"
	case "user_id":
		return "user"
	case "source_ip":
		return "ip"
	case "correlation_id":
		return "correlation"
	case "event_data":
		return "data"
	}
	return name
}
