package ledger

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// stage extends the change by the leaves of the events and returns it with the
// heads as they will be. Neither c nor the ledger is changed.
func (l *Ledger) stage(c store.Change, events []event.Event, roots []byte) (store.Change, map[event.Class]*head, error) {
	now := l.opts.Now().UTC()
	byClass := map[event.Class][]event.Event{}
	for _, e := range events {
		l.fill(&e, now)
		byClass[e.Class] = append(byClass[e.Class], e)
	}
	c.Segments, c.Logs, c.Roots = slices.Clone(c.Segments), slices.Clone(c.Logs), slices.Clone(c.Roots)
	c.LogStates = maps.Clone(c.LogStates)
	next := map[event.Class]*head{}
	for _, class := range event.Classes() {
		list := byClass[class]
		if len(list) == 0 {
			continue
		}
		delete(byClass, class)
		h, err := l.next(class)
		if err != nil {
			return c, nil, err
		}
		if err := l.extend(&c, h, list, roots, now); err != nil {
			return c, nil, err
		}
		next[class] = h
	}
	for class := range byClass {
		return c, nil, fmt.Errorf("ledger: no such class %q", class)
	}
	return c, next, nil
}

// next is a copy of the class's head, or that of a new log.
func (l *Ledger) next(class event.Class) (*head, error) {
	h := l.heads[class]
	if h == nil {
		return l.begin(class, "")
	}
	c := *h
	c.frontier = h.frontier.Clone()
	return &c, nil
}

// extend appends one segment with the events' leaves to the change.
func (l *Ledger) extend(c *store.Change, h *head, events []event.Event, roots []byte, now time.Time) error {
	if h.fresh {
		c.Logs = append(c.Logs, l.registration(h, event.Class(h.origin.Class), now))
		if h.prior != "" {
			o, err := evidence.ParseOrigin(h.prior)
			if err != nil {
				return fmt.Errorf("ledger: predecessor: %w", err)
			}
			if c.LogStates == nil {
				c.LogStates = map[string]store.LogState{}
			}
			c.LogStates[o.Log] = store.LogClosed
		}
		first, err := New(event.TypeLogOpened, l.openedData(h))
		if err != nil {
			return err
		}
		first.Class = event.Class(h.origin.Class)
		l.fill(&first, now)
		events = slices.Concat([]event.Event{first}, events)
		h.fresh = false
	}
	a := store.Append{
		Log: h.id, OldSize: h.size, First: h.size, Count: uint64(len(events)),
		Kind: wire.KindLeaves, Received: now,
	}
	leaves := make([][]byte, 0, len(events))
	for i := range events {
		leaf, err := events[i].Leaf()
		if err != nil {
			return fmt.Errorf("ledger: leaf of %s: %w", events[i].Type, err)
		}
		index := h.size + uint64(i)
		hash := evidence.LeafHash(leaf)
		if err := h.frontier.Append(hash); err != nil {
			return fmt.Errorf("ledger: log %s: %w", h.id, err)
		}
		a.Hashes, leaves = append(a.Hashes, hash), append(leaves, leaf)
		for _, id := range seal.KeyIDs(leaf) {
			if blob, ok := c.Keys[id]; ok {
				if a.Keys == nil {
					a.Keys = map[string][]byte{}
				}
				a.Keys[id] = blob
			}
		}
		at := store.LeafAt{Log: h.id, Index: index, AgentID: l.Agent(), Class: events[i].Class, Received: now}
		if row, ok := l.opts.Project(leaf, at); ok {
			a.Rows = append(a.Rows, row)
		}
		if events[i].Type == event.TypeLogRoots && roots != nil {
			c.Roots = append(c.Roots, store.RootList{Log: h.id, Index: index, Lines: roots})
		}
	}
	h.size += uint64(len(events))
	if err := l.sign(&a, h, leaves, now); err != nil {
		return err
	}
	c.Segments = append(c.Segments, a)
	return nil
}

// sign packs the leaves, signs the new size and cosigns it.
func (l *Ledger) sign(a *store.Append, h *head, leaves [][]byte, now time.Time) error {
	root, err := h.frontier.Root()
	if err != nil {
		return fmt.Errorf("ledger: root of log %s: %w", h.id, err)
	}
	if a.Frame, err = wire.PackLeaves(leaves); err != nil {
		return fmt.Errorf("ledger: packing leaves of log %s: %w", h.id, err)
	}
	cp := evidence.Checkpoint{Origin: h.origin.String(), Size: h.size, Root: root}
	if a.Note, err = h.signer.SignCheckpoint(cp); err != nil {
		return fmt.Errorf("ledger: signing log %s: %w", h.id, err)
	}
	if a.Receipt, err = evidence.Cosign(a.Note, l.opts.CosignerName, l.opts.Cosigner, now); err != nil {
		return fmt.Errorf("ledger: cosigning log %s: %w", h.id, err)
	}
	a.Frontier = h.frontier.Clone()
	return nil
}

func (l *Ledger) registration(h *head, class event.Class, now time.Time) store.Log {
	reason := "ledger of the aggregator"
	if h.why != "" {
		reason = h.why
	}
	return store.Log{
		ID: h.id, Origin: h.origin.String(), AgentID: l.Agent(), Class: class,
		Keys: []evidence.KeyRange{{Key: l.pub}}, State: store.LogActive,
		Predecessor: h.prior, Registered: now, Reason: reason,
	}
}

// fill completes what the caller left empty. An event whose Metadata.Catalogue is
// set was checked by the caller: its severity is final, also debug, and what it
// says of its parser and problems stays.
func (l *Ledger) fill(e *event.Event, now time.Time) {
	if e.ID == "" {
		e.ID = event.NewID(now)
	}
	class, severity := event.Defaults(e.Type)
	if e.Class == "" {
		e.Class = class
	}
	if e.Severity == event.SeverityDebug && e.Metadata.Catalogue == "" {
		e.Severity = severity
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	e.CollectedAt = now
	if e.Station == "" {
		e.Station = l.opts.Station
	}
	if e.Source == nil {
		e.Source = &event.Source{Kind: "aggregator", Endpoint: l.opts.Instance}
	}
	e.Metadata.Catalogue, e.Metadata.Agent = event.CatalogueVersion, l.opts.Version
	rand.Read(e.Salt[:])
}
