package vault_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

// broken is a ledger that takes some changes and then none: the process was killed.
type broken struct {
	vault.Ledger
	left int
}

var errKilled = errors.New("killed")

func (b *broken) Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error) {
	if b.left--; b.left < 0 {
		return store.Committed{}, errKilled
	}
	return b.Ledger.Commit(ctx, c, events...)
}

// beside is the vault as another process has it, with another ledger if one is given.
func (r *rig) beside(l vault.Ledger) *vault.Vault {
	r.Helper()
	o := r.opts
	if l != nil {
		o.Ledger = l
	}
	v, err := vault.Open(o)
	require.NoError(r, err)
	return v
}

func (r *rig) stored(leaf []byte) int {
	r.Helper()
	blobs, err := r.store.WrappedKeys(r.Context(), seal.KeyIDs(leaf))
	require.NoError(r, err)
	return len(blobs)
}

func TestAnErasureThatWasCutOffIsFinishedAndTheNextOneCertifiesIt(t *testing.T) {
	for left, want := range []string{"after the list was written", "after the keys were deleted"} {
		t.Run(want, func(t *testing.T) {
			r := newRig(t)
			a := r.login(anna, "Anna")
			_, err := r.beside(&broken{Ledger: r.opts.Ledger, left: left}).Erase(t.Context(), vault.Request{Pseudonyms: []string{anna}})
			require.ErrorIs(t, err, errKilled, "no certificate is given")
			require.ErrorContains(t, err, "run it again")
			require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State, "whatever happened, nobody reads it")

			// The aggregator that runs all the time finishes it without a restart.
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			r.opts.Every = 10 * time.Millisecond
			service := r.beside(nil)
			go func() { done <- service.Run(ctx) }()
			require.Eventually(t, func() bool { return r.stored(a) == 0 }, time.Minute, 20*time.Millisecond)
			stop()
			require.NoError(t, <-done)
			again := r.erase(anna).Certificate
			require.Equal(t, vault.ErasedBefore, again.Result)
			require.Equal(t, seal.KeyIDs(a), again.Before, "the certificate names the keys that the first run destroyed")
			require.Equal(t, []uint64{2, 0}, []uint64{again.Unreadable, again.StillOpen})
		})
	}
}

func TestNothingFoundIsNoErasure(t *testing.T) {
	r := newRig(t)
	r.login(anna, "Anna")
	c := r.erase(bert).Certificate
	require.Equal(t, vault.NothingFound, c.Result)
	require.Contains(t, c.Explanation, "Nothing was destroyed")
	require.NotContains(t, c.Explanation, "can't be read any more by anybody")
	require.Equal(t, vault.Erased, r.erase(anna).Certificate.Result)
}

func TestACertificateTellsWhatOfThePersonsEventsCanStillBeRead(t *testing.T) {
	r := newRig(t)
	secret, err := r.ring.Key(seal.Set("secret"), time.Now())
	require.NoError(t, err)
	other, err := r.ring.Key(bert, time.Now())
	require.NoError(t, err)
	r.also = func(e *event.Event) []*seal.DataKey {
		e.Sealed["event_data.password"] = secret.Seal(e.ID, "event_data.password", []byte(`"pw"`))
		e.Sealed["event_data.approver"] = other.Seal(e.ID, "event_data.approver", []byte(`"Bert"`))
		return []*seal.DataKey{secret, other}
	}
	r.login(anna, "Anna")
	done := r.erase(anna)
	c := done.Certificate
	require.Equal(t, []uint64{2, 0, 2}, []uint64{c.Unreadable, c.StillOpen, c.Others})
	require.Equal(t, []string{"person", "secret"}, c.OtherSets)
	require.Contains(t, string(done.Text), "can still be read: 2 (person secret)")
}

