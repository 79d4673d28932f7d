package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

var (
	anna = seal.Person("p-" + strings.Repeat("0a", 16))
	at   = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
)

const eventID = "0193a1b2-0000-7000-8000-0123456789ab"

func private(t testing.TB, s seal.Suite) *seal.PrivateKey {
	t.Helper()
	k, err := seal.NewPrivateKey(s)
	require.NoError(t, err)
	return k
}

func dataKey(t testing.TB, to *seal.PublicKey) *seal.DataKey {
	t.Helper()
	k, err := seal.NewDataKey(to, seal.Label{Subject: anna, Month: "2026-11"})
	require.NoError(t, err)
	return k
}

func TestWhatIsSealedOpensWithTheUnwrappedKeyInItsPlaceAlone(t *testing.T) {
	for _, suite := range []seal.Suite{seal.P256, seal.MLKEM768P256} {
		vault := private(t, suite)
		public, err := seal.ParsePublicKey(vault.Public().String())
		require.NoError(t, err)
		k := dataKey(t, public)
		f := k.Seal(eventID, "event_data.device", []byte(`"HMI-4"`))
		opened, err := vault.Unwrap(k.Blob)
		require.NoError(t, err)
		require.Equal(t, k.ID, opened.ID)
		require.Equal(t, seal.Label{Subject: anna, Month: "2026-11"}, opened.Label)
		value, err := opened.Open(eventID, "event_data.device", f)
		require.NoError(t, err)
		require.Equal(t, `"HMI-4"`, string(value))
		for _, place := range [][2]string{{eventID, "event_data.devicf"}, {"0193a1b2-0000-7000-8000-0123456789ac", "event_data.device"}, {eventID, ""}} {
			_, err = opened.Open(place[0], place[1], f)
			require.ErrorIs(t, err, seal.ErrOpen, "moved to %v", place)
		}
		_, err = dataKey(t, public).Open(eventID, "event_data.device", f)
		require.ErrorIs(t, err, seal.ErrOpen)
		_, err = private(t, suite).Unwrap(k.Blob)
		require.ErrorIs(t, err, seal.ErrOtherKey)
	}
}

func TestEveryChangedByteOfABlobAndOfACiphertextIsFound(t *testing.T) {
	vault := private(t, seal.P256)
	k := dataKey(t, vault.Public())
	for i := range k.Blob {
		bad := bytes.Clone(k.Blob)
		bad[i] ^= 1
		if opened, err := vault.Unwrap(bad); err == nil {
			t.Fatalf("byte %d changed and not found: %v", i, opened.Label)
		}
		require.NotEqual(t, k.ID, seal.KeyID(bad))
	}
	f := k.Seal(eventID, "a", []byte(`1`))
	raw, err := base64.StdEncoding.DecodeString(f.Text)
	require.NoError(t, err)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x80
		_, err := k.Open(eventID, "a", event.SealedField{Key: f.Key, Text: base64.StdEncoding.EncodeToString(bad)})
		require.ErrorIs(t, err, seal.ErrOpen, "byte %d", i)
	}
}

func TestEqualValuesGiveDifferentTextsOfALengthThatSaysLittle(t *testing.T) {
	k := dataKey(t, private(t, seal.P256).Public())
	seen := map[string]bool{}
	for range 100 {
		seen[k.Seal(eventID, "a", []byte(`"anna"`)).Text] = true
	}
	require.Len(t, seen, 100)
	require.Len(t, k.Seal(eventID, "a", []byte(`"bo"`)).Text, len(k.Seal(eventID, "a", []byte(`"Maximiliane Schmidt-Meyer"`)).Text))
}

