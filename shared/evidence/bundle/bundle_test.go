package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func b64(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

func public(name string) ed25519.PublicKey { return key(name).Public().(ed25519.PublicKey) }

// trust reads a trust file.
func trust(t testing.TB, lines ...string) bundle.Trust {
	t.Helper()
	tr, err := bundle.ParseTrust(strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return tr
}

func cosignerLine() string { return "cosigner agg-1 " + b64(public("agg")) }

// verify returns the summary and the findings of a bundle.
func verify(t testing.TB, tr bundle.Trust, data []byte) (bundle.Summary, []bundle.Finding, error) {
	t.Helper()
	var found []bundle.Finding
	v := bundle.NewVerifier(tr, func(f bundle.Finding) { found = append(found, f) })
	err := v.Bundle("b", bytes.NewReader(data))
	v.Close()
	return v.Summary(), found, err
}

// station is an agent with a log of three commits.
func station(t testing.TB) (*wiretest.Agent, *wiretest.Log, []wiretest.Segment) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	return a, l, []wiretest.Segment{l.CommitN(3), l.CommitN(5), l.CommitN(2)}
}

func frame(t testing.TB, s wiretest.Segment) []byte {
	f, err := wire.PackLeaves(s.Leaves)
	require.NoError(t, err)
	return f
}

// whole writes segments as a bundle with the key and, at the end, a receipt.
func whole(t testing.TB, k evidence.KeyRange, segments []wiretest.Segment, more ...evidence.KeyRange) []byte {
	t.Helper()
	receipt, err := evidence.Cosign([]byte(segments[len(segments)-1].Checkpoint), "agg-1", key("agg"), at)
	require.NoError(t, err)
	return build(t, func(w *bundle.Writer) {
		for _, k := range append([]evidence.KeyRange{k}, more...) {
			require.NoError(t, w.Key(segments[0].Origin, k))
		}
		require.NoError(t, w.Cosigner(evidence.CosignerKey{Name: "agg-1", Key: public("agg")}))
		put(t, w, segments...)
		require.NoError(t, w.Checkpoint(receipt))
	})
}

// build returns what fill writes as a bundle.
func build(t testing.TB, fill func(*bundle.Writer)) []byte {
	t.Helper()
	data, err := bundle.Build(func(w *bundle.Writer) error { fill(w); return nil })
	require.NoError(t, err)
	return data
}

func put(t testing.TB, w *bundle.Writer, segments ...wiretest.Segment) {
	t.Helper()
	for _, s := range segments {
		if s.Kind == wire.KindHole {
			require.NoError(t, w.Segment(s.Header, nil))
			continue
		}
		require.NoError(t, w.Segment(s.Header, frame(t, s)))
	}
}

// proofAt returns the proof of a leaf under the log's newest checkpoint.
func proofAt(t testing.TB, l *wiretest.Log, signer ed25519.PrivateKey, i uint64) evidence.Proof {
	t.Helper()
	hashes := make([]evidence.Hash, len(l.Leaves))
	for j, leaf := range l.Leaves {
		hashes[j] = evidence.LeafHash(leaf)
	}
	path, err := evidence.InclusionProof(i, l.Tree.End, evidence.LeafNodes(0, hashes))
	require.NoError(t, err)
	return evidence.Proof{Index: i, Leaf: l.Leaves[i], Hashes: path, Checkpoint: []byte(l.Sign(signer))}
}

func TestAWholeLogIsAnchoredByItsReceipt(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	s, found, err := verify(t, trust(t, cosignerLine()), data)
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 10, Anchored: 10, Logs: 1}, s)
	require.Equal(t, bundle.Anchored, s.Verdict())
	require.Equal(t, "cosigner agg-1", found[0].Anchor)
	require.Equal(t, at, found[0].CosignedAt)
	require.Equal(t, uint64(10), found[0].Count)
}

