// Package forward sends the journal's segments to the aggregator: at once after
// each commit while connected, from the files after an outage, security first.
// It verifies each receipt against the pinned cosigners before the journal may
// delete anything because of it.
package forward

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// Identity is what forwarding needs of the agent's identity, and where the
// answers of the status call go.
type Identity interface {
	// Cosigners are the pinned keys whose receipts count.
	Cosigners() []evidence.CosignerKey
	// TakeStatus consumes an answer: cosigners, pseudonym keys, renewal.
	TakeStatus(ctx context.Context, answer wire.StatusResponse) error
}

// Options configure New.
type Options struct {
	Journal  *journal.Journal
	Client   *http.Client // mTLS; its own time limit is not needed
	URLs     []string     // of aggregators, tried in order
	Identity Identity
	AgentID  string
	Station  string
	Version  string
	// Destroyed names the newest list of destroyed data keys that is held; nil: none.
	Destroyed func() wire.Destroyed
	// Sources is the state of the sources for the status call, JSON; may be nil.
	Sources func() []byte

	Logger *slog.Logger
	Now    func() time.Time

	StatusEvery time.Duration // 0 = 30 s
	// CompareEvery is how often the aggregator's logs are compared with ours while
	// there is nothing to send; it finds one restored from a backup. 0 = 10 minutes.
	CompareEvery time.Duration
	Timeout      time.Duration // of one request; 0 = 30 s
	MaxBackoff   time.Duration // 0 = 30 s
	Segment      int           // bytes of leaves aimed at per segment; 0 = 1 MiB
	Request      int           // bytes of leaves aimed at per request; 0 = 4 MiB
}

// Stat is a snapshot of the forwarder.
type Stat struct {
	Connected   bool          `json:"connected"`
	URL         string        `json:"url"`
	LastContact time.Time     `json:"last_contact,omitzero"`
	Error       string        `json:"error,omitempty"` // why not connected, or what a log waits for
	ClockOffset time.Duration `json:"clock_offset"`    // the aggregator's clock minus ours
	RTT         time.Duration `json:"rtt"`
	Leaves      uint64        `json:"leaves"`   // sent and stored
	Requests    uint64        `json:"requests"` // of segments
	BadReceipts uint64        `json:"bad_receipts"`
}

// Forwarder sends one journal.
type Forwarder struct {
	o       Options
	log     *slog.Logger
	cursors map[string]*cursor // by log; only the send loop
	url     int
	fails   int             // in a row
	size    int             // bytes of leaves aimed at in the next request
	compare chan struct{}   // asks the send loop to compare all logs anew
	known   map[string]bool // data keys that the aggregator has; only the send loop
	lost    map[string]bool // data keys that it wants and the station has no more
	// restored is what the aggregator said of its newest restore; only the status loop.
	restored *string

	mu   sync.Mutex
	stat Stat
}

// cursor is where one log stands.
type cursor struct {
	next    uint64
	synced  bool // next agrees with the aggregator since the last (re)connect
	wait    time.Time
	refused int // in a row
}

// New returns a forwarder; Run makes it work.
func New(o Options) *Forwarder {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	orDefault(&o.StatusEvery, 30*time.Second)
	orDefault(&o.CompareEvery, 10*time.Minute)
	orDefault(&o.Timeout, 30*time.Second)
	orDefault(&o.MaxBackoff, 30*time.Second)
	orDefault(&o.Segment, 1<<20)
	orDefault(&o.Request, 4<<20)
	return &Forwarder{o: o, log: o.Logger, cursors: map[string]*cursor{}, size: o.Request, compare: make(chan struct{}, 1), known: map[string]bool{}, lost: map[string]bool{}}
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// Stat returns a snapshot.
func (f *Forwarder) Stat() Stat {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stat
}

// Run forwards until ctx ends; it returns nil then, and at once an error when
// there is nowhere to send to. No answer of an aggregator makes it return.
func (f *Forwarder) Run(ctx context.Context) error {
	if len(f.o.URLs) == 0 {
		return errors.New("forward: no aggregator url")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.statusLoop(ctx) })
	for ctx.Err() == nil {
		changed := f.o.Journal.Changed()
		sent, err := f.round(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			f.failed(ctx, err)
		case !sent:
			f.idle(ctx, changed)
		}
	}
	return nil
}

