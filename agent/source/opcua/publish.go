package opcua

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source/opcua/secure"
)

// watchdogFactor times the keep-alive without a word means a dead connection:
// TCP alone does not notice a peer that vanished.
const watchdogFactor = 2.5

// errSilent is a server that stopped talking.
var errSilent = errors.New("the server is silent")

// errSubscriptionLost makes the engine look after its subscriptions again.
var errSubscriptionLost = errors.New("a subscription ended in the server")

// flight is one outstanding publish request.
type flight struct {
	done chan struct{}
	acks []*ua.SubscriptionAcknowledgement
	res  *ua.PublishResponse
	err  error
}

// publish keeps publish requests outstanding and takes the answers in order,
// until the connection fails or ctx ends.
func (e *engine) publish(ctx context.Context, ch *channel) error {
	if len(e.subs) == 0 {
		return e.idle(ctx, ch)
	}
	inner, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var flights []*flight
	defer func() { e.abandon(flights) }()
	tick := time.NewTicker(e.tickEvery())
	defer tick.Stop()
	care := newCare(e.now())
	for {
		for len(flights) < e.flights && e.out.room() > len(flights) {
			flights = append(flights, e.launch(inner, &wg, ch))
		}
		var head <-chan struct{}
		if len(flights) > 0 {
			head = flights[0].done
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-head:
			f := flights[0]
			flights = flights[1:]
			if err := e.landed(ctx, ch, f, len(flights)); err != nil {
				return err
			}
		case <-e.out.drained:
		case <-tick.C:
			if len(flights) == 0 {
				e.pausedByUs()
			} else if err := e.watchdog(); err != nil {
				return err
			}
			if err := e.attend(ctx, ch, care); err != nil {
				return err
			}
		}
	}
}

