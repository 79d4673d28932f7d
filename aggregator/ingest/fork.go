package ingest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// chunk is how many leaf hashes are read from the store at once.
const chunk = 1 << 16

// comparison is the outcome of comparing leaves with what is stored.
type comparison struct {
	equal bool
	index uint64 // of the first difference
}

// same compares the first n leaves of a segment with the stored ones. Stored
// holes compare equal: what stood there is known by its range only.
func (b *batch) same(j *job, w *working, n uint64) (comparison, error) {
	from := j.seg.First
	for at := from; at < from+n; {
		to := min(at+chunk, from+n)
		stored, err := b.stored(w, at, to)
		if errors.Is(err, store.ErrNotFound) {
			return comparison{equal: true}, nil
		}
		if err != nil {
			return comparison{}, err
		}
		for i, h := range stored {
			if index := at + uint64(i); h != j.hashes[index-from] && h != (evidence.Hash{}) {
				return comparison{index: index}, nil
			}
		}
		at = to
	}
	return comparison{equal: true}, nil
}

// stored returns leaf hashes of the log as it will be after the transaction.
func (b *batch) stored(w *working, from, to uint64) ([]evidence.Hash, error) {
	var out []evidence.Hash
	if from < w.stored {
		part, err := b.s.opts.Store.LeafHashes(b.ctx, w.ID, from, min(to, w.stored))
		if err != nil {
			return nil, fmt.Errorf("ingest: leaf hashes of log %s: %w", w.ID, err)
		}
		out = part
	}
	if to > w.stored {
		if w.holed {
			return nil, fmt.Errorf("ingest: leaf hashes of log %s: %w", w.ID, store.ErrNotFound)
		}
		out = append(out, w.staged[max(from, w.stored)-w.stored:to-w.stored]...)
	}
	return out, nil
}

// repeated answers a segment that is stored already: with the newest receipt if
// it is the same, and as a fork if the agent signed another tree of that size.
func (b *batch) repeated(j *job, w *working, cp evidence.Checkpoint) error {
	if j.seg.Kind == wire.KindLeaves {
		same, err := b.same(j, w, j.seg.Count)
		if err != nil {
			return err
		}
		if !same.equal {
			return b.differs(j, w, cp, same.index)
		}
	}
	agrees, err := b.agrees(w, cp)
	if err != nil {
		return err
	}
	if !agrees {
		return b.fork(j, w, cp, cp.Size)
	}
	b.s.Metrics.Repeated.Add(1)
	j.result = answer(wire.ResultStored, w)
	return nil
}

// agrees tells whether a signed checkpoint of a size up to ours is one of our
// tree. Sizes that can't be looked up (inside this transaction, or just behind a
// hole) are believed: nothing is stored of them.
func (b *batch) agrees(w *working, cp evidence.Checkpoint) (bool, error) {
	if cp.Size == w.Size {
		return rootOf(&w.Log) == cp.Root.String(), nil
	}
	if cp.Size > w.stored {
		return true, nil
	}
	leaf, err := b.s.opts.Store.LeafHashes(b.ctx, w.ID, cp.Size-1, cp.Size)
	if errors.Is(err, store.ErrNotFound) || (err == nil && (len(leaf) == 0 || leaf[0] == (evidence.Hash{}))) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("ingest: leaf hash of log %s: %w", w.ID, err)
	}
	proof, err := b.s.opts.Store.Proof(b.ctx, w.ID, cp.Size-1, cp.Size)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("ingest: proof in log %s: %w", w.ID, err)
	}
	return evidence.VerifyInclusion(leaf[0], cp.Size-1, cp.Size, proof, cp.Root) == nil, nil
}

// differs decides what leaves other than the stored ones mean: a fork only if
// the agent signed them. Leaves that do not lead to their own checkpoint were
// damaged on the way or on the station's disk, and prove nothing.
func (b *batch) differs(j *job, w *working, cp evidence.Checkpoint, index uint64) error {
	if cp.Size <= w.Size {
		agrees, err := b.agrees(w, cp)
		if err != nil {
			return err
		}
		if agrees {
			b.refuse(j, w, "root", fmt.Errorf("leaf %d is not the one that its own checkpoint covers", index))
			return nil
		}
		return b.fork(j, w, cp, index)
	}
	signed, err := b.leadsTo(j, w, cp)
	if err != nil {
		return err
	}
	if !signed {
		b.refuse(j, w, "root", fmt.Errorf("leaf %d differs, and the leaves do not lead to their own checkpoint", index))
		return nil
	}
	return b.fork(j, w, cp, index)
}

