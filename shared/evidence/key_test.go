package evidence_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

func TestAnOldKeyCantSignNewSizesNorANewKeyOldOnes(t *testing.T) {
	// log.key is leaf 9: sizes up to 10 belong to the old key.
	keys := []evidence.KeyRange{{Key: public("old"), Last: 10}, {Key: public("new"), After: 10}}
	for size := 1; size <= 20; size++ {
		_, err := evidence.OpenCheckpoint(checkpoint(t, leaves(size), "old"), origin, keys)
		if size <= 10 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, evidence.ErrKeyRange, "old key, size %d", size)
		}
		_, err = evidence.OpenCheckpoint(checkpoint(t, leaves(size), "new"), origin, keys)
		if size > 10 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, evidence.ErrKeyRange, "new key, size %d", size)
		}
		_, err = evidence.OpenCheckpoint(checkpoint(t, leaves(size), "stranger"), origin, keys)
		require.ErrorIs(t, err, evidence.ErrSignature)
	}
}

func TestACheckpointOfAnotherLogIsRefused(t *testing.T) {
	note := checkpoint(t, leaves(3), "station")
	_, err := evidence.OpenCheckpoint(note, "linewatch/a0123456789abcde/debug/0011223344556677", stationKeys())
	require.ErrorIs(t, err, evidence.ErrCheckpoint)
	_, _, _, err = evidence.VerifyCosigned(proofOf(t, leaves(3), 0).Checkpoint, "linewatch/x/y/z", cosigners())
	require.ErrorIs(t, err, evidence.ErrCheckpoint)
	_, err = evidence.OpenCheckpoint(note, origin, nil)
	require.ErrorIs(t, err, evidence.ErrSignature)
	_, err = evidence.OpenCheckpoint(note, origin, []evidence.KeyRange{{Key: []byte("short")}})
	require.ErrorIs(t, err, evidence.ErrSignature)
}

func TestABadLineOfAKnownKeyRefusesTheNoteBesideAGoodOne(t *testing.T) {
	note := checkpoint(t, leaves(3), "station")
	line := note[bytes.Index(note, []byte("— ")):]
	bad := bytes.Clone(line)
	bad[len(bad)-20] ^= 1
	_, err := evidence.OpenCheckpoint(slices.Concat(note, bad), origin, stationKeys())
	require.ErrorIs(t, err, evidence.ErrSignature)
}

func TestASignatureIsNoCosignatureAndTheReverse(t *testing.T) {
	same := "station"
	note := checkpoint(t, leaves(3), same)
	_, _, _, err := evidence.VerifyCosigned(note, origin, []evidence.CosignerKey{{Name: origin, Key: public(same)}})
	require.ErrorIs(t, err, evidence.ErrCosignature)
	cosigned, err := evidence.Cosign(checkpoint(t, leaves(3), "stranger"), origin, key(same), at)
	require.NoError(t, err)
	_, err = evidence.OpenCheckpoint(cosigned, origin, stationKeys())
	require.ErrorIs(t, err, evidence.ErrSignature)
}

func TestACosignatureSaysWhoAndWhen(t *testing.T) {
	p := proofOf(t, leaves(8), 5)
	k, when, err := p.VerifyCosigned(origin, append([]evidence.CosignerKey{{Name: "other", Key: public("other")}}, cosigners()...))
	require.NoError(t, err)
	require.Equal(t, "aggregator.plant", k.Name)
	require.Equal(t, at, when)
	later := bytes.Replace(p.Checkpoint, []byte("\n12\n"), []byte("\n13\n"), 1)
	require.Equal(t, p.Checkpoint, later)
	_, err = evidence.Cosign(p.Checkpoint, "aggregator.plant", key("aggregator"), time.Unix(-1, 0))
	require.Error(t, err)
	_, err = evidence.Cosign([]byte("text\n\n— x AAAAAAAA\n"), "aggregator.plant", key("aggregator"), at)
	require.ErrorIs(t, err, evidence.ErrCheckpoint)
	_, err = evidence.Cosign(p.Checkpoint, "a name", key("aggregator"), at)
	require.Error(t, err)
}

