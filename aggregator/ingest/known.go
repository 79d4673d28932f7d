package ingest

import "sync"

// maxKnown bounds the remembered key ids; when forgotten, an agent is asked
// once more for keys that are stored already, which does no harm.
const maxKnown = 200_000

// knownKeys remembers which data keys of which logs are stored.
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
	if len(k.ids) > maxKnown {
		clear(k.ids)
	}
	for id := range keys {
		k.ids[[2]string{log, id}] = struct{}{}
	}
}
