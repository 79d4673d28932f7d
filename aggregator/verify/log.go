package verify

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// reading is one log on its walk.
type reading struct {
	store.Log
	ledger bool
	tree   evidence.Range
	keys   []evidence.KeyRange // derived from the registration and the log.key leaves, not read from the store
	last   store.StoredSegment
	broken bool                 // nothing after this can be placed
	rows   map[uint64]store.Row // of the segment, by index
}

// log walks one log from its first to its last segment.
func (w *walk) log(lg store.Log) error {
	w.rep.Logs++
	if lg.State == store.LogForked {
		w.rep.Forked = append(w.rep.Forked, lg.Origin)
	}
	r := &reading{Log: lg, ledger: rank(lg) == 0}
	first, ok := w.firstKey(r)
	if !ok {
		return nil
	}
	r.keys = []evidence.KeyRange{{Key: first}}
	w.resume(r)
	for seg, err := range w.o.Store.Segments(w.ctx, lg.ID, r.tree.End) {
		if err != nil {
			return fmt.Errorf("verify: segments of log %s: %w", lg.ID, err)
		}
		if seg.First >= lg.Size {
			if err := w.beyond(r, seg); err != nil {
				return err
			}
			break
		}
		if err := w.segment(r, seg); err != nil {
			return err
		}
		if r.broken {
			return nil
		}
		if err := w.passed(r, false); err != nil {
			return err
		}
	}
	w.end(r)
	return w.passed(r, true)
}

// beyond meets a segment behind the size that the log had when the walk began. A
// store in use grows; then the log has grown too.
func (w *walk) beyond(r *reading, seg store.StoredSegment) error {
	logs, err := w.o.Store.Logs(w.ctx)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	grown := slices.ContainsFunc(logs, func(lg store.Log) bool { return lg.ID == r.ID && lg.Size >= seg.First+seg.Count })
	if !grown {
		w.find(r.Origin, seg.First, "there are segments behind the log's size of %d", r.Size)
	}
	return nil
}

// firstKey is the key that a log must begin with: of the ledger the pinned one,
// of an agent's log the one in the ledger's log.registered, which must be one of
// the agent's.
func (w *walk) firstKey(r *reading) (ed25519.PublicKey, bool) {
	if len(r.Keys) == 0 {
		w.find(r.Origin, 0, "the log has no key")
		return nil, false
	}
	stored := r.Keys[0].Key
	if r.ledger {
		if len(w.o.Ledger) > 0 && !slices.ContainsFunc(w.o.Ledger, func(k ed25519.PublicKey) bool { return k.Equal(stored) }) {
			w.find(r.Origin, 0, "the ledger's log is not signed by a key that is trusted")
			return nil, false
		}
		return stored, true
	}
	key, ok := w.registered[r.Origin]
	if !ok {
		w.find(r.Origin, 0, "the ledger knows no registration of this log")
		return stored, true
	}
	w.begun = append(w.begun, begun{r.Origin, r.AgentID, key})
	if !key.Equal(stored) {
		w.find(r.Origin, 0, "the stored key is not the registered one")
	}
	return key, true
}

// segment checks one segment and extends the tree by it.
func (w *walk) segment(r *reading, seg store.StoredSegment) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	w.rep.Segments++
	if seg.First != r.tree.End || seg.Count == 0 {
		w.find(r.Origin, r.tree.End, "the next segment begins at %d: segments are missing or repeated", seg.First)
		r.broken = true
		return nil
	}
	var err error
	switch seg.Kind {
	case wire.KindLeaves:
		err = w.leaves(r, seg)
	case wire.KindHole:
		w.hole(r, seg)
	case store.KindDropped:
		err = w.dropped(r, seg)
	default:
		w.find(r.Origin, seg.First, "unknown kind of segment %q", seg.Kind)
		r.broken = true
	}
	if err != nil || r.broken {
		return err
	}
	w.checkpoint(r, seg)
	r.last = seg
	if w.o.Progress != nil {
		w.o.Progress(w.rep.Leaves+w.rep.Lost+w.rep.DroppedLeaves, w.total)
	}
	return nil
}

// leaves hashes the leaves of a segment and compares with the stored hashes.
func (w *walk) leaves(r *reading, seg store.StoredSegment) error {
	leaves, err := wire.UnpackLeaves(seg.Frame, seg.Count)
	if err != nil {
		w.find(r.Origin, seg.First, "the segment's leaves can't be read: %v", err)
		r.broken = true
		return nil
	}
	stored, err := w.o.Store.LeafHashes(w.ctx, r.ID, seg.First, seg.First+seg.Count)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("verify: leaf hashes of log %s: %w", r.ID, err)
	}
	if err != nil {
		w.find(r.Origin, seg.First, "the leaf hashes are missing")
	}
	if err := w.readRows(r, seg); err != nil {
		return err
	}
	var named []naming
	for i, leaf := range leaves {
		index, hash := seg.First+uint64(i), evidence.LeafHash(leaf)
		if i < len(stored) && stored[i] != hash {
			w.find(r.Origin, index, "the stored leaf hash is not that of the leaf")
		}
		if err := r.tree.Append(hash); err != nil {
			return fmt.Errorf("verify: log %s: %w", r.ID, err)
		}
		w.rep.Leaves++
		if err := w.leaf(r, seg, index, leaf); err != nil {
			return err
		}
		if ids := seal.KeyIDs(leaf); len(ids) > 0 {
			slices.Sort(ids)
			named = append(named, naming{index, ids})
		}
	}
	return w.dataKeys(r, named)
}

