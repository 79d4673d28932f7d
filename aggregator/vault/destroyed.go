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
	list, err := seal.OpenDestroyed(note, v.signers())
	if err != nil {
		return list, nil, fmt.Errorf("vault: %s: %w (restore it: without it erased people could come back)", path, err)
	}
	return list, note, nil
}

func (v *Vault) signers() []evidence.CosignerKey {
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
// deleted: after a crash in between the next start deletes.
func (v *Vault) addDestroyed(ids []string) (seal.Destroyed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	next, err := v.destroyed.With(ids)
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
	v.stamp = stampOf(v.o.Dir)
	v.setDestroyed(next, note)
	return next, nil
}

// destroyedChunk bounds the keys of one transaction.
const destroyedChunk = 10_000

// Reapply makes the database and the list agree again, whichever of the two came
// back from an older backup: keys of the list are deleted from the database,
// keys that the database knows as destroyed and the list does not come onto it.
// It returns how many keys the database had back.
func (v *Vault) Reapply(ctx context.Context) (back int, err error) {
	list, _ := v.List()
	if err := v.missing(ctx); err != nil {
		return 0, err
	}
	var again []store.DestroyedKey
	for from := 0; from < len(list.IDs); from += destroyedChunk {
		ids := list.IDs[from:min(len(list.IDs), from+destroyedChunk)]
		known, err := v.o.Store.DestroyedKeys(ctx, ids)
		if err != nil {
			return 0, fmt.Errorf("vault: %w", err)
		}
		blobs, err := v.o.Store.WrappedKeys(ctx, ids)
		if err != nil {
			return 0, fmt.Errorf("vault: %w", err)
		}
		back += len(blobs)
		for _, id := range ids {
			if _, ok := known[id]; !ok || blobs[id] != nil {
				again = append(again, store.DestroyedKey{ID: id, List: list.Number, At: v.now().UTC()})
			}
		}
	}
	if len(again) == 0 {
		return 0, nil
	}
	for from := 0; from < len(again); from += destroyedChunk {
		part := again[from:min(len(again), from+destroyedChunk)]
		e, err := lifecycle("", "destroyed again", "data keys", "aggregator", map[string]any{
			"keys": len(part), "list": int64(list.Number), "reason": "the database was older than the list of destroyed keys",
		})
		if err != nil {
			return back, err
		}
		if _, err := v.o.Ledger.Commit(ctx, store.Change{Destroy: part}, e); err != nil {
			return back, fmt.Errorf("vault: apply the list of destroyed keys again: %w", err)
		}
	}
	v.log.Warn("the database was older than the list of destroyed keys: they were deleted again", "keys", len(again), "list", list.Number)
	return back, nil
}

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
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vault: list of destroyed keys in the database: %w", err)
	}
	return v.Adopt(note)
}

// Adopt takes a signed list over when it is newer than the one here: the
// database, or an agent, remembered what a restored folder forgot.
func (v *Vault) Adopt(note []byte) error {
	theirs, err := seal.OpenDestroyed(note, v.signers())
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	ours, _ := v.List()
	if theirs.Number < ours.Number || theirs.Number == ours.Number && theirs.Hash() == ours.Hash() {
		return nil
	}
	v.log.Error("the list of destroyed keys on disk is older than one that was signed before: a backup of the folder was put back", "number", ours.Number, "known", theirs.Number)
	if theirs.Number > ours.Number && contains(theirs, ours) {
		if err := durable.WriteFile(filepath.Join(v.o.Dir, FileDestroyed), note, 0o600); err != nil {
			return fmt.Errorf("vault: list of destroyed keys: %w", err)
		}
		return v.load()
	}
	// Two histories: what was destroyed in either stays destroyed.
	v.mu.Lock()
	v.destroyed.Number = max(theirs.Number, ours.Number)
	v.mu.Unlock()
	_, err = v.addDestroyed(theirs.IDs)
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
