package opcua

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopcua/opcua/ua"
)

// restore brings session and subscriptions to life on a new channel. The order is
// what makes it lossless (see docs/opcua.md): re-activate the session
// and republish; else a new session, transfer and republish; else make everything
// anew and declare the gap.
func (e *engine) restore(ctx context.Context, ch *channel) error {
	kept, err := e.enter(ctx, ch)
	if err != nil {
		return err
	}
	e.rememberServer(ctx)
	if e.granted.empty() {
		if e.granted, err = readGranted(ctx, ch); err != nil {
			return err
		}
	}
	if err := e.revive(ctx, ch); err != nil {
		return err
	}
	e.log.Debug("session ready", "kept", kept)
	for _, g := range e.plan.groups {
		sub := e.subs[g.name]
		if err := e.goOn(ctx, ch, sub); err != nil {
			return err
		}
	}
	e.showLimits()
	return nil
}

// enter re-activates the session or makes a new one; true = the old one.
func (e *engine) enter(ctx context.Context, ch *channel) (bool, error) {
	old := e.session
	if old != nil {
		err := ch.activate(ctx, old, e.who)
		if err == nil {
			if err := e.transfer(ctx, ch); err != nil {
				return true, err
			}
			e.keepSession(ctx)
			return true, nil
		}
		if lostConnection(err) {
			return false, err
		}
		e.log.Info("the session is gone, a new one is made", "error", err)
		ch.token = nil
	}
	name := "linewatch " + e.plan.cfg.Name
	fresh, err := ch.createSession(ctx, e.plan.cfg.Endpoint, name, e.plan.sessionTimeout(), e.who)
	if err != nil {
		return false, err
	}
	if err := ch.activate(ctx, fresh, e.who); err != nil {
		_ = ch.closeSession(ctx, true) // the server frees it anyway when it was never active
		return false, err
	}
	if err := readServer(ctx, ch, fresh); err != nil {
		return false, err
	}
	if e.leaving == nil {
		e.leaving = old
	}
	if e.leaving == nil {
		e.leaving = &session{}
	}
	e.session = fresh
	e.granted = ServerLimits{}
	e.flights = publishRequests
	if err := e.transfer(ctx, ch); err != nil {
		return false, err
	}
	e.keepSession(ctx)
	return false, nil
}

// keepSession stores what re-activates the session after the agent was killed.
func (e *engine) keepSession(ctx context.Context) {
	stored := storedSession{Hash: e.plan.hash, Session: *e.session}
	e.send(ctx, delivery{set: map[string][]byte{sessionKey: mustJSON(stored)}, drop: e.stale, commit: true})
	e.stale = nil
}

// transfer moves living subscriptions of the old session into the new one. Ids of
// an earlier life of the server are never asked for: they may be somebody else's.
// A connection lost meanwhile leaves it to be done in the next attempt.
func (e *engine) transfer(ctx context.Context, ch *channel) error {
	if e.leaving == nil {
		return nil
	}
	same := !e.leaving.Started.IsZero() && e.leaving.Started.Equal(e.session.Started)
	ids := e.livingIDs()
	if len(ids) == 0 {
		e.leaving = nil
		return nil
	}
	if !same {
		e.forget(nil)
		e.leaving = nil
		return nil
	}
	res, err := call[*ua.TransferSubscriptionsResponse](ctx, ch, &ua.TransferSubscriptionsRequest{SubscriptionIDs: ids}, requestTimeout)
	if err != nil {
		if lostConnection(err) {
			return err
		}
		e.log.Warn("the server transfers no subscriptions", "error", err)
		e.forget(nil)
		e.leaving = nil
		return nil
	}
	moved := map[uint32]bool{}
	for i, r := range res.Results {
		if i < len(ids) && r.StatusCode == ua.StatusOK {
			moved[ids[i]] = true
		} else if i < len(ids) {
			e.log.Warn("subscription not transferred", "subscription", ids[i], "status", statusText(r.StatusCode))
		}
	}
	e.forget(moved)
	e.leaving = nil
	return nil
}

// livingIDs are the subscriptions that may still be in the server.
func (e *engine) livingIDs() []uint32 {
	var ids []uint32
	for _, g := range e.plan.groups {
		if sub := e.subs[g.name]; sub != nil && sub.id != 0 {
			ids = append(ids, sub.id)
		} else if sub == nil && e.lost[g.name].ID != 0 {
			ids = append(ids, e.lost[g.name].ID)
		}
	}
	return ids
}

// forget marks all subscriptions but those kept as gone from the server.
func (e *engine) forget(keep map[uint32]bool) {
	for _, sub := range e.subs {
		if sub.id != 0 && !keep[sub.id] {
			sub.was, sub.id = sub.id, 0
		}
	}
	for name, stored := range e.lost {
		if stored.ID != 0 && !keep[stored.ID] {
			stored.Was, stored.ID = stored.ID, 0
			e.lost[name] = stored
		}
	}
}

