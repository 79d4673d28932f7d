package mqtt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// Keys of the position beside the slots of the window.
const (
	keyConn    = "conn"    // number of the last connection that committed
	keyAlive   = "alive"   // when it did, Unix ms
	keyDropped = "dropped" // the broker's drop counter and when it was read
	keyFilters = "filters" // what the session is subscribed to
	keptPrefix = "kept/"   // last content of a topic, by hash of the topic
)

const (
	maxKept      = 1024 // topics whose last content is remembered
	barrierEvery = time.Second
	retryMax     = 5 * time.Second
)

// committer takes from the queue, hands over to the sink and acknowledges. All of
// it belongs to the goroutine of run.
type committer struct {
	s    *Source
	sink source.Sink
	win  *window
	kept map[uint64]uint64 // last content of a topic

	keptNew    map[uint64]bool // topics whose content changed in this batch
	conn       uint32
	aliveAt    time.Time
	oldFilters []string
	dropped    dropCounter
	resumed    bool      // an earlier process had the session
	began      time.Time // when this process began to listen

	set  map[string][]byte // to be stored with the next batch
	drop map[string]bool

	barrier  barrier
	last     *link     // that was acknowledged on
	begin    uint64    // first slot of the connection that commits
	unproven bool      // acknowledgements were sent since the last ping
	lastPing time.Time // of ours
	acks     []byte
	flood    gatherer
}

// barrier is a ping sent behind acknowledgements: its answer proves that the
// broker has read them, and that it can't send those messages again.
type barrier struct {
	link        *link
	ping        uint64
	from, below uint64 // slots to be forgotten then
}

// resendPhase is how long after a connection began a broker may still be sending
// what an earlier connection left unacknowledged (it does so at once). Until then
// nothing of earlier connections is forgotten.
const resendPhase = 10 * time.Second

type dropCounter struct {
	Value uint64    `json:"value"`
	At    time.Time `json:"at"`
	known bool
}

func newCommitter(s *Source, sink source.Sink) *committer {
	c := &committer{
		s: s, sink: sink, win: newWindow(), kept: map[uint64]uint64{}, keptNew: map[uint64]bool{},
		set: map[string][]byte{}, drop: map[string]bool{}, began: s.o.Now(),
	}
	if s.o.Positions == nil {
		return c
	}
	stored := s.o.Positions.Positions(s.cfg.Name)
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		// A damaged key is forgotten: at the worst a message is stored twice, while a
		// source that would not start loses them all.
		if err := c.restore(key, stored[key]); err != nil {
			s.log.Error("a stored position can't be read and is left out", "error", err)
			c.drop[key] = true
		}
	}
	c.resumed = c.conn > 0
	return c
}

func (c *committer) restore(key string, value []byte) error {
	switch {
	case key == keyConn || key == keyAlive || strings.HasPrefix(key, keptPrefix):
		return c.restoreNumber(key, value)
	case key == keyDropped:
		if err := json.Unmarshal(value, &c.dropped); err != nil {
			return fmt.Errorf("position %s is damaged: %w", key, err)
		}
		c.dropped.known = true
	case key == keyFilters:
		c.oldFilters = strings.Split(string(value), "\n")
	case strings.HasPrefix(key, slotPrefix):
		return c.win.restore(key, value)
	}
	return nil // a key of a newer version is kept and not used
}

// restoreNumber restores the keys whose value is one big-endian number.
func (c *committer) restoreNumber(key string, value []byte) error {
	switch {
	case key == keyConn && len(value) == 4:
		c.conn = binary.BigEndian.Uint32(value)
		return nil
	case key == keyAlive && len(value) == 8:
		c.aliveAt = time.UnixMilli(int64(binary.BigEndian.Uint64(value))).UTC()
		return nil
	}
	topic, err := strconv.ParseUint(strings.TrimPrefix(key, keptPrefix), 16, 64)
	if err != nil || len(value) != 8 {
		return fmt.Errorf("position %s is damaged", key)
	}
	c.kept[topic] = binary.BigEndian.Uint64(value)
	return nil
}