func TestARingKeepsOneKeyForASubjectAndMonthAndForgetsDestroyedOnes(t *testing.T) {
	r := seal.NewRing()
	_, err := r.Key(anna, at)
	require.ErrorIs(t, err, seal.ErrNoRecipient)
	first := private(t, seal.P256).Public()
	r.SetRecipient(first)
	a, err := r.Key(anna, at)
	require.NoError(t, err)
	same, err := r.Key(anna, at.Add(time.Hour))
	require.NoError(t, err)
	require.Same(t, a, same)
	december, err := r.Key(anna, at.AddDate(0, 1, 0))
	require.NoError(t, err)
	other, err := r.Key(seal.Set("secret"), at)
	require.NoError(t, err)
	require.NotEqual(t, a.ID, december.ID)
	require.NotEqual(t, a.ID, other.ID)
	r.Forget([]string{a.ID})
	fresh, err := r.Key(anna, at)
	require.NoError(t, err)
	require.NotEqual(t, a.ID, fresh.ID)
	r.SetRecipient(first)
	again, err := r.Key(anna, at)
	require.NoError(t, err)
	require.Same(t, fresh, again, "the same recipient changes nothing")
	r.SetRecipient(private(t, seal.P256).Public())
	moved, err := r.Key(anna, at)
	require.NoError(t, err)
	require.NotEqual(t, fresh.ID, moved.ID)
	for i := range 5000 { // bounded, and the newest stays usable
		_, err := r.Key(seal.Set("s"+strings.Repeat("x", i%5)+string(rune('a'+i%26))), at.AddDate(0, i/100, 0))
		require.NoError(t, err)
	}
}

func TestALeafSaysWhichKeysItNeeds(t *testing.T) {
	k := dataKey(t, private(t, seal.P256).Public())
	e := event.Event{
		ID: event.NewID(at), Type: "user.login", Class: event.Security, Severity: event.SeverityInfo, Timestamp: at, CollectedAt: at,
		Station: "hamburg", Salt: event.NewSalt(),
	}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	require.Empty(t, seal.KeyIDs(leaf))
	e.Sealed = map[string]event.SealedField{"a": k.Seal(e.ID, "a", []byte(`1`)), "b": k.Seal(e.ID, "b", []byte(`2`))}
	leaf, err = e.Leaf()
	require.NoError(t, err)
	require.Equal(t, []string{k.ID}, seal.KeyIDs(leaf))
	require.Empty(t, seal.KeyIDs([]byte(`{"sealed":`)))
	escaped := bytes.Replace(leaf, []byte(`"sealed":`), []byte(`"seale\u0064":`), 1)
	require.Equal(t, []string{k.ID}, seal.KeyIDs(escaped), "an escaped key hides no data key")
	inside := bytes.Replace(leaf, []byte(`"sealed":`), []byte(`"context":`), 1)
	require.Empty(t, seal.KeyIDs(inside))
}

func TestTheListOfDestroyedKeysIsSignedAndOnlyGrows(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	trusted := []evidence.CosignerKey{{Name: "linewatch/test", Key: key.Public().(ed25519.PublicKey)}}
	a, b := strings.Repeat("a1", 32), strings.Repeat("0b", 32)
	list, err := seal.Destroyed{}.With([]string{a, b, a})
	require.NoError(t, err)
	require.Equal(t, []string{b, a}, list.IDs)
	require.True(t, list.Has(a))
	require.False(t, list.Has(strings.Repeat("c", 64)))
	note, err := list.Sign("linewatch/test", key)
	require.NoError(t, err)
	back, err := seal.OpenDestroyed(note, trusted)
	require.NoError(t, err)
	require.Equal(t, list, back)
	for i := range note {
		bad := bytes.Clone(note)
		bad[i] ^= 1
		_, err := seal.OpenDestroyed(bad, trusted)
		require.ErrorIs(t, err, seal.ErrDestroyed, "byte %d of %q", i, note)
	}
	_, err = seal.OpenDestroyed(note[:len(note)-65], trusted)
	require.ErrorIs(t, err, seal.ErrDestroyed)
	_, err = seal.OpenDestroyed(note, nil)
	require.ErrorIs(t, err, seal.ErrDestroyed)
	next, err := list.With(nil)
	require.NoError(t, err)
	require.Equal(t, uint64(2), next.Number)
	require.Equal(t, list.IDs, next.IDs)
	_, err = list.With([]string{"no id"})
	require.ErrorIs(t, err, seal.ErrDestroyed)
}
