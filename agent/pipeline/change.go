package pipeline

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/agent/source"
)

// bad reports whether an OPC UA status code says that the value is none (the two
// upper bits: 00 good, 01 uncertain, 10 bad).
func bad(quality uint32) bool { return quality>>30 >= 2 }

// change makes the event of a message or of a changed value.
func (k *sink) change(b *builder, r *source.Reading, s *series) {
	p := r.Point
	if p.Kind != "opcua" {
		k.message(b, r, s)
		return
	}
	if bad(r.Quality) && r.Value == nil {
		return // signal.quality tells that there is no value
	}
	d := b.begin(r, p.Event)
	value := d.value("event_data.value", r.Value)
	key := k.key(p)
	kept, within := value, k.p.holds(p.Event, value)
	if s.hidden || within {
		kept = k.p.masked(value)
	}
	if k.mem.same(key, kept) {
		return // the first value after a restart, or only its status changed
	}
	previous, whole, ok := k.mem.get(key)
	if !ok || !whole {
		previous = []byte("null")
	}
	k.zone(d, r, s)
	d.weigh(p)
	put := func(name string, value []byte) { d.obj.raw(name, k.p.only(s.hidden, p.Event, name, value)) }
	if p.Map == nil {
		put("value", replaceOr(r.Fields, "value", value))
		put("previous", previous)
	} else {
		put("status", d.state(p, value, "status"))
		put("previous", d.state(p, previous, "previous"))
	}
	d.obj.values(d, r.Fields)
	if within { // only under its own name a rule with a path finds it
		value = []byte("null")
	}
	d.changed(r, put, value, previous)
	b.finish(d, r)
	k.mem.put(key, kept)
}

// changed adds what the catalogue asks of a change on a control system. Nobody
// tells who changed a watched node, so the event says that too.
func (d *draft) changed(r *source.Reading, put func(name string, value []byte), value, previous []byte) {
	for _, name := range d.info.Required {
		switch {
		case d.obj.has(name):
		case name == "old":
			put(name, previous)
		case name == "new":
			put(name, value)
		case name == "by" && r.User == "":
			d.obj.raw(name, []byte(`"unknown"`))
			d.obj.raw("attribution", []byte(`"none"`))
		}
	}
}

// replaceOr leaves a name to the fields that are added later.
func replaceOr(fields map[string]any, name string, value []byte) []byte {
	if _, ok := fields[name]; ok {
		return []byte("null")
	}
	return value
}

// message makes the event of one message: an object as it came, a scalar {value}.
func (k *sink) message(b *builder, r *source.Reading, s *series) {
	d := b.begin(r, r.Point.Event)
	k.zone(d, r, s)
	d.weigh(r.Point)
	switch v := r.Value.(type) {
	case json.RawMessage:
		if len(v) > 0 && v[0] == '{' {
			d.obj.base(v, r.Fields)
			break
		}
		d.message(r)
	default:
		d.message(r)
	}
	d.obj.values(d, r.Fields)
	b.finish(d, r)
}

func (d *draft) message(r *source.Reading) {
	if _, ok := r.Fields["value"]; ok {
		return
	}
	value := d.value("event_data.value", r.Value)
	if m := r.Point.Map; m != nil {
		d.obj.raw("status", d.state(r.Point, value, "status"))
		return
	}
	d.obj.raw("value", value)
}

// state names a state number; one that the map does not know is kept as its number.
func (d *draft) state(p *source.Point, value []byte, field string) []byte {
	if string(value) == "null" {
		return value
	}
	text := strings.Trim(string(value), `"`)
	if text == "true" || text == "false" {
		text = strconv.Itoa(map[bool]int{true: 1}[text == "true"])
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		if f, ferr := strconv.ParseFloat(text, 64); ferr == nil && f == float64(int64(f)) {
			n, err = int64(f), nil
		}
	}
	if err == nil {
		if name, ok := p.Map[n]; ok {
			return d.value("event_data."+field, name)
		}
	}
	if field == "status" {
		if err != nil { // what is no number may be anything, and a problem is not sealed
			text = "this value"
		}
		d.problem("event_data.status", fmt.Sprintf("map has no name for %s", short(text)))
	}
	return value
}

// zone flags a source that keeps behind by a time zone.
func (k *sink) zone(d *draft, r *source.Reading, s *series) {
	if r.Retained || r.Dup {
		return
	}
	if offset := s.zone.check(r.SourceTime, r.ReceivedAt); offset > 0 {
		d.problem("timestamp", fmt.Sprintf("the source has been %s behind for a while: local time sent as UTC?", offset))
	}
}
