package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linewatch/linewatch/shared/event"
)

// DataKeys gives the key that seals the fields of one subject in one month; a
// [Ring] does.
type DataKeys interface {
	Key(subject string, at time.Time) (*DataKey, error)
}

// Sealer applies a policy to events before they are written.
type Sealer struct {
	Policy *Policy
	Keys   DataKeys // nil: what the policy names is left out
	// Pseudonym is the one of a name for this event; false when no key makes one.
	Pseudonym func(e *event.Event, name string) (string, bool)
}

const (
	// maxSealed bounds the sealed fields of one event; of one with more the whole
	// event_data is sealed as one.
	maxSealed   = 64
	maxProblems = 20
	setPersonal = "personal"
	// Removed stands for a user name of which no pseudonym could be made.
	Removed = "removed"
	// targetPath names the person whose data AsTarget is.
	targetPath = "event_data.targetUser"
)

var errNoKeys = errors.New("sealing is not set up")

// Put seals one value for a place in the event. Without a key it is left out, and
// a problem of the event says so: it never goes on in clear. The key is nil then.
func (s Sealer) Put(e *event.Event, path, subject string, value []byte) *DataKey {
	err := errNoKeys
	if s.Keys != nil {
		var key *DataKey
		if key, err = s.Keys.Key(subject, e.CollectedAt); err == nil {
			if e.Sealed == nil {
				e.Sealed = map[string]event.SealedField{}
			}
			e.Sealed[path] = key.Seal(e.ID, path, value)
			return key
		}
	}
	problem(e, path, "left out: "+err.Error())
	return nil
}

func problem(e *event.Event, field, reason string) {
	if len(e.Metadata.Problems) < maxProblems {
		e.Metadata.Problems = append(e.Metadata.Problems, event.Problem{Field: event.Shorten(event.Clean(field), 200), Reason: reason})
	}
}

// named is a name that a pseudonym takes the place of.
type named struct{ name, stand string }

// found is a field that the policy takes out of event_data.
type found struct {
	path, as string // as: a pseudonym for the name of a person
	value    []byte
}

// Event seals what the policy says of event_data, and of context where that has
// names of the policy. It needs ID, Type, CollectedAt and UserID, and returns the
// data keys that the event names now.
func (s Sealer) Event(e *event.Event) []*DataKey {
	keys, names := s.object(e, "event_data", &e.Data, nil)
	if e.Context != nil {
		keys, _ = s.object(e, "context", &e.Context, keys)
		for _, n := range names {
			e.Context = ReplaceText(e.Context, n.name, n.stand)
		}
	}
	return keys
}

// object seals the fields of one object of the event, and returns the names that
// were in it.
func (s Sealer) object(e *event.Event, root string, object *json.RawMessage, keys []*DataKey) ([]*DataKey, []named) {
	before := *object
	var list []found
	var names []named
	target := ""
	data := s.Policy.For(e.Type).apply(before, root, func(path, as string, value []byte) Verdict {
		if empty(value) {
			return Verdict{}
		}
		name, isName := nameOf(value)
		if as != AsPerson || !isName {
			list = append(list, found{path, as, value})
			return Verdict{Drop: true}
		}
		if path == targetPath && IsPseudonym(name) {
			target = name
		}
		if nobody(name) {
			return Verdict{}
		}
		stand, ok := "", false
		if s.Pseudonym != nil {
			stand, ok = s.Pseudonym(e, name)
		}
		if !ok {
			problem(e, path, "no pseudonym key: the name was left out")
			stand = Removed
		} else {
			list = append(list, found{path, stand, value})
			if path == targetPath {
				target = stand
			}
			if e.UserID == "" && (path == "event_data.userId" || path == "event_data.user") {
				e.UserID = stand
			}
		}
		names = append(names, named{name, stand})
		return Verdict{Replace: []byte(`"` + stand + `"`)}
	}, func(path string) {
		problem(e, path, "looks personal or secret and is not in the field policy: name it under sealing, as clear if it is neither")
	})
	if len(list) > maxSealed {
		*object = json.RawMessage("{}")
		return once(keys, s.Put(e, root, subjectOf(e), before)), names
	}
	for _, n := range names {
		data = ReplaceText(data, n.name, n.stand)
	}
	*object = data
	for _, f := range list {
		var subject string
		switch {
		case IsPseudonym(f.as):
			subject = Person(f.as)
		case f.as == AsTarget && target != "":
			subject = Person(target)
		case f.as == AsPerson, f.as == AsPersonal, f.as == AsTarget:
			subject = subjectOf(e)
		default:
			subject = Set(f.as)
		}
		keys = once(keys, s.Put(e, f.path, subject, f.value))
	}
	return keys, names
}

