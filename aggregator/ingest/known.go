package ingest

import "sync"

// maxKnown bounds the remembered key ids; when forgotten, an agent is asked
// once more for keys that are stored already, which does no harm.
const maxKnown = 200_000

// knownKeys remembers which data keys of which logs are stored, or in the ledger as
// lost: they are not asked for.
type knownKeys struct {
	mu  sync.Mutex
	ids map[[2]string]struct{}
}

func newKnownKeys() *knownKeys { return &knownKeys{ids: map[[2]string]struct{}{}} }

func (k *knownKeys) has(log, id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.ids[[2]string{log, id}]
	return ok
}

func (k *knownKeys) add(log string, keys map[string][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bound()
	for id := range keys {
		k.ids[[2]string{log, id}] = struct{}{}
	}
}

func (k *knownKeys) lost(log string, ids []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bound()
	for _, id := range ids {
		k.ids[[2]string{log, id}] = struct{}{}
	}
}

// bound forgets all when there are too many; mu is held.
func (k *knownKeys) bound() {
	if len(k.ids) > maxKnown {
		clear(k.ids)
	}
}
