package evidence_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

func TestOneBitOfAnyLeafChangedIsCaughtAtEveryBytePosition(t *testing.T) {
	l := leaves(13)
	want := root(t, hashes(l))
	for i := range l {
		p := proofOf(t, l, i)
		require.NoError(t, p.Verify(stationKeys(), origin))
		for pos := range l[i] {
			for bit := range 8 {
				changed := slices.Clone(l)
				changed[i] = bytes.Clone(l[i])
				changed[i][pos] ^= 1 << bit
				require.NotEqual(t, want, root(t, hashes(changed)), "leaf %d byte %d", i, pos)
				p.Leaf = changed[i]
				if bit == pos%8 { // the proof too; one bit per position keeps the test short
					require.ErrorIs(t, p.Verify(stationKeys(), origin), evidence.ErrProof)
				}
			}
		}
	}
}

func TestALeafMadeLongerOrShorterIsCaught(t *testing.T) {
	p := proofOf(t, leaves(9), 4)
	for _, l := range [][]byte{p.Leaf[:len(p.Leaf)-1], append(bytes.Clone(p.Leaf), ' '), p.Leaf[1:], append([]byte{0}, p.Leaf...), nil} {
		p.Leaf = l
		require.ErrorIs(t, p.Verify(stationKeys(), origin), evidence.ErrProof)
	}
}

func TestANodeIsNeverTakenForALeaf(t *testing.T) {
	h := hashes(leaves(2))
	inner := slices.Concat(h[0][:], h[1][:])
	require.NotEqual(t, evidence.NodeHash(h[0], h[1]), evidence.LeafHash(inner))
	require.NotEqual(t, evidence.EmptyRoot(), evidence.LeafHash(nil))
}

// other returns what a byte may be changed to: each single bit and the bytes that
// mean something in a note.
func other(b byte) []byte {
	var out []byte
	for bit := range 8 {
		out = append(out, b^1<<bit)
	}
	for _, c := range []byte("\n\r\x00 A0aB+/=\t\xe2\x80") {
		if c != b {
			out = append(out, c)
		}
	}
	return out
}

func TestAnyByteOfACheckpointChangedIsCaught(t *testing.T) {
	note := checkpoint(t, leaves(12), "station")
	for pos := range note {
		for _, b := range other(note[pos]) {
			changed := bytes.Clone(note)
			changed[pos] = b
			_, err := evidence.OpenCheckpoint(changed, origin, stationKeys())
			require.Error(t, err, "byte %d is %q", pos, b)
		}
		_, err := evidence.OpenCheckpoint(slices.Delete(bytes.Clone(note), pos, pos+1), origin, stationKeys())
		require.Error(t, err, "byte %d removed", pos)
		_, err = evidence.OpenCheckpoint(slices.Insert(bytes.Clone(note), pos, note[pos]), origin, stationKeys())
		require.Error(t, err, "byte %d doubled", pos)
	}
}

// Of a receipt, each byte counts for whoever checks both signatures.
func TestAnyByteOfAProofChangedIsCaught(t *testing.T) {
	p := proofOf(t, leaves(6), 3)
	text := p.Text()
	verify := func(text []byte) error {
		p, err := evidence.ParseProof(text)
		if err != nil {
			return err
		}
		if err := p.Verify(stationKeys(), origin); err != nil {
			return err
		}
		_, _, err = p.VerifyCosigned(origin, cosigners())
		return err
	}
	require.NoError(t, verify(text))
	for pos := range text {
		for _, b := range []byte{text[pos] ^ 1, text[pos] ^ 2, text[pos] ^ 0x20, 'A', '\n', '='} {
			if b == text[pos] {
				continue
			}
			changed := bytes.Clone(text)
			changed[pos] = b
			require.Error(t, verify(changed), "byte %d is %q", pos, b)
		}
		require.Error(t, verify(text[:pos]), "cut at %d", pos)
	}
	require.Error(t, verify(append(bytes.Clone(text), '\n')))
}

func TestDroppedInsertedReorderedAndSwappedEventsAreCaught(t *testing.T) {
	l := leaves(20)
	want := root(t, hashes(l))
	for i := range l {
		dropped := slices.Delete(slices.Clone(l), i, i+1)
		require.NotEqual(t, want, root(t, hashes(dropped)))
		inserted := slices.Insert(slices.Clone(l), i, []byte("{}"))
		require.NotEqual(t, want, root(t, hashes(inserted)))
		doubled := slices.Insert(slices.Clone(l), i, l[i])
		require.NotEqual(t, want, root(t, hashes(doubled)))
		for j := range i {
			swapped := slices.Clone(l)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			require.NotEqual(t, want, root(t, hashes(swapped)))
		}
		batch := slices.Concat(l[i:], l[:i]) // two batches swapped
		if i > 0 {
			require.NotEqual(t, want, root(t, hashes(batch)))
		}
	}
}

func TestAProofHoldsAtItsOwnPlaceOnly(t *testing.T) {
	l := leaves(20)
	h := hashes(l)
	r := root(t, h)
	for i := range l {
		path, err := evidence.InclusionProof(uint64(i), 20, nodes(h))
		require.NoError(t, err)
		for j := range uint64(25) {
			err := evidence.VerifyInclusion(h[i], j, 20, path, r)
			require.Equal(t, j == uint64(i), err == nil, "leaf %d at %d", i, j)
		}
		// The size is authenticated by the checkpoint; a wrong one fails unless the
		// path has the same shape, and never proves another leaf.
		for j := range l {
			if j != i {
				require.Error(t, evidence.VerifyInclusion(h[j], uint64(i), 20, path, r))
			}
		}
	}
	p := proofOf(t, l, 3)
	p.Checkpoint = checkpoint(t, leaves(19), "station")
	require.ErrorIs(t, p.Verify(stationKeys(), origin), evidence.ErrProof, "checkpoint of another size")
}

func TestHostileProofsEndQuickly(t *testing.T) {
	l := leaves(5)
	p := proofOf(t, l, 2)
	p.Hashes = make([]evidence.Hash, 10_000)
	require.ErrorIs(t, p.Verify(stationKeys(), origin), evidence.ErrProof)
	_, err := evidence.ParseProof(p.Text())
	require.ErrorIs(t, err, evidence.ErrProofText)
	require.Error(t, evidence.VerifyInclusion(evidence.Hash{}, 1<<63, 1<<64-1, p.Hashes, evidence.Hash{}))
	require.Error(t, evidence.VerifyConsistency(1, 1<<62, evidence.Hash{}, evidence.Hash{}, p.Hashes))
	_, err = evidence.ParseProof(bytes.Repeat([]byte("A"), 1<<20))
	require.ErrorIs(t, err, evidence.ErrProofText)
	note := checkpoint(t, l, "station")
	many := slices.Concat(note, bytes.Repeat([]byte("— x AAAAAAAA\n"), 200))
	_, err = evidence.OpenCheckpoint(many, origin, stationKeys())
	require.ErrorIs(t, err, evidence.ErrNote)
}
