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

// The ledger is for ever: whoever used the command line must be erasable there, too.
func TestTheAccountOfACommandLineStandsInTheLedgerAsAPseudonym(t *testing.T) {
	r := aggregatortest.New(t)
	cli := beside(t, r)
	defer cli.Close()
	const name = `PLANT\Annegret.Klar"name"`
	require.NoError(t, cli.SetDisabled(t.Context(), "admin", true, "cli:"+name))
	require.NoError(t, cli.SetDisabled(t.Context(), "admin", false, "cli:root"))
	rows := r.Rows("type:account.change")
	require.GreaterOrEqual(t, len(rows), 2)
	all := ""
	person := ""
	for _, row := range rows {
		all += string(row.Leaf)
		if row.UserID != "" {
			person = row.UserID
			fields, err := r.Agg.Vault.Open(t.Context(), row.Leaf, func(set string) bool { return set == vault.SetPerson })
			require.NoError(t, err)
			var opened string
			require.NoError(t, json.Unmarshal(fields[seal.UserPath].Value, &opened))
			require.Equal(t, name, opened, "who may can still tell who it was")
		}
	}
	require.NotContains(t, all, "Annegret")
	require.Contains(t, all, `"by":"cli:root"`)
	require.Contains(t, all, `"by":"cli:`+person+`"`)
	found, err := cli.Vault.People(t.Context(), name)
	require.NoError(t, err)
	require.Contains(t, found, person)
	done, err := cli.Vault.Erase(t.Context(), vault.Request{Pseudonyms: []string{person}, By: "cli:" + name})
	require.NoError(t, err)
	require.Equal(t, vault.Erased, done.Certificate.Result)
	require.Zero(t, done.Certificate.StillOpen)
}
