package vault_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/seal"
)

const station = "hamburg/body/line3/st07"

var (
	anna = "p-" + strings.Repeat("0a", 16)
	bert = "p-" + strings.Repeat("0b", 16)
)

// rig is a vault with a store and a ledger beside it.
type rig struct {
	testing.TB
	dir   string
	db    string
	store *sqlite.Store
	vault *vault.Vault
	opts  vault.Options
	ring  *seal.Ring
	log   *storetest.Log

	also func(*event.Event) []*seal.DataKey // seals more of a sign-in
	made []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{TB: t, dir: t.TempDir()}
	r.db = filepath.Join(r.dir, "store.db")
	root := vault.Root{From: vault.FromFile, File: filepath.Join(r.dir, "root.key")}
	require.NoError(t, vault.NewRootFile(root.File))
	require.NoError(t, vault.Create(filepath.Join(r.dir, "vault"), root, seal.P256, time.Now()))
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	r.opts = vault.Options{Dir: filepath.Join(r.dir, "vault"), Root: root, Name: "linewatch/test", Signer: key, Instance: "test"}
	r.open()
	r.ring = seal.NewRing()
	public, err := seal.ParsePublicKey(r.vault.Public())
	require.NoError(t, err)
	r.ring.SetRecipient(public)
	r.log = storetest.NewLog("sealed", event.Security).Register(t, r.store)
	t.Cleanup(func() { r.store.Close() })
	return r
}

// open opens store, ledger and vault, as a start of the program does.
func (r *rig) open() {
	r.Helper()
	var err error
	r.store, err = sqlite.Open(r.Context(), r.db, sqlite.Options{})
	require.NoError(r, err)
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	l, err := ledger.Open(r.Context(), ledger.Options{
		Store: r.store, Key: key, CosignerName: "linewatch/test", Cosigner: r.opts.Signer, Instance: "test", Project: project.Project, Version: "test",
	})
	require.NoError(r, err)
	r.opts.Store, r.opts.Ledger = r.store, l
	r.vault, err = vault.Open(r.opts)
	require.NoError(r, err)
}

// login stores a sign-in whose name and device are sealed; it returns the leaf.
func (r *rig) login(who, name string) []byte {
	r.Helper()
	key, err := r.ring.Key(who, storetest.Start())
	require.NoError(r, err)
	e := r.log.Event(station, "user.login", func(e *event.Event) { e.UserID = who })
	e.Data = json.RawMessage(`{"userId":"` + who + `"}`)
	e.Sealed = map[string]event.SealedField{
		seal.UserPath:       key.Seal(e.ID, seal.UserPath, []byte(`"`+name+`"`)),
		"event_data.device": key.Seal(e.ID, "event_data.device", []byte(`"HMI-4"`)),
	}
	keys := map[string][]byte{key.ID: key.Blob}
	if r.also != nil {
		for _, k := range r.also(&e) {
			keys[k.ID] = k.Blob
		}
	}
	a := r.log.Append(r.TB, e)
	a.Keys = keys
	r.vault.Learn(a.Keys)
	leaf := r.log.Leaves[len(r.log.Leaves)-1]
	row, ok := r.vault.Projector(project.Project)(leaf, store.LeafAt{Log: r.log.ID, Index: a.First, AgentID: r.log.AgentID, Class: r.log.Class, Received: a.Received})
	require.True(r, ok)
	a.Rows[0] = row
	storetest.Commit(r.TB, r.store, a)
	return leaf
}

func all(string) bool  { return true }
func none(string) bool { return false }

func (r *rig) fields(leaf []byte, may func(string) bool) map[string]vault.Field {
	r.Helper()
	f, err := r.vault.Open(r.Context(), leaf, may)
	require.NoError(r, err)
	return f
}

func (r *rig) erase(people ...string) vault.Erasure {
	r.Helper()
	done, err := r.vault.Erase(r.Context(), vault.Request{Pseudonyms: people, By: "cli:test", Ground: "GDPR Art. 17(1)(a)"})
	require.NoError(r, err)
	return done
}

