package seal

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/event"
)

// Fields is what the policy says of one type of events.
type Fields struct {
	exact map[string]string // by path
	names map[string]string // by folded name, at any depth; "" for the last name of an exact path
	seen  seen
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
	return f.apply(object, root, decide, nil)
}

func (f *Fields) apply(object []byte, root string, decide func(path, as string, value []byte) Verdict, suspect func(string)) []byte {
	w := walk{fields: f, doc: object, root: root, decide: decide, suspect: suspect}
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
	root   string
	steps  [event.MaxDepth + 2]step // from the root to the value that is looked at
	deep   int                      // of them
	folded [maxName]byte
	edits  []edit
	decide func(path, as string, value []byte) Verdict
	// suspect is told the path of a field outside of the policy that looks as if it
	// belonged into it, once for each name; nil: nobody asks.
	suspect func(path string)
}

// step is a key as it is written, or the index of an element.
type step struct {
	key   []byte // nil: index
	index int
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
	at := w.deep
	w.deep++
	for n := 0; i < len(w.doc) && w.doc[i] != ']'; n++ {
		w.steps[at] = step{index: n}
		next := w.value(i, depth-1)
		if next <= i {
			return len(w.doc)
		}
		if i = next; i < len(w.doc) && w.doc[i] == ',' {
			i++
		}
	}
	w.deep = at
	return i + 1
}

func (w *walk) object(i, depth int) int {
	at, kept := w.deep, 0
	w.deep++
	for i < len(w.doc) && w.doc[i] == '"' {
		start := i
		colon := w.text(i)
		if colon >= len(w.doc) {
			return len(w.doc)
		}
		key := w.doc[i+1 : colon-1]
		w.steps[at] = step{key: key}
		var end int
		if as := w.as(key); as == "" || as == AsClear {
			if end = w.value(colon+1, depth-1); end <= colon {
				return len(w.doc)
			}
			kept++
		} else {
			end = w.skip(colon + 1)
			v := w.decide(w.path(), as, w.doc[colon+1:end])
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
	w.deep = at
	return i + 1
}

// skip returns the index behind a value, looking at nothing in it.
func (w *walk) skip(i int) int {
	depth := 0
	for i < len(w.doc) {
		switch w.doc[i] {
		case '"':
			i = w.text(i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return len(w.doc)
}

// path writes where the walk is.
func (w *walk) path() string {
	return string(w.appendPath(make([]byte, 0, 128)))
}

func (w *walk) appendPath(out []byte) []byte {
	out = append(out, w.root...)
	for _, s := range w.steps[:w.deep] {
		if s.key == nil {
			out = append(strconv.AppendInt(append(out, '['), int64(s.index), 10), ']')
			continue
		}
		out = append(out, '.')
		for _, c := range plainKey(s.key) {
			if c == '.' || c == '[' || c == '\\' {
				out = append(out, '\\')
			}
			out = append(out, c)
		}
	}
	return out
}

// plainKey is a key without its escapes.
func plainKey(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted
	}
	var text string
	if json.Unmarshal(append(append([]byte{'"'}, quoted...), '"'), &text) != nil {
		return quoted
	}
	return []byte(text)
}

// as is what the policy says of the member with this key, "" for nothing. The path
// is looked at only where the name alone may be one of the policy.
func (w *walk) as(key []byte) string {
	if len(w.fields.names) == 0 {
		return ""
	}
	folded := w.folded[:0]
	for _, c := range plainKey(key) {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_', c == '-', c == ' ':
			continue
		}
		if len(folded) == len(w.folded) {
			return "" // longer than any name of the policy
		}
		folded = append(folded, c)
	}
	as, ok := w.fields.names[string(folded)]
	if !ok {
		if w.suspect != nil && w.fields.seen.first(folded) && suspicious(string(folded)) {
			w.suspect(w.path())
		}
		return ""
	}
	if exact, ok := w.fields.exact[string(w.appendPath(make([]byte, 0, 128)))]; ok {
		return exact
	}
	return as
}
