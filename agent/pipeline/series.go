package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	maxSeries   = 20000    // signals of one source; further ones are counted together
	otherSeries = "(more)" // their name
	// A summary is split below 48 KiB, which leaves room for the envelope.
	maxSummary = 44 << 10
	maxLast    = 200 // bytes of a text in lists and summaries
)

type seriesKey struct{ station, name string }

// series is what is known of one signal.
type series struct {
	point     *source.Point
	name      string
	summarise bool
	watched   *watch.Signal // nil for a signal without a name
	zone      zoneWatch
	hidden    bool   // its value is a field of the policy: nothing of it is kept or shown
	quality   uint32 // 0 good, 1 uncertain, 2 bad

	last   any
	lastAt time.Time
	code   uint32
	total  uint64
	rate   float64

	window
}

// window is the running summary of one signal.
type window struct {
	count, bad, numbers uint64
	min, max, sum       float64
	first               any
}

// seriesOf finds the series of a point. Callers hold live.
func (k *sink) seriesOf(p *source.Point) *series {
	s := k.points[p]
	if s == nil {
		s = k.named(p)
		if len(k.points) >= maxSeries { // a source may make points anew: those in use come back
			clear(k.points)
		}
		k.points[p] = s
	}
	return s
}

// named finds the series of a point by its name, or makes it.
func (k *sink) named(p *source.Point) *series {
	key := seriesKey{p.Station, p.Signal}
	if key.name == "" {
		key.name = p.Item
	}
	s := k.series[key]
	if s != nil {
		return s
	}
	if len(k.series) >= maxSeries {
		key = seriesKey{"", otherSeries}
		if s = k.series[key]; s != nil {
			return s
		}
	}
	s = &series{point: p, name: key.name, summarise: p.Event == "" && p.Bits == nil}
	s.hidden = k.p.hides(p)
	if key.name != otherSeries && p.Signal != "" && !s.hidden {
		s.watched = k.p.o.Watch.Signal(p)
	}
	k.series[key] = s
	return s
}

// observe counts a reading, watches its quality and lets the detectors look.
func (k *sink) observe(b *builder, r *source.Reading, s *series) {
	s.total++
	s.count++
	s.code = r.Quality
	if !r.ReceivedAt.Before(s.lastAt) {
		s.lastAt = r.ReceivedAt
	}
	if class := min(r.Quality>>30, 2); class != s.quality {
		b.qualityChange(r, s, class)
		s.quality = class
	}
	if s.watched != nil {
		if r.Point != s.point {
			b.outs(s.watched.Unit(r.Point.Unit, r.ReceivedAt.Round(0)), r.ReceivedAt)
		}
		b.outs(s.watched.Take(watch.Value{
			Received: r.ReceivedAt, Source: sourceTime(r), Value: watchedValue(r), Quality: r.Quality, Old: r.Retained || r.Dup,
		}), r.ReceivedAt)
	}
	if bad(r.Quality) {
		s.bad++
		return
	}
	if s.hidden {
		return
	}
	s.last = shown(r)
	if s.first == nil {
		s.first = s.last
	}
	v, ok := number(r.Value)
	if !ok {
		return
	}
	if s.numbers == 0 {
		s.min, s.max = v, v
	}
	s.numbers++
	s.sum += v
	s.min, s.max = min(s.min, v), max(s.max, v)
}

// shown is a value as lists and summaries carry it: scalars, texts shortened,
// nothing that could name a person.
func shown(r *source.Reading) any {
	switch v := r.Value.(type) {
	case string:
		if r.User != "" {
			return nil
		}
		return event.Shorten(event.Clean(v), maxLast)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return r.Value // as it came: v would take memory anew
	case bool, int64, uint64:
		return r.Value
	}
	return nil
}

// number gives the numeric value of a reading.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

var qualityNames = [...]string{"good", "uncertain", "bad"}

func (b *builder) qualityChange(r *source.Reading, s *series, class uint32) {
	d := b.begin(r, event.TypeSignalQuality)
	d.obj.values(d, map[string]any{
		"signal": s.name, "quality": qualityNames[class], "previous": qualityNames[s.quality],
	})
	b.finish(d, r)
}

