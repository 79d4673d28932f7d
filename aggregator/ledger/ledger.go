// Package ledger keeps the aggregator's own signed logs: what it refused, whom
// it admitted, what people did, and once a minute the root over the checkpoints
// of all logs that changed. A ledger leaf is appended in the same transaction as
// the change that it tells of, signed and cosigned by the rules of every log.
package ledger

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// AgentPrefix stands before the instance in the agent part of a ledger origin.
const AgentPrefix = "_aggregator/"

// tries bounds how often a commit is staged anew because another process (the
// command line beside the service) appended to the same ledger meanwhile.
const tries = 50

// Store is what the ledger needs of the database.
type Store interface {
	Commit(ctx context.Context, c store.Change) (store.Committed, error)
	Logs(ctx context.Context) ([]store.Log, error)
	Log(ctx context.Context, log string) (store.Log, error)
}

// Options says whose ledger it is. Store, Key, CosignerName, Cosigner, Instance
// and Project are required.
type Options struct {
	Store        Store
	Key          ed25519.PrivateKey // signs the ledger's checkpoints
	CosignerName string
	Cosigner     crypto.Signer // adds the receipt's line
	Instance     string        // one segment of an origin
	Station      string        // station path of the ledger's events; default "aggregator"
	Version      string        // of the program
	Project      store.Projector
	Logger       *slog.Logger
	Now          func() time.Time
	// Memory is a file outside of the database with the sizes of the ledger's
	// logs, at most a second old. When the store is found to be older
	// than it (a backup was put back), the ledger goes on in new logs: sizes that
	// somebody outside may have seen are never signed twice. "" does without.
	Memory string
	// Restored names the newest restore of the store, "" for none. When it is not the
	// one that the memory knows, the ledger goes on in new logs too.
	Restored string
	// Rekey returns the keys that are there now, newest first: asked when a log turns
	// out to be signed by another key, because another process rotated it. May be nil.
	Rekey func() []ed25519.PrivateKey
	// Private takes names of people out of an event before it becomes a leaf, and
	// returns the wrapped data keys that it names then. nil: nobody does.
	Private func(e *event.Event) map[string][]byte
	// Every is the time between two log.roots leaves; default one minute.
	Every time.Duration
}

// Ledger appends leaves to the aggregator's logs, one log per class.
type Ledger struct {
	opts Options
	pub  ed25519.PublicKey

	mu     sync.Mutex
	heads  map[event.Class]*head
	stale  bool
	rooted map[string]uint64 // sizes in the newest log.roots, by log id
	kept   time.Time         // when the memory was last written
	old    map[string]uint64 // logs of which the store may have lost a part: sizes signed
}

// head is where one of the ledger's logs stands.
type head struct {
	origin   evidence.Origin
	id       string
	size     uint64
	frontier evidence.Range
	signer   *evidence.Signer
	prior    string // origin of a log that this one follows
	follows  string // id of that log
	why      string // it follows
	fresh    bool   // not registered yet
}

// Open finds the ledger's logs in the store; missing ones are begun with their
// first leaf.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if o.Station == "" {
		o.Station = "aggregator"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every == 0 {
		o.Every = time.Minute
	}
	pub, ok := o.Key.Public().(ed25519.PublicKey)
	if !ok || len(o.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("ledger: the key is not Ed25519")
	}
	l := &Ledger{opts: o, pub: pub, rooted: map[string]uint64{}, old: map[string]uint64{}}
	if err := l.reload(ctx); err != nil {
		return nil, err
	}
	return l, l.compareMemory(ctx)
}

// Agent is the agent part of the ledger's origins.
func (l *Ledger) Agent() string { return AgentPrefix + l.opts.Instance }

// Public is the key that signs the ledger; verifiers pin it in their trust file.
func (l *Ledger) Public() ed25519.PublicKey { return l.pub }

// Record appends one event of this type. Each extra may change the event before
// what it left empty is filled in.
func (l *Ledger) Record(ctx context.Context, typ string, data map[string]any, extra ...func(*event.Event)) error {
	e, err := New(typ, data)
	if err != nil {
		return err
	}
	for _, f := range extra {
		f(&e)
	}
	_, err = l.Commit(ctx, store.Change{}, e)
	return err
}

// New makes an event of these fields; the rest is filled in when it is appended.
func New(typ string, data map[string]any) (event.Event, error) {
	obj, err := event.Object(data)
	if err != nil {
		return event.Event{}, fmt.Errorf("ledger: event data of %s: %w", typ, err)
	}
	return event.Event{Type: typ, Data: obj}, nil
}

