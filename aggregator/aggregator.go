// Package aggregator wires the aggregator: the only place that knows all its
// parts and the order in which they start and stop.
package aggregator

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/config"
	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/aggregator/witness"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/version"
)

// Names below data_dir.
const (
	dirCA         = "ca"
	dirKeys       = "keys"
	dirPseudonyms = "pseudonyms"
	fileLedger    = "ledger.key"
	// sizes that the ledger has signed: kept outside of the database, see ledger.Options.Memory
	fileLedgerSizes = "ledger.sizes"
	fileCosigner    = "cosigner.key"
	fileSQLite      = "linewatch.db"
)

// Aggregator is an opened aggregator: store, keys and ledger are there, nothing
// listens yet. The command line uses it beside a running service.
type Aggregator struct {
	Config     config.Config
	Store      store.Store
	Ledger     *ledger.Ledger
	Enrol      *enrol.Service
	CA         *identity.CA
	Pseudonyms *enrol.Pseudonyms
	Witnesses  *witness.Keeper
	Vault      *vault.Vault

	policy   *seal.Policy // of events that programs hand in
	ring     *seal.Ring
	cosigner evidence.CosignerKey
	key      ed25519.PrivateKey
	log      *slog.Logger
	restored string // names the newest restore of the store
	keys     keyring
	known    []SigningKey // public keys of all times
}

// Open opens the store and the keys of a configured aggregator. Close it.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*Aggregator, error) {
	a := &Aggregator{Config: cfg, log: log}
	var err error
	if a.CA, err = identity.LoadCA(filepath.Join(cfg.DataDir, dirCA), time.Now); err != nil {
		return nil, fmt.Errorf("%w (was linewatch-aggregator init run for %s?)", err, cfg.DataDir)
	}
	a.keys = keyring{filepath.Join(cfg.DataDir, dirKeys)}
	if err := a.keys.settle(CosignerName(cfg.Instance)); err != nil {
		return nil, err
	}
	if a.known, err = a.keys.history(CosignerName(cfg.Instance)); err != nil {
		return nil, err
	}
	ledgerKey, err := signingKey(filepath.Join(cfg.DataDir, dirKeys, fileLedger))
	if err != nil {
		return nil, err
	}
	if a.key, err = signingKey(filepath.Join(cfg.DataDir, dirKeys, fileCosigner)); err != nil {
		return nil, err
	}
	a.cosigner = evidence.CosignerKey{Name: CosignerName(cfg.Instance), Key: a.key.Public().(ed25519.PublicKey)}
	if a.Pseudonyms, err = enrol.NewPseudonyms(filepath.Join(cfg.DataDir, dirPseudonyms)); err != nil {
		return nil, err
	}
	if a.Store, err = openStore(ctx, cfg, log); err != nil {
		return nil, err
	}
	if err := a.openParts(ctx, ledgerKey); err != nil {
		a.Store.Close()
		return nil, err
	}
	return a, nil
}

// CosignerName is the key name of an aggregator's cosignatures.
func CosignerName(instance string) string { return "linewatch/" + instance }

func signingKey(path string) (ed25519.PrivateKey, error) {
	key, err := identity.LoadKey(path)
	if err != nil {
		return nil, err
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is no Ed25519 key", path)
	}
	return ed, nil
}

func openStore(ctx context.Context, cfg config.Config, log *slog.Logger) (store.Store, error) {
	if strings.HasPrefix(cfg.Store, "postgres://") || strings.HasPrefix(cfg.Store, "postgresql://") {
		return postgres.Open(ctx, cfg.Store, postgres.Options{Logger: log})
	}
	return sqlite.Open(ctx, filepath.Join(cfg.DataDir, fileSQLite), sqlite.Options{Logger: log})
}

func (a *Aggregator) openParts(ctx context.Context, ledgerKey ed25519.PrivateKey) error {
	cfg := a.Config
	restored, err := a.Store.Setting(ctx, settingRestored)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a.restored = string(restored)
	if a.Ledger, err = a.openLedger(ctx, ledgerKey); err != nil {
		return err
	}
	if err := a.openWitnesses(); err != nil {
		return err
	}
	if err := a.openVault(ctx); err != nil {
		return err
	}
	a.Enrol, err = enrol.New(enrol.Options{
		Store: a.Store, Ledger: a.Ledger, CA: a.CA, Pseudonyms: a.Pseudonyms, Cosigners: a.wireCosigners(), URLs: cfg.Agents.URLs, Logger: a.log,
		Sealing: a.Vault.Public, Destroyed: a.Vault.Destroyed,
	})
	return err
}

func (a *Aggregator) openLedger(ctx context.Context, key ed25519.PrivateKey) (*ledger.Ledger, error) {
	return ledger.Open(ctx, ledger.Options{
		Store: a.Store, Key: key, CosignerName: a.cosigner.Name, Cosigner: a.receiptSigner(), Instance: a.Config.Instance,
		Station: a.Config.Station, Version: version.String(), Project: a.indexed, Logger: a.log,
		Memory: filepath.Join(a.Config.DataDir, dirKeys, fileLedgerSizes), Restored: a.restored, Rekey: a.keys.ledgerKeys,
		Private: a.private,
	})
}

// Pseudonym is the pseudonym of one of the aggregator's own users today; "" when
// no key can be had.
func (a *Aggregator) Pseudonym(_ context.Context, name string) string {
	plant, _, _ := strings.Cut(a.Config.Station, "/")
	now := time.Now()
	keys, err := a.Pseudonyms.Keys([]string{plant}, now)
	if err != nil {
		a.log.Error("no pseudonym key", "error", err)
		return ""
	}
	for _, k := range keys {
		raw, err := base64.StdEncoding.DecodeString(k.Key)
		if err == nil && k.Year == now.UTC().Year() {
			return event.Pseudonym(raw, name)
		}
	}
	return ""
}

// Close closes the store.
func (a *Aggregator) Close() error { return a.Store.Close() }