func TestAStationIsPinnedByKeyOrByFingerprint(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	for _, pin := range []string{b64(a.Public()), evidence.Fingerprint(a.Public()), strings.ToUpper(evidence.Fingerprint(a.Public()))} {
		s, found, err := verify(t, trust(t, "# the press", "", "station "+a.ID+" "+pin), data)
		require.NoError(t, err)
		require.Equal(t, bundle.Anchored, s.Verdict(), found)
		require.Equal(t, "station "+a.ID, found[0].Anchor)
	}
	s, _, err := verify(t, trust(t, "station "+a.ID+" "+b64(public("other"))), data)
	require.NoError(t, err)
	require.Equal(t, bundle.NotAnchored, s.Verdict())
}

func TestWithoutTrustABundleOnlyAgreesWithItself(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	s, _, err := verify(t, bundle.Trust{}, data)
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 10, NotAnchored: 10, Logs: 1}, s)
	require.Equal(t, bundle.NotAnchored, s.Verdict())
	s, _, err = verify(t, bundle.Trust{}, whole(t, evidence.KeyRange{Key: public("other")}, segments))
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict(), "not signed by the key that it brings itself")
}

func TestADishonestAggregatorsStationIsNotAnchored(t *testing.T) {
	a, _, _ := station(t)
	invented := wiretest.NewAgent(t, "invented", "", nil)
	l := invented.Log("security", "")
	data := whole(t, evidence.KeyRange{Key: invented.Public()}, []wiretest.Segment{l.CommitN(4)})
	s, _, err := verify(t, trust(t, "station "+a.ID+" "+b64(a.Public())), data)
	require.NoError(t, err)
	require.Equal(t, bundle.NotAnchored, s.Verdict())
}

func TestWhatFollowsTheLastAnchorIsNotAnchored(t *testing.T) {
	a, l, segments := station(t)
	receipt, err := evidence.Cosign([]byte(segments[2].Checkpoint), "agg-1", key("agg"), at)
	require.NoError(t, err)
	data := build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		require.NoError(t, w.Cosigner(evidence.CosignerKey{Name: "agg-1", Key: public("agg")}))
		put(t, w, segments...)
		require.NoError(t, w.Checkpoint(receipt))
		put(t, w, l.CommitN(6))
	})
	s, _, err := verify(t, trust(t, cosignerLine()), data)
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 16, Anchored: 10, NotAnchored: 6, Logs: 1}, s)
}

func TestEverythingThatIsDoneToAWholeLogIsFound(t *testing.T) {
	a, l, good := station(t)
	k := evidence.KeyRange{Key: a.Public()}
	tr := trust(t, "station "+a.ID+" "+b64(a.Public()), cosignerLine())
	for name, change := range map[string]func(s []wiretest.Segment) []wiretest.Segment{
		"batch dropped":   func(s []wiretest.Segment) []wiretest.Segment { return slices.Delete(s, 1, 2) },
		"batches swapped": func(s []wiretest.Segment) []wiretest.Segment { s[0], s[1] = s[1], s[0]; return s },
		"batch twice":     func(s []wiretest.Segment) []wiretest.Segment { return slices.Insert(s, 1, s[0]) },
		"first missing":   func(s []wiretest.Segment) []wiretest.Segment { return s[1:] },
		"leaf changed": func(s []wiretest.Segment) []wiretest.Segment {
			s[1].Leaves = slices.Clone(s[1].Leaves)
			s[1].Leaves[2] = []byte("{}")
			return s
		},
		"hole where there was none": func(s []wiretest.Segment) []wiretest.Segment {
			s[1] = wiretest.Segment{Header: wire.HoleHeader(l.Origin, evidence.RangeOf(3, make([]evidence.Hash, 5)), []byte(s[1].Checkpoint))}
			return s
		},
	} {
		s, _, err := verify(t, tr, whole(t, k, change(slices.Clone(good))))
		require.NoError(t, err, name)
		require.Equal(t, bundle.Bad, s.Verdict(), name)
	}
}