// summarise writes what came in since the last time, one leaf per station, more
// where one would be too large.
func (k *sink) summarise(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
	b := builder{o: &k.p.o, now: k.p.o.Now()}
	k.live.Lock()
	from := k.from
	k.from = b.now
	var list []*series
	for _, s := range k.series {
		if elapsed := b.now.Sub(from).Seconds(); elapsed > 0 {
			s.rate = float64(s.count) / elapsed
		}
		if s.summarise && s.count > 0 {
			list = append(list, s)
		} else {
			s.window = window{}
		}
	}
	slices.SortFunc(list, func(a, b *series) int {
		return cmp.Or(cmp.Compare(a.point.Station, b.point.Station), cmp.Compare(a.name, b.name))
	})
	k.p.o.Watch.Begin()
	b.summaries(k.name, list, from)
	k.p.o.Watch.End()
	for _, s := range list {
		s.window = window{}
	}
	k.live.Unlock()
	return k.append(ctx, &b, nil)
}

// summaries makes the leaves of a sorted list of series.
func (b *builder) summaries(name string, list []*series, from time.Time) {
	var body []byte
	var of *source.Point
	flush := func() {
		if len(body) == 0 {
			return
		}
		b.summary(name, of, append(body, '}'), from)
		body = nil
	}
	for _, s := range list {
		entry := s.entry()
		key, err := event.Value(s.name)
		if err != nil || entry == nil {
			continue
		}
		if (of != nil && of.Station != s.point.Station) || len(body)+len(key)+len(entry) > maxSummary {
			flush()
		}
		of = s.point
		body = append(body, "{,"[min(len(body), 1)])
		body = append(append(append(body, key...), ':'), entry...)
	}
	flush()
}

// entry is one signal's part of a summary, nil if it can't be written.
func (s *series) entry() []byte {
	fields := map[string]any{"count": s.count}
	if s.bad > 0 {
		fields["bad"] = s.bad
	}
	if s.point.Unit != "" {
		fields["unit"] = event.Clean(s.point.Unit)
	}
	if s.numbers > 0 {
		fields["min"], fields["max"] = s.min, s.max
		if mean := s.sum / float64(s.numbers); !math.IsInf(mean, 0) && !math.IsNaN(mean) {
			fields["mean"] = mean
		}
	}
	if s.first != nil {
		fields["first"] = s.first
	}
	if s.last != nil {
		fields["last"] = s.last
	}
	if low, high, ok := s.watched.Band(); ok {
		fields["band"] = []float64{low, high}
	}
	raw, err := event.Object(fields)
	if err != nil {
		return nil
	}
	return raw
}

func (b *builder) summary(name string, of *source.Point, signals json.RawMessage, from time.Time) {
	r := &source.Reading{ReceivedAt: b.now, Point: &source.Point{
		Source: name, Kind: of.Kind, Endpoint: of.Endpoint, Station: of.Station, Equipment: name,
	}}
	d := b.begin(r, event.TypeSignalSummary)
	d.obj.values(d, map[string]any{"from": from.UTC().Round(0), "to": b.now.UTC().Round(0), "source": event.Clean(name)})
	d.obj.raw("signals", signals)
	b.finish(d, r)
}

// Signal is what the pipeline knows of one signal, for the control socket.
type Signal struct {
	Source    string    `json:"source"`
	Signal    string    `json:"signal"`
	Station   string    `json:"station"`
	Equipment string    `json:"equipment"`
	Item      string    `json:"item"`
	Unit      string    `json:"unit,omitempty"`
	Event     string    `json:"event,omitempty"`
	Value     any       `json:"value"`
	Quality   string    `json:"quality"`
	Code      uint32    `json:"code,omitempty"`
	At        time.Time `json:"at"`
	Count     uint64    `json:"count"`
	Rate      float64   `json:"rate"` // values per second of the last summary
	// Watch tells what the detectors know of it, nil for a signal without a name.
	Watch *watch.View `json:"watch,omitempty"`
}

// Signals lists all signals by source and name. It may be called at any time.
func (p *Pipeline) Signals() []Signal {
	out := []Signal{}
	for _, k := range p.all() {
		k.live.Lock()
		for key, s := range k.series {
			out = append(out, Signal{
				Source: k.name, Signal: key.name, Station: s.point.Station, Equipment: s.point.Equipment,
				Item: s.point.Item, Unit: s.point.Unit, Event: s.point.Event, Value: s.last,
				Quality: qualityNames[s.quality], Code: s.code, At: s.lastAt.UTC().Round(0), Count: s.total, Rate: s.rate, Watch: s.watched.View(),
			})
		}
		k.live.Unlock()
	}
	slices.SortFunc(out, func(a, b Signal) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Station, b.Station), cmp.Compare(a.Signal, b.Signal))
	})
	return out
}
