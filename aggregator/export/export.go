// Package export writes evidence out of the store, for auditors who check it
// offline with linewatch-verify, or by hand, and trust nobody here.
package export

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// Store is what export reads.
type Store interface {
	Log(ctx context.Context, log string) (store.Log, error)
	Logs(ctx context.Context) ([]store.Log, error)
	Segments(ctx context.Context, log string, from uint64) iter.Seq2[store.StoredSegment, error]
	Leaf(ctx context.Context, log string, index uint64) ([]byte, error)
	LeafHashes(ctx context.Context, log string, from, to uint64) ([]evidence.Hash, error)
	Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error)
	Events(ctx context.Context, q store.EventQuery) (store.Page, error)
	Agent(ctx context.Context, id string) (store.Agent, error)
}

// Exporter writes bundles. Everything in them is older than the newest change of
// what they show: the same events give the same bytes however much the log grew,
// but for whole logs, which end at their newest receipt.
type Exporter struct {
	Store Store
	// Cosigners are the keys of this aggregator and of its witnesses; lines of
	// others are left out of the notes.
	Cosigners []evidence.CosignerKey
	// Witnessed returns the first note of a ledger log that witnesses cosigned and
	// whose size is at least the one given, the newest of all for size 0; nil without
	// one. May be nil.
	Witnessed func(ctx context.Context, log string, size uint64) ([]byte, error)
	// Enrolment adds the ledger's agent.enrolled leaf of each station, which names
	// its station and who admitted it.
	Enrolment bool
}

// Exported counts what a bundle holds.
type Exported struct {
	Logs     int    `json:"logs"`
	Segments int    `json:"segments"`
	Leaves   uint64 `json:"leaves"`
	Events   uint64 `json:"events"` // leaves that are shown
}

// session is the writing of one bundle.
type session struct {
	*Exporter
	w     *bundle.Writer
	named map[string]bool // logs and cosigners whose keys are written
	all   []store.Log
	done  Exported
}

func (e *Exporter) begin(ctx context.Context, w *bundle.Writer) (*session, error) {
	logs, err := e.Store.Logs(ctx)
	if err != nil {
		return nil, err
	}
	logs = slices.DeleteFunc(logs, func(l store.Log) bool { return l.Size == 0 })
	slices.SortFunc(logs, func(a, b store.Log) int { return strings.Compare(a.Origin, b.Origin) })
	return &session{Exporter: e, w: w, named: map[string]bool{}, all: logs}, nil
}

// Events writes the proofs of single events, each under the receipt that was the
// first to cover it, with the keys of their logs and what the ledger says of them.
func (e *Exporter) Events(ctx context.Context, w *bundle.Writer, rows ...store.Row) (Exported, error) {
	s, err := e.begin(ctx, w)
	if err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	for i := range rows {
		if err := s.event(ctx, rows[i].Log, rows[i].Index); err != nil {
			return s.done, fmt.Errorf("export event %s: %w", rows[i].ID, err)
		}
	}
	return s.done, nil
}

// event writes the proof of one leaf after everything that it needs.
func (s *session) event(ctx context.Context, id string, index uint64) error {
	l, err := s.Store.Log(ctx, id)
	if err != nil {
		return err
	}
	if err := s.keys(ctx, l); err != nil {
		return err
	}
	p, err := s.proof(ctx, l, index)
	if err != nil {
		return err
	}
	s.done.Leaves, s.done.Events = s.done.Leaves+1, s.done.Events+1
	return s.w.Proof(p)
}

// proof makes the proof of a leaf under the receipt of its segment or, in a ledger
// log that witnesses follow, under the first checkpoint that they cosigned.
func (s *session) proof(ctx context.Context, l store.Log, index uint64) (evidence.Proof, error) {
	p := evidence.Proof{Index: index}
	size := uint64(0)
	for seg, err := range s.segments(ctx, l.ID, index) {
		if err != nil {
			return p, err
		}
		p.Checkpoint, size = seg.Receipt, seg.First+seg.Count
		break
	}
	if size == 0 {
		return p, fmt.Errorf("leaf %d of %s: %w", index, l.Origin, store.ErrNotFound)
	}
	if note, at, err := s.witnessed(ctx, l, index+1); err != nil {
		return p, err
	} else if note != nil {
		p.Checkpoint, size = note, at
	}
	var err error
	if p.Leaf, err = s.Store.Leaf(ctx, l.ID, index); err != nil {
		return p, err
	}
	if p.Hashes, err = s.Store.Proof(ctx, l.ID, index, size); err != nil {
		return p, err
	}
	p.Checkpoint, err = s.note(l, p.Checkpoint)
	return p, err
}

