package verify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Dropped is a part of a log whose leaves were dropped in the open: a tombstone in
// the ledger says so, and their hashes still lead to every signed root.
type Dropped struct {
	Origin string `json:"origin"`
	First  uint64 `json:"first"`
	End    uint64 `json:"end"`
	Leaves uint64 `json:"leaves"` // that are gone
	Policy string `json:"policy"`
	By     string `json:"by"`
	// Ledger and Index are where the tombstone stands.
	Ledger string `json:"ledger"`
	Index  uint64 `json:"index"`
}

// tomb is event_data of retention.purged.
type tomb struct {
	Log    string    `json:"log"`
	First  uint64    `json:"first"`
	End    uint64    `json:"end"`
	Policy string    `json:"policy"`
	By     string    `json:"by"`
	To     time.Time `json:"to"`
	Keys   []tombKey `json:"keys"`

	ledger string
	index  uint64
}

// tombKey is a key that the log took on within what is gone.
type tombKey struct {
	PublicKey string `json:"publicKey"`
	After     uint64 `json:"after"`
}

// purged takes a tombstone of the ledger.
func (w *walk) purged(lg store.Log, index uint64, data []byte) {
	t := tomb{ledger: lg.Origin, index: index}
	if json.Unmarshal(data, &t) != nil || t.Log == "" || t.First >= t.End {
		w.find(lg.Origin, index, "retention.purged is not understood")
		return
	}
	w.tombs[t.Log] = append(w.tombs[t.Log], t)
}

// dropped extends the tree by the kept hashes of a segment whose leaves are gone.
// That they lead to the signed root is checked as for every segment.
func (w *walk) dropped(r *reading, seg store.StoredSegment) error {
	end := seg.First + seg.Count
	i := slices.IndexFunc(w.tombs[r.Origin], func(t tomb) bool { return t.First <= seg.First && end <= t.End })
	if i < 0 {
		w.find(r.Origin, seg.First, "the leaves up to %d are gone, and no tombstone in the ledger says so", end)
	} else {
		w.gone(w.tombs[r.Origin][i], seg.Count)
	}
	hashes, err := w.o.Store.LeafHashes(w.ctx, r.ID, seg.First, end)
	if errors.Is(err, store.ErrNotFound) {
		w.find(r.Origin, seg.First, "the leaves are gone, and their hashes too")
		r.broken = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify: leaf hashes of log %s: %w", r.ID, err)
	}
	for _, h := range hashes {
		if err := r.tree.Append(h); err != nil {
			return fmt.Errorf("verify: log %s: %w", r.ID, err)
		}
	}
	w.rep.DroppedLeaves += seg.Count
	if i < 0 {
		return nil
	}
	for _, k := range w.tombs[r.Origin][i].Keys {
		key, err := base64.StdEncoding.DecodeString(k.PublicKey)
		if k.After != end || err != nil || len(key) != len(r.keys[0].Key) {
			continue
		}
		r.keys[len(r.keys)-1].Last = end
		r.keys = append(r.keys, evidence.KeyRange{Key: key, After: end})
		w.enrolled[r.AgentID] = append(w.enrolled[r.AgentID], key)
	}
	return nil
}

// gone counts leaves under their tombstone.
func (w *walk) gone(t tomb, leaves uint64) {
	for i := range w.rep.Dropped {
		if d := &w.rep.Dropped[i]; d.Ledger == t.ledger && d.Index == t.index {
			d.Leaves += leaves
			return
		}
	}
	w.rep.Dropped = append(w.rep.Dropped, Dropped{t.Log, t.First, t.End, leaves, t.Policy, t.By, t.ledger, t.index})
}
