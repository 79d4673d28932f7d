package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// Fields is what of a row the search language looks at.
func (r Row) Fields() query.Event {
	return query.Event{
		ID: r.ID, Type: r.Type, Class: r.Class, Severity: r.Severity, Station: r.Station, Equipment: r.Equipment,
		Signal: r.Signal, Correlation: r.CorrelationID, User: r.UserID, IP: r.SourceIP, Log: r.Log, Agent: r.AgentID,
		At: r.At, Words: r.Words, Data: r.Data,
	}
}

// InScope reports whether rows of a station may be seen. "**" sees all rows, also
// those in quarantine whose station can't be read.
func InScope(scope []string, station string) bool {
	return slices.Contains(scope, "**") || query.InScope(scope, station)
}

// Match reports whether a row belongs to the query; the databases narrow down, this decides.
func (q EventQuery) Match(r Row) bool {
	return InScope(q.Scope, r.Station) && q.Filter.Match(r.Fields())
}

// FillFromLeaf sets Data and Context of a row that was read back: the leaf's own
// bytes, which no database changes.
func FillFromLeaf(r *Row) {
	if r.Quarantined {
		return
	}
	if e, _, err := event.Parse(r.Leaf); err == nil {
		r.Data, r.Context = e.Data, e.Context
	}
}

// Bare is what is stored of a row that the database refused: the leaf and the
// place, so that the event is seen, and the reason.
func Bare(r Row, reason string) Row {
	return Row{
		Log: r.Log, Index: r.Index, At: r.At, ReceivedAt: r.ReceivedAt, Offset: r.Offset, Leaf: r.Leaf,
		LeafHash: r.LeafHash, AgentID: r.AgentID, ID: r.ID, Type: "ingest.quarantined", Class: r.Class,
		Severity: event.SeverityMedium, Station: bareStation(r.Station), Quarantined: true,
		Problems: []event.Problem{{Field: "row", Reason: "refused by the database: " + event.Clean(reason)}},
	}
}

func bareStation(s string) string {
	if event.ValidStation(s) != nil {
		return ""
	}
	return s
}

// maxDataWords bounds what one event adds to an index of its fields.
const maxDataWords = 512

// DataWords returns one made-up word (= and 16 hex digits) for each text, number,
// true, false and null below the objects of event_data. Equal words mean an equal
// path and value, so an index of words finds the values of fields.
func DataWords(data []byte) []string {
	var words []string
	walkObject(data, nil, func(path []string, value []byte) {
		if w := dataWord(path, value); w != "" && len(words) < maxDataWords {
			words = append(words, w)
		}
	})
	return words
}

// DataTermWords returns the words of which an event must have one to fit a value
// of a data term.
func DataTermWords(t query.Term, value string) []string {
	var words []string
	for _, v := range query.DataValues(value) {
		if w := dataWord(t.Path, v); w != "" {
			words = append(words, w)
		}
	}
	return words
}

func dataWord(path []string, value []byte) string {
	kind, text := byte('l'), string(value)
	switch c := value[0]; {
	case c == '"':
		kind = 't'
		if json.Unmarshal(value, &text) != nil {
			return ""
		}
	case c == '-' || '0' <= c && c <= '9':
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return ""
		}
		kind, text = 'n', strconv.FormatFloat(f, 'g', -1, 64)
	case c == '{' || c == '[':
		return ""
	}
	b := []byte{kind}
	for _, key := range path {
		b = append(append(b, key...), 0)
	}
	sum := sha256.Sum256(append(append(b, 1), text...))
	return "=" + hex.EncodeToString(sum[:8])
}

// walkObject yields the values below an object that is inside the profile; it
// stops where the text is no such object.
func walkObject(data []byte, path []string, yield func([]string, []byte)) {
	for i := 1; i < len(data) && data[i] != '}'; i++ {
		end := skipValue(data, i)
		if data[i] != '"' || end >= len(data) || data[end] != ':' {
			return
		}
		var key string
		if json.Unmarshal(data[i:end], &key) != nil {
			return
		}
		i = end + 1
		if i >= len(data) {
			return
		}
		end = skipValue(data, i)
		if end <= i {
			return
		}
		below := append(path[:len(path):len(path)], key)
		if data[i] == '{' {
			walkObject(data[i:end], below, yield)
		} else {
			yield(below, data[i:end])
		}
		i = end
		if i >= len(data) || data[i] != ',' {
			return
		}
	}
}

// skipValue returns the end of the value at i in compact JSON.
func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return min(i+1, len(b))
		}
	}
	return len(b)
}