func TestADeclaredHoleHoldsAndIsCounted(t *testing.T) {
	a, l, segments := station(t)
	hashes := make([]evidence.Hash, 5)
	for i, leaf := range segments[1].Leaves {
		hashes[i] = evidence.LeafHash(leaf)
	}
	segments[1] = wiretest.Segment{Header: wire.HoleHeader(l.Origin, evidence.RangeOf(3, hashes), []byte(segments[1].Checkpoint))}
	s, _, err := verify(t, trust(t, cosignerLine()), whole(t, evidence.KeyRange{Key: a.Public()}, segments))
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 5, Anchored: 5, Lost: 5, Logs: 1}, s)
}

func TestAPartOfALogNeedsOnlyItsFrontier(t *testing.T) {
	a, l, segments := station(t)
	hashes := []evidence.Hash{evidence.LeafHash(l.Leaves[0]), evidence.LeafHash(l.Leaves[1]), evidence.LeafHash(l.Leaves[2])}
	part := func() []byte {
		return build(t, func(w *bundle.Writer) {
			require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
			require.NoError(t, w.Frontier(l.Origin, evidence.RangeOf(0, hashes)))
			put(t, w, segments[1])
		})
	}
	tr := trust(t, "station "+a.ID+" "+b64(a.Public()))
	s, _, err := verify(t, tr, part())
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 5, Anchored: 5, Logs: 1}, s)
	hashes[1][7] ^= 1
	s, _, err = verify(t, tr, part())
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict())
}

// changeLeaf is the leaf log.key with which a log names its next key.
func changeLeaf(l *wiretest.Log, heir ed25519.PublicKey) []byte {
	return changeLeafBy("aggregator", l, heir) // of a station's log it does not count who
}

// changeLeafBy is the leaf that this kind of source wrote.
func changeLeafBy(kind string, l *wiretest.Log, heir ed25519.PublicKey) []byte {
	return fmt.Appendf(nil, `{"id":"0198a1b2-0000-7000-8000-000000000001","event_type":"log.key","class":"security","severity":"low",`+
		`"timestamp":"2026-01-02T03:04:05Z","collected_at":"2026-01-02T03:04:05Z","station":"hamburg/body/line3/st07","source":{"kind":"%s"},`+
		`"event_data":{"origin":"%s","publicKey":"%s"},"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`, kind, l.Origin, b64(heir))
}

// keyChange returns segments in which the old key hands over to the new one.
func keyChange(a *wiretest.Agent, l *wiretest.Log) []wiretest.Segment {
	first := l.CommitN(3)
	change := l.Commit(changeLeaf(l, public("new")))
	after := l.CommitN(2)
	after.Checkpoint = l.Sign(key("new"))
	return []wiretest.Segment{first, change, after}
}

func TestAKeyChangeInTheLogAnchorsTheNewKeyForLaterSizesOnly(t *testing.T) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	segments := keyChange(a, l)
	tr := trust(t, "station "+a.ID+" "+b64(a.Public()))
	first, second := evidence.KeyRange{Key: a.Public(), Last: 4}, evidence.KeyRange{Key: public("new"), After: 4}
	s, found, err := verify(t, tr, whole(t, first, segments, second))
	require.NoError(t, err)
	require.Equal(t, bundle.Anchored, s.Verdict(), found)
	s, _, err = verify(t, tr, whole(t, evidence.KeyRange{Key: a.Public()}, segments))
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict(), "a bundle that hides the change")
	s, _, err = verify(t, tr, whole(t, evidence.KeyRange{Key: a.Public(), Last: 3}, segments, evidence.KeyRange{Key: public("new"), After: 3}))
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict(), "the new key before its size")

	old := slices.Clone(segments)
	old[2].Checkpoint = l.Sign(a.Key) // whoever stole the old key goes on
	s, _, err = verify(t, tr, whole(t, first, old, second))
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict())

	pinned := trust(t, fmt.Sprintf("log %s %s 0 4", l.Origin, b64(a.Public())), fmt.Sprintf("log %s %s 4 0", l.Origin, b64(public("new"))))
	s, _, err = verify(t, pinned, whole(t, first, segments, second))
	require.NoError(t, err)
	require.Equal(t, bundle.Anchored, s.Verdict())
	s, _, err = verify(t, pinned, whole(t, evidence.KeyRange{Key: a.Public()}, old))
	require.NoError(t, err)
	require.Equal(t, bundle.Bad, s.Verdict())
}

