package ingest

import (
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// named collects the ids of the data keys that the leaves name. A blob that does
// not hash to its id is as good as none: a relay can't swap keys. What no leaf
// names is not taken either.
func (j *job) named() {
	seen := map[string]bool{}
	for _, leaf := range j.seg.Leaves {
		for _, id := range seal.KeyIDs(leaf) {
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

// keysWanted are the ids of data keys that the leaves name and that nobody ever
// brought: the segment has to wait for them. Not asked for are keys that were
// destroyed and those that the station declares lost; what these sealed stays
// unreadable, which is reported.
func (b *batch) keysWanted(j *job) ([]string, error) {
	var ask []string
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
	var lost []string
	missing = slices.DeleteFunc(missing, func(id string) bool {
		if !slices.Contains(j.seg.Lost, id) {
			return false
		}
		lost = append(lost, id)
		return true
	})
	if len(missing) > 0 {
		return missing, nil
	}
	for _, id := range lost {
		b.reports = append(b.reports, report{
			key:    reportKey{event.TypeIngestQuarantined, j.seg.Origin, "data key lost: what it sealed stays unreadable"},
			detail: "key " + id, agent: j.author, sample: sampleOf([]byte(j.seg.Checkpoint)),
		})
	}
	return nil, nil
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
