package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// applyEvery is how often a running aggregator looks whether the database still
// agrees with the list: whoever erased beside it may have been killed half-way.
const applyEvery = 15 * time.Second

// Run applies lists that came without being applied, until ctx ends.
func (v *Vault) Run(ctx context.Context) error {
	every := v.o.Every
	if every <= 0 {
		every = applyEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := v.Destroyed()
		v.mu.Lock()
		same := now == v.applied
		v.mu.Unlock()
		if same {
			continue
		}
		if _, err := v.Reapply(ctx); err != nil && ctx.Err() == nil {
			v.log.Error("the list of destroyed keys could not be applied, trying again", "error", err)
		}
	}
}

// Reapply makes the database, the vault and the list agree again, whichever of them
// came back from an older backup: keys of the list are deleted from the database and
// from the vault, what the database remembers and the list does not have comes onto
// it. A list that an older key of ours signed is signed anew. It returns how many
// keys the database had back.
func (v *Vault) Reapply(ctx context.Context) (back int, err error) {
	if err := v.missing(ctx); err != nil {
		return 0, err
	}
	if err := v.signAnew(ctx); err != nil {
		return 0, err
	}
	if err := v.heal(ctx); err != nil {
		return 0, err
	}
	list, _ := v.List()
	again, back, err := v.notApplied(ctx, list)
	if err != nil {
		return back, err
	}
	if len(again) > 0 {
		if err := v.delete(ctx, again, list, "destroyed again", "aggregator", map[string]any{
			"reason": "the database still had what is on the list of destroyed keys",
		}); err != nil {
			return back, fmt.Errorf("vault: apply the list of destroyed keys again: %w", err)
		}
		v.log.Warn("the database was older than the list of destroyed keys: they were deleted again", "keys", len(again), "list", list.Number)
	}
	if err := v.stragglers(ctx); err != nil {
		return back, err
	}
	v.mu.Lock()
	v.applied = wire.Destroyed{Number: list.Number, Hash: list.Hash()}
	v.mu.Unlock()
	return back, nil
}

// notApplied are the keys of the list that the database does not know as destroyed,
// and how many it still holds.
func (v *Vault) notApplied(ctx context.Context, list seal.Destroyed) (again []string, back int, err error) {
	for from := 0; from < len(list.IDs); from += destroyedChunk {
		ids := list.IDs[from:min(len(list.IDs), from+destroyedChunk)]
		known, err := v.o.Store.DestroyedKeys(ctx, ids)
		if err != nil {
			return nil, 0, fmt.Errorf("vault: %w", err)
		}
		blobs, err := v.o.Store.WrappedKeys(ctx, ids)
		if err != nil {
			return nil, 0, fmt.Errorf("vault: %w", err)
		}
		back += len(blobs)
		for _, id := range ids {
			if _, ok := known[id]; !ok || blobs[id] != nil {
				again = append(again, id)
			}
		}
	}
	return again, back, nil
}

// signAnew signs the lists with today's key when an older one did.
func (v *Vault) signAnew(ctx context.Context) error {
	_, note := v.List()
	if note == nil {
		return nil
	}
	if _, err := seal.OpenDestroyed(note, v.signer()); err == nil {
		return nil
	}
	v.log.Warn("the list of destroyed keys is signed anew: the aggregator's key was changed")
	if _, err := v.addDestroyed(nil, 0); err != nil {
		return err
	}
	if err := v.noteErased(v.whenErased()); err != nil {
		return err
	}
	settings, err := v.settings()
	if err != nil {
		return err
	}
	if _, err := v.o.Ledger.Commit(ctx, store.Change{Settings: settings}); err != nil {
		return fmt.Errorf("vault: keep the lists in the database: %w", err)
	}
	return nil
}

// heal takes key pairs out of vault.json that are on the list: a backup of the file
// was put back. Agents that are left without a key to seal for get another one.
func (v *Vault) heal(ctx context.Context) error {
	f, k, err := v.reopen()
	if err != nil {
		return err
	}
	list, _ := v.List()
	var gone []string
	active := false
	for i := range f.Keys {
		e := &f.Keys[i]
		if list.Has(e.ID) && e.State != KeyDestroyed {
			e.State, e.Destroyed, e.Private = KeyDestroyed, v.now().UTC(), nil
			gone = append(gone, e.ID)
		}
		active = active || e.State == KeyActive
	}
	if len(gone) == 0 {
		return nil
	}
	if !active {
		if err := f.add(k, seal.MLKEM768P256, v.now()); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := v.record(ctx, id, "destroyed again", "aggregator"); err != nil {
			return err
		}
	}
	if err := f.save(v.o.Dir); err != nil {
		return err
	}
	v.log.Warn("a backup of the vault brought destroyed keys back: they were destroyed again", "keys", len(gone))
	return v.load()
}

// destroyKeys puts data keys onto the list, and deletes them and what the read model
// has by them. It returns the list.
func (v *Vault) destroyKeys(ctx context.Context, ids []string, action, by string, more map[string]any) (seal.Destroyed, error) {
	list, err := v.addDestroyed(ids, 0)
	if err != nil {
		return list, err
	}
	return list, v.delete(ctx, ids, list, action, by, more)
}

// delete deletes data keys from the database, in the transactions that record it.
func (v *Vault) delete(ctx context.Context, ids []string, list seal.Destroyed, action, by string, more map[string]any) error {
	settings, err := v.settings()
	if err != nil {
		return err
	}
	at := v.now().UTC()
	for from := 0; from < len(ids); from += destroyedChunk {
		part := ids[from:min(len(ids), from+destroyedChunk)]
		change := store.Change{Settings: settings}
		for _, id := range part {
			change.Destroy = append(change.Destroy, store.DestroyedKey{ID: id, List: list.Number, At: at})
		}
		data := map[string]any{"keys": len(part), "list": int64(list.Number), "listHash": list.Hash()}
		for k, v := range more {
			data[k] = v
		}
		e, err := lifecycle("", action, "data keys", by, data)
		if err != nil {
			return err
		}
		if _, err := v.o.Ledger.Commit(ctx, change, e); err != nil {
			return err
		}
	}
	return nil
}

// settings are what the database keeps of the folder's lists: the newest, whoever
// wrote them.
func (v *Vault) settings() (map[string][]byte, error) {
	out := map[string][]byte{}
	if _, note := v.List(); note != nil {
		out[settingDestroyed] = note
	}
	if people := v.whenErased(); len(people) > 0 {
		note, err := v.signErased(people)
		if err != nil {
			return nil, err
		}
		out[settingErased] = note
	}
	return out, nil
}
