// Package vault keeps the aggregator's keys for sealed fields: the private keys
// that open the data keys of agents, encrypted with a root key that lies
// elsewhere; the key of the blind index; and the signed list of data keys that
// were destroyed. It opens fields for those who may read them and erases people.
package vault

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// Files of the vault's folder.
const (
	FileVault     = "vault.json"
	FileDestroyed = "destroyed.note"
	FileErased    = "erased.note"
)

// Errors that callers branch on.
var (
	// ErrNoVault: the folder holds no vault.
	ErrNoVault = errors.New("no vault")
	// ErrDestroyedKey: the vault's key that is asked for was destroyed.
	ErrDestroyedKey = errors.New("the vault's key was destroyed")
)

// States of a vault key.
const (
	KeyActive    = "active"    // agents seal for it
	KeyRetired   = "retired"   // opens what was sealed before
	KeyDestroyed = "destroyed" // nothing that was sealed for it opens any more
)

// Store is what the vault reads; changes go through the Ledger.
type Store interface {
	store.Sealed
	Logs(ctx context.Context) ([]store.Log, error)
	Events(ctx context.Context, q store.EventQuery) (store.Page, error)
	Proof(ctx context.Context, log string, index, size uint64) ([]evidence.Hash, error)
}

// Ledger commits a change together with the leaves of these events.
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// Names turns a person's name into the pseudonyms that plants and years gave it,
// as far as the keys of these are still there.
type Names interface {
	Pseudonyms(name string) ([]string, error)
}

// Options says what a vault works with. Dir and Root are required; without Store
// and Ledger it only manages keys.
type Options struct {
	Dir    string
	Root   Root
	Store  Store
	Ledger Ledger
	Names  Names
	Name   string        // of the key that signs lists and certificates
	Signer crypto.Signer // Ed25519
	// Older keys signed lists before; Revoked ones did too, and count for what is on
	// our own disk alone. Both under the names of their time.
	Older, Revoked []evidence.CosignerKey
	// Leftovers names copies of the store that lie about and hold keys still, for
	// certificates; nil: nobody looks.
	Leftovers func() []string
	Every     time.Duration // how often Run looks; default 15 s
	Instance  string        // of this aggregator, for certificates
	Logger    *slog.Logger
	Now       func() time.Time
}

// file is vault.json.
type file struct {
	Version int        `json:"version"`
	From    string     `json:"root_from"`
	KDF     *kdf       `json:"root_kdf,omitempty"`
	Changed time.Time  `json:"root_since"`
	Keys    []keyEntry `json:"keys"`
	Index   []byte     `json:"index_key"` // encrypted
}

// keyEntry is one key pair; Private is encrypted with the root key.
type keyEntry struct {
	ID        string    `json:"id"`
	Suite     string    `json:"suite"`
	Public    string    `json:"public"`
	Private   []byte    `json:"private,omitempty"`
	State     string    `json:"state"`
	Created   time.Time `json:"created"`
	Retired   time.Time `json:"retired,omitzero"`
	Destroyed time.Time `json:"destroyed,omitzero"`
}

// fileVersion of vault.json.
const fileVersion = 1

const indexWhat = "index key"

func privateWhat(id string) string { return "private key\n" + id }

// Vault is an opened vault. Its methods may be called concurrently.
type Vault struct {
	o   Options
	log *slog.Logger
	now func() time.Time

	mu        sync.Mutex
	file      file
	stamp     stamp // of vault.json and destroyed.note, as read
	private   map[string]*seal.PrivateKey
	active    *seal.PublicKey
	mac       hash.Hash            // under the key of the blind index
	scratch   []byte               // what goes into it
	erased    map[string]time.Time // people, and when; replaced, never changed
	destroyed seal.Destroyed
	applied   wire.Destroyed // the list that the database agreed with last
	note      []byte         // signed list, as on disk
	named     wire.Destroyed
	gone      map[string]bool
	cache     map[string]*seal.DataKey
}

// Create makes a vault with its first key in a folder that holds none.
func Create(dir string, root Root, suite seal.Suite, now time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, FileVault)); err == nil {
		return fmt.Errorf("vault: %s is there already", filepath.Join(dir, FileVault))
	}
	f := file{Version: fileVersion, From: root.From, Changed: now.UTC()}
	if root.From == FromPassphrase {
		f.KDF = newKDF()
	}
	k, err := f.open(root)
	if err != nil {
		return err
	}
	index := make([]byte, 32)
	rand.Read(index)
	f.Index = k.wrap(indexWhat, index)
	if err := f.add(k, suite, now); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return f.save(dir)
}

