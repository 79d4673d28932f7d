package pipeline

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// detectName is the name under which states of detectors are stored that belong
// into the transaction of their events.
func detectName(source string) string { return source + "/detect" }

// limitsAlone watches what is configured of signals and learns nothing.
func limitsAlone(o Options) *watch.Watcher {
	const signals = 5000
	w, err := watch.New(watch.Options{
		Signals: o.Signals, Logger: o.Logger,
		Detection: config.Detection{MaxSignals: signals, Sensitivity: "off", Chatter: config.Chatter{Raises: 3, Within: time.Minute}},
	})
	if err != nil { // nothing of this can fail: there is no file and no calendar
		o.Logger.Error("detection could not be set up", "error", err)
	}
	return w
}

// sourceTime is the time that a source gave.
func sourceTime(r *source.Reading) time.Time {
	if r.SourceTime.IsZero() {
		return r.ServerTime
	}
	return r.SourceTime
}

// watchedValue is the value as the detectors take it. A source that has no place for a
// number that is none (source.Reading.Value may become part of a leaf) leaves it out and
// says so: the detectors tell NaN and infinite apart from nothing.
func watchedValue(r *source.Reading) any {
	if r.Value != nil {
		return r.Value
	}
	for _, p := range r.Problems {
		if p.Field != "value" {
			continue
		}
		switch p.Reason {
		case "NaN":
			return math.NaN()
		case "+Inf":
			return math.Inf(1)
		case "-Inf":
			return math.Inf(-1)
		}
	}
	return nil
}

// outs makes the events of what detectors found; at is when the value came.
func (b *builder) outs(list []watch.Out, at time.Time) {
	for i := range list {
		b.out(&list[i], at)
	}
}

func (b *builder) out(o *watch.Out, at time.Time) {
	f := &o.Finding
	r := &source.Reading{Point: o.Point, ReceivedAt: at, SourceTime: o.At}
	d := b.begin(r, f.Type)
	if f.Severity != nil {
		d.ev.Severity = *f.Severity
	}
	if f.Class.Valid() {
		d.ev.Class = f.Class
	}
	d.ev.Metadata.Parser, d.ev.CorrelationID = event.Clean(f.Detector), o.Correlation
	d.curve(o.Curve)
	d.obj.values(d, f.Data)
	id := f.Condition
	if o.Signal != "" {
		id = o.Signal + "/" + f.Condition
	}
	for _, m := range [][2]string{{"conditionId", id}, {"signal", o.Signal}, {"source", o.Point.Item}, {"unit", o.Point.Unit}} {
		if m[1] != "" && !d.obj.has(m[0]) {
			d.obj.raw(m[0], d.value(m[0], event.Clean(m[1])))
		}
	}
	b.deaf = true
	b.finish(d, r)
	b.deaf = false
	if o.Key != "" && o.Keep != nil {
		if b.keep == nil {
			b.keep = map[string][]byte{}
		}
		b.keep[o.Key] = o.Keep
	}
}

// curve adds the flight recorder's snippet; one that begins at a time that no
// event can carry is left out, with a problem.
func (d *draft) curve(c *event.Curve) {
	if c == nil {
		return
	}
	if !event.ValidTime(c.Start) {
		d.problem("curve", "it begins at "+c.Start.String())
		return
	}
	c.Unit = event.Clean(c.Unit)
	d.ev.Curve = c
}

// wanted tells whether the detectors of the station listen to an event. What
// detectors made themselves is not for them.
func (b *builder) wanted(d *draft, r *source.Reading) bool {
	return !b.deaf && b.o.Watch != nil && b.o.Watch.Wants(d.ev.Type) &&
		(r.Occurrence != nil || r.Point != nil && (r.Point.Event != "" || r.Point.Bits != nil))
}

// hear keeps an event for the detectors of its station as it stands in the leaf,
// with marks in the place of what is sealed: detectors quote what they read in their
// explanations, and keep it in their states.
func (b *builder) hear(d *draft, r *source.Reading, marks []mark) {
	if !b.wanted(d, r) {
		return
	}
	data := slices.Clone(d.ev.Data)
	for _, m := range marks {
		data = addText(data, m.name, m.text)
	}
	b.heard = append(b.heard, detect.Event{
		At: d.ev.CollectedAt, Type: d.ev.Type, Station: d.ev.Station, Equipment: d.ev.Equipment, UserID: d.ev.UserID, Data: data,
	})
}

// listen lets the detectors of stations look at the events just made.
func (b *builder) listen(r *source.Reading) {
	for i := range b.heard {
		b.outs(b.o.Watch.Event(r.Point, b.heard[i]), r.ReceivedAt)
	}
	b.heard = b.heard[:0]
}

// connection tells the detectors whether the source is connected: silence is no
// fault of signals then.
func (k *sink) connection(typ string) {
	switch typ {
	case event.TypeCommLost:
		k.p.o.Watch.Connection(k.name, true)
	case event.TypeCommRestored, event.TypeSourceConnected:
		k.p.o.Watch.Connection(k.name, false)
	}
}

// watched writes what the Watcher has to say of the source at a time.
func (k *sink) watched(ctx context.Context, now time.Time, ask func(source string, now time.Time) []watch.Out) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.ask(ask, now)
	if len(list) == 0 {
		return nil
	}
	k.refresh()
	b := builder{o: &k.p.o, now: now}
	b.outs(list, now)
	return k.append(ctx, &b, nil)
}

// ask holds the Watcher meanwhile. A detector that fails must not end recording.
func (k *sink) ask(ask func(source string, now time.Time) []watch.Out, now time.Time) (list []watch.Out) {
	k.p.o.Watch.Begin()
	defer k.p.o.Watch.End()
	defer func() {
		if v := recover(); v != nil {
			k.p.o.Logger.Error("a detector failed", "source", k.name, "error", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	return ask(k.name, now)
}

// flush writes the curves that wait for their end.
func (p *Pipeline) flush(ctx context.Context) {
	for _, k := range p.all() {
		if err := k.watched(ctx, p.o.Now(), p.o.Watch.Flush); err != nil && ctx.Err() == nil {
			p.o.Logger.Error("the last curves could not be recorded", "source", k.name, "error", err)
		}
	}
}

// Tell records what the Watcher says in answer to a command and returns when it
// is durable.
func (p *Pipeline) Tell(ctx context.Context, list []watch.Out) error {
	if len(list) == 0 {
		return nil
	}
	b := builder{o: &p.o, now: p.o.Now()}
	b.outs(list, b.now)
	var at []source.Position
	if len(b.keep) > 0 {
		at = append(at, source.Position{Source: detectName("agent"), Set: b.keep})
	}
	_, err := p.o.Journal.Append(ctx, b.leaves, at)
	return err
}
