package opcua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// Pace of reconnecting.
const (
	firstWait = 250 * time.Millisecond
	longWait  = 30 * time.Second
	// refusedWait is the pace where only a person can help: passwords must not be
	// tried so often that the server locks the account.
	refusedWait = time.Minute
	// startJitter spreads the first connections of many sources and stations.
	startJitter = 500 * time.Millisecond
)

// leaveTimeout is how long closing a session may take.
const leaveTimeout = 2 * time.Second

// publishRequests are outstanding at a time: the server always has one to answer
// while the others travel.
const publishRequests = 3

// engine holds what outlives a connection. All fields belong to the goroutine of run.
type engine struct {
	src   *Source
	plan  *plan
	store *pki.Store
	own   pki.Own
	who   login
	log   *slog.Logger
	now   func() time.Time
	out   *deliverer

	pinned  []byte // server certificate of the last good channel
	session *session
	leaving *session // an earlier one whose subscriptions are still to be transferred
	subs    map[string]*subscription
	lost    map[string]storedSub // of an earlier process, until their group is up
	granted ServerLimits
	stale   []string // positions that nothing belongs to any more

	flights    int // publish requests that the server takes
	lastServer string
	lostSince  time.Time
	told       string            // the refusal last told as an event
	insecure   bool              // the open channel was told as an event
	expiry     map[string]int    // days of the certificates told last
	items      map[string]string // reasons told of lines that can't be read
	worked     bool              // the attempt got as far as publishing
}

// refusal is trouble that needs a person; the reason says what to do.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string {
	if r.err == nil {
		return r.reason
	}
	return r.reason + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// run connects and reconnects until ctx ends.
func (e *engine) run(ctx context.Context) {
	if !sleep(ctx, rand.N(startJitter)) {
		return
	}
	e.src.state(source.StateConnecting, "")
	wait := firstWait
	for {
		e.worked = false
		err := e.guarded(ctx)
		if ctx.Err() != nil {
			return
		}
		e.failed(ctx, err)
		if e.worked {
			wait = firstWait
		}
		pause := e.pause(err, wait)
		e.log.Info("connecting again", "wait", pause)
		if !e.rest(ctx, err, pause) {
			return
		}
		wait = min(2*wait, longWait)
	}
}

// rest waits before the next attempt. After a refused certificate it ends as soon
// as somebody changes what is trusted.
func (e *engine) rest(ctx context.Context, err error, pause time.Duration) bool {
	if _, refused := errors.AsType[*pki.Refusal](err); !refused {
		return sleep(ctx, pause)
	}
	const look = time.Second
	before := e.store.Stamp()
	for ; pause > 0; pause -= look {
		if !sleep(ctx, min(look, pause)) {
			return false
		}
		if e.store.Stamp() != before {
			return true
		}
	}
	return true
}

// guarded makes an error of a panic: a server may send what gopcua or we did not
// expect, and that must end the connection and not the agent.
func (e *engine) guarded(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.log.Error("unexpected data from the server", "panic", r)
			err = fmt.Errorf("unexpected data from the server: %v", r)
		}
	}()
	return e.attempt(ctx)
}

// pause is how long to wait after an error: short after a lost connection, beyond
// the session timeout when the server is full, long when a person is needed.
func (e *engine) pause(err error, wait time.Duration) time.Duration {
	if _, ok := errors.AsType[*refusal](err); ok {
		wait = refusedWait
	}
	switch status(err) {
	case ua.StatusBadTooManySessions:
		// Sessions of dead clients end with their timeout; ours may be one of them.
		return e.plan.sessionTimeout() + firstWait + rand.N(longWait)
	case ua.StatusBadTooManySubscriptions, ua.StatusBadTCPServerTooBusy:
		wait = max(wait, longWait)
	}
	return wait/2 + rand.N(wait/2+1) + min(wait/2, firstWait/2)
}

