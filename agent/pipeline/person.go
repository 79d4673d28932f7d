package pipeline

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// removed stands for a user name where no key makes a pseudonym of it.
const removed = seal.Removed

// person takes the user name out of the event: user_id and every text of
// event_data that is the name become the pseudonym, and the name itself is sealed
// with the person's key. Without a key the name goes and a problem says so.
func (b *builder) person(d *draft, r *source.Reading) {
	name := strings.TrimSpace(event.Clean(r.User))
	if name == "" {
		return
	}
	stand := removed
	if p, ok := b.pseudonym(d.ev, name); ok {
		stand = p
		d.ev.UserID = stand
		if b.sealing() {
			b.put(d, seal.UserPath, seal.Person(stand), d.value("user_id", name))
		}
	} else {
		plant, _, _ := strings.Cut(d.ev.Station, "/")
		d.problem("user_id", fmt.Sprintf("no pseudonym key for %s in %d: the name was left out", plant, d.ev.CollectedAt.Year()))
	}
	out := seal.ReplaceText(d.ev.Data, name, stand)
	for _, field := range []string{"userId", "by"} {
		if stand == removed || !contains(d.info.Required, field) {
			continue
		}
		rest, given := out, false
		if d.obj.has(field) {
			rest, given = withoutEmpty(out, field)
		}
		if !given {
			out = addText(rest, field, stand)
		}
	}
	d.ev.Data = out
	if strings.EqualFold(strings.TrimSpace(d.ev.Source.OriginalID), name) {
		d.ev.Source.OriginalID = stand
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// withoutEmpty takes a member that is null or "" out of an object; given tells
// that it holds something and stays.
func withoutEmpty(obj []byte, name string) (rest []byte, given bool) {
	rest = append(rest, '{')
	for key, value := range rawjson.Members(obj) {
		if rawjson.Is(key, name) {
			if text := string(value); text != "null" && text != `""` {
				return obj, true
			}
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, key...), ':'), value...)
	}
	return append(rest, '}'), false
}

// addText adds a member to an object; name and value need no escapes.
func addText(obj []byte, name, value string) []byte {
	out := append([]byte(nil), obj[:len(obj)-1]...)
	if len(out) > 1 {
		out = append(out, ',')
	}
	return fmt.Appendf(out, `"%s":"%s"}`, name, value)
}

// Keys are the pseudonym keys that the aggregator handed out; they may be
// replaced while the pipeline runs.
type Keys struct {
	m atomic.Pointer[map[plantYear][]byte]
}

type plantYear struct {
	plant string
	year  int
}

var _ Pseudonyms = (*Keys)(nil)

// Set replaces the keys; a key that is no base64 of at least 16 bytes is an error
// and leaves the old ones.
func (k *Keys) Set(list []wire.PseudonymKey) error {
	m := make(map[plantYear][]byte, len(list))
	for _, key := range list {
		raw, err := base64.StdEncoding.DecodeString(key.Key)
		if err != nil || len(raw) < 16 {
			return fmt.Errorf("pseudonym key of %s for %d is damaged", key.Plant, key.Year)
		}
		m[plantYear{key.Plant, key.Year}] = raw
	}
	k.m.Store(&m)
	return nil
}

// Key implements Pseudonyms.
func (k *Keys) Key(plant string, year int) ([]byte, bool) {
	m := k.m.Load()
	if m == nil {
		return nil, false
	}
	key, ok := (*m)[plantYear{plant, year}]
	return key, ok
}
