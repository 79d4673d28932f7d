package export_test

import (
	"bytes"
	"crypto/ed25519"
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
	trust := bundle.Trust{Cosigners: []evidence.CosignerKey{{Name: cosignerName, Key: s.cosigner.Public().(ed25519.PublicKey)}}}
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
	var first, again bytes.Buffer
	done, err := export.Logs(t.Context(), db, &first, nil)
	require.NoError(t, err)
	require.Equal(t, export.Exported{Logs: 2, Segments: 4, Leaves: 14}, done)
	_, err = export.Logs(t.Context(), db, &again, nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first.Bytes(), again.Bytes()))
	sum := a.verified(first.Bytes())
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
	require.Equal(t, 2, sum.Logs)
	var one bytes.Buffer
	done, err = export.Logs(t.Context(), db, &one, func(l store.Log) bool { return l.ID == b.ID })
	require.NoError(t, err)
	require.Equal(t, 1, done.Logs)
	require.Equal(t, uint64(2), b.verified(one.Bytes()).Anchored)
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
	var whole bytes.Buffer
	_, err := export.Logs(t.Context(), db, &whole, nil)
	require.NoError(t, err)
	for n := range whole.Len() {
		disk := full(n)
		_, err := export.Logs(t.Context(), db, &disk, nil)
		require.ErrorIs(t, err, errFull, n)
	}
}