// idle waits for a commit, until a log that had to wait is due, or until the
// logs are to be compared again.
func (f *Forwarder) idle(ctx context.Context, changed <-chan struct{}) {
	wait := f.o.CompareEvery
	for _, c := range f.cursors {
		if !c.wait.IsZero() {
			wait = min(wait, max(time.Until(c.wait), time.Millisecond))
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-f.compare:
		for _, c := range f.cursors {
			c.synced = false
		}
	case <-ctx.Done():
	}
}

// compareSoon makes the send loop compare all logs when it is idle.
func (f *Forwarder) compareSoon() {
	select {
	case f.compare <- struct{}{}:
	default:
	}
}

// failed notes a failed request, moves to the next address and waits: at once
// for the first round of addresses, then exponentially with jitter, or as long as
// the aggregator asked for.
func (f *Forwarder) failed(ctx context.Context, err error) {
	for _, c := range f.cursors {
		c.synced = false
	}
	f.fails++
	var wait time.Duration
	if f.fails%len(f.o.URLs) == 0 {
		steps := min(f.fails/len(f.o.URLs)-1, 10)
		wait = min(f.o.MaxBackoff, 250*time.Millisecond<<steps)
		wait = wait/2 + rand.N(wait/2+1)
	}
	if busy, ok := errors.AsType[*statusError](err); ok && busy.retry > 0 {
		wait = busy.retry + rand.N(busy.retry/4+1)
	} else {
		f.url = (f.url + 1) % len(f.o.URLs)
	}
	f.note(err)
	if f.fails == 1 {
		f.log.Warn("aggregator not reached", "error", err)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// note records the outcome of a request.
func (f *Forwarder) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stat.URL = f.o.URLs[f.url]
	if err != nil {
		f.stat.Connected, f.stat.Error = false, err.Error()
		return
	}
	f.stat.Connected, f.stat.Error, f.stat.LastContact = true, "", f.o.Now()
	if f.fails > 0 {
		f.log.Info("aggregator reached", "url", f.stat.URL)
	}
	f.fails = 0
}

// statusLoop makes the status call at once and then every StatusEvery.
func (f *Forwarder) statusLoop(ctx context.Context) {
	tick := time.NewTicker(f.o.StatusEvery)
	defer tick.Stop()
	compared, reached := time.Now(), true
	for {
		err := f.status(ctx)
		if err != nil && ctx.Err() == nil {
			f.log.Debug("status call failed", "error", err)
		}
		if err == nil && (!reached || time.Since(compared) >= f.o.CompareEvery) {
			f.compareSoon()
			compared = time.Now()
		}
		reached = err == nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// status sends the sign of life and measures the clock offset: the middle of the
// call is when the aggregator looked at its clock.
func (f *Forwarder) status(ctx context.Context) error {
	st := f.Stat()
	boot, monotonic := identity.Boot()
	body := wire.Status{
		AgentID: f.o.AgentID, Monotonic: monotonic.Milliseconds(), BootID: boot,
		Version: f.o.Version, Station: f.o.Station, Sizes: map[string]uint64{}, RTT: st.RTT.Milliseconds(),
		Backlog: f.o.Journal.Backlog(), Refused: map[string]uint64{},
	}
	for _, l := range f.o.Journal.Logs() {
		body.Sizes[l.Origin] = l.Size
	}
	for class, n := range f.o.Journal.Refused() {
		body.Refused[string(class)] = n
	}
	if f.o.Destroyed != nil {
		body.Destroyed = f.o.Destroyed()
	}
	if f.o.Sources != nil {
		body.Sources = f.o.Sources()
	}
	f.mu.Lock()
	url := f.o.URLs[max(0, indexOf(f.o.URLs, f.stat.URL))]
	f.mu.Unlock()
	var answer wire.StatusResponse
	sent, clock := time.Now(), f.o.Now()
	body.Time = clock
	if err := f.call(ctx, http.MethodPost, url+wire.PathStatus, body, &answer); err != nil {
		f.mu.Lock()
		f.stat.Connected = false
		f.mu.Unlock()
		return err
	}
	rtt := time.Since(sent)
	f.mu.Lock()
	f.stat.RTT, f.stat.ClockOffset = rtt, answer.Time.Sub(clock.Add(rtt/2))
	f.stat.LastContact, f.stat.Connected = f.o.Now(), true
	f.mu.Unlock()
	if f.restored != nil && *f.restored != answer.Restored {
		f.log.Warn("aggregator was restored from a backup, comparing all logs")
		f.compareSoon()
	}
	f.restored = &answer.Restored
	return f.o.Identity.TakeStatus(ctx, answer)
}

func indexOf(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}