func TestErasuresOfTwoProcessesAtOnceAreAllOnTheList(t *testing.T) {
	r := newRig(t)
	var people []string
	var leaves [][]byte
	for i := range 8 {
		people = append(people, "p-"+strings.Repeat("0"+string(rune('a'+i%6)), 15)+"0"+string(rune('0'+i)))
		leaves = append(leaves, r.login(people[i], "N"))
	}
	var wait sync.WaitGroup
	for _, p := range people {
		v := r.beside(nil)
		wait.Go(func() {
			_, err := v.Erase(context.WithoutCancel(t.Context()), vault.Request{Pseudonyms: []string{p}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	list, _ := r.vault.List()
	require.Len(t, list.IDs, len(people))
	require.Equal(t, uint64(len(people)), list.Number, "no two lists had the same number")
	for _, leaf := range leaves {
		require.True(t, list.Has(seal.KeyIDs(leaf)[0]))
	}
}

func TestWhatAnOfflineStationBringsOfAnErasedPersonIsDestroyedOnArrival(t *testing.T) {
	r := newRig(t)
	r.login(anna, "Anna")
	r.erase(anna)
	erased := time.Now()
	leaf := func(key *seal.DataKey, at time.Time) []byte {
		e := r.log.Event(station, "quality.check", func(e *event.Event) { e.CollectedAt, e.Timestamp = at, at })
		e.Sealed = map[string]event.SealedField{"event_data.by": key.Seal(e.ID, "event_data.by", []byte(`"Anna"`))}
		text, err := e.Leaf()
		require.NoError(t, err)
		return text
	}
	key := func(who string) *seal.DataKey {
		r.ring.Forget(r.made)
		k, err := r.ring.Key(who, erased)
		require.NoError(t, err)
		r.made = append(r.made, k.ID)
		return k
	}
	gone := func(k *seal.DataKey) bool {
		known, err := r.store.DestroyedKeys(t.Context(), []string{k.ID})
		require.NoError(t, err)
		list, _ := r.vault.List()
		require.Equal(t, len(known) == 1, list.Has(k.ID), "list and database agree")
		return len(known) == 1
	}
	late := func(offset time.Duration, k *seal.DataKey, leaves ...[]byte) {
		require.NoError(t, r.beside(nil).Late(t.Context(), leaves, offset, map[string][]byte{k.ID: k.Blob}))
	}
	before, after := erased.Add(-time.Hour), erased.Add(time.Hour)
	offline, works, colleague, fast := key(anna), key(anna), key(bert), key(anna)
	late(0, offline, leaf(offline, after), leaf(offline, before))
	require.True(t, gone(offline), "it sealed what was there before the erasure")
	late(0, works, leaf(works, after))
	require.False(t, gone(works), "who goes on working is recorded anew")
	late(0, colleague, leaf(colleague, before))
	require.False(t, gone(colleague))
	late(-2*time.Hour, fast, leaf(fast, after))
	require.True(t, gone(fast), "the station's clock is two hours fast")

	// The key came with another log first, whose leaves are younger.
	a := r.log.Append(t, r.log.Event(station, "user.login"))
	a.Keys, a.Received = map[string][]byte{works.ID: works.Blob}, time.Now()
	storetest.Commit(t, r.store, a)
	require.NoError(t, r.vault.Late(t.Context(), [][]byte{leaf(works, before)}, 0, nil))
	require.True(t, gone(works))
}

func TestADestroyedVaultKeyIsNotBroughtBackByABackup(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	info, err := r.vault.Info(t.Context())
	require.NoError(t, err)
	old := info.Keys[0].ID
	require.NoError(t, r.vault.Backup(filepath.Join(r.dir, "bak")))
	text, err := os.ReadFile(filepath.Join(r.opts.Dir, vault.FileVault))
	require.NoError(t, err)
	_, err = r.vault.NewKey(t.Context(), seal.P256, "cli:test")
	require.NoError(t, err)
	require.NoError(t, r.vault.Destroy(t.Context(), old, "cli:test"))
	require.Zero(t, r.stored(a), "the data keys went with it")
	found, err := r.vault.People(t.Context(), "Anna")
	require.NoError(t, err)
	require.Empty(t, found, "and the blind index")

	putBack := map[string]func(){
		"the file alone": func() { require.NoError(t, os.WriteFile(filepath.Join(r.opts.Dir, vault.FileVault), text, 0o600)) },
		"the whole folder": func() {
			require.NoError(t, os.RemoveAll(r.opts.Dir))
			require.NoError(t, os.Rename(filepath.Join(r.dir, "bak"), r.opts.Dir))
		},
	}
	for _, name := range []string{"the file alone", "the whole folder"} {
		putBack[name]()
		r.vault = r.beside(nil)
		_, err = r.vault.Reapply(t.Context())
		require.NoError(t, err)
		require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State, name)
		var f struct {
			Keys []struct{ ID, State, Private string }
		}
		now, err := os.ReadFile(filepath.Join(r.opts.Dir, vault.FileVault))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(now, &f))
		require.Equal(t, vault.KeyDestroyed, f.Keys[0].State, name)
		require.Empty(t, f.Keys[0].Private, name)
		require.NotEmpty(t, r.vault.Public(), "agents have a key to seal for: %s", name)
	}
}

func TestWhoWritesToTheDatabaseAloneDestroysNothingByItsLists(t *testing.T) {
	r := newRig(t)
	a, b := r.login(anna, "Anna"), r.login(bert, "Bert")
	r.erase(anna)
	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	list, err := seal.Destroyed{Number: 8}.With(seal.KeyIDs(b))
	require.NoError(t, err)
	forged, err := list.Sign(r.opts.Name, stranger)
	require.NoError(t, err)
	people, err := evidence.SignNote([]byte("linewatch/erased/v1\n"+bert+" 2199-01-01T00:00:00Z\n"), r.opts.Name, stranger)
	require.NoError(t, err)
	for _, settings := range []map[string][]byte{
		{"vault.destroyed": forged, "vault.erased": people}, {"vault.destroyed": []byte("x"), "vault.erased": []byte(`{"version":1}`)},
	} {
		_, err = r.store.Commit(t.Context(), store.Change{Settings: settings})
		require.NoError(t, err)
		r.vault = r.beside(nil)
		_, err = r.vault.Reapply(t.Context())
		require.NoError(t, err, "nor is anybody kept from starting")
		require.Equal(t, vault.StateOpened, r.fields(b, all)[seal.UserPath].State)
		require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State)
	}
}

func TestAListThatAnOlderKeySignedCountsAndIsSignedAnew(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	r.erase(anna)
	_, note := r.vault.List()
	old := evidence.CosignerKey{Name: r.opts.Name, Key: r.opts.Signer.Public().(ed25519.PublicKey)}
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	r.opts.Signer = key
	_, err = vault.Open(r.opts)
	require.ErrorIs(t, err, seal.ErrDestroyed, "a stranger's list")
	r.opts.Revoked = []evidence.CosignerKey{old}
	r.vault = r.beside(nil)
	require.ErrorIs(t, r.vault.Adopt(note), seal.ErrDestroyed, "nobody brings one that a stolen key may have signed")
	_, err = r.vault.Reapply(t.Context())
	require.NoError(t, err)
	list, note := r.vault.List()
	_, err = seal.OpenDestroyed(note, []evidence.CosignerKey{{Name: r.opts.Name, Key: key.Public().(ed25519.PublicKey)}})
	require.NoError(t, err)
	require.Equal(t, uint64(2), list.Number, "agents fetch it")
	r.opts.Revoked = nil
	require.NoError(t, os.RemoveAll(filepath.Join(r.opts.Dir, vault.FileDestroyed)))
	r.vault = r.beside(nil)
	_, err = r.vault.Reapply(t.Context())
	require.NoError(t, err)
	again, _ := r.vault.List()
	require.Equal(t, list.IDs, again.IDs, "the database has what was signed anew, and erased people need no old key")
	require.Equal(t, vault.StateErased, r.fields(a, all)[seal.UserPath].State)
}

func TestAProcessWaitsForAnotherOneThatChangesTheList(t *testing.T) {
	r := newRig(t)
	a := r.login(anna, "Anna")
	lock, err := durable.Lock(filepath.Join(r.opts.Dir, "change.lock"), 0)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := r.vault.Erase(context.WithoutCancel(t.Context()), vault.Request{Pseudonyms: []string{anna}})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	// What the other process wrote meanwhile stays.
	other := strings.Repeat("ab", 32)
	list, err := seal.Destroyed{}.With([]string{other})
	require.NoError(t, err)
	note, err := list.Sign(r.opts.Name, r.opts.Signer)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.opts.Dir, vault.FileDestroyed), note, 0o600))
	require.NoError(t, lock.Close())
	require.NoError(t, <-done)
	list, _ = r.vault.List()
	require.True(t, list.Has(other) && list.Has(seal.KeyIDs(a)[0]))
	require.FileExists(t, lock.Name())
	r.erase(anna) // the file alone, as a process leaves it that was killed, holds nobody up
}
