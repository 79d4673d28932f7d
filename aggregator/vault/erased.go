package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// settingErased keeps in the database what erased.json says, for a folder that is
// put back from a backup.
const settingErased = "vault.erased"

// erasedFile is erased.json: the pseudonyms of people that were erased, and when.
// A station that was offline then brings data keys that nobody knew of.
type erasedFile struct {
	Version int                  `json:"version"`
	People  map[string]time.Time `json:"people"`
}

func parseErased(text []byte) (map[string]time.Time, error) {
	f := erasedFile{}
	if err := json.Unmarshal(text, &f); err != nil || f.Version != fileVersion {
		return nil, fmt.Errorf("vault: %s is damaged or of another version (restore it: without it what offline stations still hold of erased people could be read)", FileErased)
	}
	return f.People, nil
}

func readErased(dir string) (map[string]time.Time, error) {
	text, err := os.ReadFile(filepath.Join(dir, FileErased))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return parseErased(text)
}

// noteErased remembers erasures, before anything is destroyed: from then on data
// keys that sealed what was collected before are destroyed when they arrive.
func (v *Vault) noteErased(people map[string]time.Time) error {
	unlock, err := lock(v.o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := readErased(v.o.Dir)
	if err != nil {
		return err
	}
	all := maps.Clone(people)
	for p, at := range there {
		if at.After(all[p]) {
			all[p] = at
		}
	}
	text, err := json.MarshalIndent(erasedFile{fileVersion, all}, "", "  ")
	if err == nil {
		err = durable.WriteFile(filepath.Join(v.o.Dir, FileErased), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stamp.erased = stampOf(v.o.Dir).erased
	v.erased = all
	return nil
}

// adoptErased takes what the database remembers of erasures and the folder does not.
func (v *Vault) adoptErased(text []byte) error {
	theirs, err := parseErased(text)
	if err != nil {
		return err
	}
	ours := v.whenErased()
	for p, at := range theirs {
		if at.After(ours[p]) {
			return v.noteErased(theirs)
		}
	}
	return nil
}

// whenErased are the people that were erased; not to be changed.
func (v *Vault) whenErased() map[string]time.Time {
	v.refresh()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.erased
}

// Late destroys the data keys of erased people that come with a verified segment,
// or came a moment ago, and sealed what was collected before the erasure: the
// station was offline then. offset is our clock minus the station's. The agent
// learns of it with the next list and seals anew with other keys.
func (v *Vault) Late(ctx context.Context, leaves [][]byte, offset time.Duration, keys map[string][]byte) error {
	erased := v.whenErased()
	if len(erased) == 0 {
		return nil
	}
	newest := slices.MaxFunc(slices.Collect(maps.Values(erased)), time.Time.Compare)
	first := map[string]time.Time{}
	for _, leaf := range leaves {
		ids := seal.KeyIDs(leaf)
		if len(ids) == 0 {
			continue
		}
		at := collected(leaf).Add(offset)
		if at.After(newest) {
			continue
		}
		for _, id := range ids {
			if was, ok := first[id]; !ok || at.Before(was) {
				first[id] = at
			}
		}
	}
	var late []string
	err := v.labels(ctx, slices.Sorted(maps.Keys(first)), keys, func(id string, l seal.Label) {
		if at, ok := erased[l.Subject]; ok && !first[id].After(at) {
			late = append(late, id)
		}
	})
	if err != nil || len(late) == 0 {
		return err
	}
	_, err = v.destroyKeys(ctx, late, "destroyed on arrival", "aggregator", map[string]any{
		"reason": "they sealed data of an erased person from before the erasure",
	})
	return err
}

// labels tells whose the keys are that are not destroyed: those given, others from
// the store.
func (v *Vault) labels(ctx context.Context, ids []string, keys map[string][]byte, tell func(id string, l seal.Label)) error {
	var ask []string
	v.mu.Lock()
	gone := v.gone
	v.mu.Unlock()
	for _, id := range ids {
		switch blob := keys[id]; {
		case gone[id]:
		case blob != nil:
			tell(id, store.LabelOf(blob).Label)
		default:
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	blobs, err := v.o.Store.WrappedKeys(ctx, ask)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for _, id := range ask {
		if blob := blobs[id]; blob != nil {
			tell(id, store.LabelOf(blob).Label)
		}
	}
	return nil
}

// collected is the time at which the station made a leaf; the beginning of time
// when it does not say it.
func collected(leaf []byte) time.Time {
	value, ok := event.At(leaf, []string{"collected_at"})
	if !ok || len(value) < 2 {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(value[1:len(value)-1]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// stragglers destroys keys of erased people that arrived while they were erased,
// in a transaction that was under way.
func (v *Vault) stragglers(ctx context.Context) error {
	erased := v.whenErased()
	for people := range slices.Chunk(slices.Sorted(maps.Keys(erased)), 500) {
		keys, err := v.o.Store.KeysOf(ctx, people)
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		var late []string
		for _, k := range keys {
			if !k.Received.After(erased[k.Subject]) {
				late = append(late, k.ID)
			}
		}
		if len(late) == 0 {
			continue
		}
		if _, err := v.destroyKeys(ctx, late, "destroyed again", "aggregator", map[string]any{"reason": "they were there before the erasure of their person"}); err != nil {
			return err
		}
	}
	return nil
}
