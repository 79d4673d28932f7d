package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/linewatch/linewatch/shared/seal"
)

// maxKeysKnown bounds the data keys that are remembered as stored.
const maxKeysKnown = 200_000

// What became of a data key that a leaf names.
const (
	keyStored  = iota
	keyErased  // on the signed list of destroyed keys
	keyLost    // its station declared that it has it no more
	keyMissing // it ought to be there
	keyAltered // another blob stands under its id
)

// naming is a leaf with the data keys that it names.
type naming struct {
	index uint64
	ids   []string // sorted
}

// lostKeys takes from ingest.quarantined which data keys a station declared lost
// when it sent the leaves that name them.
func (w *walk) lostKeys(data []byte) {
	var d struct {
		Item string
		Keys []string
	}
	if json.Unmarshal(data, &d) != nil || len(d.Keys) == 0 {
		return
	}
	if w.lost[d.Item] == nil {
		w.lost[d.Item] = map[string]bool{}
	}
	for _, id := range d.Keys {
		w.lost[d.Item][id] = true
	}
}

// dataKeys judges the data keys that the leaves of one segment name.
func (w *walk) dataKeys(r *reading, named []naming) error {
	if len(named) == 0 {
		return nil
	}
	states, err := w.keyStates(r, named)
	if err != nil {
		return err
	}
	var missing, altered []naming
	for _, n := range named {
		has := map[int]bool{}
		for _, id := range n.ids {
			has[states[id]] = true
		}
		w.rep.SealedLeaves++
		if has[keyErased] {
			w.rep.ErasedLeaves++
		}
		if has[keyLost] {
			w.rep.KeyLostLeaves++
		}
		if has[keyMissing] || has[keyAltered] {
			w.rep.KeyMissingLeaves++
		}
		if has[keyMissing] {
			missing = append(missing, n)
		}
		if has[keyAltered] {
			altered = append(altered, n)
		}
	}
	w.findKeys(r, missing, keyMissing, states, "whose wrapped data key is not stored, was not destroyed by the signed list, and was not declared lost by the station")
	w.findKeys(r, altered, keyAltered, states, "whose stored data key is not the one that they name")
	return nil
}

// findKeys reports the leaves of one segment together, and names the first keys.
func (w *walk) findKeys(r *reading, leaves []naming, state int, states map[string]int, what string) {
	if len(leaves) == 0 {
		return
	}
	ids := map[string]bool{}
	for _, n := range leaves {
		for _, id := range n.ids {
			if states[id] == state {
				ids[id] = true
			}
		}
	}
	first, more := slices.Sorted(maps.Keys(ids)), ""
	if len(first) > 3 {
		more = fmt.Sprintf(" and %d more", len(first)-3)
		first = first[:3]
	}
	w.find(r.Origin, leaves[0].index, "%d leaves %s: key %s%s", len(leaves), what, strings.Join(first, ", "), more)
}

// keyStates says of each key what became of it.
func (w *walk) keyStates(r *reading, named []naming) (map[string]int, error) {
	states, ask := map[string]int{}, []string{}
	for _, n := range named {
		for _, id := range n.ids {
			if _, seen := states[id]; seen {
				continue
			}
			states[id] = keyStored
			if !w.keysKnown[id] {
				ask = append(ask, id)
			}
		}
	}
	if len(ask) == 0 {
		return states, nil
	}
	blobs, err := w.o.Store.WrappedKeys(w.ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("verify: data keys of log %s: %w", r.ID, err)
	}
	var destroyed seal.Destroyed
	if w.o.Destroyed != nil && len(blobs) < len(ask) {
		destroyed = w.o.Destroyed() // after the store was asked: whoever erases signs the list first
	}
	if len(w.keysKnown) > maxKeysKnown {
		clear(w.keysKnown)
	}
	for _, id := range ask {
		blob, there := blobs[id]
		switch {
		case there && seal.KeyID(blob) == id:
			w.keysKnown[id] = true
		case there:
			states[id] = keyAltered
		case destroyed.Has(id):
			states[id] = keyErased
		case w.lost[r.Origin][id]:
			states[id] = keyLost
		default:
			states[id] = keyMissing
		}
	}
	return states, nil
}