// leaf reads the few leaves that say something of keys and roots, and compares
// the row of the read model when asked to.
func (w *walk) leaf(r *reading, seg store.StoredSegment, index uint64, leaf []byte) error {
	if r.ledger || bytes.Contains(leaf, []byte(`"`+event.TypeLogKey+`"`)) {
		if e, _, err := event.Parse(leaf); err == nil {
			switch {
			case r.ledger && (e.Source == nil || e.Source.Kind != "aggregator"):
				// handed in by a program: it says nothing of keys and roots
			case e.Type == event.TypeLogKey:
				w.newKey(r, index, e.Data)
			case r.ledger:
				w.ledgerLeaf(r.Log, index, e.Type, e.Data)
			}
		}
	}
	if w.o.Project == nil {
		return nil
	}
	return w.row(r, seg, index, leaf)
}

// newKey: sizes up to index+1 belong to the key before, larger ones to the new one.
func (w *walk) newKey(r *reading, index uint64, data []byte) {
	var d struct{ Origin, PublicKey string }
	key, err := decodeKey(data, &d, &d.PublicKey)
	if d.Origin != r.Origin {
		return // the copy of another log's leaf
	}
	if err != nil {
		w.find(r.Origin, index, "log.key without a key")
		return
	}
	r.keys[len(r.keys)-1].Last = index + 1
	r.keys = append(r.keys, evidence.KeyRange{Key: key, After: index + 1})
	w.enrolled[r.AgentID] = append(w.enrolled[r.AgentID], key)
}

// hole joins the range that stands for lost leaves.
func (w *walk) hole(r *reading, seg store.StoredSegment) {
	var lost evidence.Range
	err := lost.UnmarshalBinary(seg.Frame)
	if err == nil && (lost.Begin != seg.First || lost.End != seg.First+seg.Count) {
		err = errors.New("its range is another one")
	}
	if err == nil {
		err = r.tree.Join(lost)
	}
	if err != nil {
		w.find(r.Origin, seg.First, "the hole can't be joined: %v", err)
		r.broken = true
		return
	}
	w.rep.Lost += seg.Count
}

// checkpoint checks the segment's note and receipt against the tree so far.
func (w *walk) checkpoint(r *reading, seg store.StoredSegment) {
	root, err := r.tree.Root()
	if err != nil {
		w.find(r.Origin, seg.First, "no root: %v", err)
		r.broken = true
		return
	}
	want := evidence.Checkpoint{Origin: r.Origin, Size: r.tree.End, Root: root}
	got, err := evidence.OpenCheckpoint(seg.Note, r.Origin, r.keys)
	switch {
	case err != nil:
		w.find(r.Origin, seg.First, "the checkpoint of size %d: %v", r.tree.End, err)
	case got != want:
		w.find(r.Origin, seg.First, "the leaves do not lead to the signed root of size %d", r.tree.End)
	}
	got, by, at, err := evidence.VerifyCosigned(seg.Receipt, r.Origin, w.o.Cosigners)
	switch {
	case err != nil:
		w.find(r.Origin, seg.First, "the receipt of size %d: %v", r.tree.End, err)
	case got != want:
		w.find(r.Origin, seg.First, "the receipt of size %d is for another tree", r.tree.End)
	case !w.o.Until[string(by.Key)].IsZero() && at.After(w.o.Until[string(by.Key)]):
		w.find(r.Origin, seg.First, "the receipt of size %d is of a key that was revoked before", r.tree.End)
	case at.Unix() != seg.Received.Unix():
		w.find(r.Origin, seg.First, "the segment is stored as received at %s, its receipt says %s",
			seg.Received.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	if x, ok := w.witnessed[r.Origin][r.tree.End]; ok {
		if x.root != root {
			w.find(r.Origin, seg.First, "at size %d the ledger (%s, leaf %d) knows another root", r.tree.End, x.origin, x.index)
		}
		x.met = true
		w.witnessed[r.Origin][r.tree.End] = x
	}
}

// end compares the log's stored head with its last segment.
func (w *walk) end(r *reading) {
	if r.tree.End != r.Size {
		w.find(r.Origin, r.tree.End, "the segments end at %d, the log's size is %d", r.tree.End, r.Size)
		return
	}
	if r.Size == 0 {
		return
	}
	walked, err1 := r.tree.Root()
	head, err2 := r.Frontier.Root()
	if err1 != nil || err2 != nil || walked != head || r.Frontier.End != r.Size {
		w.find(r.Origin, r.Size, "the stored head is of another tree than the segments")
	}
	if !bytes.Equal(r.Note, r.last.Note) || !bytes.Equal(r.Receipt, r.last.Receipt) {
		w.find(r.Origin, r.Size, "the stored head has another checkpoint than the last segment")
	}
	equal := slices.EqualFunc(r.keys, r.Keys, func(a, b evidence.KeyRange) bool {
		return a.Key.Equal(b.Key) && a.After == b.After && a.Last == b.Last
	})
	if !equal {
		w.find(r.Origin, r.Size, "the stored keys are not those of the registration and the log.key leaves")
	}
}