func TestTheLedgerAnchorsAStationsLog(t *testing.T) {
	a, l, segments := station(t)
	agg := wiretest.NewAgent(t, "ledger", "", nil)
	ledger := agg.Log("security", "")
	ledger.Origin = "linewatch/_aggregator/hamburg/security/00ff00ff00ff00ff"
	ledger.Commit(fmt.Appendf(nil, `{"id":"0198a1b2-0000-7000-8000-000000000002","event_type":"log.registered","class":"security","severity":"info",`+
		`"timestamp":"2026-01-02T03:04:05Z","collected_at":"2026-01-02T03:04:05Z","station":"hamburg","source":{"kind":"aggregator"},`+
		`"event_data":{"origin":"%s","publicKey":"%s","size":0,"reason":"new","at":"2026-01-02T03:04:05Z","proof":""},"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}`,
		l.Origin, b64(a.Public())))
	write := func(first bool) []byte {
		return build(t, func(w *bundle.Writer) {
			require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
			if first {
				require.NoError(t, w.Key(ledger.Origin, evidence.KeyRange{Key: agg.Public()}))
				require.NoError(t, w.Basis(proofAt(t, ledger, agg.Key, 0)))
			}
			put(t, w, segments...)
		})
	}
	for _, line := range []string{fmt.Sprintf("log %s %s 0 0", ledger.Origin, b64(agg.Public())), "ledger hamburg " + b64(agg.Public())} {
		s, found, err := verify(t, trust(t, line), write(true))
		require.NoError(t, err)
		require.Equal(t, bundle.Anchored, s.Verdict(), found)
		require.Equal(t, "ledger "+ledger.Origin, found[0].Anchor)
		s, _, err = verify(t, trust(t, line), write(false))
		require.NoError(t, err)
		require.Equal(t, bundle.NotAnchored, s.Verdict())
	}
	for _, line := range []string{cosignerLine(), "ledger bremen " + b64(agg.Public()), "ledger hamburg " + b64(public("other"))} {
		s, _, err := verify(t, trust(t, line), write(true))
		require.NoError(t, err)
		require.Equal(t, bundle.NotAnchored, s.Verdict(), "a ledger that nobody pinned anchors nothing")
	}
}

func TestManyProofsUnderOneCheckpointAreVerified(t *testing.T) {
	a, l, _ := station(t)
	tr := trust(t, "station "+a.ID+" "+b64(a.Public()))
	write := func(bad bool) []byte {
		return build(t, func(w *bundle.Writer) {
			for i := range l.Tree.End {
				require.NoError(t, w.Proof(proofAt(t, l, a.Key, i)))
			}
			if p := proofAt(t, l, a.Key, 4); bad {
				p.Leaf = []byte("{}")
				require.NoError(t, w.Proof(p))
			}
		})
	}
	s, found, err := verify(t, tr, write(false))
	require.NoError(t, err)
	require.Equal(t, bundle.Summary{Events: 10, Anchored: 10, Logs: 1}, s)
	require.Equal(t, l.Leaves[4], found[4].Leaf)
	s, found, err = verify(t, tr, write(true))
	require.NoError(t, err)
	require.NotZero(t, s.Bad)
	require.ErrorIs(t, found[10].Err, evidence.ErrProof)
}

