package ingest

import (
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// lostPerEvent bounds the data keys that one event names: 500 are half a leaf.
const lostPerEvent = 500

// named collects the ids of the data keys that the leaves name. A blob that does
// not hash to its id is as good as none: a relay can't swap keys. What no leaf
// names is not taken either.
func (j *job) named() {
	seen := map[string]bool{}
	for i, leaf := range j.seg.Leaves {
		for _, id := range j.idsOf(i, leaf) {
			if !seen[id] {
				seen[id] = true
				j.ids = append(j.ids, id)
			}
		}
	}
	for id, blob := range j.keys {
		if !seen[id] || seal.KeyID(blob) != id {
			delete(j.keys, id)
		}
	}
}

// idsOf are the ids of the data keys that one leaf names. The row of a leaf without
// any problem has them already; in every other leaf they are looked for.
func (j *job) idsOf(i int, leaf []byte) []string {
	if i >= len(j.rows) || !j.rows[i].ok || j.rows[i].Quarantined || len(j.rows[i].Problems) > 0 {
		return seal.KeyIDs(leaf)
	}
	if len(j.rows[i].Sealed) == 0 {
		return nil
	}
	ids := make([]string, 0, len(j.rows[i].Sealed))
	for _, f := range j.rows[i].Sealed {
		ids = append(ids, f.Key)
	}
	slices.Sort(ids)
	return ids
}

// keysWanted are the ids of data keys that the leaves name and that nobody ever
// brought: the segment has to wait for them. Not asked for are keys that were
// destroyed and those that the station declares lost, which j.lost has then; what
// these sealed stays unreadable.
func (b *batch) keysWanted(j *job) ([]string, error) {
	var ask []string
	j.lost = nil
	for _, id := range j.ids {
		if j.keys[id] == nil && !b.keys[id] && !b.s.known.has(j.log, id) {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	missing, err := b.s.opts.Store.MissingKeys(b.ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("ingest: data keys of log %s: %w", j.log, err)
	}
	missing = slices.DeleteFunc(missing, func(id string) bool {
		if !slices.Contains(j.seg.Lost, id) {
			return false
		}
		j.lost = append(j.lost, id)
		return true
	})
	return missing, nil
}

// lostKeys names in the ledger, in the same transaction, the data keys that a
// station declared lost: by it verify tells a key that never came from one that
// was taken away. Each is named once, until the program starts anew.
func (b *batch) lostKeys(j *job) error {
	for ids := range slices.Chunk(j.lost, lostPerEvent) {
		list := make([]any, len(ids))
		for i, id := range ids {
			list[i] = id
		}
		detail := "key " + ids[0]
		if len(ids) > 1 {
			detail += fmt.Sprintf(" and %d more", len(ids)-1)
		}
		obj, err := event.Object(map[string]any{
			"source": "ingest", "item": j.seg.Origin, "reason": "data key lost: what it sealed stays unreadable",
			"count": int64(len(ids)), "keys": list, "detail": detail, "agentId": j.author, "sampleHash": sampleOf([]byte(j.seg.Checkpoint)),
		})
		if err != nil {
			return fmt.Errorf("ingest: lost data keys of log %s: %w", j.log, err)
		}
		b.events = append(b.events, event.Event{Type: event.TypeIngestQuarantined, Data: obj})
	}
	return nil
}

// takeKeys remembers that the transaction stores the keys of a job.
func (b *batch) takeKeys(j *job) {
	if b.keys == nil {
		b.keys = map[string]bool{}
	}
	for id := range j.keys {
		b.keys[id] = true
	}
}
