package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// batch is one transaction in the making.
type batch struct {
	s       *Service
	ctx     context.Context
	change  store.Change
	events  []event.Event
	reports []report
	heads   map[string]*working // nil: no such log
	keys    map[string]bool     // data keys that the transaction stores
	// forgotten is Service.forgotten at the begin.
	forgotten uint64
}

// working is a log's head as it will be after the transaction.
type working struct {
	store.Log
	stored uint64          // size in the store
	staged []evidence.Hash // leaves [stored, Size); nil from the first hole on
	holed  bool
	// altered: keys or copies are others than in the store.
	altered bool
	// fresh: read from the store for this transaction, not remembered.
	fresh bool
}

// changes tells whether there is anything to store, and completes it with the
// logs whose keys or copies changed.
func (b *batch) changes() bool {
	for _, w := range b.heads {
		if w != nil && w.altered {
			b.change.Logs = append(b.change.Logs, w.Log)
		}
	}
	return len(b.change.Segments) > 0 || len(b.change.LogStates) > 0 || len(b.change.Agents) > 0 || len(b.events) > 0
}

// working returns the head of a job's log; nil for a log that is not registered.
func (b *batch) working(log string) (*working, error) {
	if w, ok := b.heads[log]; ok {
		return w, nil
	}
	h, fresh, err := b.s.head(b.ctx, log)
	if errors.Is(err, store.ErrNotFound) {
		b.heads[log] = nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ingest: head of log %s: %w", log, err)
	}
	h.Frontier = h.Frontier.Clone()
	b.heads[log] = &working{Log: h, stored: h.Size, fresh: fresh}
	return b.heads[log], nil
}

// touched tells whether the transaction changes the log.
func (w *working) touched() bool {
	return w.Size != w.stored || w.altered || w.State == store.LogForked
}

// current is working for a job that does not simply go on where the remembered
// head ends: another aggregator on the same database may know better, and an
// answer made of an old head would look like a loss to the agent.
func (b *batch) current(j *job) (*working, error) {
	w, err := b.working(j.log)
	if err != nil || w == nil || w.fresh || w.touched() || j.seg.First == w.Size && w.State == store.LogActive {
		return w, err
	}
	b.s.mu.Lock()
	delete(b.s.heads, j.log)
	b.s.mu.Unlock()
	delete(b.heads, j.log)
	return b.working(j.log)
}

// refuse answers a job, and reports it under a reason of which there are few.
func (b *batch) refuse(j *job, w *working, reason string, err error) {
	detail := ""
	if err != nil {
		detail = text(err.Error(), 400)
	}
	j.result = answer(wire.ResultRefused, w)
	j.result.Reason = reason
	if detail != "" {
		j.result.Reason += ": " + detail
	}
	b.reports = append(b.reports, report{
		key: reportKey{event.TypeIngestRejected, originOf(j), reason}, detail: detail,
		agent: j.from, sample: sampleOf([]byte(j.seg.Checkpoint)),
	})
}

// originOf names the log in a report; for a log that is not the sender's own,
// the sender, so that invented names can't multiply.
func originOf(j *job) string {
	if j.author != j.from {
		return j.from
	}
	return j.seg.Origin
}

// answer is a result with what is stored of the log.
func answer(kind string, w *working) wire.Result {
	if w == nil {
		return wire.Result{Result: kind}
	}
	return wire.Result{Result: kind, Size: w.Size, Root: rootOf(&w.Log), Receipt: string(w.Receipt)}
}

func rootOf(l *store.Log) string {
	root, err := l.Frontier.Root()
	if err != nil {
		return ""
	}
	return root.String()
}

