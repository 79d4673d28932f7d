package aggregator

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// Kinds and states of the aggregator's own signing keys.
const (
	KeyCosigner = "cosigner" // signs receipts
	KeyLedger   = "ledger"   // signs the ledger

	KeyCurrent = "current"
	KeyRetired = "retired" // signs nothing more; what it signed counts
	KeyRevoked = "revoked" // what it says it signed later counts nothing
)

// fileHistory lists the public keys of all times; nothing of it is secret.
const fileHistory = "public.json"

// next is where a new key waits until it is known to everybody.
func next(path string) string { return path + ".next" }

// SigningKey is one of the aggregator's keys, as its public side knows it.
type SigningKey struct {
	Kind        string    `json:"kind"`
	Name        string    `json:"name,omitempty"` // of a cosigner, in notes
	Public      []byte    `json:"publicKey"`
	Fingerprint string    `json:"fingerprint"`
	State       string    `json:"state"`
	Since       time.Time `json:"since,omitzero"`
	Until       time.Time `json:"until,omitzero"`
	Reason      string    `json:"reason,omitempty"`
}

// keyring is the folder of the keys.
type keyring struct{ dir string }

func (k keyring) file(kind string) string {
	return filepath.Join(k.dir, map[string]string{KeyCosigner: fileCosigner, KeyLedger: fileLedger}[kind])
}

// list reads the public keys as they were saved, none before the first change.
func (k keyring) list() ([]SigningKey, error) {
	var list []SigningKey
	text, err := os.ReadFile(filepath.Join(k.dir, fileHistory))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keys: %s: %w", fileHistory, err)
	}
	return list, nil
}

// history reads the public keys; those that are in use are always in it.
func (k keyring) history(name string) ([]SigningKey, error) {
	list, err := k.list()
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{KeyLedger, KeyCosigner} {
		if slices.ContainsFunc(list, func(s SigningKey) bool { return s.Kind == kind && s.State == KeyCurrent }) {
			continue
		}
		key, err := signingKey(k.file(kind))
		if err != nil {
			return nil, err
		}
		list = append(list, public(kind, name, publicOf(key), time.Time{}))
	}
	return list, nil
}

func public(kind, name string, key ed25519.PublicKey, since time.Time) SigningKey {
	s := SigningKey{Kind: kind, Public: key, Fingerprint: evidence.Fingerprint(key), State: KeyCurrent, Since: since}
	if kind == KeyCosigner {
		s.Name = name
	}
	return s
}

func (k keyring) save(list []SigningKey) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return durable.WriteFile(filepath.Join(k.dir, fileHistory), append(text, '\n'), 0o600)
}