func TestABundleCutOffOrGarbledIsNotTakenForAWholeOne(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	tr := trust(t, cosignerLine())
	whole := 0
	for n := range data {
		s, _, err := verify(t, tr, data[:n])
		if err == nil && s.Verdict() == bundle.Anchored {
			whole++
		}
	}
	require.Zero(t, whole)
	for _, text := range []string{
		"", "x", bundle.Header, bundle.Header + "\nproof\n", bundle.Header + "\nproof 99999999\n", bundle.Header + "\nproof -1\n",
		bundle.Header + "\nproof 5\nab", bundle.Header + "\nwhat 5\n", bundle.Header + "\nkey a b\n", bundle.Header + "\n" + strings.Repeat("a", 5000),
	} {
		_, _, err := verify(t, tr, []byte(text))
		require.ErrorIs(t, err, bundle.ErrBundle, "%q", text)
	}
}

func TestMistakesInATrustFileNameTheLine(t *testing.T) {
	for text, line := range map[string]int{
		"cosigner a":                                                          1,
		"# ok\ncosigner a notakey":                                            2,
		"station A " + evidence.Fingerprint(nil):                              1,
		"station a0 abcdef":                                                   1,
		"log linewatch/a/b " + b64(public("x")):                               1,
		"log linewatch/a/b/c AAAA 0 0":                                        1,
		"\n\nlog linewatch/a/b/c " + b64(public("x")) + " 5 4":                3,
		"log nothing " + b64(public("x")) + " 0 0":                            1,
		strings.Repeat("a", 5000):                                             1,
		strings.Repeat("\n", 10_001):                                          10_001,
		"witness a b":                                                         1,
		"cosigner a " + b64(public("x")) + " until":                           1,
		"cosigner a " + b64(public("x")) + " for 2026-01-02T03:04:05Z":        1,
		"witness a " + b64(public("x")) + " until 2026-01-02":                 1,
		"witness a " + b64(public("x")) + " until 2026-02-30T03:04:05Z":       1,
		"witness a " + b64(public("x")) + " until 2026-01-02T03:04:05.5Z":     1,
		"cosigner a " + b64(public("x")) + " until 2026-01-02T03:04:05+01:00": 1,
		"cosigner a " + b64(public("x")) + " until 2026-01-02T03:04:05Z\n\ncosigner a " + b64(public("x")): 3,
	} {
		_, err := bundle.ParseTrust(strings.NewReader(text))
		var mistake *bundle.TrustError
		require.ErrorAs(t, err, &mistake, "%.60q", text)
		require.Equal(t, line, mistake.Line, "%.60q", text)
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add(cosignerLine())
	f.Add("ledger hamburg " + b64(public("x")) + "\nwitness w1 " + b64(public("w1")) + "\nwitness w2 " + b64(public("w2")) + "\nquorum 2\n")
	f.Add("cosigner a " + b64(public("x")) + " until 2026-01-02T03:04:05Z\nwitness w1 " + b64(public("w1")) + " until 2026-01-02T03:04:06Z\n")
	f.Add("station a0123456789abcde " + evidence.Fingerprint(public("x")) + "\n# c\n\nlog linewatch/a/b/c " + b64(public("x")) + " 0 9\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := bundle.ParseTrust(strings.NewReader(text))
		if err != nil && !tr.Empty() {
			t.Fatal("half a trust file is used")
		}
	})
}

func FuzzBundle(f *testing.F) {
	a, l, segments := station(f)
	f.Add(whole(f, evidence.KeyRange{Key: a.Public()}, segments))
	f.Add(build(f, func(w *bundle.Writer) { require.NoError(f, w.Proof(proofAt(f, l, a.Key, 2))) }))
	plain, _ := plainBundle(f)
	f.Add(plain)
	tr := trust(f, "station "+a.ID+" "+b64(a.Public()))
	known := map[string]bool{}
	for _, leaf := range l.Leaves {
		known[string(leaf)] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := bundle.NewVerifier(tr, func(found bundle.Finding) {
			if found.Verdict == bundle.Anchored && found.Leaf != nil && !known[string(found.Leaf)] {
				t.Fatalf("anchored what nobody signed: %q", found.Leaf)
			}
		})
		_ = v.Bundle("fuzz", io.LimitReader(bytes.NewReader(data), 1<<20))
		v.Close()
	})
}