// revive makes the engine's subscriptions out of the stored positions, at the
// first connection, and finds the nodes again where that is needed.
func (e *engine) revive(ctx context.Context, ch *channel) error {
	if e.subs == nil {
		e.subs = map[string]*subscription{}
	}
	for _, g := range e.plan.groups {
		sub := e.subs[g.name]
		if sub == nil {
			sub = &subscription{group: g}
			if stored, ok := e.lost[g.name]; ok {
				sub.id, sub.was, sub.next, sub.changed = stored.ID, stored.Was, stored.Next, stored.changed
				sub.last, sub.seen = stored.Last, stored.Seen
				sub.interval = time.Duration(stored.Publishing) * time.Millisecond
				sub.keepAlive = time.Duration(stored.KeepAlive) * time.Millisecond
			}
			e.subs[g.name] = sub
		}
		if sub.id == 0 || sub.items != nil {
			continue
		}
		items, err := e.resolve(ctx, ch, sub)
		if err != nil {
			return err
		}
		e.sort(sub, items)
	}
	e.lost = nil
	return nil
}

// sort puts the items of a living subscription where they stood before: accepted,
// or refused by the server.
func (e *engine) sort(sub *subscription, items []*item) {
	refused := map[uint32]bool{}
	for _, it := range sub.failed {
		refused[it.handle] = true
	}
	for _, handle := range e.lost[sub.group.name].Failed {
		refused[handle] = true
	}
	sub.items, sub.failed = map[uint32]*item{}, nil
	for _, it := range items {
		if refused[it.handle] {
			sub.failed = append(sub.failed, it)
			continue
		}
		sub.items[it.handle] = it
	}
}

// goOn continues one subscription, or makes it anew and declares what is missing.
func (e *engine) goOn(ctx context.Context, ch *channel, sub *subscription) error {
	if sub.id != 0 {
		err := e.republish(ctx, ch, sub)
		if err == nil {
			sub.heard = e.now()
			return nil
		}
		if !subscriptionGone(err) {
			return err
		}
		e.log.Warn("subscription gone, made anew", "group", sub.group.name, "error", err)
		sub.was, sub.id = sub.id, 0
	}
	lived := !sub.last.IsZero() || !sub.seen.IsZero()
	g := gap{cause: "subscription lost", from: sub.knownUntil(), first: sub.next, sub: sub.was}
	if sub.changed {
		g.cause = "configuration changed"
	}
	if err := e.create(ctx, ch, sub); err != nil {
		// Half made: the next attempt begins again, and drop ends this one.
		sub.was, sub.id = g.sub, 0
		return err
	}
	sub.changed = false
	d := delivery{commit: true}
	if lived {
		g.to = e.serverTime(ctx, ch)
		d.readings = append(d.readings, e.gapReading(sub, g, nil))
		sub.seen = g.to
	}
	d.set = sub.position()
	e.send(ctx, d)
	return nil
}

// republish asks for everything sent but not taken, until the server has no more.
func (e *engine) republish(ctx context.Context, ch *channel, sub *subscription) error {
	for {
		msg, err := e.again(ctx, ch, sub, sub.next)
		if status(err) == ua.StatusBadMessageNotAvailable {
			return nil
		}
		if err != nil {
			return err
		}
		if err := e.accept(ctx, ch, sub, msg); err != nil {
			return err
		}
	}
}

// again asks for one notification once more.
func (e *engine) again(ctx context.Context, ch *channel, sub *subscription, sequence uint32) (*ua.NotificationMessage, error) {
	res, err := call[*ua.RepublishResponse](ctx, ch, &ua.RepublishRequest{
		SubscriptionID: sub.id, RetransmitSequenceNumber: sequence,
	}, requestTimeout)
	if err != nil {
		return nil, err
	}
	if res.NotificationMessage == nil || res.NotificationMessage.SequenceNumber != sequence {
		return nil, fmt.Errorf("answer to Republish of %d: another notification came", sequence)
	}
	return res.NotificationMessage, nil
}

// knownUntil is the time up to which nothing is missing: the newest source time
// taken, or, for values that rest, what had surely been sampled and sent.
func (s *subscription) knownUntil() time.Time {
	slack := time.Second + max(s.group.sampling, s.group.publishing)
	if quiet := s.seen.Add(-slack); quiet.After(s.last) && !s.seen.IsZero() {
		return quiet
	}
	return s.last
}

// lostConnection tells trouble of the connection from an answer of the server.
func lostConnection(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status(err) {
	case 0, ua.StatusBadTimeout, ua.StatusBadConnectionClosed, ua.StatusBadServerNotConnected, ua.StatusBadSecureChannelClosed,
		ua.StatusBadTCPInternalError, ua.StatusBadTCPServerTooBusy, ua.StatusBadServerHalted, ua.StatusBadShutdown,
		ua.StatusBadRequestTimeout, ua.StatusBadSecureChannelIDInvalid, ua.StatusBadTCPSecureChannelUnknown:
		return true
	}
	return false
}

func subscriptionGone(err error) bool {
	switch status(err) {
	case ua.StatusBadSubscriptionIDInvalid, ua.StatusBadNoSubscription, ua.StatusBadServiceUnsupported, ua.StatusBadUserAccessDenied, ua.StatusBadNotSupported:
		return true
	}
	return false
}
