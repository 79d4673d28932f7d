package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// readDestroyed reads the signed list; without a file it is the empty one.
func (v *Vault) readDestroyed() (seal.Destroyed, []byte, error) {
	if v.o.Signer == nil {
		return seal.Destroyed{}, nil, nil
	}
	path := filepath.Join(v.o.Dir, FileDestroyed)
	note, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return seal.Destroyed{}, nil, nil
	}
	if err != nil {
		return seal.Destroyed{}, nil, fmt.Errorf("vault: %w", err)
	}
	list, err := seal.OpenDestroyed(note, slices.Concat(v.signers(), v.o.Revoked))
	if err != nil {
		return list, nil, fmt.Errorf("vault: %s: %w (restore it: without it erased people could come back)", path, err)
	}
	return list, note, nil
}

// signers are the keys whose lists count, wherever they come from: ours, and those
// that it followed.
func (v *Vault) signers() []evidence.CosignerKey { return slices.Concat(v.signer(), v.o.Older) }

func (v *Vault) signer() []evidence.CosignerKey {
	pub, ok := v.o.Signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil
	}
	return []evidence.CosignerKey{{Name: v.o.Name, Key: pub}}
}

// setDestroyed takes a list over; v.mu is held.
func (v *Vault) setDestroyed(list seal.Destroyed, note []byte) {
	v.destroyed, v.note, v.gone = list, note, make(map[string]bool, len(list.IDs))
	v.named = wire.Destroyed{Number: list.Number, Hash: list.Hash()} // each sign of life asks for it
	for _, id := range list.IDs {
		v.gone[id] = true
		delete(v.cache, id)
	}
}

// Destroyed names the newest list, for agents.
func (v *Vault) Destroyed() wire.Destroyed {
	v.refresh()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.named
}

// List is the newest list with its signature; nil while nothing was destroyed.
func (v *Vault) List() (seal.Destroyed, []byte) {
	v.refresh()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.destroyed, v.note
}

// addDestroyed signs the next list and puts it on disk before anything is
// deleted: after a crash in between the next start deletes. What another process
// added meanwhile stays on it. The list gets a number above atLeast.
func (v *Vault) addDestroyed(ids []string, atLeast uint64) (seal.Destroyed, error) {
	unlock, err := lock(v.o.Dir)
	if err != nil {
		return seal.Destroyed{}, err
	}
	defer unlock()
	list, _, err := v.readDestroyed()
	if err != nil {
		return list, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	list.Number = max(list.Number, v.destroyed.Number, atLeast)
	next, err := list.With(slices.Concat(v.destroyed.IDs, ids))
	if err != nil {
		return next, err
	}
	note, err := next.Sign(v.o.Name, v.o.Signer)
	if err != nil {
		return next, fmt.Errorf("vault: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(v.o.Dir, FileDestroyed), note, 0o600); err != nil {
		return next, fmt.Errorf("vault: list of destroyed keys: %w", err)
	}
	v.stamp.destroyed = stampOf(v.o.Dir).destroyed
	v.setDestroyed(next, note)
	return next, nil
}

// destroyedChunk bounds the keys of one transaction.
const destroyedChunk = 10_000

// settingDestroyed remembers the newest list in the database, whole: a folder
// that was put back from a backup can't bring an older one to power.
const settingDestroyed = "vault.destroyed"

// missing takes the list of the database over when the one on disk is older.
func (v *Vault) missing(ctx context.Context) error {
	r, ok := v.o.Store.(interface {
		Setting(ctx context.Context, key string) ([]byte, error)
	})
	if !ok {
		return nil
	}
	note, err := r.Setting(ctx, settingDestroyed)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("vault: list of destroyed keys in the database: %w", err)
	}
	if err == nil {
		if err := v.ours(v.Adopt(note)); err != nil {
			return err
		}
	}
	note, err = r.Setting(ctx, settingErased)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vault: erased people in the database: %w", err)
	}
	return v.ours(v.adoptErased(note))
}

// ours passes over a list of the database that no good key of ours signed: whoever
// writes to the database can't destroy keys by it, nor keep the program from
// starting. What counts then is on disk.
func (v *Vault) ours(err error) error {
	if errors.Is(err, seal.ErrDestroyed) || errors.Is(err, errErased) {
		v.log.Error("a list of what was destroyed, in the database, is not signed by a key of ours that counts; it is not used", "error", err)
		return nil
	}
	return err
}

// Adopt takes what a signed list has that the one here has not: an agent remembered
// what a restored folder forgot. Nothing ever comes off the list.
func (v *Vault) Adopt(note []byte) error {
	theirs, err := seal.OpenDestroyed(note, v.signers())
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	ours, _ := v.List()
	if contains(ours, theirs) && theirs.Number <= ours.Number {
		return nil
	}
	v.log.Error("the list of destroyed keys on disk lacks what was signed before: a backup of the folder was put back", "number", ours.Number, "known", theirs.Number)
	_, err = v.addDestroyed(theirs.IDs, theirs.Number)
	return err
}

func contains(all, some seal.Destroyed) bool {
	for _, id := range some.IDs {
		if !all.Has(id) {
			return false
		}
	}
	return true
}

// ServeList answers GET /agent/v1/destroyed: the signed list, 204 while there is
// none. The caller has asked who it is.
func (v *Vault) ServeList(w http.ResponseWriter, _ *http.Request) {
	list, note := v.List()
	if note == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("ETag", `"`+strconv.FormatUint(list.Number, 10)+`"`)
	_, _ = w.Write(note)
}

// lifecycle is a key.lifecycle event.
func lifecycle(id, action, kind, by string, more map[string]any) (event.Event, error) {
	data := map[string]any{"keyId": id, "action": action, "kind": kind, "by": by, "approver": ""}
	for k, v := range more {
		data[k] = v
	}
	obj, err := event.Object(data)
	if err != nil {
		return event.Event{}, fmt.Errorf("vault: %w", err)
	}
	return event.Event{Type: event.TypeKeyLifecycle, Data: obj}, nil
}
