package seal

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/event"
)

// Fields is what the policy says of one type of events.
type Fields struct {
	exact map[string]string // by path
	names map[string]string // by folded name, at any depth
}

// Verdict is what an Apply's caller wants done with a field.
type Verdict struct {
	Drop    bool   // take the member out (of an array: null stays)
	Replace []byte // another JSON value in its place
}

// Apply looks at each member of a JSON object inside the profile and calls decide
// for those that the policy names, with their path (root.key.key[0].key; a point
// or bracket within a key has a backslash before it). What is decided is done;
// without any the object is returned as it was.
func (f *Fields) Apply(object []byte, root string, decide func(path, as string, value []byte) Verdict) []byte {
	w := walk{fields: f, doc: object, path: append(make([]byte, 0, 128), root...), decide: decide}
	w.value(0, event.MaxDepth)
	if len(w.edits) == 0 {
		return object
	}
	out := make([]byte, 0, len(object)+64)
	from := 0
	for _, e := range w.edits {
		out = append(append(out, object[from:e.from]...), e.text...)
		from = e.to
	}
	return append(out, object[from:]...)
}

type walk struct {
	fields *Fields
	doc    []byte
	path   []byte
	folded []byte
	edits  []edit
	decide func(path, as string, value []byte) Verdict
}

type edit struct {
	from, to int
	text     []byte
}

// value walks the value at i and returns the index behind it.
func (w *walk) value(i, depth int) int {
	if i >= len(w.doc) || depth < 0 {
		return len(w.doc)
	}
	switch w.doc[i] {
	case '{':
		return w.object(i+1, depth)
	case '[':
		return w.array(i+1, depth)
	case '"':
		return w.text(i)
	}
	for i < len(w.doc) && strings.IndexByte(",]}", w.doc[i]) < 0 {
		i++
	}
	return i
}

// text returns the index behind a JSON text.
func (w *walk) text(i int) int {
	for i++; i < len(w.doc); i++ {
		switch w.doc[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(w.doc)
}

func (w *walk) array(i, depth int) int {
	base := len(w.path)
	for n := 0; i < len(w.doc) && w.doc[i] != ']'; n++ {
		w.path = strconv.AppendInt(append(w.path[:base], '['), int64(n), 10)
		w.path = append(w.path, ']')
		next := w.value(i, depth-1)
		if next <= i {
			return len(w.doc)
		}
		if i = next; i < len(w.doc) && w.doc[i] == ',' {
			i++
		}
	}
	w.path = w.path[:base]
	return i + 1
}

func (w *walk) object(i, depth int) int {
	base, kept := len(w.path), 0
	for i < len(w.doc) && w.doc[i] == '"' {
		start := i
		colon := w.text(i)
		if colon >= len(w.doc) {
			return len(w.doc)
		}
		key := w.doc[i+1 : colon-1]
		w.enter(base, key)
		var end int
		if as := w.as(key); as == "" || as == AsClear {
			if end = w.value(colon+1, depth-1); end <= colon {
				return len(w.doc)
			}
			kept++
		} else {
			end = w.skip(colon+1, depth-1)
			v := w.decide(string(w.path), as, w.doc[colon+1:end])
			switch {
			case v.Drop && kept > 0:
				w.edits = append(w.edits, edit{from: start - 1, to: end})
			case v.Drop && end < len(w.doc) && w.doc[end] == ',':
				w.edits = append(w.edits, edit{from: start, to: end + 1})
			case v.Drop:
				w.edits = append(w.edits, edit{from: start, to: end})
			default:
				if kept++; v.Replace != nil {
					w.edits = append(w.edits, edit{colon + 1, end, v.Replace})
				}
			}
		}
		if i = end; i < len(w.doc) && w.doc[i] == ',' {
			i++
		}
	}
	w.path = w.path[:base]
	return i + 1
}

// skip returns the index behind a value, looking at nothing in it.
func (w *walk) skip(i, depth int) int {
	blind := walk{fields: &Fields{}, doc: w.doc}
	return min(blind.value(i, depth), len(w.doc))
}

// enter puts a key behind the path.
func (w *walk) enter(base int, quoted []byte) {
	w.path = append(w.path[:base], '.')
	key := quoted
	for _, c := range quoted {
		if c == '\\' {
			var text string
			if json.Unmarshal(append(append([]byte{'"'}, quoted...), '"'), &text) == nil {
				key = []byte(text)
			}
			break
		}
	}
	for _, c := range key {
		if c == '.' || c == '[' || c == '\\' {
			w.path = append(w.path, '\\')
		}
		w.path = append(w.path, c)
	}
}

// as is what the policy says of the member with this path and key, "" for nothing.
func (w *walk) as(key []byte) string {
	if as, ok := w.fields.exact[string(w.path)]; ok {
		return as
	}
	if len(w.fields.names) == 0 {
		return ""
	}
	w.folded = w.folded[:0]
	for _, c := range key {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_', c == '-', c == ' ':
			continue
		}
		w.folded = append(w.folded, c)
	}
	return w.fields.names[string(w.folded)]
}
