package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/seal"
)

// Info is what may be said of a vault: nothing of it is secret.
type Info struct {
	From      string    `json:"root_from"`
	Since     time.Time `json:"root_since"`
	Keys      []KeyInfo `json:"keys"`
	Destroyed int       `json:"destroyed_data_keys"`
	List      uint64    `json:"destroyed_list_number"`
	ListHash  string    `json:"destroyed_list_sha256"`
}

// KeyInfo is one key pair of the vault.
type KeyInfo struct {
	ID        string    `json:"id"`
	Suite     string    `json:"suite"`
	State     string    `json:"state"`
	Created   time.Time `json:"created"`
	Retired   time.Time `json:"retired,omitzero"`
	Destroyed time.Time `json:"destroyed,omitzero"`
	DataKeys  uint64    `json:"data_keys"` // stored ones that were wrapped for it
}

// Info lists the keys.
func (v *Vault) Info(ctx context.Context) (Info, error) {
	v.refresh()
	counts := map[string]uint64{}
	if v.o.Store != nil {
		list, err := v.o.Store.KeyCounts(ctx)
		if err != nil {
			return Info{}, fmt.Errorf("vault: %w", err)
		}
		for _, c := range list {
			counts[c.Recipient] += c.Keys
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	out := Info{
		From: v.file.From, Since: v.file.Changed, Destroyed: len(v.destroyed.IDs),
		List: v.destroyed.Number, ListHash: v.destroyed.Hash(),
	}
	for _, e := range v.file.Keys {
		out.Keys = append(out.Keys, KeyInfo{e.ID, e.Suite, e.State, e.Created, e.Retired, e.Destroyed, counts[e.ID]})
	}
	return out, nil
}

// Rotate encrypts the vault's private keys and the key of the blind index with
// another root key. No data key is wrapped anew: leaves name the hash of the blob.
// The old root key opens nothing of the new file.
func (v *Vault) Rotate(ctx context.Context, to Root, by string) error {
	f, old, err := v.reopen()
	if err != nil {
		return err
	}
	f.From, f.Changed, f.KDF = to.From, v.now().UTC(), nil
	if to.From == FromPassphrase {
		f.KDF = newKDF()
	}
	fresh, err := f.open(to)
	if err != nil {
		return err
	}
	for i, e := range f.Keys {
		if e.State == KeyDestroyed {
			continue
		}
		if f.Keys[i].Private, err = rewrap(old, fresh, privateWhat(e.ID), e.Private); err != nil {
			return fmt.Errorf("vault: key %s: %w", e.ID, err)
		}
	}
	if f.Index, err = rewrap(old, fresh, indexWhat, f.Index); err != nil {
		return fmt.Errorf("vault: key of the blind index: %w", err)
	}
	if err := v.record(ctx, "", "root key rotated", by); err != nil {
		return err
	}
	if err := f.save(v.o.Dir); err != nil {
		return err
	}
	v.o.Root = to
	return v.load()
}

func rewrap(old, fresh kek, what string, wrapped []byte) ([]byte, error) {
	raw, err := old.unwrap(what, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	return fresh.wrap(what, raw), nil
}

// NewKey makes a key pair that agents seal for from now on; the older ones go on
// opening what was sealed for them.
func (v *Vault) NewKey(ctx context.Context, suite seal.Suite, by string) (id string, err error) {
	f, k, err := v.reopen()
	if err != nil {
		return "", err
	}
	if err := f.add(k, suite, v.now()); err != nil {
		return "", err
	}
	id = f.Keys[len(f.Keys)-1].ID
	if err := v.record(ctx, id, "created", by); err != nil {
		return "", err
	}
	if err := f.save(v.o.Dir); err != nil {
		return "", err
	}
	return id, v.load()
}

// Destroy deletes a retired key pair: whatever agents sealed for it, of all
// people and field sets, can't be read any more by anybody.
func (v *Vault) Destroy(ctx context.Context, id, by string) error {
	f, _, err := v.reopen()
	if err != nil {
		return err
	}
	for i := range f.Keys {
		e := &f.Keys[i]
		if e.ID != id {
			continue
		}
		switch e.State {
		case KeyDestroyed:
			return fmt.Errorf("key %s: %w", id, ErrDestroyedKey)
		case KeyActive:
			return fmt.Errorf("key %s: agents seal for it: make another one first (keys vault new)", id)
		}
		if err := v.record(ctx, id, "destroyed", by); err != nil {
			return err
		}
		if err := v.destroySealedFor(ctx, id, by); err != nil {
			return err
		}
		e.State, e.Destroyed, e.Private = KeyDestroyed, v.now().UTC(), nil
		if err := f.save(v.o.Dir); err != nil {
			return err
		}
		v.mu.Lock()
		clear(v.cache)
		v.mu.Unlock()
		return v.load()
	}
	return fmt.Errorf("key %s: %w", id, store.ErrNotFound)
}

// destroySealedFor destroys the data keys that were wrapped for a vault key, and puts
// the vault key itself onto the list: a backup of vault.json does not bring it back.
func (v *Vault) destroySealedFor(ctx context.Context, id, by string) error {
	if v.o.Store == nil || v.o.Ledger == nil {
		_, err := v.addDestroyed([]string{id}, 0)
		return err
	}
	counts, err := v.o.Store.KeyCounts(ctx)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	subjects := map[string]bool{}
	for _, c := range counts {
		if c.Recipient == id {
			subjects[c.Subject] = true
		}
	}
	keys, err := v.o.Store.KeysOf(ctx, store.Sorted(subjects))
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	ids := []string{id}
	for _, k := range keys {
		if k.Recipient == id {
			ids = append(ids, k.ID)
		}
	}
	_, err = v.destroyKeys(ctx, ids, "destroyed", by, map[string]any{"reason": "the vault key " + id + " was destroyed"})
	return err
}

// reopen reads vault.json again for a change; nobody else changes it meanwhile
// but by hand.
func (v *Vault) reopen() (file, kek, error) {
	f, err := readFile(v.o.Dir)
	if err != nil {
		return f, kek{}, err
	}
	k, err := f.open(v.o.Root)
	return f, k, err
}

func (v *Vault) record(ctx context.Context, id, action, by string) error {
	if v.o.Ledger == nil {
		return nil
	}
	e, err := lifecycle(id, action, "vault key", by, nil)
	if err != nil {
		return err
	}
	if _, err := v.o.Ledger.Commit(ctx, store.Change{}, e); err != nil {
		return fmt.Errorf("vault: nothing was changed, the ledger does not take the event: %w", err)
	}
	return nil
}

// Backup copies vault.json, the list of destroyed keys and that of erased people to a
// folder that is made. All are useless without the root key, which is not copied.
func (v *Vault) Backup(to string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("vault: %s is there already", to)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for _, name := range []string{FileVault, FileDestroyed, FileErased} {
		text, err := os.ReadFile(filepath.Join(v.o.Dir, name))
		if errors.Is(err, fs.ErrNotExist) && name != FileVault {
			continue
		}
		if err == nil {
			err = durable.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
	}
	return nil
}
