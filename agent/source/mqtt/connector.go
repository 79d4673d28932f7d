package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	backoffMin   = 250 * time.Millisecond
	backoffMax   = 30 * time.Second
	refusedRetry = 60 * time.Second
	// Two clients with one id throw each other out: so many connections that the
	// broker closed within the time count as that.
	flapLosses = 4
	flapWindow = 2 * time.Minute
	flapPause  = 10 * time.Second
	// manyLosses within the time: a network, or a broker, that breaks what it has
	// just accepted must not be asked several times a second, nor fill the record.
	manyLosses = 30

	// askEvery is how often refused filters are asked for again: somebody may have
	// put the broker's access rules right.
	askEvery = time.Minute

	droppedTopic = "$SYS/broker/publish/messages/dropped"
)

// connector keeps the connection up. All of it belongs to the goroutine of run.
type connector struct {
	s          *Source
	number     uint32    // of the last connection
	known      bool      // the broker should have our session
	lastUp     time.Time // when we last heard of the broker, zero for never
	subscribed bool      // in this process and session
	oldFilters []string  // subscribed by an earlier process

	down       time.Time // since when there is no connection, zero while there is one
	everUp     bool
	reported   string      // the last refusal that made an event
	losses     []time.Time // closed by the broker itself
	broken     []time.Time // all
	flapping   bool
	lastFailed map[string]bool // filters that the broker refuses
	askEvery   time.Duration
}

func newConnector(s *Source, number uint32, aliveAt time.Time, oldFilters []string) *connector {
	return &connector{
		s: s, number: number, known: number > 0, lastUp: aliveAt, oldFilters: oldFilters,
		lastFailed: map[string]bool{}, askEvery: askEvery,
	}
}

// run connects again and again until ctx ends.
func (k *connector) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		l, client, err := k.open(ctx)
		if err != nil {
			failures++
			if ctx.Err() == nil {
				pause(ctx, k.failed(err, failures))
			}
			continue
		}
		failures = 0
		k.up()
		k.watch(ctx, l, client)
		client.Disconnect(250)
		l.end(ctx.Err())
		if ctx.Err() == nil {
			pause(ctx, k.lost(l.err))
		}
	}
}

