package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

// object builds event_data: members in the order in which they came, each name once.
type object struct {
	b    []byte
	keys [][]byte // as written, with quotes
}

// base takes the members of an object that is inside the profile, but for those
// that are replaced.
func (o *object) base(raw json.RawMessage, replaced map[string]any) {
	const room = 128 // for what is added
	o.b = make([]byte, 0, len(raw)+room)
	o.keys = make([][]byte, 0, 16)
	for key, value := range rawjson.Members(raw) {
		if len(replaced) > 0 {
			name, _ := rawjson.Text(key)
			if _, ok := replaced[name]; ok {
				continue
			}
		}
		o.open()
		o.b = append(o.b, key...)
		o.b = append(o.b, ':')
		o.b = append(o.b, value...)
		o.keys = append(o.keys, key)
	}
}

func (o *object) open() {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	} else {
		o.b = append(o.b, ',')
	}
}

// raw adds a member whose value is JSON inside the profile.
func (o *object) raw(name string, value []byte) {
	name = event.Clean(name)
	key, err := event.Value(name)
	if err != nil || o.has(name) {
		return
	}
	o.open()
	o.b = append(o.b, key...)
	o.b = append(o.b, ':')
	o.b = append(o.b, value...)
	o.keys = append(o.keys, key)
}

func (o *object) has(name string) bool {
	for _, key := range o.keys {
		if rawjson.Is(key, name) {
			return true
		}
	}
	return false
}

// bytes returns the object.
func (o *object) bytes() json.RawMessage {
	if len(o.b) == 0 {
		return json.RawMessage("{}")
	}
	return append(o.b, '}')
}

// values adds members, names sorted.
func (o *object) values(d *draft, fields map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		o.raw(name, d.value("event_data."+name, fields[name]))
	}
}

// value writes any value as JSON. What has no place in the profile (NaN, foreign
// types, texts that are none) is kept as text, with a problem.
func (d *draft) value(field string, v any) []byte {
	raw, err := event.Value(v)
	if err == nil {
		return raw
	}
	d.problem(field, "kept as text: "+err.Error())
	const maxKept = 1024
	raw, err = event.Value(event.Shorten(event.Clean(fmt.Sprint(v)), maxKept))
	if err != nil {
		return []byte("null")
	}
	return raw
}

// required adds what the catalogue asks for and the agent knows without the
// source: where, and what a change changed. It tells whether all is there then.
func (d *draft) required(r *source.Reading) (complete bool) {
	complete = true
	for _, name := range d.info.Required {
		if d.obj.has(name) {
			continue
		}
		switch {
		case name == "stationId":
			d.obj.raw(name, d.value(name, d.ev.Station))
		case name == "equipmentId" && d.ev.Equipment != "":
			d.obj.raw(name, d.value(name, d.ev.Equipment))
		case r.Point == nil:
		case name == "nodeId":
			d.obj.raw(name, d.value(name, d.ev.Source.Item))
		case name == "unit" && r.Point.Unit != "":
			d.obj.raw(name, d.value(name, event.Clean(r.Point.Unit)))
		}
		complete = complete && d.obj.has(name)
	}
	return complete
}
