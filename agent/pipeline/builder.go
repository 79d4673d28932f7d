package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

const (
	maxProblems = 20   // of one event
	maxReason   = 200  // bytes of one problem
	maxSample   = 1024 // bytes of a refused event_data in quarantine
	maxItem     = 4096 // bytes of a topic or node id in source.item
)

// builder collects the leaves of one batch.
type builder struct {
	o      *Options
	now    time.Time
	leaves []journal.Leaf
	failed []error // events that could not even be quarantined

	deaf  bool              // an event of a detector is being made
	heard []detect.Event    // made since the detectors of stations last listened
	keep  map[string][]byte // states of detectors that belong to the leaves

	people map[personOf]string // the pseudonyms that were made already
}

// draft is an event in the making, with what must still be decided.
type draft struct {
	ev   *event.Event
	info event.TypeInfo
	obj  object
	keys []*seal.DataKey // that sealed fields name
	typ  string          // as the source gave it; a refused one is not that of ev
}

// begin fills in the envelope that a reading's event has.
func (b *builder) begin(r *source.Reading, typ string) *draft {
	p := r.Point
	if p == nil {
		p = &source.Point{Kind: "agent"}
	}
	info, _ := event.Lookup(typ)
	class, severity := event.Defaults(typ)
	e := &event.Event{
		ID: event.NewID(b.now), Type: typ, Class: class, Severity: severity,
		Station: p.Station, Equipment: short(p.Equipment), Signal: short(p.Signal),
		Salt: event.NewSalt(),
		Metadata: event.Metadata{
			Catalogue: event.CatalogueVersion, Agent: event.Clean(b.o.Version), Problems: r.Problems,
		},
		Source: &event.Source{
			Kind: event.Clean(p.Kind), Endpoint: short(p.Endpoint), Item: event.Shorten(event.Clean(p.Item), maxItem),
			OriginalID: short(r.OriginalID),
		},
	}
	if len(e.Metadata.Problems) > 0 { // the reading keeps its own list
		e.Metadata.Problems = append([]event.Problem(nil), r.Problems...)
	}
	d := &draft{ev: e, info: info, typ: typ}
	if len(p.Item) > maxItem {
		d.problem("source.item", fmt.Sprintf("shortened from %d bytes", len(p.Item)))
	}
	if err := event.ValidStation(e.Station); err != nil {
		if e.Station != "" {
			d.problem("station", err.Error())
		}
		e.Station = b.o.Station
	}
	if !event.ValidType(typ) {
		d.problem("event_type", fmt.Sprintf("%q is no event type", typ))
		e.Type = event.TypeIngestQuarantined
	}
	if typ == event.TypeLogKey { // obeyed by the aggregator: only the journal writes it
		d.problem("event_type", "a source can't change the log's key")
		e.Type = event.TypeIngestQuarantined
	}
	d.times(b.now, r)
	return d
}

func (d *draft) problem(field, reason string) {
	if len(d.ev.Metadata.Problems) < maxProblems {
		d.ev.Metadata.Problems = append(d.ev.Metadata.Problems, event.Problem{
			Field: event.Shorten(event.Clean(field), maxReason), Reason: event.Shorten(event.Clean(reason), maxReason),
		})
	}
}

// weigh applies what the configuration says of class and severity.
func (d *draft) weigh(p *source.Point) {
	if p == nil {
		return
	}
	if p.Class.Valid() {
		d.ev.Class = p.Class
	}
	if p.HasSeverity {
		d.ev.Severity = p.Severity
	}
}

// finish completes event_data and adds the leaf.
func (b *builder) finish(d *draft, r *source.Reading) {
	complete := d.required(r)
	d.ev.Data = d.obj.bytes()
	b.person(d, r)
	marks := b.marks(d, r)
	if !complete { // a person may have been added since
		for _, field := range event.Missing(d.info, d.ev.Data) {
			d.problem("event_data."+field, "required by the catalogue, not given")
		}
	}
	b.fields(d, r)
	b.hear(d, r, marks)
	if d.ev.Context == nil {
		d.ev.Context = contextOf(r)
	}
	b.write(d, r)
}

// write makes the leaf; what does not fit becomes a quarantine event, so that
// nothing is dropped without a word.
func (b *builder) write(d *draft, r *source.Reading) {
	err := b.leaf(d)
	if err == nil {
		return
	}
	reason := err.Error()
	if errors.Is(err, event.ErrTooLarge) {
		reason = "event larger than 64 KiB"
	}
	b.quarantine(r, d.typ, reason, d.ev.Data)
}