func (s *session) witnessed(ctx context.Context, l store.Log, size uint64) (note []byte, at uint64, err error) {
	if s.Witnessed == nil || !ownLog(l) {
		return nil, 0, nil
	}
	if note, err = s.Witnessed(ctx, l.ID, size); err != nil || note == nil {
		return nil, 0, err
	}
	c, err := evidence.PeekCheckpoint(note)
	if err != nil || c.Origin != l.Origin || c.Size < size || c.Size > l.Size {
		return nil, 0, nil // of a store that was put back: not this log's any more
	}
	return note, c.Size, nil
}

// note brings a note into its canonical form and names the cosigners of its lines.
// One that does not verify is written as it is: what is wrong shall be seen.
func (s *session) note(l store.Log, note []byte) ([]byte, error) {
	if n, err := evidence.Canonical(note, l.Origin, chained(l.Keys), s.Cosigners...); err == nil {
		note = n
	}
	_, lines, err := evidence.Lines(note, nil, s.Cosigners)
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		id := "cosigner " + line.By.Name + " " + string(line.By.Key)
		if line.State != evidence.LineGood || s.named[id] {
			continue
		}
		s.named[id] = true
		if err := s.w.Cosigner(line.By); err != nil {
			return nil, err
		}
	}
	return note, nil
}

// chained are the ranges of a log's keys as its leaves give them: each begins
// where the one before ends, the last is open.
func chained(keys []evidence.KeyRange) []evidence.KeyRange {
	out := slices.Clone(keys)
	slices.SortFunc(out, func(a, b evidence.KeyRange) int {
		switch {
		case a.After < b.After:
			return -1
		case a.After > b.After:
			return 1
		}
		return 0
	})
	for i := range out {
		if out[i].Last = 0; i < len(out)-1 {
			out[i].Last = out[i+1].After
		}
	}
	return out
}

func ownLog(l store.Log) bool { return strings.HasPrefix(l.AgentID, evidence.AggregatorAgent+"/") }

// keys writes, once for each log, its keys and what bears them out: the ledger's
// registration of the log, and the leaves log.key with which it changed its key.
func (s *session) keys(ctx context.Context, l store.Log) error {
	if s.named["log "+l.Origin] {
		return nil
	}
	s.named["log "+l.Origin] = true
	keys := chained(l.Keys)
	for _, k := range keys {
		if err := s.w.Key(l.Origin, k); err != nil {
			return err
		}
	}
	s.done.Logs++
	if !ownLog(l) {
		if err := s.registration(ctx, l); err != nil {
			return err
		}
	}
	for _, k := range keys {
		if k.Last == 0 || k.Last > l.Size {
			continue
		}
		p, err := s.proof(ctx, l, k.Last-1)
		if errors.Is(err, store.ErrNotFound) {
			continue // lost in a hole: the bundle then does not bear the key out
		}
		if err != nil {
			return err
		}
		if err := s.w.Basis(p); err != nil {
			return err
		}
	}
	return nil
}

// registration writes the ledger's proofs of the station's enrolment and of the
// log's registration, as far as they are found.
func (s *session) registration(ctx context.Context, l store.Log) error {
	var wanted []sought
	if a, err := s.Store.Agent(ctx, l.AgentID); err == nil && s.Enrolment {
		wanted = append(wanted, enrolled(a))
	}
	for _, want := range append(wanted, registered(l)) {
		ledger, index, found, err := s.find(ctx, want)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if err := s.keys(ctx, ledger); err != nil {
			return err
		}
		p, err := s.proof(ctx, ledger, index)
		if err != nil {
			return err
		}
		if err := s.w.Basis(p); err != nil {
			return err
		}
	}
	return nil
}

// Selection says which whole logs a bundle holds.
type Selection struct {
	Match func(store.Log) bool // nil: all
	// Packed writes segments as they came, a third of the size; without it there is
	// one line of text for each leaf, which common tools can read.
	Packed bool
}