// apply is steps 2 to 6 of the verification for one segment. An error means that
// the store did not answer; everything else is the job's result.
func (b *batch) apply(j *job) error {
	w, err := b.current(j)
	if err != nil {
		return err
	}
	if w == nil || w.Origin != j.seg.Origin || w.AgentID != j.author {
		b.refuse(j, nil, "log is not registered", nil)
		return nil
	}
	if w.State == store.LogForked {
		j.result = answer(wire.ResultFork, w)
		j.result.Reason = "the log is quarantined after a fork"
		return nil
	}
	note, err := evidence.Canonical([]byte(j.seg.Checkpoint), w.Origin, w.Keys)
	if err != nil {
		b.refuse(j, w, "checkpoint", err)
		return nil
	}
	cp, err := evidence.PeekCheckpoint(note)
	if err != nil || cp.Size != j.seg.End() {
		b.refuse(j, w, "checkpoint size", fmt.Errorf("checkpoint of %d, segment ends at %d", cp.Size, j.seg.End()))
		return nil
	}
	if j.seg.First > w.Size {
		j.result = answer(wire.ResultGap, w)
		return nil
	}
	if cp.Size <= w.Size {
		return b.repeated(j, w, cp)
	}
	if w.State == store.LogClosed {
		b.refuse(j, w, "closed log", errors.New("a successor goes on"))
		return nil
	}
	if j.seg.Kind == wire.KindHole {
		return b.hole(j, w, cp, note)
	}
	return b.grow(j, w, cp, note)
}

// grow compares what overlaps and appends the remainder.
func (b *batch) grow(j *job, w *working, cp evidence.Checkpoint, note []byte) error {
	overlap := w.Size - j.seg.First
	same, err := b.same(j, w, overlap)
	if err != nil {
		return err
	}
	if !same.equal {
		return b.differs(j, w, cp, same.index)
	}
	next := w.Frontier.Clone()
	for _, h := range j.hashes[overlap:] {
		if err := next.Append(h); err != nil {
			b.refuse(j, w, "size", err)
			return nil
		}
	}
	if root, err := next.Root(); err != nil || root != cp.Root {
		b.refuse(j, w, "root", errors.New("the leaves do not lead from the stored tree to the signed root"))
		return nil
	}
	if b.s.opts.Late != nil && len(j.ids) > 0 {
		if err := b.s.opts.Late(b.ctx, j.seg.Leaves, j.offset, j.keys); err != nil {
			return fmt.Errorf("ingest: data keys of log %s: %w", j.log, err)
		}
	}
	wanted, err := b.keysWanted(j)
	if err != nil {
		return err
	}
	if len(wanted) > 0 {
		j.result = answer(wire.ResultKeysWanted, w)
		j.result.Keys, j.result.Receipt = wanted, ""
		return nil
	}
	b.takeKeys(j)
	frame := j.seg.Frame
	if overlap > 0 {
		if frame, err = wire.PackLeaves(j.seg.Leaves[overlap:]); err != nil {
			b.refuse(j, w, "malformed segment", err)
			return nil
		}
	}
	a := store.Append{Kind: wire.KindLeaves, Frame: frame, Hashes: j.hashes[overlap:], Keys: j.keys}
	if j.opened != nil && *j.opened != w.Copies {
		w.Copies, w.altered = *j.opened, true
	}
	b.rows(&a, j, w, overlap)
	if !w.holed {
		w.staged = append(w.staged, a.Hashes...)
	}
	if err := b.append(a, j, w, next, note); err != nil {
		return err
	}
	if err := b.lostKeys(j); err != nil {
		return err
	}
	return b.keyChange(j, w)
}

// rows adds the leaves' rows; those that log.opened announced as copies are
// joined by their hash instead.
func (b *batch) rows(a *store.Append, j *job, w *working, from uint64) {
	if j.foreign != "" {
		b.reports = append(b.reports, report{
			key:    reportKey{event.TypeIngestQuarantined, j.seg.Origin, "station outside of the agent's scope"},
			detail: text(j.foreign, 300), agent: j.author, sample: sampleOf([]byte(j.seg.Checkpoint)),
		})
	}
	for i := from; i < uint64(len(j.rows)); i++ {
		r, index := j.rows[i], j.seg.First+i
		if !r.ok {
			continue
		}
		if r.Quarantined {
			b.quarantined(j, reasonOf(r.Row), j.hashes[i])
		}
		if index >= 1 && index <= w.Copies {
			a.Copies = append(a.Copies, store.Copy{Hash: j.hashes[i], Index: index, Row: r.Row})
			continue
		}
		a.Rows = append(a.Rows, r.Row)
	}
}

