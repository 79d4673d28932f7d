package aggregator_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// An erasure and a change of the aggregator's key have nothing to do with each other:
// the list of destroyed keys must not keep the program from starting.
func TestAnErasureOutlivesAChangeOfTheCosignerKey(t *testing.T) {
	for _, revoke := range []bool{false, true} {
		r := aggregatortest.New(t)
		public, err := seal.ParsePublicKey(r.Agg.Vault.Public())
		require.NoError(t, err)
		const person = "p-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
		key, err := seal.NewDataKey(public, seal.Label{Subject: person, Month: "2026-11"})
		require.NoError(t, err)
		e := event.Event{ID: event.NewID(time.Now()), Type: event.TypeUserLogin, UserID: person, Data: json.RawMessage(`{}`)}
		e.Sealed = map[string]event.SealedField{"user_id": key.Seal(e.ID, "user_id", []byte(`"Anna"`))}
		_, err = r.Agg.Ledger.Commit(t.Context(), store.Change{Keys: map[string][]byte{key.ID: key.Blob}}, e)
		require.NoError(t, err)
		done, err := r.Agg.Vault.Erase(t.Context(), vault.Request{Pseudonyms: []string{person}})
		require.NoError(t, err)
		require.Equal(t, vault.Erased, done.Certificate.Result)

		cli := beside(t, r)
		_, err = cli.RotateKey(t.Context(), aggregator.KeyCosigner, revoke, "yearly", "anna")
		require.NoError(t, err)
		require.NoError(t, cli.Close())
		again := beside(t, r)
		list, _ := again.Vault.List()
		require.Equal(t, []string{key.ID}, list.IDs)
		require.Greater(t, list.Number, done.Certificate.List, "signed anew, and agents fetch it")
		require.NoError(t, again.Close())
	}
}
