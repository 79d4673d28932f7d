// Package pipeline makes events of readings: it is the sink of every source and
// the writer of the journal. A reading whose point names an event type makes an
// event of each message or change; any other is watched against its limits and
// summarised every ten seconds. What the pipeline must remember over a restart
// (the previous value of event points, fault words) is a position of its own,
// written in the transaction of the events that it belongs to.
package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// Journal is where events become durable; agent/journal implements it.
type Journal interface {
	// Append writes leaves and positions and returns when they are durable.
	Append(ctx context.Context, leaves []journal.Leaf, at []source.Position) (journal.Outcome, error)
	// Positions returns what was written under a source's name; the caller owns the map.
	Positions(source string) map[string][]byte
}

// Pseudonyms gives the key that turns user names of a plant into pseudonyms.
type Pseudonyms interface {
	Key(plant string, year int) (key []byte, ok bool)
}

// Options are what a pipeline needs.
type Options struct {
	Journal    Journal
	Station    string // default of occurrences without a station, and of Emit
	Version    string // of the program, for metadata.agent
	Pseudonyms Pseudonyms
	// Policy says which fields are sealed; nil: none. DataKeys seals them; without
	// a key a field of the policy is left out.
	Policy   *seal.Policy
	DataKeys seal.DataKeys
	Signals  map[string]config.Signal
	// Watch holds the detectors; nil watches the limits of Signals alone.
	Watch   *watch.Watcher
	Logger  *slog.Logger
	Now     func() time.Time
	Summary time.Duration // interval of signal.summary, default 10 s
}

// Pipeline makes the sinks of all sources.
type Pipeline struct {
	o Options

	mask  []byte     // key of masked; new with each start
	mu    sync.Mutex // guards sinks
	sinks map[string]*sink
}

const (
	defaultSummary = 10 * time.Second
	tickEvery      = time.Second
	flushLimit     = 5 * time.Second // for the last summaries at the end
	retryMin       = 100 * time.Millisecond
	retryMax       = 5 * time.Second
	// A wall clock that moves this much against the monotonic one was set.
	clockStep = 2 * time.Second
)

// New makes a pipeline.
func New(o Options) *Pipeline {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Summary <= 0 {
		o.Summary = defaultSummary
	}
	if o.Watch == nil {
		o.Watch = limitsAlone(o)
	}
	mask := make([]byte, 32)
	rand.Read(mask)
	return &Pipeline{o: o, mask: mask, sinks: map[string]*sink{}}
}

// Sink returns the sink of one source; the same for the same name.
func (p *Pipeline) Sink(name string) source.Sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.sinks[name]
	if k == nil {
		k = newSink(p, name)
		p.sinks[name] = k
	}
	return k
}

func (p *Pipeline) all() []*sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*sink, 0, len(p.sinks))
	for _, k := range p.sinks {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b *sink) int { return strings.Compare(a.name, b.name) })
	return out
}

// Run makes the summaries, ends delays of limits and watches the clock, until
// ctx ends; then it writes the last summaries. Stop the sources first.
func (p *Pipeline) Run(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	last := p.o.Now()
	due := last.Add(p.o.Summary)
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
			defer cancel()
			p.flush(end)
			p.summarise(end)
			return nil
		case <-ticker.C:
		}
		now := p.o.Now()
		p.clock(ctx, now.Round(0).Sub(last.Round(0)), now.Sub(last), now)
		last = now
		p.tick(ctx, now)
		if !now.Before(due) {
			p.summarise(ctx)
			due = now.Add(p.o.Summary)
		}
	}
}

// clock notices that the wall clock was set: wall and elapsed are the time since
// the last look by the wall and by the monotonic clock.
func (p *Pipeline) clock(ctx context.Context, wall, elapsed time.Duration, now time.Time) {
	step := wall - elapsed
	if step.Abs() < clockStep {
		return
	}
	p.o.Logger.Warn("the clock was set", "step", step)
	err := p.Emit(ctx, event.TypeTimeDrift, nil, map[string]any{
		"host": p.o.Station, "offsetMs": step.Milliseconds(), "source": "clock set",
		"limitMs": clockStep.Milliseconds(), "from": now.Round(0).Add(-step).UTC(), "to": now.Round(0).UTC(),
	})
	if err != nil && ctx.Err() == nil {
		p.o.Logger.Error("the step of the clock could not be recorded", "error", err)
	}
}

func (p *Pipeline) tick(ctx context.Context, now time.Time) {
	for _, k := range p.all() {
		if err := k.tick(ctx, now); err != nil && ctx.Err() == nil {
			p.o.Logger.Error("events of limits could not be recorded", "source", k.name, "error", err)
		}
	}
}

func (p *Pipeline) summarise(ctx context.Context) {
	for _, k := range p.all() {
		if err := k.summarise(ctx); err != nil && ctx.Err() == nil {
			p.o.Logger.Error("a summary could not be recorded", "source", k.name, "error", err)
		}
	}
}

// Emit records an event of the agent itself (start, stop, configuration) and
// returns when it is durable. Data is event_data; severity nil is the catalogue's.
func (p *Pipeline) Emit(ctx context.Context, typ string, severity *event.Severity, data map[string]any) error {
	return p.EmitBy(ctx, "", "", typ, severity, data)
}

// EmitBy is Emit for what a person did at a station: user is a clear name, of which the
// event has the pseudonym. Station "" is the agent's.
func (p *Pipeline) EmitBy(ctx context.Context, station, user, typ string, severity *event.Severity, data map[string]any) error {
	b := builder{o: &p.o, now: p.o.Now()}
	r := &source.Reading{
		ReceivedAt: b.now, User: user, Occurrence: &source.Occurrence{Type: typ, Severity: severity, Data: data},
	}
	if station != "" {
		r.Point = &source.Point{Kind: "agent", Station: station}
	}
	b.occurrence(r)
	if len(b.leaves) == 0 {
		return fmt.Errorf("emit %s: %w", typ, errors.Join(b.failed...))
	}
	if _, err := p.o.Journal.Append(ctx, b.leaves, nil); err != nil {
		return fmt.Errorf("emit %s: %w", typ, err)
	}
	return nil
}
