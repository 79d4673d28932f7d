package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// rehashed writes the hash of the last line anew, as a forger would.
func rehashed(data []byte) []byte {
	at := bytes.LastIndex(data, []byte("end sha256:"))
	if at < 0 {
		return data
	}
	sum := sha256.Sum256(data[:at])
	return append(bytes.Clone(data[:at]), "end sha256:"+hex.EncodeToString(sum[:])+"\n"...)
}

// ledgerOf is an aggregator's log that registers a station's log.
func ledgerOf(t testing.TB, name, origin string, k ed25519.PublicKey) (*wiretest.Agent, *wiretest.Log) {
	t.Helper()
	agg := wiretest.NewAgent(t, name, "", nil)
	ledger := agg.Log("security", "")
	ledger.Origin = "linewatch/_aggregator/hamburg/security/00ff00ff00ff00ff"
	ledger.Commit(registration("aggregator", origin, k))
	return agg, ledger
}

// registration is the leaf log.registered that this kind of source wrote.
func registration(kind, origin string, k ed25519.PublicKey) []byte {
	return fmt.Appendf(nil, `{"id":"0198a1b2-0000-7000-8000-000000000002","event_type":"log.registered","class":"security","severity":"info",`+
		`"timestamp":"2026-01-02T03:04:05Z","collected_at":"2026-01-02T03:04:05Z","station":"hamburg","source":{"kind":"%s"},`+
		`"event_data":{"origin":"%s","publicKey":"%s","size":0,"reason":"new","at":"2026-01-02T03:04:05Z","proof":""},"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		kind, origin, b64(k))
}

func cosigner(name string) evidence.CosignerKey {
	return evidence.CosignerKey{Name: name, Key: public(name)}
}

// witnessed is a bundle of a station's log whose ledger these cosigned.
func witnessed(t testing.TB, l *wiretest.Log, segments []wiretest.Segment, k ed25519.PublicKey, agg *wiretest.Agent, ledger *wiretest.Log, by ...string) []byte {
	t.Helper()
	p := proofAt(t, ledger, agg.Key, 0)
	var err error
	for _, name := range by {
		p.Checkpoint, err = evidence.Cosign(p.Checkpoint, name, key(name), at)
		require.NoError(t, err)
	}
	return build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: k}))
		for _, name := range by {
			require.NoError(t, w.Cosigner(cosigner(name)))
		}
		require.NoError(t, w.Basis(p))
		put(t, w, segments...)
	})
}

func TestALedgerAnchorsOnlyWhenEnoughWitnessesSawIt(t *testing.T) {
	a, l, segments := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	pins := []string{"ledger hamburg " + b64(agg.Public()), "witness w1 " + b64(public("w1")), "witness w2 " + b64(public("w2")), "witness w3 " + b64(public("w3"))}
	quorum := trust(t, append(pins, "quorum 2")...)
	for want, by := range map[bundle.Verdict][][]string{
		bundle.NotAnchored: {nil, {"w1"}, {"w1", "stranger"}, {"w2", "agg-1"}},
		bundle.Anchored:    {{"w1", "w3"}, {"w3", "w2", "w1"}},
	} {
		for _, names := range by {
			s, found, err := verify(t, quorum, witnessed(t, l, segments, a.Public(), agg, ledger, names...))
			require.NoError(t, err)
			require.Equal(t, want, s.Verdict(), "%v %v", names, found)
		}
	}
	s, _, err := verify(t, trust(t, pins...), witnessed(t, l, segments, a.Public(), agg, ledger, "w1", "w2"))
	require.NoError(t, err)
	require.Equal(t, bundle.NotAnchored, s.Verdict(), "without a quorum line all must have seen it")
	s, _, err = verify(t, trust(t, pins[1], pins[2], pins[3], "cosigner nobody "+b64(public("nobody"))), witnessed(t, l, segments, a.Public(), agg, ledger, "w1", "w2", "w3"))
	require.NoError(t, err)
	require.Equal(t, bundle.NotAnchored, s.Verdict(), "witnesses say that there is one ledger, not whose it is")
}

func TestADishonestAggregatorThatInventsAStationIsNotAnchored(t *testing.T) {
	a, _, _ := station(t)
	agg, _ := ledgerOf(t, "ledger", "linewatch/a/b/c", a.Public())
	invented := wiretest.NewAgent(t, "invented", "", nil)
	l := invented.Log("security", "")
	segments := []wiretest.Segment{l.CommitN(4)}
	_, ledger := ledgerOf(t, "ledger", l.Origin, invented.Public()) // signed by the real aggregator, shown to no witness
	data := witnessed(t, l, segments, invented.Public(), agg, ledger, "agg-1")
	for _, lines := range [][]string{
		{"station " + a.ID + " " + b64(a.Public())},
		{"ledger hamburg " + b64(agg.Public()), "witness w1 " + b64(public("w1"))},
		{"station " + a.ID + " " + b64(a.Public()), "ledger hamburg " + b64(agg.Public()), "witness w1 " + b64(public("w1")), "quorum 1"},
	} {
		s, _, err := verify(t, trust(t, lines...), data)
		require.NoError(t, err)
		require.Equal(t, bundle.NotAnchored, s.Verdict(), lines)
	}
	s, _, err := verify(t, trust(t, "cosigner agg-1 "+b64(public("agg-1"))), data)
	require.NoError(t, err)
	require.Equal(t, bundle.Anchored, s.Verdict(), "whoever takes its word alone, takes it for this too: trust files don't by themselves")
}

func TestTwoSignedHistoriesOfOneLogAreFoundWithinOneRun(t *testing.T) {
	a, l, segments := station(t)
	agg, one := ledgerOf(t, "ledger", l.Origin, a.Public())
	_, two := ledgerOf(t, "ledger", "linewatch/a0123456789abcde/security/0011223344556677", a.Public())
	first := witnessed(t, l, segments, a.Public(), agg, one)
	second := witnessed(t, l, segments, a.Public(), agg, two)
	var found []bundle.Finding
	v := bundle.NewVerifier(bundle.Trust{}, func(f bundle.Finding) { found = append(found, f) })
	require.NoError(t, v.Bundle("one", bytes.NewReader(first)))
	require.Equal(t, bundle.NotAnchored, v.Summary().Verdict())
	require.NoError(t, v.Bundle("two", bytes.NewReader(second)))
	v.Close()
	require.Equal(t, bundle.Bad, v.Summary().Verdict())
	require.ErrorIs(t, found[1].Err, bundle.ErrTwoHistories)
}

func TestOneWitnessCannotCountAsTwo(t *testing.T) {
	w1, w2 := b64(public("w1")), b64(public("w2"))
	for _, text := range []string{
		"witness a " + w1 + "\nwitness b " + w1, "witness a " + w1 + "\nwitness a " + w1, "witness a " + w1 + "\nwitness a " + w2 + "\nquorum 2", "witness a " + w1 + "\nquorum 2", "quorum 1",
		"quorum 0", "quorum x", "quorum 1\nquorum 1\nwitness a " + w1, "ledger A/B " + w1, "ledger hamburg nokey",
	} {
		_, err := bundle.ParseTrust(strings.NewReader(text))
		require.Error(t, err, text)
	}
}

// plainBundle is a bundle with an entry of each kind but a packed segment.
func plainBundle(t testing.TB) ([]byte, *wiretest.Agent) {
	t.Helper()
	a, l, segments := station(t)
	agg, ledger := ledgerOf(t, "ledger", l.Origin, a.Public())
	hashes := make([]evidence.Hash, len(l.Leaves))
	for i, leaf := range l.Leaves {
		hashes[i] = evidence.LeafHash(leaf)
	}
	receipt, err := evidence.Cosign([]byte(segments[2].Checkpoint), "agg-1", key("agg"), at)
	require.NoError(t, err)
	return build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		require.NoError(t, w.Cosigner(evidence.CosignerKey{Name: "agg-1", Key: public("agg")}))
		require.NoError(t, w.Basis(proofAt(t, ledger, agg.Key, 0)))
		require.NoError(t, w.Proof(proofAt(t, l, a.Key, 7)))
		require.NoError(t, w.Frontier(l.Origin, evidence.RangeOf(0, hashes[:3])))
		require.NoError(t, w.Run(l.Origin, 3, []bundle.Item{{Leaf: l.Leaves[3]}, {Hash: hashes[4]}}))
		require.NoError(t, w.Hole(l.Origin, evidence.RangeOf(5, hashes[5:8])))
		require.NoError(t, w.Checkpoint([]byte(segments[1].Checkpoint)))
		require.NoError(t, w.Run(l.Origin, 8, []bundle.Item{{Leaf: l.Leaves[8]}, {Leaf: l.Leaves[9]}}))
		require.NoError(t, w.Checkpoint(receipt))
	}), a
}

func TestEveryByteOfABundleIsBoundWhateverItsHashSays(t *testing.T) {
	good, a := plainBundle(t)
	anchored := trust(t, "station "+a.ID+" "+b64(a.Public()))
	s, found, err := verify(t, anchored, good)
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 4, Anchored: 4, Withheld: 1, Lost: 3, Logs: 2}, s, found)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if bytes.LastIndex(good, []byte("end sha256:")) > i {
			bad = rehashed(bad)
		}
		s, _, err := verify(t, []bundle.Trust{{}, anchored}[i/8%2], bad)
		require.True(t, err != nil || s.Verdict() == bundle.Bad, "byte %d: %q", i, good[max(0, i-30):min(len(good), i+30)])
	}
	for n := range good {
		_, _, err := verify(t, anchored, good[:n])
		require.ErrorIs(t, err, bundle.ErrBundle, "cut off after %d bytes", n)
	}
	_, _, err = verify(t, anchored, append(bytes.Clone(good), '\n'))
	require.ErrorIs(t, err, bundle.ErrBundle)
}

func TestWhatABundleClaimsAndDoesNotShowDoesNotHold(t *testing.T) {
	good, a := plainBundle(t)
	other := b64(public("other"))
	key := "key " + regexpOrigin(string(good)) + " " + b64(a.Public()) + " 0 0\n"
	require.Contains(t, string(good), key)
	for name, change := range map[string]func(string) string{
		"a key that signed nothing": func(s string) string {
			return strings.Replace(s, key, key+strings.Replace(key, b64(a.Public()), other, 1), 1)
		},
		"a range with a gap": func(s string) string {
			return strings.Replace(s, key, strings.Replace(key, " 0 0", " 0 5", 1)+strings.Replace(key, " 0 0", " 6 0", 1), 1)
		},
		"a range that ends": func(s string) string { return strings.Replace(s, key, strings.Replace(key, " 0 0", " 0 500", 1), 1) },
		"a key change that nobody wrote": func(s string) string {
			return strings.Replace(s, key, strings.Replace(key, " 0 0", " 0 5", 1)+strings.Replace(key, " 0 0", " 5 0", 1), 1)
		},
		"a key less":      func(s string) string { return strings.Replace(s, key, "", 1) },
		"a cosigner more": func(s string) string { return strings.Replace(s, key, key+"cosigner w9 "+other+"\n", 1) },
		"a cosigner less": func(s string) string { return strings.Replace(s, "cosigner agg-1 "+b64(public("agg"))+"\n", "", 1) },
		"another summary": func(s string) string { return strings.Replace(s, "1 withheld", "0 withheld", 1) },
		"no summary":      func(s string) string { return bundle.Header + "\n" + s[strings.Index(s, "key "):] },
	} {
		bad := change(string(good))
		require.NotEqual(t, string(good), bad, name)
		s, _, err := verify(t, trust(t, "station "+a.ID+" "+b64(a.Public())), rehashed([]byte(bad)))
		require.True(t, err != nil || s.Verdict() == bundle.Bad, "%s: %+v", name, s)
	}
}

// regexpOrigin is the origin of the station's log.
func regexpOrigin(text string) string {
	at := strings.Index(text, "key linewatch/a")
	return strings.Fields(text[at:])[1]
}

// The header of a packed segment is not signed: what nobody judges must not be there.
func TestAPackedSegmentBringsNoDataKeys(t *testing.T) {
	a, _, segments := station(t)
	k := evidence.KeyRange{Key: a.Key.Public().(ed25519.PublicKey)}
	for name, change := range map[string]func(h *wire.Header){
		"keys":      func(h *wire.Header) { h.Keys = map[string]string{strings.Repeat("ab", 32): "AAAA"} },
		"lost keys": func(h *wire.Header) { h.Lost = []string{strings.Repeat("ab", 32)} },
	} {
		changed := segments[0]
		change(&changed.Header)
		data := whole(t, k, append([]wiretest.Segment{changed}, segments[1:]...))
		_, found, err := verify(t, trust(t, cosignerLine()), data)
		require.NoError(t, err)
		require.Equal(t, bundle.Bad, found[0].Verdict, name)
		require.ErrorContains(t, found[0].Err, "data keys", name)
	}
}

func TestNumbersOfATrustFileHaveOneSpelling(t *testing.T) {
	l := "log linewatch/a1/security/0011223344556677 " + b64(public("x"))
	_, err := bundle.ParseTrust(strings.NewReader(l + " 0 4"))
	require.NoError(t, err)
	for _, odd := range []string{" 00 4", " 0 04", " 0 +4"} {
		_, err := bundle.ParseTrust(strings.NewReader(l + odd))
		require.ErrorContains(t, err, "no range", odd)
	}
}