func TestTheCanonicalFormKeepsOnlyWhatIsKnown(t *testing.T) {
	plain := checkpoint(t, leaves(4), "station")
	note := slices.Concat(plain, []byte("— stranger AAAAAAAA\n"), []byte("— ml.dsa AAAAAAAAAAAA\n"))
	note, err := evidence.Cosign(note, "z.example", key("z"), at)
	require.NoError(t, err)
	note, err = evidence.Cosign(note, "aggregator.plant", key("aggregator"), at)
	require.NoError(t, err)
	note, err = evidence.Cosign(note, "aggregator.plant", key("aggregator"), at) // twice
	require.NoError(t, err)

	got, err := evidence.Canonical(note, origin, stationKeys())
	require.NoError(t, err)
	require.Equal(t, string(plain), string(got))
	all := append(cosigners(), evidence.CosignerKey{Name: "z.example", Key: public("z")})
	got, err = evidence.Canonical(note, origin, stationKeys(), all...)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(got), "— "))
	require.Less(t, strings.Index(string(got), "aggregator.plant"), strings.Index(string(got), "z.example"))
	again, err := evidence.Canonical(got, origin, stationKeys(), all...)
	require.NoError(t, err)
	require.Equal(t, got, again)
	_, err = evidence.Canonical(note, origin, nil)
	require.ErrorIs(t, err, evidence.ErrSignature)
}

func TestSignersRefuseWhatTheyMustNotSign(t *testing.T) {
	s, err := evidence.NewSigner(origin, key("station"))
	require.NoError(t, err)
	_, err = s.SignCheckpoint(evidence.Checkpoint{Origin: "linewatch/other/debug/1", Size: 1})
	require.ErrorIs(t, err, evidence.ErrCheckpoint)
	_, err = s.SignCheckpoint(evidence.Checkpoint{Origin: origin})
	require.ErrorIs(t, err, evidence.ErrCheckpoint)
	_, err = evidence.NewSigner("with space", key("station"))
	require.Error(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = evidence.NewSigner(origin, p256)
	require.Error(t, err)
	_, err = evidence.Cosign(checkpoint(t, leaves(1), "station"), "x", p256, at)
	require.Error(t, err)
}

func TestOriginsAreReadBackAndForeignOnesRefused(t *testing.T) {
	for _, text := range []string{origin, "linewatch/_aggregator/hamburg-1/security/00ff00ff00ff00ff"} {
		o, err := evidence.ParseOrigin(text)
		require.NoError(t, err)
		require.Equal(t, text, o.String())
	}
	o, err := evidence.ParseOrigin("linewatch/_aggregator/hamburg-1/security/00ff")
	require.NoError(t, err)
	instance, ok := o.Aggregator()
	require.True(t, ok)
	require.Equal(t, "hamburg-1", instance)
	for _, text := range []string{
		"", "/", "linewatch", "linewatch/a/b", "linewatch/a/b/c/d", "other/a/b/c", "linewatch/A/b/c", "linewatch/a//c", "linewatch/../b/c",
		"linewatch/a/./c", "linewatch/a b/c/d", "linewatch/a+b/c/d", "linewatch/a/b/c\n", "linewatch/_a/b/c", "linewatch/_aggregator/b/c",
		"linewatch/ä/b/c", "linewatch/" + strings.Repeat("a", 65) + "/b/c",
	} {
		_, err := evidence.ParseOrigin(text)
		require.Error(t, err, text)
	}
}

func TestIDsFollowFromTheKey(t *testing.T) {
	require.Regexp(t, "^a[0-9a-f]{15}$", evidence.AgentID(public("station")))
	require.Equal(t, evidence.AgentID(public("station"))[1:], evidence.Fingerprint(public("station"))[:15])
	require.Regexp(t, "^[0-9a-f]{16}$", evidence.NewLogID(public("station"), []byte("1")))
	require.NotEqual(t, evidence.NewLogID(public("station"), []byte("1")), evidence.NewLogID(public("station"), []byte("2")))
}
