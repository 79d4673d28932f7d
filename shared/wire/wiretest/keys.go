package wiretest

import (
	"maps"
	"slices"

	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// keysWanted takes the wrapped data keys of a segment and returns the ids that
// its leaves name and that are not there, unless they are declared lost. Callers
// hold mu.
func (a *Aggregator) keysWanted(s *wire.Segment) (ids []string) {
	brought, err := s.WrappedKeys()
	if err != nil {
		return nil
	}
	if a.keys == nil {
		a.keys = map[string][]byte{}
	}
	for id, blob := range brought {
		if seal.KeyID(blob) == id {
			a.keys[id] = blob
		}
	}
	for _, leaf := range s.Leaves {
		for _, id := range seal.KeyIDs(leaf) {
			if a.keys[id] == nil && !slices.Contains(s.Lost, id) && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Keys are the wrapped data keys that came, by id; the caller owns the map.
func (a *Aggregator) Keys() map[string][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.keys)
}

// ForgetKeys makes the aggregator one that lost all wrapped data keys.
func (a *Aggregator) ForgetKeys() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.keys)
}
