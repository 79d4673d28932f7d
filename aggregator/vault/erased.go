package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

// settingErased keeps in the database what erased.note says, for a folder that is
// put back from a backup.
const settingErased = "vault.erased"

const erasedMagic = "linewatch/erased/v1"

// errErased says that a text is no signed list of erased people.
var errErased = errors.New("no signed list of erased people")

// signErased writes the list: a signed note with a line for each person, the
// pseudonym and the time of the erasure. It is signed because it destroys keys:
// whoever writes to the database alone must not be able to.
func (v *Vault) signErased(people map[string]time.Time) ([]byte, error) {
	text := []byte(erasedMagic + "\n")
	for _, p := range slices.Sorted(maps.Keys(people)) {
		text = fmt.Appendf(text, "%s %s\n", p, people[p].UTC().Format(time.RFC3339Nano))
	}
	note, err := evidence.SignNote(text, v.o.Name, v.o.Signer)
	if err != nil {
		return nil, fmt.Errorf("vault: erased people: %w", err)
	}
	return note, nil
}

func parseErased(note []byte, keys []evidence.CosignerKey) (map[string]time.Time, error) {
	text, _, err := evidence.OpenNote(note, keys)
	if err != nil {
		return nil, fmt.Errorf("vault: %w: %w", errErased, err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != erasedMagic {
		return nil, fmt.Errorf("vault: %w: header", errErased)
	}
	people := make(map[string]time.Time, len(lines)-1)
	for _, l := range lines[1:] {
		p, at, _ := strings.Cut(l, " ")
		if people[p], err = time.Parse(time.RFC3339Nano, at); err != nil || !seal.IsPseudonym(p) {
			return nil, fmt.Errorf("vault: %w: line", errErased)
		}
	}
	return people, nil
}

func (v *Vault) readErased() (map[string]time.Time, error) {
	if v.o.Signer == nil {
		return nil, nil
	}
	path := filepath.Join(v.o.Dir, FileErased)
	note, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	people, err := parseErased(note, slices.Concat(v.signers(), v.o.Revoked))
	if err != nil {
		return nil, fmt.Errorf("%w (%s; restore it: without it what offline stations still hold of erased people could be read)", err, path)
	}
	return people, nil
}

// noteErased remembers erasures, before anything is destroyed: from then on data
// keys that sealed what was collected before are destroyed when they arrive.
func (v *Vault) noteErased(people map[string]time.Time) error {
	unlock, err := lock(v.o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := v.readErased()
	if err != nil {
		return err
	}
	all := map[string]time.Time{}
	maps.Copy(all, people)
	for p, at := range there {
		if at.After(all[p]) {
			all[p] = at
		}
	}
	note, err := v.signErased(all)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(v.o.Dir, FileErased), note, 0o600); err != nil {
		return fmt.Errorf("vault: erased people: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stamp.erased = stampOf(v.o.Dir).erased
	v.erased = all
	return nil
}

// adoptErased takes what the database remembers of erasures and the folder does not.
func (v *Vault) adoptErased(note []byte) error {
	theirs, err := parseErased(note, v.signers())
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
