package pipeline

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// DataKeys gives the key that seals the fields of one subject in one month.
// *seal.Ring implements it.
type DataKeys interface {
	Key(subject string, at time.Time) (*seal.DataKey, error)
}

const (
	// maxSealed bounds the sealed fields of one event; of one with more the whole
	// event_data is sealed as one.
	maxSealed = 64
	// setPersonal is the field set of personal data without a person, setUnparsed
	// that of what could not be understood and may hold anything.
	setPersonal = "personal"
	setUnparsed = "unparsed"
	wholeData   = "event_data"
)

// sealing reports whether fields are sealed at all.
func (b *builder) sealing() bool { return b.o.Policy != nil }

// put seals one value for a place in the event. Without a key the value is left
// out, and a problem says so: it never goes on in clear.
func (b *builder) put(d *draft, path, subject string, value []byte) {
	err := errors.New("sealing is not set up")
	if b.o.DataKeys != nil {
		var key *seal.DataKey
		if key, err = b.o.DataKeys.Key(subject, d.ev.CollectedAt); err == nil {
			if d.ev.Sealed == nil {
				d.ev.Sealed = map[string]event.SealedField{}
			}
			d.ev.Sealed[path] = key.Seal(d.ev.ID, path, value)
			d.uses(key)
			return
		}
	}
	d.problem(path, "left out: "+err.Error())
}

// uses remembers a data key that the leaf names.
func (d *draft) uses(key *seal.DataKey) {
	for _, k := range d.keys {
		if k == key {
			return
		}
	}
	d.keys = append(d.keys, key)
}

// pseudonym is the one of a name in the event's plant and year.
func (b *builder) pseudonym(d *draft, name string) (string, bool) {
	if b.o.Pseudonyms == nil {
		return "", false
	}
	plant, _, _ := strings.Cut(d.ev.Station, "/")
	key, ok := b.o.Pseudonyms.Key(plant, d.ev.CollectedAt.Year())
	if !ok {
		return "", false
	}
	return event.Pseudonym(key, name), true
}

// found is a field that the policy takes out of the leaf.
type found struct {
	path, as string
	value    []byte
}

// fields applies the field policy to event_data. What the agent says of itself
// holds no person and no secret.
func (b *builder) fields(d *draft, r *source.Reading) {
	if !b.sealing() || r.Point == nil {
		return
	}
	before := d.ev.Data
	var list []found
	names := map[string]string{}
	data := b.o.Policy.For(d.ev.Type).Apply(before, wholeData, func(path, as string, value []byte) seal.Verdict {
		if empty(value) {
			return seal.Verdict{}
		}
		name, isName := nameOf(value)
		if as != seal.AsPerson || !isName {
			list = append(list, found{path, as, value})
			return seal.Verdict{Drop: true}
		}
		if nobody(name) {
			return seal.Verdict{}
		}
		stand, ok := b.pseudonym(d, name)
		if !ok {
			d.problem(path, "no pseudonym key: the name was left out")
			stand = removed
		} else {
			list = append(list, found{path, stand, value})
			if d.ev.UserID == "" && (path == "event_data.userId" || path == "event_data.user") {
				d.ev.UserID = stand
			}
		}
		names[name] = stand
		return seal.Verdict{Replace: []byte(`"` + stand + `"`)}
	})
	if len(list) > maxSealed {
		d.ev.Data = json.RawMessage("{}")
		b.put(d, wholeData, b.subject(d), before)
		return
	}
	for name, stand := range names {
		data = replaceText(data, name, stand)
	}
	d.ev.Data = data
	for _, f := range list {
		switch {
		case seal.IsPseudonym(f.as):
			b.put(d, f.path, seal.Person(f.as), f.value)
		case f.as == seal.AsPerson, f.as == seal.AsPersonal:
			b.put(d, f.path, b.subject(d), f.value)
		default:
			b.put(d, f.path, seal.Set(f.as), f.value)
		}
	}
}

// subject is whose personal data the event holds.
func (b *builder) subject(d *draft) string {
	if seal.IsPseudonym(d.ev.UserID) {
		return seal.Person(d.ev.UserID)
	}
	return seal.Set(setPersonal)
}

// nameOf is the name that a value gives: a text, or a number as it is written.
func nameOf(value []byte) (string, bool) {
	switch c := value[0]; {
	case c == '"':
		text, ok := rawjson.Text(value)
		return strings.TrimSpace(text), ok
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
	case "", "unknown", "none", "system", "auto", "automatic", "-", "n/a", removed:
		return true
	}
	return seal.IsPseudonym(name)
}