// watch waits for the end of a connection. One that lasts ends the suspicion that
// somebody else uses our client id. Filters that the broker refuses are asked for
// again meanwhile.
func (k *connector) watch(ctx context.Context, l *link, client paho.Client) {
	var calm <-chan time.Time
	again := time.NewTicker(k.askEvery)
	defer again.Stop()
	if k.flapping {
		timer := time.NewTimer(flapWindow)
		defer timer.Stop()
		calm = timer.C
	}
	for {
		select {
		case <-calm:
			calm, k.flapping, k.losses = nil, false, nil
			k.up()
		case <-again.C:
			if err := k.askAgain(ctx, client); err != nil && ctx.Err() == nil {
				l.end(err)
			}
		case <-l.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// open connects and subscribes.
func (k *connector) open(ctx context.Context) (*link, paho.Client, error) {
	k.s.setState(source.StateConnecting, k.s.Health().Reason)
	l, client, present, err := k.s.connect(ctx, dialling{
		clientID: k.s.clientID(), number: k.number + 1,
		handle: func(l *link, m paho.Message) { k.s.handle(l, m) },
	})
	if err != nil {
		return nil, nil, err
	}
	k.number++
	if !present {
		k.freshSession()
	}
	if !k.subscribed || !present {
		if err := k.subscribe(ctx, client); err != nil {
			client.Disconnect(250)
			l.end(err)
			return nil, nil, err
		}
	}
	return l, client, nil
}

// freshSession: the broker knows nothing of us. If it should, what was published
// while we were away is lost, and the record says so.
func (k *connector) freshSession() {
	k.subscribed = false
	k.s.q.force(item{fresh: true})
	if k.known {
		data := map[string]any{
			"source": k.s.cfg.Name, "cause": "the broker lost the persistent session: what was published meanwhile was not kept",
			"from": nil, "to": k.s.o.Now(),
		}
		if !k.lastUp.IsZero() {
			data["from"] = k.lastUp
		}
		k.s.gaps.Add(1)
		k.s.occurrence(event.TypeAuditGap, data)
	}
	k.known = true
}

// subscribe asks for all filters once per process and session. A session keeps
// its subscriptions; to ask again would make the broker send what it retains.
func (k *connector) subscribe(ctx context.Context, client paho.Client) error {
	want := map[string]byte{droppedTopic: 0}
	for _, f := range k.s.filters {
		want[f] = k.qos()
	}
	var gone []string
	for _, f := range k.oldFilters {
		if _, ok := want[f]; !ok && f != "" {
			gone = append(gone, f)
		}
	}
	if len(gone) > 0 {
		if err := wait(ctx, client.Unsubscribe(gone...)); err != nil {
			return err
		}
	}
	if err := k.ask(ctx, client, want); err != nil {
		return err
	}
	k.subscribed, k.oldFilters = true, k.s.filters
	k.s.q.force(item{filters: strings.Join(k.s.filters, "\n")})
	return nil
}

func (k *connector) qos() byte {
	if k.s.cfg.QoS == 2 {
		return 2
	}
	return 1
}

// askAgain asks once more for the filters that the broker refused, if any.
func (k *connector) askAgain(ctx context.Context, client paho.Client) error {
	if len(k.lastFailed) == 0 {
		return nil
	}
	want := map[string]byte{}
	for f := range k.lastFailed {
		want[f] = k.qos()
	}
	return k.ask(ctx, client, want)
}

// ask subscribes, and tells what the broker does not grant, once until it does.
func (k *connector) ask(ctx context.Context, client paho.Client, want map[string]byte) error {
	got, err := subscribe(ctx, client, want)
	if err != nil {
		return err
	}
	failed := map[string]bool{}
	for f, asked := range want {
		reason := ""
		switch {
		case f == droppedTopic: // many brokers keep $SYS to themselves; check says so
		case got[f] >= refusedQoS:
			failed[f] = true
			reason = "the broker refuses the subscription: check its access rules"
		case got[f] < asked:
			reason = fmt.Sprintf("the broker grants only QoS %d: what it sends while the agent is away is lost", got[f])
		}
		if reason != "" && !k.lastFailed[f] {
			k.s.log.Warn("the broker does not grant a subscription as asked", "filter", f, "reason", reason)
			k.s.occurrence(event.TypeSourceItemFailed, map[string]any{"source": k.s.cfg.Name, "item": f, "reason": reason})
		}
	}
	k.lastFailed = failed
	k.s.notGranted(failed)
	return nil
}

// up notes a working connection.
func (k *connector) up() {
	now := k.s.o.Now()
	k.s.setState(source.StateConnected, "")
	k.s.log.Info("connected to the broker", "broker", k.s.broker.Host, "connection", k.number)
	switch {
	case !k.everUp && k.down.IsZero():
		k.s.occurrence(event.TypeSourceConnected, map[string]any{
			"source": k.s.cfg.Name, "endpoint": endpoint(k.s.cfg.Broker),
		})
	case !k.down.IsZero() && !k.flapping:
		k.s.occurrence(event.TypeCommRestored, map[string]any{
			"peer": endpoint(k.s.cfg.Broker), "protocol": "mqtt", "downMs": now.Sub(k.down).Milliseconds(),
		})
	}
	if !k.flapping {
		k.down = time.Time{}
	}
	k.everUp, k.reported, k.lastUp = true, "", now
}

// lost notes the end of a connection and returns how long to wait.
func (k *connector) lost(err error) time.Duration {
	now := k.s.o.Now()
	k.lastUp = now
	k.s.setState(source.StateConnecting, "connection lost: "+text(err))
	k.s.log.Warn("connection to the broker lost", "error", err)
	if k.flap(err, now) {
		return flapPause + rand.N(flapPause)
	}
	k.notice(now, err)
	if k.broken = recent(k.broken, now); len(k.broken) > manyLosses {
		return flapPause + rand.N(flapPause)
	}
	return rand.N(backoffMin)
}

// recent appends now and drops what is older than flapWindow.
func recent(times []time.Time, now time.Time) []time.Time {
	times = append(times, now)
	for now.Sub(times[0]) > flapWindow {
		times = times[1:]
	}
	return times
}

// flap recognises that another client uses our id: the broker itself closes the
// connection, again and again, while each new one is accepted.
func (k *connector) flap(err error, now time.Time) bool {
	if !errors.Is(err, io.EOF) {
		return k.flapping
	}
	if k.losses = recent(k.losses, now); len(k.losses) >= flapLosses && !k.flapping {
		k.flapping = true
		if k.down.IsZero() {
			k.down = now
		}
		k.s.log.Error("another client uses our client id", "client_id", k.s.clientID())
		k.s.occurrence(event.TypeSourceDuplicateClient, map[string]any{
			"source": k.s.cfg.Name, "clientId": k.s.clientID(), "losses": len(k.losses),
			"from": k.losses[0], "to": now,
			"remedy": "the broker ended our connections again and again: give each agent a client_id of its own",
		})
	}
	return k.flapping
}

// failed notes an attempt that did not succeed and returns how long to wait.
func (k *connector) failed(err error, failures int) time.Duration {
	now := k.s.o.Now()
	if r, ok := refused(err); ok {
		k.s.setState(source.StateRefused, r.reason+": "+r.remedy)
		if k.reported != r.reason {
			k.reported = r.reason
			k.s.log.Error("the broker is refused or refuses us", "reason", r.reason, "remedy", r.remedy)
			data := map[string]any{
				"source": k.s.cfg.Name, "endpoint": endpoint(k.s.cfg.Broker),
				"reason": event.Shorten(event.Clean(r.reason), maxReason), "remedy": r.remedy,
			}
			for name, v := range r.extra {
				data[name] = v
			}
			k.s.occurrence(r.typ, data)
		}
		return refusedRetry/2 + rand.N(refusedRetry/2)
	}
	k.s.setState(source.StateConnecting, text(err))
	k.s.log.Warn("no connection to the broker", "error", err, "attempt", strconv.Itoa(failures))
	k.notice(now, err)
	limit := min(backoffMin<<min(failures, 10), backoffMax)
	return limit/2 + rand.N(limit/2)
}

// notice makes one comm.lost per outage.
func (k *connector) notice(now time.Time, err error) {
	if !k.down.IsZero() {
		return
	}
	k.down = now
	k.s.occurrence(event.TypeCommLost, map[string]any{
		"peer": endpoint(k.s.cfg.Broker), "protocol": "mqtt", "since": now, "reason": text(err),
	})
}

// text is an error as it may stand in an event: short, clean, without secrets
// (the library's errors name addresses only).
func text(err error) string {
	switch {
	case err == nil:
		return "unknown"
	case errors.Is(err, io.EOF):
		return "the broker closed the connection"
	}
	return event.Shorten(event.Clean(err.Error()), maxReason)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