func TestOnlyWhoMayReadsAndAnErasedPersonIsReadByNobody(t *testing.T) {
	r := newRig(t)
	a, b := r.login(anna, "Anna"), r.login(bert, "Bert")
	require.Equal(t, `"Anna"`, string(r.fields(a, all)[seal.UserPath].Value))
	require.Equal(t, vault.Field{State: vault.StateSealed, Set: vault.SetPerson}, r.fields(a, none)[seal.UserPath])
	people, err := r.vault.People(t.Context(), " ANNA ")
	require.NoError(t, err)
	require.Equal(t, []string{anna}, people)

	done := r.erase(anna)
	c := done.Certificate
	require.Equal(t, []uint64{1, 1, 1, 2, 0}, []uint64{c.Events, c.Checked, c.ProofsHold, c.Unreadable, c.StillOpen})
	require.Len(t, c.Keys, 1)
	for path, f := range r.fields(a, all) {
		require.Equal(t, vault.StateErased, f.State, path)
		require.Empty(t, f.Value)
		require.False(t, f.At.IsZero())
	}
	require.Equal(t, `"Bert"`, string(r.fields(b, all)[seal.UserPath].Value), "others are not touched")
	people, err = r.vault.People(t.Context(), "Anna")
	require.NoError(t, err)
	require.Empty(t, people, "the blind index went with the keys")
	events, err := r.store.Events(t.Context(), store.EventQuery{Filter: query.Must("type:privacy.fulfilled", time.Now()), Scope: []string{"**"}, Limit: 10})
	require.NoError(t, err)
	require.Len(t, events.Rows, 1)
	require.Contains(t, string(events.Rows[0].Data), c.RequestID)
	text, _, err := evidence.OpenNote(done.Text, []evidence.CosignerKey{{Name: "linewatch/test", Key: r.opts.Signer.Public().(ed25519.PublicKey)}})
	require.NoError(t, err)
	require.Contains(t, string(text), "pseudonym: "+anna)

	again := r.erase(anna)
	require.Empty(t, again.Certificate.Keys, "erased twice is erased")
	fresh := r.login(anna, "Anna")
	require.Equal(t, vault.StateErased, r.fields(fresh, all)[seal.UserPath].State, "an agent that did not hear of it yet brings nothing back")
}

func TestAnErasureIsDoneAgainAfterABackupWasPutBack(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	require.NoError(t, r.vault.Backup(filepath.Join(r.dir, "vault.bak")))
	require.NoError(t, r.store.Close())
	database, err := os.ReadFile(r.db)
	require.NoError(t, err)
	r.open()
	r.erase(anna)
	note, err := os.ReadFile(filepath.Join(r.opts.Dir, vault.FileDestroyed))
	require.NoError(t, err)

	// The database alone comes back: the list beside it does the erasure again.
	require.NoError(t, r.store.Close())
	restore(t, r, database)
	r.open()
	require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State, "not even before it is applied")
	back, err := r.vault.Reapply(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, back)
	blobs, err := r.store.WrappedKeys(t.Context(), seal.KeyIDs(a))
	require.NoError(t, err)
	require.Empty(t, blobs)

	// The vault's folder alone comes back, from before: the database knows.
	require.NoError(t, os.Remove(filepath.Join(r.opts.Dir, vault.FileDestroyed)))
	require.NoError(t, r.store.Close())
	r.open()
	_, err = r.vault.Reapply(t.Context())
	require.NoError(t, err)
	require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State)

	// Both come back: an agent still has the list.
	require.NoError(t, os.RemoveAll(r.opts.Dir))
	require.NoError(t, os.Rename(filepath.Join(r.dir, "vault.bak"), r.opts.Dir))
	require.NoError(t, r.store.Close())
	restore(t, r, database)
	r.open()
	_, err = r.vault.Reapply(t.Context())
	require.NoError(t, err)
	require.Equal(t, vault.StateOpened, r.fields(a, all)[seal.UserPath].State, "nobody here remembers")
	require.NoError(t, r.vault.Adopt(note))
	_, err = r.vault.Reapply(t.Context())
	require.NoError(t, err)
	require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State)
	forged := strings.Replace(string(note), "destroyed/v1\n1\n", "destroyed/v1\n9\n", 1)
	require.ErrorIs(t, r.vault.Adopt([]byte(forged)), seal.ErrDestroyed)
}

func restore(t *testing.T, r *rig, database []byte) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(r.db + suffix)
	}
	require.NoError(t, os.WriteFile(r.db, database, 0o600))
}