func (c *committer) run(ctx context.Context) {
	var buf []item
	var readings []source.Reading
	for ctx.Err() == nil {
		wake, stop := c.wake()
		batch := c.s.q.take(ctx, buf[:0], c.s.o.Batch, maxBatchBytes, wake)
		stop()
		if batch != nil {
			batch = c.gather(ctx, batch)
			readings = c.prepare(batch, readings[:0])
			if !c.take(ctx, readings) {
				return
			}
			buf = batch
		} else {
			c.s.q.quiet()
		}
		c.acknowledge(batch)
		clear(buf[:cap(buf)])
		clear(readings[:cap(readings)])
	}
}

// wake returns a channel that fires when a ping is due; it is nil, and costs
// nothing, while nothing is unproven.
func (c *committer) wake() (<-chan struct{}, func()) {
	if !c.unproven {
		return nil, func() {}
	}
	fired := make(chan struct{}, 1)
	timer := time.AfterFunc(barrierEvery, func() { fired <- struct{}{} })
	return fired, func() { timer.Stop() }
}

// prepare sorts out repeats and fills in what is stored with the batch.
func (c *committer) prepare(batch []item, out []source.Reading) []source.Reading {
	c.proven()
	c.win.fit(c.s.q.len() + len(batch))
	for i := range batch {
		it := &batch[i]
		switch {
		case it.fresh:
			c.win.clear(c.drop)
			c.resumed = false
		case it.filters != "":
			c.set[keyFilters] = []byte(it.filters)
		case it.isDropped:
			out = c.watchDropped(it, out)
		case it.reading.Point == nil: // matches no rule any more
		case c.isRepeat(it):
			c.s.repeats.Add(1)
		default:
			out = append(out, it.reading)
			c.record(it)
		}
	}
	for topic := range c.keptNew {
		c.set[fmt.Sprintf(keptPrefix+"%016x", topic)] = binary.BigEndian.AppendUint64(nil, c.kept[topic])
	}
	clear(c.keptNew)
	for key := range c.drop {
		delete(c.set, key)
	}
	return out
}

// isRepeat recognises what was committed before: a message that the broker sends
// again, or a retained one that says what its topic already said.
func (c *committer) isRepeat(it *item) bool {
	if it.link == nil {
		return false
	}
	if it.qos > 0 && it.reading.Dup && c.win.repeat(it.id, it.hash, it.link.number) {
		return true
	}
	if it.topic == 0 {
		return false
	}
	last, ok := c.kept[it.topic]
	if it.reading.Retained && ok && last == it.hash {
		return true
	}
	if (ok && last != it.hash) || (!ok && len(c.kept) < maxKept) {
		c.kept[it.topic] = it.hash
		c.keptNew[it.topic] = true
	}
	return false
}

func (c *committer) record(it *item) {
	if it.quarantined {
		c.s.quarantined.Add(1)
	}
	if it.link == nil {
		return
	}
	c.s.readings.Add(1)
	if it.link.number != c.conn {
		c.conn, c.begin = it.link.number, c.win.open()
		c.set[keyConn] = binary.BigEndian.AppendUint32(nil, c.conn)
	}
	c.set[keyAlive] = binary.BigEndian.AppendUint64(nil, uint64(it.reading.ReceivedAt.UnixMilli()))
	if it.qos > 0 {
		c.win.add(it.id, it.hash, it.link.number, c.set, c.drop)
	}
}

