// Package ingest takes the agents' signed segments: it verifies them against
// what is stored, stores many of them in one transaction, and answers each with
// the aggregator's receipt, after the commit and never before.
package ingest

import (
	"context"
	"crypto"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Store is what ingest reads; all writing goes through the Ledger.
type Store interface {
	Log(ctx context.Context, log string) (store.Log, error)
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
	MissingKeys(ctx context.Context, ids []string) ([]string, error)
}

// Ledger commits a change together with the leaves of these events, in one
// transaction; nil means that all of it is durable, an error that nothing is
// (or, when the connection broke at the commit itself, that nobody knows).
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Identity tells whose client certificate stands behind a request. An error
// with a method HTTPStatus() int is answered with that status, others with 503.
type Identity interface {
	Identify(r *http.Request) (store.Agent, error)
}

// Offsets knows the agents' clock offsets: our clock minus theirs.
type Offsets interface {
	Offset(agent string) (offset time.Duration, known bool)
}

// Part adds its paths to the agents' listener.
type Part interface {
	Register(mux *http.ServeMux)
}

// Limits on what agents send. The zero value of a field means its default.
type Limits struct {
	Body         int64         // bytes of one request; default wire.MaxBody
	Memory       int64         // bytes that all requests together may take while they are worked on; default 256 MiB
	PerAgent     int           // requests of one agent at the same time; default 4
	Connections  int           // at the same time; default 8192
	PerAddress   int           // connections from one address (a cell may sit behind one); default 1024
	LeafRate     float64       // leaves per second and agent; default 40,000
	LeafBurst    int           // default 400,000
	Reserve      float64       // part of the burst that only security segments may use; default 0.1
	Stall        time.Duration // longest silence within a body; default 15 s
	BytesPerSec  int64         // slowest acceptable body after a first Stall; default 4 KiB/s
	RetryAfter   time.Duration // told to agents that must wait; default 2 s
	BatchBytes   int64         // most unpacked bytes in one transaction (fewer on a slow database); default 16 MiB
	WindowBytes  int64         // unpacked bytes of one request between two commits; default 8 MiB
	CommitWithin time.Duration // longest transaction; default 2 min
	QueueWindows int           // requests that wait for the writer; default 1024
}

// Options says what ingest works with. Store, Ledger, Identity, CosignerName,
// Cosigner and Project are required.
type Options struct {
	Store        Store
	Ledger       Ledger
	Identity     Identity
	CosignerName string
	Cosigner     crypto.Signer
	Project      store.Projector
	// Learn is shown wrapped data keys before the leaves that name them are
	// projected; nil: nobody looks into sealed fields.
	Learn func(keys map[string][]byte)
	// Late is shown the leaves of a verified segment that name data keys, with those that
	// came along, before they are stored: it destroys keys that must not arrive any more.
	// offset is our clock minus the station's. nil: none is late.
	Late    func(ctx context.Context, leaves [][]byte, offset time.Duration, keys map[string][]byte) error
	Offsets Offsets // nil: the offset stored with the agent
	// Relay tells whether an agent may hand in segments of another one; nil: never.
	Relay func(relay store.Agent, author string) bool
	// Agents reads an agent: the author behind a relay, or the owner of a new key.
	Agents func(ctx context.Context, id string) (store.Agent, error)
	Parts  []Part // further paths of the same listener
	Limits Limits
	Logger *slog.Logger
	Now    func() time.Time
}

// Service is the agents' side of the aggregator. Run must be running for
// segments to be answered.
type Service struct {
	opts    Options
	limits  Limits
	log     *slog.Logger
	now     func() time.Time
	small   *semaphore.Weighted // a quarter of the memory, for requests of the usual size
	large   *semaphore.Weighted // the rest, for those that catch up
	working perKey
	conns   perKey
	queue   chan *window
	stopped chan struct{}
	pace    *pace
	rates   *rates
	reports *reports
	known   *knownKeys
	Metrics Metrics

	mu    sync.Mutex
	heads map[string]*store.Log // newest known heads; checked by every commit
	// forgotten counts calls of Forget: a commit under way then remembers nothing
	// that it did not know before.
	forgotten uint64
}

// New checks the options; it starts nothing.
func New(o Options) (*Service, error) {
	if o.Store == nil || o.Ledger == nil || o.Identity == nil || o.Cosigner == nil || o.CosignerName == "" || o.Project == nil {
		return nil, errors.New("ingest: store, ledger, identity, cosigner and projector are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := o.Limits.withDefaults()
	return &Service{
		opts: o, limits: l, log: o.Logger, now: o.Now,
		small: semaphore.NewWeighted(l.Memory / 4), large: semaphore.NewWeighted(l.Memory - l.Memory/4), queue: make(chan *window, l.QueueWindows),
		stopped: make(chan struct{}), pace: newPace(l.BatchBytes), rates: newRates(l), reports: newReports(),
		known: newKnownKeys(), heads: map[string]*store.Log{},
	}, nil
}

func (l Limits) withDefaults() Limits {
	def(&l.Body, maxBody)
	def(&l.Memory, 256<<20)
	def(&l.PerAgent, 4)
	def(&l.Connections, 8192)
	def(&l.PerAddress, 1024)
	def(&l.LeafRate, 40_000)
	def(&l.LeafBurst, 400_000)
	def(&l.Reserve, 0.1)
	def(&l.Stall, 15*time.Second)
	def(&l.BytesPerSec, 4<<10)
	def(&l.RetryAfter, 2*time.Second)
	def(&l.BatchBytes, 16<<20)
	def(&l.WindowBytes, 8<<20)
	def(&l.CommitWithin, 2*time.Minute)
	def(&l.QueueWindows, 1024)
	return l
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Run writes what the requests bring until ctx is done; requests that are
// waiting then are answered busy.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.report(ctx) })
	s.write(ctx)
	close(s.stopped)
	s.refuseWaiting()
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.flush(last, true)
	return nil
}

// refuseWaiting answers the windows that nobody will write any more.
func (s *Service) refuseWaiting() {
	for {
		select {
		case w := <-s.queue:
			w.busy("the aggregator is stopping", s.limits.RetryAfter)
			close(w.done)
		default:
			return
		}
	}
}

// report writes what was refused or set apart to the ledger, also when no
// segment comes that could carry it.
func (s *Service) report(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.flush(ctx, false)
		}
	}
}

func (s *Service) flush(ctx context.Context, all bool) {
	due := s.reports.due(s.now(), all)
	if len(due) == 0 {
		return
	}
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{}, events(due)...); err != nil {
		s.reports.putBack(due)
		if ctx.Err() == nil {
			s.log.Warn("refusals not yet in the ledger", slog.Any("error", err))
		}
	}
}