func reasonOf(r store.Row) string {
	if len(r.Problems) == 0 {
		return "not in the profile"
	}
	return text(r.Problems[0].Reason, 120)
}

func (b *batch) quarantined(j *job, reason string, hash evidence.Hash) {
	b.s.Metrics.Quarantined.Add(1)
	b.reports = append(b.reports, report{
		key: reportKey{event.TypeIngestQuarantined, j.seg.Origin, "leaf outside the profile"}, detail: reason,
		agent: j.author, sample: fmt.Sprintf("%x", hash[:]),
	})
}

// refusedRows reports rows that the database would not take.
func (b *batch) refusedRows(rows []store.RefusedRow) {
	for _, r := range rows {
		origin, agent := r.Log, ""
		if w := b.heads[r.Log]; w != nil {
			origin, agent = w.Origin, w.AgentID
		}
		b.s.Metrics.Quarantined.Add(1)
		b.reports = append(b.reports, report{
			key:    reportKey{event.TypeIngestQuarantined, origin, "row refused by the database"},
			detail: fmt.Sprintf("index %d: %s", r.Index, text(r.Reason, 300)), agent: agent,
		})
	}
}

// hole bridges lost leaves: their range stands for them and must lead to the
// signed root. It begins at the stored size, which is a commit boundary.
func (b *batch) hole(j *job, w *working, cp evidence.Checkpoint, note []byte) error {
	if j.seg.First != w.Size {
		j.result = answer(wire.ResultGap, w)
		return nil
	}
	next := w.Frontier.Clone()
	if err := next.Join(j.hole); err != nil {
		b.refuse(j, w, "hole", err)
		return nil
	}
	if root, err := next.Root(); err != nil || root != cp.Root {
		b.refuse(j, w, "root", errors.New("the hole does not lead from the stored tree to the signed root"))
		return nil
	}
	packed, err := j.hole.MarshalBinary()
	if err != nil {
		b.refuse(j, w, "hole", err)
		return nil
	}
	w.holed = true
	return b.append(store.Append{Kind: wire.KindHole, Frame: packed}, j, w, next, note)
}

// append stages one segment with its receipt and moves the head.
func (b *batch) append(a store.Append, j *job, w *working, next evidence.Range, note []byte) error {
	// The cosignature states the time of arrival that is stored beside the
	// segment: whoever changes that one is found.
	receipt, err := evidence.Cosign(note, b.s.opts.CosignerName, b.s.opts.Cosigner, j.received)
	if err != nil {
		return fmt.Errorf("ingest: receipt for log %s: %w", w.ID, err)
	}
	a.Log, a.OldSize, a.First, a.Count = w.ID, w.Size, w.Size, next.End-w.Size
	a.Note, a.Receipt, a.Frontier = note, receipt, next
	a.Received, a.Offset = j.received, j.offset
	w.Size, w.Frontier, w.Note, w.Receipt = next.End, next.Clone(), note, receipt
	if j.newKey != nil {
		keys := slices.Clone(w.Keys)
		keys[len(keys)-1].Last = w.Size
		w.Keys, w.altered = append(keys, evidence.KeyRange{Key: j.newKey, After: w.Size}), true
	}
	b.change.Segments = append(b.change.Segments, a)
	j.result = answer(wire.ResultStored, w)
	return nil
}

// keyChange makes the new key one of the agent's.
func (b *batch) keyChange(j *job, w *working) error {
	if j.newKey == nil || b.s.opts.Agents == nil {
		return nil
	}
	agent, err := b.s.opts.Agents(b.ctx, w.AgentID)
	if err != nil {
		return fmt.Errorf("ingest: agent %s of a new key: %w", w.AgentID, err)
	}
	for _, a := range b.change.Agents {
		if a.ID == agent.ID {
			return nil
		}
	}
	for _, k := range agent.Keys {
		if bytes.Equal(j.newKey, k.Public) {
			return nil
		}
	}
	agent.Keys = append(slices.Clone(agent.Keys), store.AgentKey{Public: j.newKey, Since: j.received})
	b.change.Agents = append(b.change.Agents, agent)
	return nil
}