func TestAnotherRootKeyOpensNothingAndARotationKeepsEverythingReadable(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	other := r.opts
	other.Root.File = filepath.Join(r.dir, "other.key")
	require.NoError(t, vault.NewRootFile(other.Root.File))
	_, err := vault.Open(other)
	require.ErrorContains(t, err, "does not open with this root key")
	pass := vault.Root{From: vault.FromPassphrase, File: filepath.Join(r.dir, "passphrase")}
	require.NoError(t, os.WriteFile(pass.File, []byte("short\n"), 0o600))
	require.ErrorContains(t, r.vault.Rotate(t.Context(), pass, "cli:test"), "fewer than 12")
	require.NoError(t, os.WriteFile(pass.File, []byte("correct horse battery staple\n"), 0o600))
	token := r.vault.Token("event_data.device", "HMI-4")
	require.NoError(t, r.vault.Rotate(t.Context(), pass, "cli:test"))
	require.Equal(t, `"Anna"`, string(r.fields(a, all)[seal.UserPath].Value), "no blob was wrapped anew")
	_, err = vault.Open(r.opts)
	require.Error(t, err, "the old root key opens nothing")
	r.opts.Root = pass
	reopened, err := vault.Open(r.opts)
	require.NoError(t, err)
	require.Equal(t, token, reopened.Token("event_data.device", "HMI-4"))
	t.Setenv("CREDENTIALS_DIRECTORY", r.dir)
	require.NoError(t, os.Rename(other.Root.File, filepath.Join(r.dir, "lw-root")))
	credential := vault.Root{From: vault.FromCredential, Credential: "lw-root"}
	require.NoError(t, reopened.Rotate(t.Context(), credential, "cli:test"))
	r.opts.Root = credential
	_, err = vault.Open(r.opts)
	require.NoError(t, err)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err = vault.Open(r.opts)
	require.ErrorContains(t, err, "LoadCredential")
}

func TestANewKeySealsAndTheOldOneOpensUntilItIsDestroyed(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	before, err := r.vault.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(1), before.Keys[0].DataKeys)
	old := before.Keys[0].ID
	require.Error(t, r.vault.Destroy(t.Context(), old, "cli:test"), "agents seal for it")
	id, err := r.vault.NewKey(t.Context(), seal.MLKEM768P256, "cli:test")
	require.NoError(t, err)
	public, err := seal.ParsePublicKey(r.vault.Public())
	require.NoError(t, err)
	require.Equal(t, id, public.ID())
	r.ring.SetRecipient(public)
	b := r.login(bert, "Bert")
	require.Equal(t, vault.StateOpened, r.fields(a, all)[seal.UserPath].State)
	require.NoError(t, r.vault.Destroy(t.Context(), old, "cli:test"))
	require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State)
	require.Equal(t, vault.StateOpened, r.fields(b, all)[seal.UserPath].State)
	require.ErrorIs(t, r.vault.Destroy(t.Context(), old, "cli:test"), vault.ErrDestroyedKey)
	require.ErrorIs(t, r.vault.Destroy(t.Context(), "nobody", "cli:test"), store.ErrNotFound)
}

func TestTheFilesOfTheVaultHoldNoKeyInClear(t *testing.T) {
	r := newRig(t)
	r.login(anna, "Anna")
	root, err := os.ReadFile(r.opts.Root.File)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(r.opts.Dir, vault.FileVault))
	require.NoError(t, err)
	require.NotContains(t, string(text), strings.TrimSpace(string(root)))
	var f struct {
		Keys []struct {
			Private []byte `json:"private"`
			Suite   string `json:"suite"`
		} `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(text, &f))
	_, err = seal.ParsePrivateKey(seal.Suite(f.Keys[0].Suite), f.Keys[0].Private)
	require.Error(t, err)
	for _, name := range []string{r.opts.Root.File, filepath.Join(r.opts.Dir, vault.FileVault)} {
		st, err := os.Stat(name)
		require.NoError(t, err)
		require.Zero(t, st.Mode().Perm()&0o077, name)
	}
	for _, damaged := range []string{"{", `{"version":9}`, strings.Replace(string(text), base64.StdEncoding.EncodeToString(f.Keys[0].Private)[:8], "AAAAAAAA", 1)} {
		require.NoError(t, os.WriteFile(filepath.Join(r.opts.Dir, vault.FileVault), []byte(damaged), 0o600))
		_, err := vault.Open(r.opts)
		require.Error(t, err)
	}
	_, err = vault.Open(vault.Options{Dir: t.TempDir(), Root: r.opts.Root})
	require.ErrorIs(t, err, vault.ErrNoVault)
}

func TestASecondProcessSeesAnErasureAtOnce(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	beside, err := vault.Open(r.opts)
	require.NoError(t, err)
	open := func() string {
		f, err := beside.Open(context.Background(), a, all)
		require.NoError(t, err)
		return f[seal.UserPath].State
	}
	require.Equal(t, vault.StateOpened, open())
	r.erase(anna)
	require.Equal(t, vault.StateErased, open())
	require.Equal(t, uint64(1), beside.Destroyed().Number)
}