func (b *builder) leaf(d *draft) error {
	leaf, err := d.ev.AppendLeaf(make([]byte, 0, len(d.ev.Data)+len(d.ev.Context)+896))
	if err == nil {
		b.leaves = append(b.leaves, journal.Leaf{Class: d.ev.Class, Bytes: leaf, Keys: d.keys})
	}
	return err
}

// quarantine records that an event could not be made, with the beginning of what
// it would have carried. The source acknowledges what it handed over, so there is
// always one: if need be the least.
func (b *builder) quarantine(r *source.Reading, typ, reason string, data []byte) {
	d := b.begin(&source.Reading{Point: r.Point, ReceivedAt: r.ReceivedAt, OriginalID: r.OriginalID},
		event.TypeIngestQuarantined)
	text, encoding := sample(data)
	if b.sealing() && text != "" {
		b.put(d, "event_data.sample", seal.Set(setUnparsed), d.value("sample", text))
		text = ""
	}
	name, item := "agent", ""
	if r.Point != nil {
		name, item = r.Point.Source, r.Point.Item
	}
	fields := map[string]any{
		"source": short(name), "item": event.Shorten(event.Clean(item), maxSample), "reason": event.Shorten(event.Clean(reason), maxReason),
		"eventType": short(typ), "bytes": len(data), "sample": text, "encoding": encoding,
	}
	d.obj.values(d, fields)
	d.ev.Data = d.obj.bytes()
	err := b.leaf(d)
	if err == nil {
		return
	}
	delete(fields, "sample")
	delete(fields, "encoding")
	if err := b.leaf(d.least(fields)); err != nil {
		b.failed = append(b.failed, err)
	}
}

// least is a draft with these fields and of the envelope only what must be; it
// fits whatever the source handed over.
func (d *draft) least(fields map[string]any) *draft {
	e := d.ev
	fields["item"] = short(e.Source.Item)
	l := &draft{info: d.info, ev: &event.Event{
		ID: e.ID, Type: e.Type, Class: e.Class, Severity: e.Severity, Salt: e.Salt,
		Timestamp: e.CollectedAt, CollectedAt: e.CollectedAt, Station: e.Station,
		Metadata: event.Metadata{Catalogue: event.CatalogueVersion},
		Source:   &event.Source{Kind: short(e.Source.Kind), Item: short(e.Source.Item)},
	}}
	l.obj.values(l, fields)
	l.ev.Data = l.obj.bytes()
	return l
}

func sample(data []byte) (text, encoding string) {
	cut := event.Shorten(string(data[:min(len(data), maxSample+utf8.UTFMax)]), maxSample)
	if utf8.ValidString(cut) && strings.IndexByte(cut, 0) < 0 {
		return cut, "text"
	}
	return base64.StdEncoding.EncodeToString(data[:min(len(data), maxSample)]), "base64"
}

// occurrence makes the event that a source, or the agent, raised itself.
func (b *builder) occurrence(r *source.Reading) {
	o := r.Occurrence
	d := b.begin(r, o.Type)
	if o.Severity != nil {
		d.ev.Severity = *o.Severity
	}
	d.obj.values(d, o.Data)
	b.finish(d, r)
}

// contextOf tells what the way of the reading says of it, nil for nothing.
func contextOf(r *source.Reading) json.RawMessage {
	if !r.Retained && !r.Dup && r.Quality == 0 && r.Seq == 0 {
		return nil
	}
	c := []byte{'{'}
	add := func(text string) {
		if len(c) > 1 {
			c = append(c, ',')
		}
		c = append(c, text...)
	}
	if r.Retained {
		add(`"retained":true`)
	}
	if r.Dup {
		add(`"repeat":"possible"`)
	}
	if r.Quality != 0 {
		add(fmt.Sprintf(`"quality":"0x%08X"`, r.Quality))
	}
	if r.Seq != 0 && r.Seq <= event.MaxInteger {
		add(fmt.Sprintf(`"sequence":%d`, r.Seq))
	}
	return append(c, '}')
}

// short makes a text fit a field of the envelope.
func short(s string) string { return event.Shorten(event.Clean(s), event.MaxText) }