// once adds a key to a list that has it not.
func once(keys []*DataKey, k *DataKey) []*DataKey {
	for _, have := range keys {
		if have == k {
			return keys
		}
	}
	if k == nil {
		return keys
	}
	return append(keys, k)
}

// subjectOf is whose personal data the event holds.
func subjectOf(e *event.Event) string {
	if IsPseudonym(e.UserID) {
		return Person(e.UserID)
	}
	return Set(setPersonal)
}

// nameOf is the name that a value gives: a text, or a number as it is written.
func nameOf(value []byte) (string, bool) {
	switch c := value[0]; {
	case c == '"':
		if bytes.IndexByte(value, '\\') < 0 {
			return strings.TrimSpace(string(value[1 : len(value)-1])), true
		}
		var text string
		err := json.Unmarshal(value, &text)
		return strings.TrimSpace(text), err == nil
	case c == '-', '0' <= c && c <= '9':
		return string(value), true
	}
	return "", false
}

func empty(value []byte) bool {
	return len(value) == 0 || string(value) == "null" || string(value) == `""`
}

// nobody tells the words that stand for no person, and what is a pseudonym already.
func nobody(name string) bool {
	switch strings.ToLower(name) {
	case "", "unknown", "none", "system", "auto", "automatic", "-", "n/a", Removed:
		return true
	}
	return IsPseudonym(name)
}

// ReplaceText replaces every text value of a JSON value inside the profile that is
// the name, compared as pseudonyms are made: without regard to case, outer space and
// Unicode form. Keys stay.
func ReplaceText(doc []byte, name, with string) []byte {
	w := walk{doc: doc}
	name = event.FoldName(name)
	var out []byte
	from := 0
	for i := 0; i < len(doc); {
		if doc[i] != '"' {
			i++
			continue
		}
		end := w.text(i)
		isKey := end < len(doc) && doc[end] == ':'
		if !isKey && is(doc[i:end], name) {
			out = append(append(append(append(out, doc[from:i]...), '"'), with...), '"')
			from = end
		}
		i = end
	}
	if out == nil {
		return doc
	}
	return append(out, doc[from:]...)
}

// is tells whether a JSON text is the folded name.
func is(quoted []byte, name string) bool {
	const longer = 6 * 4 // times as long as its folded form a text is at most: escapes, Unicode forms
	raw := bytes.TrimSpace(quoted[1 : len(quoted)-1])
	if len(raw) > longer*len(name) {
		return false
	}
	if same, plain := samePlain(raw, name); plain {
		return same
	}
	text := string(raw)
	if bytes.IndexByte(quoted, '\\') >= 0 && json.Unmarshal(quoted, &text) != nil {
		return false
	}
	return text != "" && event.FoldName(text) == name
}

// samePlain compares nearly every text without a copy of it; plain is false for one
// that needs more than a comparison of letters.
func samePlain(text []byte, name string) (same, plain bool) {
	same = len(text) == len(name) && name != ""
	for i, c := range text {
		if c >= utf8.RuneSelf || c == '\\' {
			return false, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		same = same && c == name[i]
	}
	return same, true
}
