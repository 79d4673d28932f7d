package opcua

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source"
)

// overflow is InfoType DataValue with the Overflow bit (OPC 10000-4 7.39.1): the
// server's queue of this item lost values before this one.
const overflow = 0x480

// maxNamed bounds the items that one gap names.
const maxNamed = 100

// take turns one notification into readings and queues them. One that can't be read
// is a gap: the server would send it again for ever.
func (e *engine) take(ctx context.Context, sub *subscription, msg *ua.NotificationMessage) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.log.Error("a notification can't be read", "panic", r, "group", sub.group.name, "sequence", msg.SequenceNumber)
			e.unreadable(ctx, sub, msg)
			err = nil
		}
	}()
	return e.read(ctx, sub, msg)
}

func (e *engine) unreadable(ctx context.Context, sub *subscription, msg *ua.NotificationMessage) {
	g := gap{cause: "a notification that can't be read", from: sub.knownUntil(), to: msg.PublishTime, first: msg.SequenceNumber, last: msg.SequenceNumber}
	e.send(ctx, delivery{
		readings: []source.Reading{e.gapReading(sub, g, nil)}, set: sub.position(), commit: true,
		acks: []*ua.SubscriptionAcknowledgement{{SubscriptionID: sub.id, SequenceNumber: msg.SequenceNumber}},
	})
}

func (e *engine) read(ctx context.Context, sub *subscription, msg *ua.NotificationMessage) error {
	t := taking{e: e, sub: sub, msg: msg, at: e.now(), set: map[string][]byte{}}
	for _, part := range msg.NotificationData {
		if part == nil {
			continue
		}
		switch n := part.Value.(type) {
		case *ua.DataChangeNotification:
			t.changes(n)
		case *ua.EventNotificationList:
			t.events(n)
		case *ua.StatusChangeNotification:
			return fmt.Errorf("group %s: %w: %s", sub.group.name, errSubscriptionLost, statusText(n.Status))
		default:
			e.log.Warn("notification of an unknown kind", "kind", fmt.Sprintf("%T", part.Value))
		}
	}
	if msg.PublishTime.After(sub.seen) {
		sub.seen = msg.PublishTime
	}
	gaps := t.gaps()
	if t.newest.After(sub.last) {
		sub.last = t.newest
	}
	maps.Copy(t.set, sub.position())
	if len(gaps) > 0 {
		t.readings = append(gaps, t.readings...)
	}
	d := delivery{
		readings: t.readings, set: t.set, drop: t.drop, commit: sub.group.events || t.occurred,
		acks: []*ua.SubscriptionAcknowledgement{{SubscriptionID: sub.id, SequenceNumber: msg.SequenceNumber}},
	}
	sub.restarted = false
	e.src.update(func(h *source.Health) { h.LastData = t.at })
	e.send(ctx, d)
	return nil
}

// taking is the work on one notification.
type taking struct {
	e        *engine
	sub      *subscription
	msg      *ua.NotificationMessage
	at       time.Time
	readings []source.Reading
	occurred bool
	set      map[string][]byte // further positions
	drop     []string
	oldest   time.Time // source times in this notification
	newest   time.Time
	dropped  []map[string]any // items whose queue overflowed
	overFrom time.Time
	overTo   time.Time
	overs    int
}

func (t *taking) changes(n *ua.DataChangeNotification) {
	t.readings = slices.Grow(t.readings, len(n.MonitoredItems))
	for _, change := range n.MonitoredItems {
		if change == nil || change.Value == nil {
			continue
		}
		it := t.sub.items[change.ClientHandle]
		if it == nil || it.node == nil { // node-opcua sends values for notifiers too
			t.e.log.Debug("value of an unknown item", "handle", change.ClientHandle)
			continue
		}
		t.change(it, change.Value)
	}
}

func (t *taking) change(it *item, v *ua.DataValue) {
	code := v.Status
	at := v.SourceTimestamp
	if at.IsZero() {
		at = v.ServerTimestamp
	}
	if code&overflow == overflow {
		t.overflowed(it, at)
		code &^= overflow
	}
	// The first values of a new subscription repeat what is current.
	if t.sub.restarted && !at.IsZero() && !at.After(it.last) && !it.last.IsZero() {
		t.e.repeated(1)
		return
	}
	t.readings = append(t.readings, source.Reading{
		Point: it.point, Fields: it.node.fields, Quality: uint32(code), ServerTime: v.ServerTimestamp, SourceTime: v.SourceTimestamp,
		ReceivedAt: t.at, Seq: uint64(t.msg.SequenceNumber), Dup: t.sub.restarted && !at.IsZero() && !at.After(t.sub.last),
	})
	r := &t.readings[len(t.readings)-1]
	r.Value, r.Problems = value(v.Value)
	if at.IsZero() {
		return
	}
	if at.After(it.last) {
		it.last = at
	}
	t.time(at)
}

func (t *taking) time(at time.Time) {
	if t.oldest.IsZero() || at.Before(t.oldest) {
		t.oldest = at
	}
	if at.After(t.newest) {
		t.newest = at
	}
}

// overflowed notes what an item lost in the server's queue.
func (t *taking) overflowed(it *item, to time.Time) {
	from := it.last
	if from.IsZero() {
		from = t.sub.knownUntil()
	}
	t.overs++
	if t.overFrom.IsZero() || from.Before(t.overFrom) {
		t.overFrom = from
	}
	if to.After(t.overTo) {
		t.overTo = to
	}
	if len(t.dropped) < maxNamed {
		t.dropped = append(t.dropped, map[string]any{"item": it.text(), "from": from, "to": to})
	}
}

// gaps are the gaps known with this notification, to stand before its values.
func (t *taking) gaps() []source.Reading {
	var out []source.Reading
	if g := t.sub.gap; g != nil && (len(t.readings) > 0 || t.occurred) {
		g.to = t.oldest
		if g.to.Before(g.from) {
			g.to = t.msg.PublishTime
		}
		out = append(out, t.e.gapReading(t.sub, *g, nil))
		t.sub.gap = nil
		t.occurred = true
	}
	if t.overs > 0 {
		g := gap{cause: "server queue overflow", from: t.overFrom, to: t.overTo, first: t.msg.SequenceNumber, last: t.msg.SequenceNumber}
		items := make([]any, len(t.dropped))
		for i, d := range t.dropped {
			items[i] = d
		}
		out = append(out, t.e.gapReading(t.sub, g, map[string]any{"items": items, "itemCount": int64(t.overs)}))
		t.occurred = true
	}
	return out
}

func (e *engine) repeated(n uint64) {
	e.src.update(func(h *source.Health) { h.Repeats += n })
}

// statusText is the symbolic name of a status code.
func statusText(code ua.StatusCode) string {
	if d, ok := ua.StatusCodes[code]; ok {
		return strings.TrimPrefix(d.Name, "Status")
	}
	return fmt.Sprintf("0x%08X", uint32(code))
}