// Commit stores the change and the leaves of these events in one transaction.
// Empty fields of the events (id, times, station, class, severity, salt) are
// filled in. [store.ErrConflict] means that the change itself did not fit; the
// ledger's own position is found again without the caller's help.
func (l *Ledger) Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error) {
	if len(events) == 0 {
		return l.opts.Store.Commit(ctx, c)
	}
	if l.opts.Private != nil {
		events, c.Keys = slices.Clone(events), maps.Clone(c.Keys)
		for i := range events {
			l.fill(&events[i], l.opts.Now().UTC())
			for id, blob := range l.opts.Private(&events[i]) {
				if c.Keys == nil {
					c.Keys = map[string][]byte{}
				}
				c.Keys[id] = blob
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.commit(ctx, c, events, nil)
}

func (l *Ledger) commit(ctx context.Context, c store.Change, events []event.Event, roots []byte) (store.Committed, error) {
	for try := range tries {
		if err := pause(ctx, try); err != nil {
			return store.Committed{}, err
		}
		if l.stale || l.begins(events) {
			if err := l.reload(ctx); err != nil {
				return store.Committed{}, err
			}
		}
		full, next, err := l.stage(c, events, roots)
		if err != nil {
			return store.Committed{}, err
		}
		done, err := l.opts.Store.Commit(ctx, full)
		if err == nil {
			maps.Copy(l.heads, next)
			l.rememberSoon()
			return done, nil
		}
		l.stale = true
		if !errors.Is(err, store.ErrConflict) {
			return store.Committed{}, err
		}
		before := l.heads
		if err := l.reload(ctx); err != nil {
			return store.Committed{}, err
		}
		if !l.moved(before, next) {
			return store.Committed{}, err
		}
	}
	return store.Committed{}, fmt.Errorf("ledger: no commit in %d tries: %w", tries, store.ErrConflict)
}

// pause waits longer and longer, by chance, so that two processes don't run into
// each other again and again.
func pause(ctx context.Context, try int) error {
	if try == 0 {
		return nil
	}
	wait := time.NewTimer(time.Duration(mrand.Int64N(int64(min(try, 10)) * int64(2*time.Millisecond))))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wait.C:
		return nil
	}
}

// begins tells whether one of the events would begin a log; another process may
// have begun it meanwhile.
func (l *Ledger) begins(events []event.Event) bool {
	for _, e := range events {
		if e.Class == "" {
			e.Class, _ = event.Defaults(e.Type)
		}
		if l.heads[e.Class] == nil {
			return true
		}
	}
	return false
}

// moved tells whether a head that the refused commit wanted to extend is another now.
func (l *Ledger) moved(before, touched map[event.Class]*head) bool {
	for class := range touched {
		was, is := before[class], l.heads[class]
		if (was == nil) != (is == nil) || (was != nil && (was.id != is.id || was.size != is.size)) {
			return true
		}
	}
	return false
}

// reload reads the heads of the ledger's logs from the store.
func (l *Ledger) reload(ctx context.Context) error {
	logs, err := l.opts.Store.Logs(ctx)
	if err != nil {
		return fmt.Errorf("ledger: reading the logs: %w", err)
	}
	slices.SortFunc(logs, func(a, b store.Log) int { return a.Registered.Compare(b.Registered) })
	heads := map[event.Class]*head{}
	for _, lg := range logs {
		if lg.AgentID != l.Agent() || lg.State != store.LogActive {
			continue
		}
		h, err := l.headOf(lg)
		if err != nil {
			return err
		}
		heads[lg.Class] = h
	}
	l.heads, l.stale = heads, false
	return nil
}

// headOf continues a log of the store, or follows it with a new one when it was
// signed by another key.
func (l *Ledger) headOf(lg store.Log) (*head, error) {
	if len(lg.Keys) == 0 || !l.pub.Equal(lg.Keys[len(lg.Keys)-1].Key) && !l.rekey(lg.Keys[len(lg.Keys)-1].Key) {
		return l.follow(lg, "the ledger's key changed")
	}
	if why := l.reasonOld(lg); why != "" {
		return l.follow(lg, why)
	}
	o, err := evidence.ParseOrigin(lg.Origin)
	if err != nil {
		return nil, fmt.Errorf("ledger: log %s: %w", lg.ID, err)
	}
	s, err := evidence.NewSigner(lg.Origin, l.opts.Key)
	if err != nil {
		return nil, fmt.Errorf("ledger: signer of log %s: %w", lg.ID, err)
	}
	return &head{origin: o, id: lg.ID, size: lg.Size, frontier: lg.Frontier.Clone(), signer: s}, nil
}

// begin makes the head of a log that is registered with its first leaf.
func (l *Ledger) begin(class event.Class, prior string) (*head, error) {
	random := make([]byte, 16)
	rand.Read(random)
	o := evidence.Origin{Agent: l.Agent(), Class: string(class), Log: evidence.NewLogID(l.pub, random)}
	s, err := evidence.NewSigner(o.String(), l.opts.Key)
	if err != nil {
		return nil, fmt.Errorf("ledger: signer of a new log: %w", err)
	}
	return &head{origin: o, id: o.Log, signer: s, prior: prior, fresh: true}, nil
}

func (l *Ledger) follow(lg store.Log, why string) (*head, error) {
	h, err := l.begin(lg.Class, lg.Origin)
	if err == nil {
		h.why, h.follows = why, lg.ID
	}
	return h, err
}

// openedData is the event_data of a ledger log's first leaf.
func (l *Ledger) openedData(h *head) map[string]any {
	d := map[string]any{
		"origin": h.origin.String(), "publicKey": base64.StdEncoding.EncodeToString(l.pub),
		"copies": 0, "reason": "first ledger of this instance and class",
	}
	if h.prior != "" {
		d["predecessor"], d["reason"] = h.prior, h.why
	}
	return d
}
