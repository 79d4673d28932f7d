package bundle_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// Anybody can sign a note under the name of a log, with a key of his own. That is
// no second history of it, and must not spoil what is verified behind it.
func TestAForgersNoteUnderALogsNameIsNoSecondHistoryOfIt(t *testing.T) {
	a, l, segments := station(t)
	honest := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	forger := wiretest.NewAgent(t, "forger", "", nil)
	fake := forger.Log("security", "")
	fake.Origin = l.Origin
	fake.CommitN(10)
	forged := build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: forger.Public()}))
		require.NoError(t, w.Run(l.Origin, 0, items(fake.Leaves)))
		require.NoError(t, w.Checkpoint([]byte(fake.Sign(forger.Key))))
	})
	for name, order := range map[string][][]byte{"before": {forged, honest}, "behind": {honest, forged}} {
		var found []bundle.Finding
		v := bundle.NewVerifier(trust(t, "station "+a.ID+" "+b64(a.Public())), func(f bundle.Finding) { found = append(found, f) })
		for _, data := range order {
			require.NoError(t, v.Bundle(name, bytes.NewReader(data)))
		}
		v.Close()
		s := v.Summary()
		require.Zero(t, s.Bad, "%s: %v", name, found)
		require.Equal(t, []uint64{10, 10}, []uint64{s.Anchored, s.NotAnchored}, name)
	}
}

func items(leaves [][]byte) (out []bundle.Item) {
	for _, leaf := range leaves {
		out = append(out, bundle.Item{Leaf: leaf})
	}
	return out
}

// The station's word for one root and a trusted cosigner's for another are two
// histories, though no one key signed both.
func TestTwoAnchoredHistoriesByTwoSignersAreFound(t *testing.T) {
	a, l, segments := station(t)
	honest := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	forger := wiretest.NewAgent(t, "forger", "", nil)
	fake := forger.Log("security", "")
	fake.Origin = l.Origin
	fake.CommitN(10)
	note, err := evidence.Cosign([]byte(fake.Sign(forger.Key)), "agg-2", key("agg-2"), at)
	require.NoError(t, err)
	forged := build(t, func(w *bundle.Writer) {
		require.NoError(t, w.Key(l.Origin, evidence.KeyRange{Key: forger.Public()}))
		require.NoError(t, w.Cosigner(cosigner("agg-2")))
		require.NoError(t, w.Run(l.Origin, 0, items(fake.Leaves)))
		require.NoError(t, w.Checkpoint(note))
	})
	found := verifyAll(t, trust(t, "station "+a.ID+" "+evidence.Fingerprint(a.Public()), "cosigner agg-2 "+b64(public("agg-2"))), honest, forged)
	require.ErrorIs(t, found[0].Err, bundle.ErrTwoHistories)
}

func TestALineIsBoundedWhateverTheReaderBuffers(t *testing.T) {
	good, a := plainBundle(t)
	for n, ok := range map[int]bool{1023: true, 1024: false, 3000: false} {
		line := "cosigner " + strings.Repeat("x", n-len("cosigner  ")-44) + " " + b64(public("x"))
		require.Len(t, line, n)
		data := rehashed(bytes.Replace(good, []byte("\nkey "), []byte("\n"+line+"\nkey "), 1))
		v := bundle.NewVerifier(trust(t, "station "+a.ID+" "+b64(a.Public())), func(bundle.Finding) {})
		err := v.Bundle("b", bufio.NewReaderSize(bytes.NewReader(data), 1<<16))
		require.Equal(t, ok, err == nil, "%d bytes: %v", n, err)
	}
}

func TestAKeyIsSpeltInOneWay(t *testing.T) {
	good, a := plainBundle(t)
	k := b64(a.Public())
	for _, odd := range []string{k[:10] + "\r" + k[10:], k + "\r", "\r" + k} {
		data := rehashed(bytes.ReplaceAll(good, []byte(" "+k+" "), []byte(" "+odd+" ")))
		s, _, err := verify(t, bundle.Trust{}, data)
		require.True(t, err != nil || s.Bad > 0, "%q", odd)
	}
	c := b64(public("agg"))
	s, _, err := verify(t, bundle.Trust{}, rehashed(bytes.ReplaceAll(good, []byte(" "+c+"\n"), []byte(" "+c[:4]+"\r"+c[4:]+"\n"))))
	require.True(t, err != nil || s.Bad > 0)
}

// manyTurns is a log that changes its key twice, with the proofs of both changes and
// of a leaf that old signs last, whoever it is.
func manyTurns(t *testing.T, by string) (a *wiretest.Agent, first, second, late evidence.Proof, origin string) {
	t.Helper()
	a = wiretest.NewAgent(t, "st07", "", nil)
	l := a.Log("security", "")
	confirmed := func(p evidence.Proof) evidence.Proof {
		var err error
		p.Checkpoint, err = evidence.Cosign(p.Checkpoint, "agg-1", key("agg-1"), at)
		require.NoError(t, err)
		return p
	}
	l.CommitN(3)
	l.Commit(changeLeaf(l, public("second")))
	first = confirmed(proofAt(t, l, a.Key, 3))
	l.CommitN(2)
	l.Commit(changeLeaf(l, public("third")))
	second = confirmed(proofAt(t, l, key("second"), 6))
	l.CommitN(2)
	signer := a.Key
	if by != "" {
		signer = key(by)
	}
	late = proofAt(t, l, signer, 8)
	return a, first, second, late, l.Origin
}

