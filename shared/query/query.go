// Package query is the search language of Linewatch: one line of text such as
//
//	station:line3/** severity>=medium type:access.* -user:p-9f* "free words" since:2h
//
// parsed into terms that the databases translate and that the live hub matches
// in memory. docs/search-language.md has its grammar; testdata/cases.json is the
// table that the parsers in Go and TypeScript share.
package query

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Field is what a term looks at.
type Field string

// The fields of the search language.
const (
	Station     Field = "station"     // path pattern, see MatchStation
	Type        Field = "type"        // pattern over dotted segments
	Severity    Field = "severity"    // name; the only field with an order
	Class       Field = "class"       // name
	User        Field = "user"        // pseudonym; * stands for any text
	Equipment   Field = "equipment"   // * stands for any text
	Signal      Field = "signal"      // pattern over dotted segments
	Correlation Field = "correlation" // * stands for any text
	IP          Field = "ip"          // address or prefix 10.0.0.0/8
	ID          Field = "id"          // UUID
	Log         Field = "log"         // log id; * stands for any text
	Agent       Field = "agent"       // agent id; * stands for any text
	Data        Field = "data"        // value at Path in event_data
	Word        Field = "word"        // free words; no field name in the text
	Since       Field = "since"       // from this time on
	Until       Field = "until"       // before this time
)

// fields lists the names that a text may use.
func fields() []string {
	return []string{"station", "type", "severity", "class", "user", "equipment", "signal", "correlation", "ip", "id", "log", "agent", "data", "since", "until"}
}

// Op compares a field with a value.
type Op string

// The comparisons; all but Is are for severity alone.
const (
	Is Op = ":"
	GE Op = ">="
	GT Op = ">"
	LE Op = "<="
	LT Op = "<"
)

// Term is one condition: any of Values fits (with Not: none of them does). A
// term with Not also fits events that lack the field.
//
// Values are canonical: severities, classes, types and stations in lower case,
// addresses as netip writes them, times as RFC 3339 UTC with milliseconds at
// most where they were computed. Comparisons, Since and Until have one value.
type Term struct {
	Field  Field
	Path   []string // Data: keys from event_data down
	Op     Op
	Not    bool
	Values []string
}

// Query is a parsed text: all terms must fit. The zero value fits everything.
type Query struct {
	Terms []Term
	Text  string // as it was typed
}

// String writes the canonical text: it parses to the same terms, times are absolute.
func (q Query) String() string {
	var b strings.Builder
	for i, t := range q.Terms {
		if i > 0 {
			b.WriteByte(' ')
		}
		t.write(&b)
	}
	return b.String()
}

// Hash returns 16 hex digits that are equal for equal canonical texts; cursors
// carry it.
func Hash(q Query) string {
	sum := sha256.Sum256([]byte(q.String()))
	return hex.EncodeToString(sum[:8])
}

// Range returns the bounds of all Since and Until terms: from <= time < to, zero
// for open.
func (q Query) Range() (from, to time.Time) {
	for _, t := range q.Terms {
		switch t.Field {
		case Since:
			if at := t.Time(); from.IsZero() || at.After(from) {
				from = at
			}
		case Until:
			if at := t.Time(); to.IsZero() || at.Before(to) {
				to = at
			}
		}
	}
	return from, to
}

// Time returns the value of a Since or Until term.
func (t Term) Time() time.Time {
	if len(t.Values) == 0 {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339Nano, t.Values[0])
	return at
}

func (t Term) write(b *strings.Builder) {
	if t.Not {
		b.WriteByte('-')
	}
	if t.Field == Word {
		b.WriteString(quoteWord(t.Values[0]))
		return
	}
	b.WriteString(string(t.Field))
	for _, key := range t.Path {
		b.WriteByte('.')
		b.WriteString(quoteKey(key))
	}
	b.WriteString(string(t.Op))
	for i, v := range t.Values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoteValue(v))
	}
}

// quote puts a text between quotes.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteValue(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return isSpace(r) || r == ',' || r == '"' }) {
		return quote(s)
	}
	return s
}

func quoteKey(s string) string {
	if isName(s) {
		return s
	}
	return quote(s)
}

// quoteWord quotes what would be read as something else than a word.
func quoteWord(s string) string {
	if s == "" || s[0] == '-' || fieldLike(s) > 0 || strings.ContainsFunc(s, func(r rune) bool { return isSpace(r) || r == '"' }) {
		return quote(s)
	}
	return s
}