// idle keeps the session where no group is configured.
func (e *engine) idle(ctx context.Context, ch *channel) error {
	care := newCare(e.now())
	for sleep(ctx, time.Second) {
		if err := e.attend(ctx, ch, care); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// launch sends one publish request with all acknowledgements that are due.
func (e *engine) launch(ctx context.Context, wg *sync.WaitGroup, ch *channel) *flight {
	f := &flight{done: make(chan struct{})}
	for _, ack := range e.out.takeAcks() {
		if e.byID(ack.SubscriptionID) != nil {
			f.acks = append(f.acks, ack)
		}
	}
	timeout := e.publishTimeout()
	wg.Go(func() {
		defer close(f.done)
		f.res, f.err = call[*ua.PublishResponse](ctx, ch, &ua.PublishRequest{SubscriptionAcknowledgements: f.acks}, timeout)
	})
	return f
}

// abandon gives back the acknowledgements of requests without an answer: the
// server may not have seen them, and a second one does no harm.
func (e *engine) abandon(flights []*flight) {
	for _, f := range flights {
		e.out.giveBack(f.acks)
	}
}

// landed handles one answer to a publish request; others is how many are out.
func (e *engine) landed(ctx context.Context, ch *channel, f *flight, others int) error {
	if f.err != nil {
		e.out.giveBack(f.acks)
		switch status(f.err) {
		case ua.StatusBadTooManyPublishRequests:
			e.flights = max(1, others)
			return nil
		case ua.StatusBadNoSubscription:
			return fmt.Errorf("%w: %w", errSubscriptionLost, f.err)
		}
		return f.err
	}
	sub := e.byID(f.res.SubscriptionID)
	if sub == nil {
		return e.drop(ctx, ch, f.res.SubscriptionID)
	}
	if f.res.NotificationMessage == nil {
		return nil
	}
	sub.heard = e.now()
	return e.accept(ctx, ch, sub, f.res.NotificationMessage)
}

// drop ends a subscription of our session that no group has any more: made half
// before a connection broke, or by an earlier configuration.
func (e *engine) drop(ctx context.Context, ch *channel, id uint32) error {
	e.log.Info("a left-over subscription is ended", "subscription", id)
	_, err := call[*ua.DeleteSubscriptionsResponse](ctx, ch, &ua.DeleteSubscriptionsRequest{SubscriptionIDs: []uint32{id}}, e.patience())
	if err != nil && lostConnection(err) {
		return err
	}
	return nil
}

// accept takes one notification in its order; holes before it are asked for again
// and, where the server has them no more, declared.
func (e *engine) accept(ctx context.Context, ch *channel, sub *subscription, msg *ua.NotificationMessage) error {
	if msg.SequenceNumber == 0 { // numbers begin with 1, also when they wrap (OPC 10000-4, 7.25)
		return &secure.Malformed{Reason: "a notification with the sequence number 0"}
	}
	keepAlive := len(msg.NotificationData) == 0
	ahead := int32(msg.SequenceNumber - sub.next) // wraps with the numbers
	if ahead > 0 {
		if err := e.fill(ctx, ch, sub, msg.SequenceNumber); err != nil {
			return err
		}
	}
	if keepAlive {
		if msg.PublishTime.After(sub.seen) {
			sub.seen = msg.PublishTime
		}
		return nil
	}
	if ahead < 0 {
		// A repeat: the server still holds it, so it is acknowledged again.
		e.repeated(1)
		e.send(ctx, delivery{acks: []*ua.SubscriptionAcknowledgement{{SubscriptionID: sub.id, SequenceNumber: msg.SequenceNumber}}})
		return nil
	}
	sub.next = following(msg.SequenceNumber)
	return e.take(ctx, sub, msg)
}

// following is the next sequence number; 0 is left out when they wrap.
func following(n uint32) uint32 {
	n++
	if n == 0 {
		n = 1
	}
	return n
}

// fill asks for the notifications before upto that did not come.
func (e *engine) fill(ctx context.Context, ch *channel, sub *subscription, upto uint32) error {
	const most = 1000 // no server keeps more; a wild number must not keep us busy
	first, last := uint32(0), uint32(0)
	for n := 0; sub.next != upto; n++ {
		number := sub.next
		var msg *ua.NotificationMessage
		err := error(ua.StatusBadMessageNotAvailable)
		if n < most {
			msg, err = e.again(ctx, ch, sub, number)
		} else {
			number = upto - 1
		}
		switch {
		case err == nil:
			e.declare(sub, first, last)
			first = 0
			sub.next = following(number)
			if err := e.take(ctx, sub, msg); err != nil {
				return err
			}
		case status(err) == ua.StatusBadMessageNotAvailable:
			if first == 0 {
				first = sub.next
			}
			last = number
			sub.next = following(number)
		default:
			return err
		}
	}
	e.declare(sub, first, last)
	return nil
}

// declare notes a hole; it is told with the next data, which shows where it ends.
func (e *engine) declare(sub *subscription, first, last uint32) {
	if first == 0 {
		return
	}
	if sub.gap != nil {
		sub.gap.last = last
		return
	}
	sub.gap = &gap{cause: "notifications lost", from: sub.knownUntil(), first: first, last: last}
}

func (e *engine) byID(id uint32) *subscription {
	for _, sub := range e.subs {
		if sub.id == id && id != 0 {
			return sub
		}
	}
	return nil
}

// watchdog fails when a subscription was silent for too long.
func (e *engine) watchdog() error {
	now := e.now()
	for _, sub := range e.subs {
		if silent := now.Sub(sub.heard); silent > silenceLimit(sub) {
			return fmt.Errorf("%w: nothing from group %s for %s", errSilent, sub.group.name, silent.Round(100*time.Millisecond))
		}
	}
	return nil
}

// silenceLimit is how long a living subscription is never silent.
func silenceLimit(sub *subscription) time.Duration {
	return time.Duration(watchdogFactor * float64(max(sub.keepAlive, time.Second)))
}

// pausedByUs keeps the watchdog quiet while the sink is behind: it is we who do
// not ask.
func (e *engine) pausedByUs() {
	for _, sub := range e.subs {
		sub.heard = e.now()
	}
}

// publishTimeout leaves time for every outstanding request to be answered by a
// keep-alive of its own; silence is found earlier, by the watchdog.
func (e *engine) publishTimeout() time.Duration {
	longest := time.Second
	for _, sub := range e.subs {
		longest = max(longest, sub.keepAlive)
	}
	return time.Duration(e.flights+2) * longest
}

// tickEvery is the pace of the watchdog.
func (e *engine) tickEvery() time.Duration {
	shortest := 2 * time.Second
	for _, sub := range e.subs {
		if sub.keepAlive > 0 {
			shortest = min(shortest, sub.keepAlive/2)
		}
	}
	return max(shortest, 100*time.Millisecond)
}
