package query

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/linewatch/linewatch/shared/event"
)

// Event is what of an event a query looks at; "" and zero where it has none.
type Event struct {
	ID          string
	Type        string
	Class       event.Class
	Severity    event.Severity
	Station     string
	Equipment   string
	Signal      string
	Correlation string
	User        string
	IP          string
	Log         string
	Agent       string
	At          time.Time // what since and until compare: Row.At
	Words       string    // what free words search, see Words
	Data        []byte    // event_data
}

// Match reports whether all terms fit.
func (q Query) Match(e Event) bool {
	for i := range q.Terms {
		if q.Terms[i].match(&e) == q.Terms[i].Not {
			return false
		}
	}
	return true
}

func (t *Term) match(e *Event) bool {
	switch t.Field {
	case Station:
		return e.Station != "" && t.any(func(v string) bool { return MatchStation(v, e.Station) })
	case Type:
		return t.any(func(v string) bool { return MatchType(v, e.Type) })
	case Severity:
		return t.matchSeverity(e.Severity)
	case Class:
		return slices.Contains(t.Values, string(e.Class))
	case IP:
		return t.any(func(v string) bool { return matchIP(v, e.IP) })
	case ID:
		return slices.Contains(t.Values, e.ID)
	case Data:
		return matchData(e.Data, t.Path, t.Values)
	case Word:
		return matchWords(t.Values[0], e.Words)
	case Since:
		return !e.At.Before(t.Time())
	case Until:
		return e.At.Before(t.Time())
	}
	text := e.text(t.Field)
	if text == "" {
		return false
	}
	if separator(t.Field) != "" {
		return t.any(func(v string) bool { return MatchType(v, text) })
	}
	return t.any(func(v string) bool { return glob(v, text) })
}

func (e *Event) text(f Field) string {
	switch f {
	case User:
		return e.User
	case Equipment:
		return e.Equipment
	case Signal:
		return e.Signal
	case Correlation:
		return e.Correlation
	case Log:
		return e.Log
	case Agent:
		return e.Agent
	}
	return ""
}

func (t *Term) any(fits func(string) bool) bool { return slices.ContainsFunc(t.Values, fits) }

func (t *Term) matchSeverity(s event.Severity) bool {
	return t.any(func(name string) bool {
		v, err := event.ParseSeverity(name)
		if err != nil {
			return false
		}
		switch t.Op {
		case GE:
			return s >= v
		case GT:
			return s > v
		case LE:
			return s <= v
		case LT:
			return s < v
		}
		return s == v
	})
}

func matchIP(value, ip string) bool {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	if prefix, err := netip.ParsePrefix(value); err == nil {
		return prefix.Contains(addr)
	}
	want, err := netip.ParseAddr(value)
	return err == nil && want == addr
}

// DataValues returns the JSON values that a value of a data term stands for: the
// text, and the number, true, false or null that it reads like.
func DataValues(value string) []json.RawMessage {
	text, err := event.Value(value)
	if err != nil {
		return nil // no leaf holds it
	}
	out := []json.RawMessage{text}
	if bare, err := event.Normalize([]byte(value)); err == nil && string(bare) == value {
		switch c := value[0]; {
		case c == '-', '0' <= c && c <= '9', value == "true", value == "false", value == "null":
			out = append(out, bare)
		}
	}
	return out
}

// Contains returns the objects of which event_data must contain one (as the
// operator @> of PostgreSQL means it) for a value of a data term.
func (t Term) Contains(value string) []json.RawMessage {
	values := DataValues(value)
	for i, v := range values {
		for _, key := range slices.Backward(t.Path) {
			name, err := event.Value(key)
			if err != nil {
				return nil
			}
			v = slices.Concat(json.RawMessage("{"), name, json.RawMessage(":"), v, json.RawMessage("}"))
		}
		values[i] = v
	}
	return values
}

func matchData(data []byte, path, values []string) bool {
	raw, ok := event.At(data, path)
	if !ok || len(raw) == 0 {
		return false
	}
	switch c := raw[0]; {
	case c == '"':
		var text string
		return json.Unmarshal(raw, &text) == nil && slices.Contains(values, text)
	case c == '-' || '0' <= c && c <= '9':
		number, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && slices.ContainsFunc(values, func(v string) bool {
			for _, candidate := range DataValues(v) {
				if n, err := strconv.ParseFloat(string(candidate), 64); err == nil && n == number {
					return true
				}
			}
			return false
		})
	case c == '{' || c == '[':
		return false
	}
	return slices.Contains(values, string(raw)) // true, false, null
}

// Tokens divides a text into words: runs of letters, digits and marks in lower case.
func Tokens(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	for i, w := range words {
		words[i] = strings.ToLower(w)
	}
	return words
}

// WordTokens returns the words of a free-word term that must follow each other;
// prefix says that the last one is only the beginning of a word (press*).
func WordTokens(value string) (words []string, prefix bool) {
	return Tokens(value), strings.HasSuffix(value, "*")
}

func matchWords(value, text string) bool {
	want, prefix := WordTokens(value)
	have := Tokens(text)
	for from := 0; from+len(want) <= len(have); from++ {
		ok := true
		for i, w := range want {
			h := have[from+i]
			ok = ok && (h == w || prefix && i == len(want)-1 && strings.HasPrefix(h, w))
		}
		if ok {
			return true
		}
	}
	return false
}

// maxWords bounds the text of one event that free words search, in bytes.
const maxWords = 8 << 10

// Words returns the text of an event that free words search: its type, station,
// equipment, signal and all texts in event_data, as Tokens with one space
// between, at most 8 KiB.
func Words(e *event.Event) string {
	list := make(wordList, 0, 256)
	for _, text := range []string{e.Type, e.Station, e.Equipment, e.Signal} {
		list.add(text)
	}
	event.Texts(e.Data, list.add)
	return string(list)
}

// wordList is words with one space between.
type wordList []byte

// add appends the Tokens of a text; false when they do not fit. Each event of a
// plant comes through here, and nearly all texts are ASCII: these take a short way.
func (l *wordList) add(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			for _, w := range Tokens(text) {
				if !l.word(w) {
					return false
				}
			}
			return true
		}
	}
	for from := 0; from < len(text); {
		if !alphanumeric(text[from]) {
			from++
			continue
		}
		to := from + 1
		for to < len(text) && alphanumeric(text[to]) {
			to++
		}
		begin := len(*l)
		if !l.word(text[from:to]) {
			return false
		}
		for i, c := range (*l)[begin:] {
			if 'A' <= c && c <= 'Z' {
				(*l)[begin+i] = c + 'a' - 'A'
			}
		}
		from = to
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (l *wordList) word(w string) bool {
	if len(*l)+len(w)+1 > maxWords {
		return false
	}
	if len(*l) > 0 {
		*l = append(*l, ' ')
	}
	*l = append(*l, w...)
	return true
}