// Logs writes a bundle of the whole logs that match, each up to its newest
// receipt, sorted by origin.
func (e *Exporter) Logs(ctx context.Context, w *bundle.Writer, sel Selection) (Exported, error) {
	s, err := e.begin(ctx, w)
	if err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	// The aggregator's own logs go first: they anchor the others.
	for _, own := range []bool{true, false} {
		for _, l := range s.all {
			if ownLog(l) != own || sel.Match != nil && !sel.Match(l) {
				continue
			}
			if err := s.keys(ctx, l); err != nil {
				return s.done, fmt.Errorf("export %s: %w", l.Origin, err)
			}
			if err := s.whole(ctx, l, sel.Packed); err != nil {
				return s.done, fmt.Errorf("export %s: %w", l.Origin, err)
			}
		}
	}
	return s.done, nil
}

// whole stops at the size that the log had when it was listed, a ledger log at the
// newest size that witnesses confirmed: nobody outside has seen what follows.
func (s *session) whole(ctx context.Context, l store.Log, packed bool) error {
	end := l.Size
	newest, at, err := s.witnessed(ctx, l, 0)
	if err != nil {
		return err
	}
	if newest != nil {
		end = at
	}
	note, next, err := s.witnessed(ctx, l, 1)
	for seg, segErr := range s.segments(ctx, l.ID, 0) {
		if err = errors.Join(err, segErr); err != nil {
			return err
		}
		size := seg.First + seg.Count
		if size > end {
			break
		}
		if err = s.wholeSegment(l, seg, packed, size == end && newest == nil); err != nil {
			return err
		}
		if note != nil && size == next {
			if err = s.checkpoint(l, note); err == nil {
				note, next, err = s.witnessed(ctx, l, size+1)
			}
		}
	}
	return err
}

func (s *session) wholeSegment(l store.Log, seg store.StoredSegment, packed, last bool) error {
	s.done.Segments++
	s.done.Leaves += seg.Count
	if seg.Kind != wire.KindHole {
		s.done.Events += seg.Count
	}
	if !packed || seg.Kind != wire.KindHole && !bundle.Packable(seg.Count, seg.Frame) {
		return s.segment(l, seg, nil)
	}
	if err := s.packed(l, seg); err != nil || !last {
		return err
	}
	return s.checkpoint(l, l.Receipt)
}

func (s *session) checkpoint(l store.Log, note []byte) error {
	note, err := s.note(l, note)
	if err != nil {
		return err
	}
	return s.w.Checkpoint(note)
}

// packed writes a segment as it came.
func (s *session) packed(l store.Log, seg store.StoredSegment) error {
	h := wire.Header{Origin: l.Origin, First: seg.First, Count: seg.Count, Kind: seg.Kind, Checkpoint: string(seg.Note)}
	if seg.Kind != wire.KindHole {
		return s.w.Segment(h, seg.Frame)
	}
	var r evidence.Range
	if err := r.UnmarshalBinary(seg.Frame); err != nil {
		return err
	}
	return s.w.Segment(wire.HoleHeader(l.Origin, r, seg.Note), nil)
}

// segment writes the leaves of one segment as lines, and its receipt; show says
// which leaves are shown, nil means all.
func (s *session) segment(l store.Log, seg store.StoredSegment, show func(index uint64, leaf []byte) bool) error {
	if seg.Kind == wire.KindHole {
		var r evidence.Range
		if err := r.UnmarshalBinary(seg.Frame); err != nil {
			return err
		}
		if err := s.w.Hole(l.Origin, r); err != nil {
			return err
		}
	} else {
		leaves, err := wire.UnpackLeaves(seg.Frame, seg.Count)
		if err != nil {
			return fmt.Errorf("segment at %d: %w", seg.First, err)
		}
		items := make([]bundle.Item, len(leaves))
		for i, leaf := range leaves {
			if show == nil || show(seg.First+uint64(i), leaf) {
				items[i].Leaf = leaf
			} else {
				items[i].Hash = evidence.LeafHash(leaf)
			}
		}
		if err := s.w.Run(l.Origin, seg.First, items); err != nil {
			return err
		}
	}
	return s.checkpoint(l, seg.Receipt)
}
