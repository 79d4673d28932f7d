package export_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/export"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// signed is a log with real signatures in a real store.
type signed struct {
	*storetest.Log
	t        *testing.T
	db       store.Store
	key      ed25519.PrivateKey
	cosigner ed25519.PrivateKey
}

const cosignerName = "linewatch/test"

func newSigned(t *testing.T, db store.Store, name string, class event.Class) *signed {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s := &signed{storetest.NewLog(name, class), t, db, key, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}
	s.Keys = []evidence.KeyRange{{Key: key.Public().(ed25519.PublicKey)}}
	s.Register(t, db)
	return s
}

// commit signs the newest segment and stores it.
func (s *signed) commit(a store.Append) {
	s.t.Helper()
	root, err := s.Frontier.Root()
	require.NoError(s.t, err)
	signer, err := evidence.NewSigner(s.Origin, s.key)
	require.NoError(s.t, err)
	a.Note, err = signer.SignCheckpoint(evidence.Checkpoint{Origin: s.Origin, Size: s.Size, Root: root})
	require.NoError(s.t, err)
	a.Receipt, err = evidence.Cosign(a.Note, cosignerName, s.cosigner, storetest.Start())
	require.NoError(s.t, err)
	a.Frontier = s.Frontier.Clone()
	_, err = s.db.Commit(s.t.Context(), store.Change{Segments: []store.Append{a}})
	require.NoError(s.t, err)
}

func (s *signed) events(n int) []event.Event {
	list := make([]event.Event, n)
	for i := range list {
		list[i] = s.Event("hamburg/body/line3/st07", "quality.check")
	}
	return list
}

func opened(t *testing.T) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// verified is the verdict on a bundle for whoever trusts the cosigner.
func (s *signed) verified(data []byte) bundle.Summary {
	s.t.Helper()
	trust := bundle.Trust{Cosigners: []bundle.Cosigner{{CosignerKey: evidence.CosignerKey{Name: cosignerName, Key: s.cosigner.Public().(ed25519.PublicKey)}}}}
	v := bundle.NewVerifier(trust, func(f bundle.Finding) {
		if f.Err != nil {
			s.t.Log(f.Name, f.Err)
		}
	})
	require.NoError(s.t, v.Bundle("bundle", bytes.NewReader(data)))
	v.Close()
	return v.Summary()
}

func TestABundleOfLogsWithHolesIsVerifiedAndAlwaysTheSame(t *testing.T) {
	db := opened(t)
	a, b := newSigned(t, db, "a", event.Manufacturing), newSigned(t, db, "b", event.Security)
	a.commit(a.Append(t, a.events(5)...))
	a.commit(a.AppendHole(t, []byte(`{"lost":1}`), []byte(`{"lost":2}`), []byte(`{"lost":3}`)))
	a.commit(a.Append(t, a.events(4)...))
	b.commit(b.Append(t, b.events(2)...))
	newSigned(t, db, "empty", event.Debug)
	for _, packed := range []bool{false, true} {
		first, done := a.logs(export.Selection{Packed: packed})
		require.Equal(t, export.Exported{Logs: 2, Segments: 4, Leaves: 14, Events: 11}, done)
		again, _ := a.logs(export.Selection{Packed: packed})
		require.True(t, bytes.Equal(first, again))
		sum := a.verified(first)
		require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
		require.Equal(t, 2, sum.Logs)
		require.Equal(t, uint64(3), sum.Lost)
		one, done := a.logs(export.Selection{Packed: packed, Match: func(l store.Log) bool { return l.ID == b.ID }})
		require.Equal(t, 1, done.Logs)
		require.Equal(t, uint64(2), b.verified(one).Anchored)
	}
}

// exporter is the exporter of the log's store.
func (s *signed) exporter() *export.Exporter {
	return &export.Exporter{Store: s.db, Cosigners: []evidence.CosignerKey{{Name: cosignerName, Key: s.cosigner.Public().(ed25519.PublicKey)}}}
}

// logs exports whole logs.
func (s *signed) logs(sel export.Selection) ([]byte, export.Exported) {
	s.t.Helper()
	return s.built(func(w *bundle.Writer) (export.Exported, error) { return s.exporter().Logs(s.t.Context(), w, sel) })
}

func (s *signed) built(fill func(*bundle.Writer) (export.Exported, error)) (data []byte, done export.Exported) {
	s.t.Helper()
	data, err := bundle.Build(func(w *bundle.Writer) (err error) {
		done, err = fill(w)
		return err
	})
	require.NoError(s.t, err)
	return data, done
}

// full is a disk that takes so many bytes.
type full int

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if *f -= full(len(p)); *f < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAFullDiskIsAnErrorAtWhateverByte(t *testing.T) {
	db := opened(t)
	a := newSigned(t, db, "a", event.Manufacturing)
	a.commit(a.Append(t, a.events(3)...))
	for _, packed := range []bool{false, true} {
		var spool bytes.Buffer
		w := bundle.NewWriter(&spool)
		_, err := a.exporter().Logs(t.Context(), w, export.Selection{Packed: packed})
		require.NoError(t, err)
		for n := range spool.Len() {
			disk := full(n)
			_, err := a.exporter().Logs(t.Context(), bundle.NewWriter(&disk), export.Selection{Packed: packed})
			require.ErrorIs(t, err, errFull, n)
		}
		whole, _ := a.logs(export.Selection{Packed: packed})
		for n := range len(whole) {
			disk := full(n)
			require.ErrorIs(t, w.Finish(&disk, bytes.NewReader(spool.Bytes())), errFull, n)
		}
	}
}

