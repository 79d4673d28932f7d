package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// person has keys of her own.
var person = "p-" + strings.Repeat("0b", 16)

func dataKey(t *testing.T) *seal.DataKey {
	t.Helper()
	private, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	key, err := seal.NewDataKey(private.Public(), seal.Label{Subject: person, Month: "2026-11"})
	require.NoError(t, err)
	return key
}

// sealedLeaf is a login with fields sealed by these keys.
func sealedLeaf(t *testing.T, keys ...*seal.DataKey) []byte {
	t.Helper()
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	e := event.Event{
		ID: event.NewID(at), Type: event.TypeUserLogin, Class: event.Security, Severity: event.SeverityInfo,
		Timestamp: at, CollectedAt: at, Station: "hamburg/body/line3/st07", UserID: person, Salt: event.NewSalt(),
	}
	e.Sealed = map[string]event.SealedField{}
	for i, k := range keys {
		path := []string{"event_data.device", "event_data.place"}[i]
		e.Sealed[path] = k.Seal(e.ID, path, []byte(`"HMI-4"`))
	}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

// sealedScene is a store with leaves whose keys are there, erased, and lost.
type sealedScene struct {
	r                  *ingesttest.Rig
	log                *wiretest.Log
	here, erased, lost *seal.DataKey
	list               seal.Destroyed
}

func newSealedScene(t *testing.T, r *ingesttest.Rig) *sealedScene {
	t.Helper()
	s := &sealedScene{r: r, here: dataKey(t), erased: dataKey(t), lost: dataKey(t)}
	a := r.Agent("st07")
	s.log = r.Log(a, "security", "")
	seg := s.log.Commit(sealedLeaf(t, s.here), sealedLeaf(t, s.erased, s.here), wiretest.Leaf("st07", 1))
	seg.Header.Keys = map[string]string{}
	for _, k := range []*seal.DataKey{s.here, s.erased} {
		seg.Header.Keys[k.ID] = base64.StdEncoding.EncodeToString(k.Blob)
	}
	require.Equal(t, wire.ResultStored, r.Send(a, seg)[0].Result)
	seg = s.log.Commit(sealedLeaf(t, s.lost), sealedLeaf(t, s.here))
	seg.Header.Lost = []string{s.lost.ID}
	require.Equal(t, wire.ResultStored, r.Send(a, seg)[0].Result)
	_, err := r.Store.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: s.erased.ID, List: 1, At: time.Now()}}})
	require.NoError(t, err)
	s.list, err = s.list.With([]string{s.erased.ID})
	require.NoError(t, err)
	return s
}

func (s *sealedScene) options(db verify.Store, state string) verify.Options {
	return verify.Options{
		Store: db, State: state, Destroyed: func() seal.Destroyed { return s.list },
		Cosigners: []evidence.CosignerKey{{Name: ingesttest.CosignerName, Key: s.r.Cosigner.Public().(ed25519.PublicKey)}},
		Ledger:    []ed25519.PublicKey{s.r.LedgerKey.Public().(ed25519.PublicKey)},
	}
}

func (s *sealedScene) run(t *testing.T, db verify.Store) verify.Report {
	t.Helper()
	rep, err := verify.Run(t.Context(), s.options(db, ""))
	require.NoError(t, err)
	return rep
}

func counts(r verify.Report) []uint64 {
	return []uint64{r.SealedLeaves, r.ErasedLeaves, r.KeyLostLeaves, r.KeyMissingLeaves}
}

func TestErasedAndLostKeysAreCountedApartAndOneThatWasTakenAwayIsFound(t *testing.T) {
	onBoth(t, func(t *testing.T, r *ingesttest.Rig) {
		s := newSealedScene(t, r)
		rep := s.run(t, r.Store)
		require.True(t, rep.OK(), "%v", rep.Findings)
		require.Equal(t, []uint64{4, 1, 1, 0}, counts(rep))

		taken := tampered{Store: r.Store, keys: func(m map[string][]byte) { delete(m, s.here.ID) }}
		rep = s.run(t, taken)
		require.Equal(t, []uint64{4, 1, 1, 3}, counts(rep))
		require.Len(t, rep.Findings, 2, "one for each segment")
		require.Equal(t, []uint64{0, 4}, []uint64{rep.Findings[0].Index, rep.Findings[1].Index})
		require.Equal(t, s.log.Origin, rep.Findings[0].Origin)
		require.Contains(t, rep.Findings[0].What, "2 leaves")
		require.Contains(t, rep.Findings[0].What, s.here.ID)

		swapped := tampered{Store: r.Store, keys: func(m map[string][]byte) {
			if m[s.here.ID] != nil {
				m[s.here.ID] = s.erased.Blob
			}
		}}
		rep = s.run(t, swapped)
		require.Len(t, rep.Findings, 2)
		require.Contains(t, rep.Findings[0].What, "not the one that they name")

		s.list = seal.Destroyed{} // the database says that it was destroyed, the signed list does not
		rep = s.run(t, r.Store)
		require.Len(t, rep.Findings, 1)
		require.Contains(t, rep.Findings[0].What, s.erased.ID)
	})
}

func TestTheCountsOfSealedFieldsAreTheSameAfterAnInterruption(t *testing.T) {
	s := newSealedScene(t, ingesttest.New(t))
	other := s.r.Agent("st08")
	later := s.r.Log(other, "performance", "") // so that the walk is cut off behind the sealed leaves too
	for range 3 {
		require.Equal(t, wire.ResultStored, s.r.Send(other, later.CommitN(2))[0].Result)
	}
	db := tampered{Store: s.r.Store, keys: func(m map[string][]byte) { delete(m, s.here.ID) }}
	whole := s.run(t, db)
	for stop := uint64(1); stop < whole.Leaves; stop++ {
		ctx, cancel := context.WithCancel(t.Context())
		o := s.options(db, filepath.Join(t.TempDir(), "state"))
		o.Progress = func(done, _ uint64) {
			if done >= stop {
				cancel()
			}
		}
		_, err := verify.Run(ctx, o)
		cancel()
		if err == nil {
			break
		}
		o.Progress = nil
		rep, err := verify.Run(t.Context(), o)
		require.NoError(t, err)
		rep.Resumed = false
		require.Equal(t, whole, rep, stop)
	}
}