// leadsTo tells whether the stored leaves before the segment and the segment's
// own lead to its checkpoint.
func (b *batch) leadsTo(j *job, w *working, cp evidence.Checkpoint) (bool, error) {
	r, err := b.prefix(w, j.seg.First)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil // behind a hole, or in this very transaction: the signature alone must do
	}
	if err != nil {
		return false, err
	}
	for _, h := range j.hashes {
		if err := r.Append(h); err != nil {
			return false, fmt.Errorf("ingest: log %s: %w", w.ID, err)
		}
	}
	root, err := r.Root()
	return err == nil && root == cp.Root, nil
}

// prefix is the compact range of the first n stored leaves. It is read out of
// one inclusion proof, so that a hostile agent can't make it expensive: the proof
// of the last leaf of n holds its siblings within the last perfect subtree, then
// the roots of the other perfect subtrees from right to left.
func (b *batch) prefix(w *working, n uint64) (evidence.Range, error) {
	if n == 0 {
		return evidence.Range{}, nil
	}
	if n > w.stored {
		return evidence.Range{}, store.ErrNotFound
	}
	leaf, err := b.s.opts.Store.LeafHashes(b.ctx, w.ID, n-1, n)
	if err != nil {
		return evidence.Range{}, fmt.Errorf("ingest: leaf hash of log %s: %w", w.ID, err)
	}
	proof, err := b.s.opts.Store.Proof(b.ctx, w.ID, n-1, n)
	if err != nil {
		return evidence.Range{}, fmt.Errorf("ingest: proof in log %s: %w", w.ID, err)
	}
	inner := bits.TrailingZeros64(n)
	if len(leaf) != 1 || len(proof) != inner+bits.OnesCount64(n)-1 {
		return evidence.Range{}, fmt.Errorf("ingest: proof of leaf %d in log %s has %d hashes", n-1, w.ID, len(proof))
	}
	last := leaf[0]
	for _, sibling := range proof[:inner] {
		last = evidence.NodeHash(sibling, last)
	}
	hashes := slices.Clone(proof[inner:])
	slices.Reverse(hashes)
	return evidence.Range{End: n, Hashes: append(hashes, last)}, nil
}

// fork keeps both signed checkpoints in the ledger, quarantines the log and lets
// its successor in.
func (b *batch) fork(j *job, w *working, cp evidence.Checkpoint, index uint64) error {
	data := map[string]any{
		"log": w.Origin, "agentId": w.AgentID, "index": index, "size": cp.Size, "storedSize": w.Size,
		"first": string(w.Receipt), "second": text(j.seg.Checkpoint, 8<<10),
	}
	if note := b.noteAt(w, cp.Size); note != "" {
		data["firstAtSize"] = note // same size, other root: proof by itself
	}
	if i := index - j.seg.First; index >= j.seg.First && i < uint64(len(j.hashes)) {
		data["leafHash"] = hex.EncodeToString(j.hashes[i][:])
	}
	obj, err := event.Object(data)
	if err != nil {
		return fmt.Errorf("ingest: fork of log %s: %w", w.ID, err)
	}
	if b.change.LogStates == nil {
		b.change.LogStates = map[string]store.LogState{}
	}
	b.change.LogStates[w.ID] = store.LogForked
	b.events = append(b.events, event.Event{Type: event.TypeLogForked, Station: j.station, Data: obj})
	w.State = store.LogForked
	j.result = answer(wire.ResultFork, w)
	j.result.Reason = fmt.Sprintf("leaf %d is stored otherwise; go on under a new log", index)
	return nil
}

// noteAt is the stored checkpoint of exactly this size, "" without one.
func (b *batch) noteAt(w *working, size uint64) string {
	if size == 0 || size > w.stored {
		return ""
	}
	for seg, err := range b.s.opts.Store.Segments(b.ctx, w.ID, size-1) {
		if err == nil && seg.First+seg.Count == size {
			return string(seg.Note)
		}
		break
	}
	return ""
}