// watchDropped turns an increase of the broker's drop counter into a gap. The
// counter is of the whole broker, so the event says that it need not be ours.
func (c *committer) watchDropped(it *item, out []source.Reading) []source.Reading {
	now := c.s.o.Now()
	c.s.dropped.Store(int64(it.dropped))
	before := c.dropped
	if before.known && before.Value == it.dropped {
		return out
	}
	c.dropped = dropCounter{Value: it.dropped, At: now, known: true}
	value, err := json.Marshal(c.dropped)
	if err == nil {
		c.set[keyDropped] = value
	}
	lost := it.dropped
	if it.dropped >= before.Value {
		lost -= before.Value // else the broker began to count anew
	}
	if lost == 0 || (!before.known && it.kept && !c.resumed) {
		return out // nothing, or it was lost before we ever listened
	}
	from := before.At
	if !before.known {
		// A broker need not show its counter before it has dropped something.
		if from = c.began; c.resumed && !c.aliveAt.IsZero() {
			from = c.aliveAt
		}
	}
	c.s.gaps.Add(1)
	c.s.log.Warn("the broker dropped messages", "count", lost)
	return append(out, source.Reading{
		Point: c.s.point(), ReceivedAt: now,
		Occurrence: &source.Occurrence{Type: event.TypeAuditGap, Data: map[string]any{
			"source": c.s.cfg.Name, "cause": "the broker dropped messages because a queue was full",
			"from": from, "to": now, "count": lost, "scope": "all clients of the broker",
			"remedy": "raise max_queued_messages and max_inflight_messages on the broker",
		}},
	})
}

// take hands over until it succeeds; false when ctx ended.
func (c *committer) take(ctx context.Context, readings []source.Reading) bool {
	if len(readings) == 0 && len(c.set) == 0 && len(c.drop) == 0 {
		return true
	}
	at := source.Position{Source: c.s.cfg.Name, Set: c.set, Delete: slices.Collect(maps.Keys(c.drop))}
	// What a restart compares with must not wait for the next event.
	at.Urgent = c.set[keyDropped] != nil || c.set[keyFilters] != nil
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, retryMax) {
		err := c.sink.Take(ctx, readings, at)
		if err == nil {
			c.set, c.drop = map[string][]byte{}, map[string]bool{}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if !errors.Is(err, context.Canceled) {
			c.s.log.Error("the journal did not take a batch, trying again", "error", err)
		}
		pause(ctx, wait)
	}
}

// acknowledge tells the broker, for each connection in one write. On a dead
// connection it is lost, and the broker sends again.
func (c *committer) acknowledge(batch []item) {
	for i := 0; i < len(batch); {
		l := batch[i].link
		c.acks = c.acks[:0]
		for ; i < len(batch) && batch[i].link == l; i++ {
			c.acks = appendAck(c.acks, batch[i].qos, batch[i].id)
		}
		if l == nil || l.ended() || len(c.acks) == 0 {
			continue
		}
		c.send(l)
	}
	if len(batch) == 0 && c.unproven {
		c.acks = c.acks[:0]
		c.send(c.last)
	}
}

// proven forgets what the broker has acknowledged to have read.
func (c *committer) proven() {
	if b := c.barrier; b.link != nil && b.link.pings() >= b.ping {
		c.win.forget(b.from, b.below, c.drop)
		c.barrier = barrier{}
	}
}

// send writes the acknowledgements, with a ping behind them once in a while.
func (c *committer) send(l *link) {
	if l.ended() {
		c.unproven = false // what is not proven stays in the window
		return
	}
	c.proven()
	c.last = l
	if c.barrier.link != l && time.Since(c.lastPing) >= barrierEvery {
		c.barrier = barrier{link: l, from: c.begin, below: c.win.open()}
		if l.number != c.conn {
			c.barrier.from = c.barrier.below // only repeats so far
		}
		if time.Since(l.since) >= resendPhase && c.s.q.len() == 0 {
			c.barrier.from = 0
		}
		c.barrier.ping = l.acknowledge(c.acks, true)
		c.unproven, c.lastPing = false, time.Now()
		return
	}
	c.unproven = true
	if len(c.acks) > 0 {
		l.acknowledge(c.acks, false)
	}
}
