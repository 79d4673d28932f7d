package ingest_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

var pseudonym = "p-" + strings.Repeat("0a", 16)

// sealedLeaf is a login whose device is sealed.
func sealedLeaf(t *testing.T, key *seal.DataKey) []byte {
	t.Helper()
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	e := event.Event{
		ID: event.NewID(at), Type: event.TypeUserLogin, Class: event.Security, Severity: event.SeverityInfo,
		Timestamp: at, CollectedAt: at, Station: "hamburg/body/line3/st07", UserID: pseudonym, Salt: event.NewSalt(),
	}
	e.Sealed = map[string]event.SealedField{"event_data.device": key.Seal(e.ID, "event_data.device", []byte(`"HMI-4"`))}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

func newKey(t *testing.T) *seal.DataKey {
	t.Helper()
	private, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	key, err := seal.NewDataKey(private.Public(), seal.Label{Subject: pseudonym, Month: "2026-11"})
	require.NoError(t, err)
	return key
}

func text(blob []byte) string { return base64.StdEncoding.EncodeToString(blob) }

func TestAWrappedKeyThatARelaySwappedOrWithheldIsWantedAndNothingIsReceipted(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	key, other := newKey(t), newKey(t)
	s := l.Commit(sealedLeaf(t, key))
	for name, keys := range map[string]map[string]string{
		"withheld": nil,
		"swapped":  {key.ID: text(other.Blob)},
		"changed":  {key.ID: text(append([]byte("x"), key.Blob...))},
		"renamed":  {other.ID: text(key.Blob)},
	} {
		s.Header.Keys = keys
		got := r.Send(a, s)[0]
		require.Equal(t, wire.ResultKeysWanted, got.Result, name)
		require.Equal(t, []string{key.ID}, got.Keys, name)
		require.Empty(t, got.Receipt, name)
		require.Zero(t, got.Size, name)
	}
	s.Header.Keys = map[string]string{key.ID: text(key.Blob), other.ID: text(other.Blob)}
	got := r.Send(a, s)[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	require.Equal(t, uint64(1), r.Receipt(l.Origin, got).Size)
	blobs, err := r.Store.WrappedKeys(t.Context(), []string{key.ID, other.ID})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{key.ID: key.Blob}, blobs, "what no leaf names is not kept")
	later := l.Commit(sealedLeaf(t, key))
	require.Equal(t, wire.ResultStored, r.Send(a, later)[0].Result, "a key that is stored need not be sent again")
	r.Stop()
	r.Start()
	require.Equal(t, wire.ResultStored, r.Send(r.At(a), l.Commit(sealedLeaf(t, key)))[0].Result, "nor after a restart")
}

func TestASegmentWhoseKeyIsLostOrDestroyedIsStoredAndTheLossIsReported(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	key, gone := newKey(t), newKey(t)
	s := l.Commit(sealedLeaf(t, key))
	s.Header.Lost = []string{key.ID}
	require.Equal(t, wire.ResultStored, r.Send(a, s)[0].Result)
	r.Event(event.TypeIngestQuarantined, func(data map[string]any) bool {
		detail, _ := data["detail"].(string)
		return strings.Contains(detail, key.ID)
	})
	require.Equal(t, wire.ResultStored, r.Send(a, l.Commit(sealedLeaf(t, key)))[0].Result, "said once is enough")
	events := r.Events(event.TypeIngestQuarantined)
	require.Len(t, events, 1)
	require.Equal(t, []any{key.ID}, events[0]["keys"])
	_, err := r.Store.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: gone.ID, List: 1, At: time.Now()}}})
	require.NoError(t, err)
	s = l.Commit(sealedLeaf(t, gone))
	s.Header.Keys = map[string]string{gone.ID: text(gone.Blob)}
	require.Equal(t, wire.ResultStored, r.Send(a, s)[0].Result)
	require.Equal(t, wire.ResultStored, r.Send(a, l.Commit(sealedLeaf(t, gone)))[0].Result, "a destroyed key is not asked for")
	blobs, err := r.Store.WrappedKeys(t.Context(), []string{key.ID, gone.ID})
	require.NoError(t, err)
	require.Empty(t, blobs, "a refill does not bring a destroyed key back")
}

func TestKeysAreAskedForOnlyWhenTheTreeIsRight(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	s := l.Commit(sealedLeaf(t, newKey(t)))
	forged := s
	forged.Leaves = [][]byte{sealedLeaf(t, newKey(t))}
	require.Equal(t, wire.ResultRefused, r.Send(a, forged)[0].Result)
	gap := l.Commit(wiretest.Leaf("hamburg/body/line3/st07", 1))
	require.Equal(t, wire.ResultGap, r.Send(a, gap)[0].Result)
	require.Equal(t, wire.ResultKeysWanted, r.Send(a, s)[0].Result)
}
