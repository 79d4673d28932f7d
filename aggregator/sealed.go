package aggregator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// dirVault is the vault's folder below data_dir.
const dirVault = "vault"

// VaultRoot is where the configuration says that the vault's root key is.
func VaultRoot(cfg config.Config) vault.Root {
	return vault.Root{From: cfg.Vault.Root, File: cfg.RootFile(), Credential: cfg.Vault.Credential}
}

// openVault opens the vault, or makes it for an aggregator that never had one,
// and deletes again what a restored backup brought back.
func (a *Aggregator) openVault(ctx context.Context) error {
	root := VaultRoot(a.Config)
	dir := filepath.Join(a.Config.DataDir, dirVault)
	o := vault.Options{
		Dir: dir, Root: root, Store: a.Store, Ledger: a.Ledger, Names: a.Pseudonyms, Name: a.cosigner.Name,
		Signer: a.key, Older: a.cosigners(false), Revoked: a.cosigners(true), Instance: a.Config.Instance, Logger: a.log, Leftovers: a.leftovers,
	}
	var err error
	a.Vault, err = vault.Open(o)
	if errors.Is(err, vault.ErrNoVault) {
		if err = a.newVault(ctx, dir, root); err == nil {
			a.Vault, err = vault.Open(o)
		}
	}
	if err != nil {
		return err
	}
	if a.policy, err = seal.NewPolicy(nil); err != nil {
		return err
	}
	a.ring = seal.NewRing()
	_, err = a.Vault.Reapply(ctx)
	return err
}

// leftovers are the stores that restores kept beside the one that took their place.
func (a *Aggregator) leftovers() []string {
	if onPostgres(a.Config) {
		return nil // they are schemas of the database; the documents name them
	}
	list, err := filepath.Glob(filepath.Join(a.Config.DataDir, fileSQLite+".before-restore-*"))
	if err != nil {
		return nil // no pattern of ours is malformed
	}
	return list
}

// newVault makes a vault where none can have been lost.
func (a *Aggregator) newVault(ctx context.Context, dir string, root vault.Root) error {
	counts, err := a.Store.KeyCounts(ctx)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if len(counts) > 0 {
		return fmt.Errorf("vault: %s is missing, and the database holds sealed fields that only it can open: restore %s from a backup", filepath.Join(dir, vault.FileVault), dir)
	}
	if _, err := os.Stat(root.File); root.From == vault.FromFile && errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(root.File), 0o700); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if err := vault.NewRootFile(root.File); err != nil {
			return err
		}
	}
	return vault.Create(dir, root, seal.MLKEM768P256, time.Now())
}

// projector makes rows with their entries of the blind index.
func (a *Aggregator) projector() store.Projector { return a.Vault.Projector(project.Project) }

// maxList bounds a list of destroyed keys that an agent hands in.
const maxList = 300 << 20

// listPart serves the list of destroyed data keys to admitted agents.
type listPart struct{ a *Aggregator }

// Register adds the path to the agents' listener.
func (p listPart) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+wire.PathDestroyed, func(w http.ResponseWriter, r *http.Request) {
		if _, err := p.a.Enrol.Identify(r); err != nil {
			http.Error(w, "identity not accepted", http.StatusForbidden)
			return
		}
		p.a.Vault.ServeList(w, r)
	})
	// An agent remembers what a restored aggregator forgot; only a list that was
	// signed here counts, and nothing ever comes off it.
	mux.HandleFunc("POST "+wire.PathDestroyed, func(w http.ResponseWriter, r *http.Request) {
		if _, err := p.a.Enrol.Identify(r); err != nil {
			http.Error(w, "identity not accepted", http.StatusForbidden)
			return
		}
		note, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxList))
		if err == nil {
			err = p.a.Vault.Adopt(note)
		}
		if err == nil {
			_, err = p.a.Vault.Reapply(r.Context())
		}
		if err != nil {
			p.a.log.Warn("list of destroyed keys not taken from an agent", "error", err)
			http.Error(w, "list not taken", http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// sealedFields shows the vault to the API in the API's own types.
func (a *Aggregator) sealedFields() api.SealedFields {
	return api.SealedFields{
		People: a.Vault.People, Token: a.Vault.Token, Seal: a.seal,
		Open: func(ctx context.Context, leaf []byte, may func(set string) bool) (map[string]api.SealedField, error) {
			fields, err := a.Vault.Open(ctx, leaf, may)
			out := make(map[string]api.SealedField, len(fields))
			for path, f := range fields {
				one := api.SealedField{State: f.State, Set: f.Set, Value: f.Value}
				if !f.At.IsZero() {
					one.ErasedAt = &f.At
				}
				out[path] = one
			}
			return out, err
		},
	}
}

// seal seals an event that a program handed in, for the aggregator itself.
func (a *Aggregator) seal(_ context.Context, e *event.Event) map[string][]byte {
	keys := map[string][]byte{}
	for _, k := range a.sealer().Event(e) {
		keys[k.ID] = k.Blob
	}
	a.Vault.Learn(keys)
	return keys
}

// sealer seals for the key that the vault has now, with no data key that was destroyed.
func (a *Aggregator) sealer() seal.Sealer {
	if public, err := seal.ParsePublicKey(a.Vault.Public()); err != nil {
		a.log.Error("no key to seal for", "error", err)
	} else {
		a.ring.SetRecipient(public)
	}
	list, _ := a.Vault.List()
	a.ring.ForgetList(list)
	return seal.Sealer{Policy: a.policy, Keys: a.ring, Pseudonym: func(_ *event.Event, name string) (string, bool) {
		p := a.Pseudonym(context.Background(), name)
		return p, p != ""
	}}
}

// indexed makes the ledger's rows; the vault is opened after the ledger.
func (a *Aggregator) indexed(leaf []byte, at store.LeafAt) (store.Row, bool) {
	if a.Vault == nil {
		return project.Project(leaf, at)
	}
	return a.projector()(leaf, at)
}
