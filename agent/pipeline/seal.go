package pipeline

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// setUnparsed is the field set of what could not be understood and may hold anything.
const setUnparsed = "unparsed"

// sealing reports whether fields are sealed at all.
func (b *builder) sealing() bool { return b.o.Policy != nil }

func (b *builder) sealer() seal.Sealer {
	return seal.Sealer{Policy: b.o.Policy, Keys: b.o.DataKeys, Pseudonym: b.pseudonym}
}

// put seals one value for a place in the event.
func (b *builder) put(d *draft, path, subject string, value []byte) {
	if key := b.sealer().Put(d.ev, path, subject, value); key != nil {
		d.uses(key)
	}
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
func (b *builder) pseudonym(e *event.Event, name string) (string, bool) {
	if b.o.Pseudonyms == nil {
		return "", false
	}
	plant, _, _ := strings.Cut(e.Station, "/")
	key, ok := b.o.Pseudonyms.Key(plant, e.CollectedAt.Year())
	if !ok {
		return "", false
	}
	// A shift's few names come again and again, and each costs an HMAC.
	of := personOf{string(key), name}
	p, ok := b.people[of]
	if !ok {
		p = event.Pseudonym(key, name)
		if b.people == nil {
			b.people = map[personOf]string{}
		}
		b.people[of] = p
	}
	return p, true
}

// personOf is a name under the key of its plant and year.
type personOf struct{ key, name string }

// fields applies the field policy to event_data. What the agent says of itself
// holds no person and no secret.
func (b *builder) fields(d *draft, r *source.Reading) {
	if !b.sealing() || r.Point == nil {
		return
	}
	for _, key := range b.sealer().Event(d.ev) {
		d.uses(key)
	}
}

// mark stands for a sealed member of event_data where detectors look: the same for
// the same value, so that they still tell a new device from a known one.
type mark struct{ name, text string }

// markDigits is the length of a mark: enough to tell values apart.
const markDigits = 16

// marks are those of the scalars that the field policy is going to take out of
// event_data. They are made with the pseudonym key; without one there are none.
func (b *builder) marks(d *draft, r *source.Reading) (list []mark) {
	if !b.sealing() || r.Point == nil || !b.wanted(d, r) {
		return nil
	}
	b.o.Policy.For(d.ev.Type).Apply(d.ev.Data, "event_data", func(path, as string, value []byte) seal.Verdict {
		name := strings.TrimPrefix(path, "event_data.")
		if as == seal.AsPerson || strings.ContainsFunc(name, noPlainName) || string(value) == `""` || strings.IndexByte("{[n", value[0]) >= 0 {
			return seal.Verdict{}
		}
		if p, ok := b.pseudonym(d.ev, path+"\n"+string(value)); ok {
			list = append(list, mark{name, "#" + strings.TrimPrefix(p, "p-")[:markDigits]})
		}
		return seal.Verdict{}
	})
	return list
}

// noPlainName tells the characters of names that are within another member, or need
// an escape.
func noPlainName(c rune) bool { return c < ' ' || strings.ContainsRune(`.[\"`, c) }

// hides tells whether the field policy takes the value of a point out of its
// events, or would take a field of the signal's name out of any.
func (p *Pipeline) hides(point *source.Point) bool {
	if p.o.Policy == nil {
		return false
	}
	typ := point.Event
	if typ == "" {
		typ = event.TypeSignalSummary
	}
	fields := p.o.Policy.For(typ)
	name := point.Signal[strings.LastIndexByte(point.Signal, '.')+1:]
	return name != "" && fields.Seals("event_data."+name) ||
		slices.ContainsFunc(valueFields, func(f string) bool { return fields.Seals("event_data." + f) })
}

// valueFields are the members of event_data that hold the value of a point.
var valueFields = []string{"value", "previous", "status", "old", "new"}

// holds tells whether the field policy takes something out of a structure that is
// the value of a point with this event.
func (p *Pipeline) holds(typ string, value []byte) (found bool) {
	if p.o.Policy == nil || len(value) == 0 || value[0] != '{' && value[0] != '[' {
		return false
	}
	p.o.Policy.For(typ).Apply(value, "event_data.value", func(string, string, []byte) seal.Verdict {
		found = true
		return seal.Verdict{}
	})
	return found
}

// only is a value for a member of event_data: of a hidden point it stands in those
// alone that the policy seals, and not beside them once more in clear.
func (p *Pipeline) only(hidden bool, typ, name string, value []byte) []byte {
	if hidden && !p.o.Policy.For(typ).Seals("event_data."+name) {
		return []byte("null")
	}
	return value
}

// masked stands for a hidden value in the memory of previous values: equal for
// equal values as long as the program runs, of no use to whoever finds it. After
// a restart the first value counts as a change.
func (p *Pipeline) masked(value []byte) []byte {
	mac := hmac.New(sha256.New, p.mask)
	mac.Write(value)
	return append([]byte{'#'}, mac.Sum(nil)[:16]...)
}