// attempt is one connection from dialling to its end; the error says why it ended.
func (e *engine) attempt(ctx context.Context) error {
	fresh := e.pinned == nil && e.plan.sec.secure()
	if fresh || !e.plan.sec.secure() {
		if err := e.discover(ctx); err != nil {
			return e.explain(err)
		}
	} else if err := e.recheck(); err != nil {
		return err
	}
	ch, err := dial(ctx, dialConfig{
		endpoint: e.plan.cfg.Endpoint, sec: e.plan.sec, own: e.own, pinned: e.pinned, sent: e.src.opts.Sent,
	})
	if err != nil {
		return e.explain(err)
	}
	defer ch.close()
	if e.src.brief {
		defer e.leave(ctx, ch)
	}
	if err := e.restore(ctx, ch); err != nil {
		return e.explain(err)
	}
	e.up(ctx)
	return e.explain(e.publish(ctx, ch))
}

// leave gives the session back: equipment often has no more than five.
func (e *engine) leave(ctx context.Context, ch *channel) {
	if ch.token == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := ch.closeSession(ctx, true); err != nil {
		e.log.Debug("session not closed, it ends with its timeout", "error", err)
	}
	e.session = nil
}

// failed tells once that the connection is lost, however many attempts follow.
func (e *engine) failed(ctx context.Context, err error) {
	to, reason := source.StateConnecting, err.Error()
	if _, ok := errors.AsType[*refusal](err); ok {
		to = source.StateRefused
	}
	if !e.worked {
		// The server may have another certificate or policy now.
		e.pinned = nil
	}
	if errors.Is(err, errSubscriptionLost) {
		// The connection is well; what was lost is told as a gap.
		e.log.Warn("subscription lost", "error", err)
		return
	}
	e.src.state(to, reason)
	e.certificateEvent(ctx, err)
	if !e.lostSince.IsZero() {
		e.log.Debug("still not connected", "error", err)
		return
	}
	e.lostSince = e.now()
	e.log.Warn("connection lost", "error", err)
	e.occur(ctx, "comm.lost", map[string]any{
		"peer": e.plan.cfg.Endpoint, "protocol": "opcua", "since": e.lostSince, "reason": reason,
	})
}

// up tells that the connection is back.
func (e *engine) up(ctx context.Context) {
	e.worked = true
	e.told = ""
	e.expiring(ctx)
	e.src.state(source.StateConnected, "")
	e.log.Info("connected", "security", e.plan.sec.String(), "subscriptions", len(e.subs))
	if !e.insecure && !e.plan.sec.secure() {
		e.insecure = true
		e.occur(ctx, "channel.insecure", map[string]any{
			"peer": e.plan.cfg.Endpoint, "protocol": "opcua", "mode": "None", "policy": "None",
		})
	}
	if e.lostSince.IsZero() {
		return
	}
	down := e.now().Sub(e.lostSince)
	e.lostSince = time.Time{}
	e.occur(ctx, "comm.restored", map[string]any{
		"peer": e.plan.cfg.Endpoint, "protocol": "opcua", "downMs": down.Milliseconds(),
	})
}

// occur hands over an event of the source's own.
func (e *engine) occur(ctx context.Context, name string, data map[string]any) {
	e.send(ctx, delivery{readings: []source.Reading{e.occurrence(name, data)}, commit: true})
}

func (e *engine) occurrence(name string, data map[string]any) source.Reading {
	p := point(e.plan.cfg, e.src.opts)
	now := e.now()
	return source.Reading{
		Point: &p, SourceTime: now, ReceivedAt: now,
		Occurrence: &source.Occurrence{Type: name, Data: data},
	}
}

// send queues a delivery; it fails only when the agent stops, and then what was
// not taken is still in the server.
func (e *engine) send(ctx context.Context, d delivery) {
	if err := e.out.put(ctx, d); err != nil {
		e.log.Debug("stopped before the sink took everything", "error", err)
	}
}