func TestChangesOfAKeyCountInWhateverOrderTheyAreShown(t *testing.T) {
	for by, want := range map[string]bundle.Verdict{"third": bundle.Anchored, "second": bundle.Bad, "": bundle.NotAnchored} {
		for _, turned := range []bool{false, true} {
			_, first, second, late, _ := manyTurns(t, by)
			if turned {
				first, second = second, first
			}
			var last bundle.Finding
			v := bundle.NewVerifier(trust(t, "cosigner agg-1 "+b64(public("agg-1"))), func(f bundle.Finding) { last = f })
			for _, p := range []evidence.Proof{first, second, late} {
				v.Proof("p", p.Text())
			}
			require.Equal(t, want, last.Verdict, "signed by %q, turned %v: %v", by, turned, last.Err)
		}
	}
}

func TestARegistrationShownBehindAChangeOfTheKeyDoesNotBringTheOldKeyBack(t *testing.T) {
	a, first, _, late, origin := manyTurns(t, "")
	agg, ledger := ledgerOf(t, "ledger", origin, a.Public())
	var last bundle.Finding
	v := bundle.NewVerifier(trust(t, "cosigner agg-1 "+b64(public("agg-1")), "ledger hamburg "+b64(agg.Public())), func(f bundle.Finding) { last = f })
	for _, p := range []evidence.Proof{first, proofAt(t, ledger, agg.Key, 0), late} {
		v.Proof("p", p.Text())
	}
	require.Equal(t, bundle.Bad, last.Verdict, "%v", last.Err)
}

func TestAPackedSegmentHasNoMoreLeavesThanItsBytesCanHold(t *testing.T) {
	a, l, segments := station(t)
	require.True(t, bundle.Packable(256, nil))
	require.False(t, bundle.Packable(257, nil))
	require.True(t, bundle.Packable(bundle.MaxPacked, make([]byte, 1<<20)))
	require.False(t, bundle.Packable(bundle.MaxPacked+1, make([]byte, 1<<20)))
	bomb := l.Clone()
	leaves := make([][]byte, 3000)
	for i := range leaves {
		leaves[i] = []byte("x")
	}
	s := bomb.Commit(leaves...)
	packed, err := wire.PackLeaves(s.Leaves)
	require.NoError(t, err)
	require.Less(t, len(packed), 500)
	_, err = bundle.Build(func(w *bundle.Writer) error { return w.Segment(s.Header, packed) })
	require.ErrorContains(t, err, "may not be packed")
	// What the writer refuses a forger writes by hand.
	body, err := wire.AppendFrame(nil, s.Header, packed)
	require.NoError(t, err)
	good := whole(t, evidence.KeyRange{Key: a.Public()}, segments)
	entry := fmt.Appendf(nil, "\nsegment %d\n%s\nend sha256:", len(body), body)
	_, found, err := verify(t, bundle.Trust{}, rehashed(bytes.Replace(good, []byte("\nend sha256:"), entry, 1)))
	require.NoError(t, err)
	require.ErrorContains(t, found[0].Err, "a packed segment of 3000 leaves")
}

// The characters that a summary escapes are those of the page, for every version of
// Go and of Unicode; the scripts of the page for verifying by hand have them too.
func TestTheCharactersThatASummaryEscapesAreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../../docs/formats/bundle.md")
	require.NoError(t, err)
	_, rule, ok := strings.Cut(string(text), "*Escaped* means")
	require.True(t, ok)
	rule, _, ok = strings.Cut(rule, "stand for themselves")
	require.True(t, ok)
	var listed [0x110000]bool
	ranges := regexp.MustCompile(`U\+([0-9A-F]+)(?: to U\+([0-9A-F]+))?`).FindAllStringSubmatch(rule, -1)
	require.Greater(t, len(ranges), 10)
	for _, r := range ranges {
		first, err := strconv.ParseInt(r[1], 16, 32)
		require.NoError(t, err)
		last := first
		if r[2] != "" {
			last, err = strconv.ParseInt(r[2], 16, 32)
			require.NoError(t, err)
		}
		for c := first; c <= last; c++ {
			listed[c] = true
		}
	}
	for c := rune(0); c < 0x110000; c++ {
		if c >= 0xd800 && c < 0xe000 {
			continue // surrogates can't stand in UTF-8
		}
		require.Equal(t, listed[c], bundle.Printable(string(c)) != string(c), "U+%04X", c)
	}
	require.Equal(t, `a\u0000\u009f\u202e\U000e0001\ue000ß🙂`+"\ufffd\ufffd", bundle.Printable("a\x00\u009f\u202e\U000e0001\ue000ß🙂\xe2\x82"))
}
