package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
)

// sink takes the readings of one source.
type sink struct {
	p    *Pipeline
	name string

	mu    sync.Mutex // one batch, tick or summary at a time
	mem   *memory
	stale bool                     // a batch was not taken: the memory must be read again
	keys  map[*source.Point]uint64 // of event points
	from  time.Time                // begin of the running summary

	live   sync.Mutex // guards series; held only while readings are looked at
	series map[seriesKey]*series
	points map[*source.Point]*series // the same, found faster
}

var _ source.Sink = (*sink)(nil)

// maxPointKeys bounds the cache of keys; points beyond it are hashed each time.
const maxPointKeys = 1 << 16

func newSink(p *Pipeline, name string) *sink {
	p.o.Watch.Begin()
	p.o.Watch.Recall(p.o.Journal.Positions(detectName(name)))
	p.o.Watch.End()
	return &sink{
		p: p, name: name, stale: true, from: p.o.Now(),
		keys: map[*source.Point]uint64{}, series: map[seriesKey]*series{}, points: map[*source.Point]*series{},
	}
}

// Take implements source.Sink. It tries again by itself while the journal does
// not take the batch, and gives up only when ctx ends.
func (k *sink) Take(ctx context.Context, batch []source.Reading, at source.Position) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
	b := builder{o: &k.p.o, now: k.p.o.Now(), leaves: make([]journal.Leaf, 0, len(batch))}
	k.live.Lock()
	k.p.o.Watch.Begin()
	for i := range batch {
		k.one(&b, &batch[i])
	}
	k.p.o.Watch.End()
	k.live.Unlock()
	positions := make([]source.Position, 0, 2)
	if len(at.Set) > 0 || len(at.Delete) > 0 || at.Urgent {
		positions = append(positions, at)
	}
	return k.append(ctx, &b, positions)
}

// refresh reads the memory again after a batch was given up: it may hold changes
// that were never written.
func (k *sink) refresh() {
	if k.stale {
		k.mem, k.stale = recall(k.p.o.Journal.Positions(memoryName(k.name))), false
	}
}

// append writes what the builder has made, with the memory that belongs to it.
func (k *sink) append(ctx context.Context, b *builder, positions []source.Position) error {
	for _, err := range b.failed {
		k.p.o.Logger.Error("an event could not be made", "source", k.name, "error", err)
	}
	if set := k.mem.changed(); set != nil {
		positions = append(positions, source.Position{Source: memoryName(k.name), Set: set})
	}
	if len(b.keep) > 0 {
		positions = append(positions, source.Position{Source: detectName(k.name), Set: b.keep})
	}
	if len(b.leaves) == 0 && len(positions) == 0 {
		return nil
	}
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		out, err := k.p.o.Journal.Append(ctx, b.leaves, positions)
		if err == nil {
			return nil
		}
		b.leaves = b.leaves[out.Taken:] // what is in the journal comes not once more
		if ctx.Err() == nil {
			k.p.o.Logger.Error("the journal did not take a batch, trying again", "source", k.name, "error", err)
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
			}
		}
		k.stale = true
		return fmt.Errorf("pipeline %s: %w", k.name, err)
	}
}

// one looks at one reading. Whatever it holds, it never stops the others.
func (k *sink) one(b *builder, r *source.Reading) {
	defer func() {
		if v := recover(); v != nil {
			typ := ""
			if r.Point != nil {
				typ = r.Point.Event
			}
			b.quarantine(r, typ, fmt.Sprintf("the pipeline failed: %v", v), nil)
		}
	}()
	switch {
	case r.Occurrence != nil:
		k.connection(r.Occurrence.Type)
		b.occurrence(r)
		b.listen(r)
		return
	case r.Point == nil:
		return
	}
	s := k.seriesOf(r.Point)
	switch {
	case r.Point.Bits != nil:
		k.bits(b, r)
	case r.Point.Event != "":
		k.change(b, r, s)
	}
	b.listen(r)
	k.observe(b, r, s)
}

// tick ends the delays of detectors.
func (k *sink) tick(ctx context.Context, now time.Time) error {
	return k.watched(ctx, now, k.p.o.Watch.Tick)
}

// key names an event point in the memory.
func (k *sink) key(p *source.Point) uint64 {
	if key, ok := k.keys[p]; ok {
		return key
	}
	key := pointKey(p.Kind, p.Item, p.Event)
	if len(k.keys) < maxPointKeys {
		k.keys[p] = key
	}
	return key
}