func TestABundleShowsDroppedSegmentsAsWhatIsNotInIt(t *testing.T) {
	db := opened(t)
	a := newSigned(t, db, "a", event.Manufacturing)
	for range 3 {
		a.commit(a.Append(t, a.events(5)...))
	}
	_, err := db.Commit(t.Context(), store.Change{Drops: []store.Drop{{Log: a.ID, First: 0, End: 10}}})
	require.NoError(t, err)
	for _, packed := range []bool{false, true} {
		data, done := a.logs(export.Selection{Packed: packed})
		require.EqualValues(t, 5, done.Events)
		sum := a.verified(data)
		require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
		require.EqualValues(t, 10, sum.Lost)
		require.EqualValues(t, 5, sum.Anchored)
	}
}

// registered signs leaves of a ledger in the same store, as the aggregator's ledger does.
func ledgerOf(t *testing.T, s *signed, typ string, data map[string]any) store.Append {
	t.Helper()
	obj, err := event.Object(data)
	require.NoError(t, err)
	e := s.Event("hamburg/central", typ, func(e *event.Event) {
		e.Data, e.Source = obj, &event.Source{Kind: "aggregator"}
	})
	return s.Append(t, e)
}

// plant is a store with a ledger that registers a station's log.
func plant(t *testing.T) (db store.Store, ledger, a *signed) {
	t.Helper()
	db = opened(t)
	a = newSigned(t, db, "a", event.Manufacturing)
	ledger = &signed{storetest.NewLog("ledger", event.Security), t, db, a.cosigner, a.cosigner}
	ledger.Keys = []evidence.KeyRange{{Key: a.cosigner.Public().(ed25519.PublicKey)}}
	ledger.AgentID = "_aggregator/test"
	ledger.Origin = "linewatch/_aggregator/test/security/" + ledger.ID
	ledger.Register(t, db)
	for range 40 {
		ledger.commit(ledgerOf(t, ledger, "audit.accessed", map[string]any{"query": "x"}))
	}
	key := base64.StdEncoding.EncodeToString(a.Keys[0].Key)
	ledger.commit(ledgerOf(t, ledger, "log.registered", map[string]any{"origin": a.Origin, "publicKey": key, "reason": "new"}))
	ledger.commit(ledgerOf(t, ledger, "audit.accessed", map[string]any{"query": a.Origin}))
	return db, ledger, a
}

func (s *signed) row(index uint64) store.Row {
	s.t.Helper()
	row, err := s.db.EventAt(s.t.Context(), s.ID, index)
	require.NoError(s.t, err)
	return row
}

// byLedger is the verdict for whoever pins the ledger's key alone.
func (s *signed) byLedger(data []byte) bundle.Summary {
	s.t.Helper()
	trust := bundle.Trust{Ledgers: map[string][]ed25519.PublicKey{"test": {s.cosigner.Public().(ed25519.PublicKey)}}}
	v := bundle.NewVerifier(trust, func(f bundle.Finding) {
		if f.Err != nil {
			s.t.Log(f.Name, f.Err)
		}
	})
	require.NoError(s.t, v.Bundle("bundle", bytes.NewReader(data)))
	v.Close()
	return v.Summary()
}

func TestTheBundleOfAnEventFindsItsRegistrationAndNeverChanges(t *testing.T) {
	_, ledger, a := plant(t)
	for range 5 {
		a.commit(a.Append(t, a.events(3)...))
	}
	one := func() []byte {
		data, done := a.built(func(w *bundle.Writer) (export.Exported, error) { return a.exporter().Events(t.Context(), w, a.row(7)) })
		require.Equal(t, uint64(1), done.Events)
		return data
	}
	first := one()
	require.Equal(t, bundle.Anchored, a.byLedger(first).Verdict())
	require.Contains(t, string(first), "\nbasis ")
	for range 300 {
		a.commit(a.Append(t, a.events(1)...))
		ledger.commit(ledgerOf(t, ledger, "audit.accessed", map[string]any{"query": "y"}))
	}
	require.Equal(t, string(first), string(one()))
}

func TestTheBundleOfATimeHasEverythingInBetweenAndWithholdsTheRest(t *testing.T) {
	db, _, a := plant(t)
	elsewhere := func(n int) []event.Event {
		list := make([]event.Event, n)
		for i := range list {
			list[i] = a.Event("hamburg/paint/line1/st01", "quality.check")
		}
		return list
	}
	a.commit(a.Append(t, elsewhere(4)...))
	a.commit(a.Append(t, append(a.events(2), elsewhere(2)...)...))
	a.commit(a.AppendHole(t, []byte(`{"lost":1}`)))
	a.commit(a.Append(t, a.events(2)...))
	a.commit(a.Append(t, elsewhere(4)...))
	q := store.EventQuery{Scope: []string{"hamburg/body/**"}}
	data, done := a.built(func(w *bundle.Writer) (export.Exported, error) { return a.exporter().Search(t.Context(), w, q, 0) })
	require.Equal(t, export.Exported{Logs: 2, Segments: 3, Leaves: 7, Events: 4}, done)
	sum := a.byLedger(data)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
	require.Equal(t, []uint64{4, 2, 1}, []uint64{sum.Events, sum.Withheld, sum.Lost})
	require.NotContains(t, string(data), "hamburg/paint")
	_, err := bundle.Build(func(w *bundle.Writer) error {
		_, err := a.exporter().Search(t.Context(), w, q, 3)
		return err
	})
	require.ErrorIs(t, err, export.ErrTooMuch)
	require.NotNil(t, db)
}
