package opcua

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source"
)

// Bounds of what waits between the server and the sink.
const (
	// maxHeld notifications wait in memory; then publishing pauses and the server
	// keeps the values in its queues.
	maxHeld = 32
	// maxBatch readings go into one Take when several notifications wait, and no
	// notification of more is asked for.
	maxBatch = 2000
	// maxBatchBytes of values join in one Take: below the journal's 4 MiB per commit,
	// so that values and position are one transaction.
	maxBatchBytes = 3 << 20
	// maxUnacknowledged notifications without an event are taken before their
	// position is made durable and they are acknowledged; servers keep at least
	// twice the number of publish requests for a Republish.
	maxUnacknowledged = 8
	// acknowledgeAfter is how long an acknowledgement waits for company.
	acknowledgeAfter = 5 * time.Second
)

// delivery is one notification on its way to the sink.
type delivery struct {
	readings []source.Reading
	// set are positions that hold once the readings are taken.
	set map[string][]byte
	// drop are keys of positions that no longer hold then.
	drop []string
	// acks are sent after the position is durable.
	acks []*ua.SubscriptionAcknowledgement
	// commit asks for the position to be made durable at once, because the
	// readings are (or may become) events.
	commit bool
}

// deliverer hands notifications to the sink, one goroutine per source, also while
// the connection is down. Only what a committed Take covered is acknowledged, so
// that a Republish after a crash finds everything newer than the stored position.
type deliverer struct {
	src     *Source
	in      chan delivery
	drained chan struct{} // capacity 1: something was taken
	held    *delivery     // did not fit into the batch before; only run

	mu   sync.Mutex
	acks []*ua.SubscriptionAcknowledgement
}

func newDeliverer(src *Source) *deliverer {
	return &deliverer{src: src, in: make(chan delivery, maxHeld), drained: make(chan struct{}, 1)}
}

// room tells how many notifications may still be asked for.
func (d *deliverer) room() int { return cap(d.in) - len(d.in) }

// put queues a delivery; it waits when the sink is behind.
func (d *deliverer) put(ctx context.Context, item delivery) error {
	select {
	case d.in <- item:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeAcks returns what may be acknowledged now.
func (d *deliverer) takeAcks() []*ua.SubscriptionAcknowledgement {
	d.mu.Lock()
	defer d.mu.Unlock()
	acks := d.acks
	d.acks = nil
	return acks
}

// giveBack returns acknowledgements that could not be sent.
func (d *deliverer) giveBack(acks []*ua.SubscriptionAcknowledgement) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acks = append(acks, d.acks...)
}

func (d *deliverer) run(ctx context.Context, sink source.Sink) {
	var waiting []*ua.SubscriptionAcknowledgement // taken, position perhaps not durable
	timer := time.NewTimer(acknowledgeAfter)
	defer timer.Stop()
	timer.Stop()
	for {
		var batch delivery
		select {
		case <-ctx.Done():
			return
		case first := <-d.next():
			d.held = nil
			batch = d.collect(first)
			if len(waiting) == 0 {
				timer.Reset(acknowledgeAfter)
			}
			waiting = append(waiting, batch.acks...)
			batch.commit = batch.commit || len(waiting) >= maxUnacknowledged
		case <-timer.C:
			batch.commit = true
		}
		at := source.Position{Source: d.src.cfg.Name, Set: batch.set, Delete: batch.drop, Urgent: batch.commit}
		if !d.take(ctx, sink, batch.readings, at) {
			return
		}
		if batch.commit {
			d.mu.Lock()
			d.acks = append(d.acks, waiting...)
			d.mu.Unlock()
			waiting = nil
			timer.Stop()
		}
		select {
		case d.drained <- struct{}{}:
		default:
		}
	}
}

// next is where the next notification comes from: the one that is held, before
// those that wait.
func (d *deliverer) next() <-chan delivery {
	if d.held == nil {
		return d.in
	}
	one := make(chan delivery, 1)
	one <- *d.held
	return one
}

// collect joins what else waits, so that a slow sink gets larger batches. What
// would make the batch larger than one transaction of the journal is held.
func (d *deliverer) collect(first delivery) delivery {
	batch := first
	batch.set, batch.drop = map[string][]byte{}, nil
	batch.positions(first)
	for size := batch.bytes(); len(batch.readings) < maxBatch; {
		select {
		case next := <-d.in:
			if size += next.bytes(); len(batch.readings)+len(next.readings) > maxBatch || size > maxBatchBytes {
				d.held = &next
				return batch
			}
			batch.readings = append(batch.readings, next.readings...)
			batch.acks = append(batch.acks, next.acks...)
			batch.commit = batch.commit || next.commit
			batch.positions(next)
		default:
			return batch
		}
	}
	return batch
}

// bytes is about what the events of a delivery take.
func (d *delivery) bytes() int {
	n := 0
	for i := range d.readings {
		n += 500 + weight(d.readings[i].Value) // envelope, salt, times
	}
	return n
}

func weight(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case json.RawMessage:
		return len(v)
	case []any:
		n := 0
		for _, one := range v {
			n += weight(one)
		}
		return n
	}
	return 16
}

// positions adds those of a later delivery: what it sets or drops counts.
func (d *delivery) positions(next delivery) {
	for _, key := range next.drop {
		delete(d.set, key)
	}
	d.drop = append(d.drop, next.drop...)
	maps.Copy(d.set, next.set)
	d.drop = slices.DeleteFunc(d.drop, func(key string) bool { return d.set[key] != nil })
}

// take repeats until the sink took the batch; false when ctx ended first.
func (d *deliverer) take(ctx context.Context, sink source.Sink, readings []source.Reading, at source.Position) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := sink.Take(ctx, readings, at)
		if err == nil {
			d.src.update(func(h *source.Health) { h.Readings += uint64(len(readings)) })
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.src.log.Warn("readings not taken, trying again", "error", err, "readings", len(readings), "wait", wait)
		if !sleep(ctx, wait) {
			return false
		}
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
