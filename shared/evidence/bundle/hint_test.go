package bundle_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// begunLater returns a log whose station changes its key, and one that the station
// begins under the new key.
func begunLater(t testing.TB) (a *wiretest.Agent, older, later []byte, origin string) {
	t.Helper()
	a = wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	older = whole(t, evidence.KeyRange{Key: a.Public(), Last: 4}, keyChange(a, l), evidence.KeyRange{Key: public("new"), After: 4})
	next := a.Log("security", "later")
	segment := next.CommitN(4)
	segment.Checkpoint = next.Sign(key("new"))
	return a, older, whole(t, evidence.KeyRange{Key: public("new")}, []wiretest.Segment{segment}), l.Origin
}

// verifyAll verifies bundles in one run and returns the findings of the last.
func verifyAll(t testing.TB, tr bundle.Trust, bundles ...[]byte) (last []bundle.Finding) {
	t.Helper()
	v := bundle.NewVerifier(tr, func(f bundle.Finding) { last = append(last, f) })
	for _, data := range bundles {
		last = nil
		require.NoError(t, v.Bundle("b", bytes.NewReader(data)))
	}
	v.Close()
	return last
}

func TestAChangeOfTheKeyCountsInItsOwnLogAndTheHintSaysWhatToDoAboutLaterOnes(t *testing.T) {
	a, older, later, origin := begunLater(t)
	first := "station " + a.ID + " " + evidence.Fingerprint(a.Public())
	line := "station " + a.ID + " " + evidence.Fingerprint(public("new"))
	found := verifyAll(t, trust(t, first), older, later)
	require.Len(t, found, 1)
	require.Equal(t, bundle.NotAnchored, found[0].Verdict, "a key that a leaf named is bound to the sizes of that log")
	require.Contains(t, found[0].Hint, "the station itself named as its next one (log.key, leaf 3 of "+origin+")")
	require.Contains(t, found[0].Hint, "add the line: "+line)
	require.Contains(t, found[0].Hint, "ledger INSTANCE KEY")

	found = verifyAll(t, trust(t, first), later)
	require.NotContains(t, found[0].Hint, "named as its next one", "no leaf says so here")
	require.Contains(t, found[0].Hint, "add the line: "+line)

	found = verifyAll(t, trust(t, first, line), older, later)
	require.Equal(t, bundle.Anchored, found[0].Verdict, "the remedy that the hint names")
	require.Empty(t, found[0].Hint)
	found = verifyAll(t, trust(t, "cosigner nobody "+b64(public("nobody"))), later)
	require.Empty(t, found[0].Hint, "of a station that the trust file does not name")
}

func TestAProofAloneSaysThatAFingerprintNeedsTheBundle(t *testing.T) {
	a, l, _ := station(t)
	var found []bundle.Finding
	v := bundle.NewVerifier(trust(t, "station "+a.ID+" "+evidence.Fingerprint(a.Public())), func(f bundle.Finding) { found = append(found, f) })
	v.Proof("p", proofAt(t, l, a.Key, 7).Text())
	require.Equal(t, bundle.NotAnchored, found[0].Verdict)
	require.Contains(t, found[0].Hint, "verify the bundle of the event")
}

func TestACosignatureAfterItsKeysEndCountsNothingAndTheHintSaysSo(t *testing.T) {
	a, _, segments := station(t)
	data := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	s, found, err := verify(t, trust(t, cosignerLine()+" until 2026-01-02T03:04:05Z"), data)
	require.NoError(t, err)
	require.Equal(t, bundle.Anchored, s.Verdict(), "the last second counts")
	require.Equal(t, at, found[0].CosignedAt)
	require.Empty(t, found[0].Hint)
	s, found, err = verify(t, trust(t, cosignerLine()+" until 2026-01-02T03:04:04Z"), data)
	require.NoError(t, err)
	require.Equal(t, bundle.NotAnchored, s.Verdict())
	require.Equal(t, "agg-1 cosigned at 2026-01-02T03:04:05Z, but the trust file takes its word until 2026-01-02T03:04:04Z only", found[0].Hint)
	require.Zero(t, found[0].CosignedAt, "a time that nobody vouches for is not shown as one")
	s, _, err = verify(t, trust(t, cosignerLine()+" until 2026-01-02T03:04:04Z", "station "+a.ID+" "+b64(a.Public())), data)
	require.NoError(t, err)
	require.Equal(t, bundle.Anchored, s.Verdict(), "the station's own word still counts")
}
