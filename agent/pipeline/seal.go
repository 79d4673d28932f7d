package pipeline

import (
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
	return event.Pseudonym(key, name), true
}

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