// open reads the root key and checks it against what is encrypted with it.
func (f *file) open(root Root) (kek, error) {
	if f.From != root.From {
		return kek{}, fmt.Errorf("vault: its root key comes from a %s, the configuration says %s (vault.root)", f.From, root.From)
	}
	key, err := root.key(f.KDF)
	if err != nil {
		return kek{}, fmt.Errorf("vault: %w", err)
	}
	return newKEK(key)
}

// add makes a key pair that agents seal for from now on.
func (f *file) add(k kek, suite seal.Suite, now time.Time) error {
	key, err := seal.NewPrivateKey(suite)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	raw, err := key.Bytes()
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	defer clear(raw)
	for i := range f.Keys {
		if f.Keys[i].State == KeyActive {
			f.Keys[i].State, f.Keys[i].Retired = KeyRetired, now.UTC()
		}
	}
	id := key.Public().ID()
	f.Keys = append(f.Keys, keyEntry{
		ID: id, Suite: string(suite), Public: key.Public().String(), Private: k.wrap(privateWhat(id), raw),
		State: KeyActive, Created: now.UTC(),
	})
	return nil
}

func (f *file) save(dir string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, FileVault), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

func readFile(dir string) (file, error) {
	var f file
	text, err := os.ReadFile(filepath.Join(dir, FileVault))
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("%w in %s: restore it, or make one with linewatch-aggregator keys vault create", ErrNoVault, dir)
	}
	if err != nil {
		return f, fmt.Errorf("vault: %w", err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("vault: %s is damaged: %w (restore it from a backup)", FileVault, err)
	}
	if f.Version != fileVersion {
		return f, fmt.Errorf("vault: %s has version %d, this program reads %d", FileVault, f.Version, fileVersion)
	}
	return f, nil
}

// Open opens the vault of a folder.
func Open(o Options) (*Vault, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vault{o: o, log: o.Logger, now: o.Now, cache: map[string]*seal.DataKey{}}
	if err := v.load(); err != nil {
		return nil, err
	}
	return v, nil
}

// load reads vault.json and the list of destroyed keys.
func (v *Vault) load() error {
	s := stampOf(v.o.Dir)
	f, err := readFile(v.o.Dir)
	if err != nil {
		return err
	}
	k, err := f.open(v.o.Root)
	if err != nil {
		return err
	}
	list, note, err := v.readDestroyed()
	if err != nil {
		return err
	}
	erased, err := v.readErased()
	if err != nil {
		return err
	}
	private := map[string]*seal.PrivateKey{}
	var active *seal.PublicKey
	for i, e := range f.Keys {
		if list.Has(e.ID) { // also in a file that was put back from a backup
			f.Keys[i].State = KeyDestroyed
		}
		if f.Keys[i].State == KeyDestroyed {
			continue
		}
		raw, err := k.unwrap(privateWhat(e.ID), e.Private)
		if err != nil {
			return fmt.Errorf("vault: key %s: %w", e.ID[:min(16, len(e.ID))], err)
		}
		key, err := seal.ParsePrivateKey(seal.Suite(e.Suite), raw)
		clear(raw)
		if err != nil || key.Public().ID() != e.ID {
			return fmt.Errorf("vault: key %s is damaged", e.ID)
		}
		private[e.ID] = key
		if e.State == KeyActive {
			active = key.Public()
		}
	}
	index, err := k.unwrap(indexWhat, f.Index)
	if err != nil {
		return fmt.Errorf("vault: key of the blind index: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erased = erased
	v.file, v.stamp, v.private, v.active, v.mac = f, s, private, active, hmac.New(sha256.New, index)
	v.setDestroyed(list, note)
	return nil
}

// Public is the key that agents seal for; "" when there is none.
func (v *Vault) Public() string {
	v.refresh()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.active == nil {
		return ""
	}
	return v.active.String()
}

// stamp tells whether one of the files changed.
type stamp struct{ vault, destroyed, erased time.Time }

func stampOf(dir string) (s stamp) {
	if st, err := os.Stat(filepath.Join(dir, FileVault)); err == nil {
		s.vault = st.ModTime()
	}
	if st, err := os.Stat(filepath.Join(dir, FileDestroyed)); err == nil {
		s.destroyed = st.ModTime()
	}
	if st, err := os.Stat(filepath.Join(dir, FileErased)); err == nil {
		s.erased = st.ModTime()
	}
	return s
}

// refresh reads the files again when another process (the command line beside
// the service) changed them.
func (v *Vault) refresh() {
	v.mu.Lock()
	same := v.stamp == stampOf(v.o.Dir)
	v.mu.Unlock()
	if same {
		return
	}
	if err := v.load(); err != nil {
		v.log.Error("the vault changed and can't be read again; going on with what was read before", "error", err)
	}
}