// settle ends a rotation that was cut off: a waiting key that is the current one
// takes its place, another one was never used.
func (k keyring) settle(name string) error {
	list, err := k.history(name)
	if err != nil {
		return err
	}
	for _, kind := range []string{KeyLedger, KeyCosigner} {
		key, err := signingKey(next(k.file(kind)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(s SigningKey) bool {
			return s.State == KeyCurrent && publicOf(key).Equal(ed25519.PublicKey(s.Public))
		}) {
			if err := durable.Rename(next(k.file(kind)), k.file(kind)); err != nil {
				return fmt.Errorf("keys: %w", err)
			}
		}
	}
	return nil
}

// ledgerKeys are the keys that the ledger may go on with.
func (k keyring) ledgerKeys() []ed25519.PrivateKey {
	var out []ed25519.PrivateKey
	for _, path := range []string{next(k.file(KeyLedger)), k.file(KeyLedger)} {
		if key, err := signingKey(path); err == nil {
			out = append(out, key)
		}
	}
	return out
}

// Keys lists the public keys of the cosigner and the ledger, those of before too.
func (a *Aggregator) Keys() ([]SigningKey, error) { return a.keys.history(a.cosigner.Name) }

// cosigners are the keys whose receipts count; what agents are told leaves the
// revoked ones out, what verifies old receipts does not.
func (a *Aggregator) cosigners(revoked bool) []evidence.CosignerKey {
	out := []evidence.CosignerKey{a.cosigner}
	for _, s := range a.known {
		if s.Kind == KeyCosigner && !a.cosigner.Key.Equal(ed25519.PublicKey(s.Public)) && (revoked || s.State != KeyRevoked) {
			out = append(out, evidence.CosignerKey{Name: s.Name, Key: s.Public})
		}
	}
	return out
}

func (a *Aggregator) wireCosigners() []wire.Cosigner {
	var out []wire.Cosigner
	for _, c := range a.cosigners(false) {
		out = append(out, wire.Cosigner{Name: c.Name, Key: base64.StdEncoding.EncodeToString(c.Key)})
	}
	return out
}

// ledgerPublic are the ledger's keys of all times, the current one first.
func (a *Aggregator) ledgerPublic() []ed25519.PublicKey {
	out := []ed25519.PublicKey{a.Ledger.Public()}
	for _, s := range a.known {
		if s.Kind == KeyLedger && !out[0].Equal(ed25519.PublicKey(s.Public)) {
			out = append(out, s.Public)
		}
	}
	return out
}

// RotateKey makes a new cosigner or ledger key. A planned rotation is signed by the
// old key (log.key in the ledger's logs); a revoked one signs nothing more, the
// ledger goes on in new logs that name the old ones. A running aggregator takes a
// ledger key over by itself; for a cosigner key it ends with [ErrNewKey].
func (a *Aggregator) RotateKey(ctx context.Context, kind string, revoke bool, reason, by string) (SigningKey, error) {
	s, err := a.rotateKey(ctx, kind, revoke, event.Clean(reason), by)
	if err != nil {
		return s, fmt.Errorf("rotate the %s key: %w", kind, err)
	}
	return s, nil
}

func (a *Aggregator) rotateKey(ctx context.Context, kind string, revoke bool, reason, by string) (SigningKey, error) {
	list, err := a.Keys()
	if err != nil {
		return SigningKey{}, err
	}
	key, err := identity.NewSigningKey()
	if err != nil {
		return SigningKey{}, err
	}
	now := time.Now().UTC()
	made := public(kind, a.cosigner.Name, publicOf(key), now)
	action, state := "rotated", KeyRetired
	if revoke {
		action, state = "revoked", KeyRevoked
	}
	old := -1
	for i := range list {
		if list[i].Kind == kind && list[i].State == KeyCurrent {
			old = i
		}
	}
	events, err := rotationEvents(list[old], made, action, reason, by)
	if err != nil {
		return SigningKey{}, err
	}
	list[old].State, list[old].Until, list[old].Reason = state, now, reason
	list = append(list, made)
	if err := identity.SaveKey(next(a.keys.file(kind)), key); err != nil {
		return SigningKey{}, err
	}
	if kind == KeyLedger && !revoke {
		if err := a.Ledger.Rotate(ctx, key, reason, events...); err != nil {
			return SigningKey{}, errors.Join(err, os.Remove(next(a.keys.file(kind))))
		}
	}
	list[old].Until = time.Now().UTC() // a running aggregator has signed until here
	if err := errors.Join(a.keys.save(list), a.keys.settle(a.cosigner.Name)); err != nil {
		return SigningKey{}, err
	}
	a.known = list
	if kind == KeyLedger && !revoke {
		return made, nil // told by Rotate
	}
	if kind == KeyCosigner {
		a.key, a.cosigner.Key = key, publicOf(key)
		if key, err = signingKey(a.keys.file(KeyLedger)); err != nil {
			return SigningKey{}, err
		}
	}
	// A revoked key has no part in what is told from here on.
	if a.Ledger, err = a.openLedger(ctx, key); err != nil {
		return SigningKey{}, err
	}
	_, err = a.Ledger.Commit(ctx, store.Change{}, events...)
	return made, err
}

func rotationEvents(old, made SigningKey, action, reason, by string) ([]event.Event, error) {
	life, err := ledger.New(event.TypeKeyLifecycle, map[string]any{
		"keyId": old.Fingerprint, "action": action, "kind": "aggregator " + old.Kind + " key", "by": by, "approver": "",
		"reason": reason, "successor": made.Fingerprint,
	})
	if err != nil || made.Kind != KeyCosigner {
		return []event.Event{life}, err
	}
	told, err := ledger.New(event.TypeKeyCosigner, map[string]any{"name": made.Name, "publicKey": base64.StdEncoding.EncodeToString(made.Public), "reason": reason})
	return []event.Event{life, told}, err
}

// revokedAt is since when a revoked cosigner key's word counts nothing.
func (a *Aggregator) revokedAt() map[string]time.Time {
	out := map[string]time.Time{}
	for _, s := range a.known {
		if s.Kind == KeyCosigner && s.State == KeyRevoked {
			out[string(s.Public)] = s.Until
		}
	}
	return out
}

// writeOlderCosigners offers the cosigner's keys of before in a trust file; a revoked
// one only until it was revoked.
func (a *Aggregator) writeOlderCosigners(w io.Writer) {
	for _, s := range a.known {
		if s.Kind != KeyCosigner || s.State == KeyCurrent {
			continue
		}
		until := ""
		if s.State == KeyRevoked {
			until = " until " + s.Until.UTC().Format("2006-01-02T15:04:05Z")
		}
		fmt.Fprintf(w, "# %s %s:\n# cosigner %s %s%s\n", s.State, s.Until.UTC().Format(time.DateOnly), s.Name, base64.StdEncoding.EncodeToString(s.Public), until)
	}
}

// writeOlder pins the ledger's retired keys in a trust file, and mentions revoked ones.
func (a *Aggregator) writeOlder(w io.Writer) {
	for _, s := range a.known {
		if s.Kind != KeyLedger || s.State == KeyCurrent {
			continue
		}
		mark := ""
		if s.State == KeyRevoked {
			mark = "# revoked: "
		}
		fmt.Fprintf(w, "# %s %s, fingerprint %s\n%sledger %s %s\n", s.State, s.Until.Format(time.DateOnly), s.Fingerprint,
			mark, a.Config.Instance, base64.StdEncoding.EncodeToString(s.Public))
	}
}
