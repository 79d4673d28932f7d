package evidence_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

func hashesOf(n int) []evidence.Hash {
	list := make([]evidence.Hash, n)
	for i := range list {
		list[i] = evidence.LeafHash([]byte{byte(i), byte(i >> 8)})
	}
	return list
}

func TestAConsistencyProofIsReadOutOfAnInclusionProofForAllSizesUpToSeventy(t *testing.T) {
	all := hashesOf(70)
	nodes := evidence.LeafNodes(0, all)
	for size := uint64(1); size <= 70; size++ {
		for old := uint64(0); old <= size; old++ {
			want, err := evidence.ConsistencyProof(old, size, nodes)
			require.NoError(t, err)
			var path []evidence.Hash
			var last evidence.Hash
			if old > 0 {
				path, err = evidence.InclusionProof(old-1, size, nodes)
				require.NoError(t, err)
				last = all[old-1]
			}
			got, err := evidence.ConsistencyFromInclusion(old, size, last, path)
			require.NoError(t, err)
			require.Equal(t, want, got, "%d to %d", old, size)
		}
	}
	_, err := evidence.ConsistencyFromInclusion(8, 9, all[7], nil)
	require.ErrorIs(t, err, evidence.ErrProof)
	_, err = evidence.ConsistencyFromInclusion(9, 8, all[7], all)
	require.ErrorIs(t, err, evidence.ErrProof)
}

func TestTheFrontierBeforeALeafIsReadOutOfItsInclusionProof(t *testing.T) {
	all := hashesOf(70)
	nodes := evidence.LeafNodes(0, all)
	for index := range uint64(70) {
		path, err := evidence.InclusionProof(index, index+1, nodes)
		require.NoError(t, err)
		got, err := evidence.FrontierBefore(index, path)
		require.NoError(t, err)
		want := evidence.RangeOf(0, all[:index])
		require.Equal(t, len(want.Hashes), len(got.Hashes))
		for i := range want.Hashes {
			require.Equal(t, want.Hashes[i], got.Hashes[i], index)
		}
	}
	_, err := evidence.FrontierBefore(5, all[:5])
	require.Error(t, err)
}

func TestEachLineOfANoteIsJudgedByTheKeyThatItNames(t *testing.T) {
	c := evidence.Checkpoint{Origin: origin, Size: 7, Root: evidence.EmptyRoot()}
	signer, err := evidence.NewSigner(origin, key("station"))
	require.NoError(t, err)
	note, err := signer.SignCheckpoint(c)
	require.NoError(t, err)
	note, err = evidence.Cosign(note, "w1", key("w1"), at)
	require.NoError(t, err)
	note, err = evidence.Cosign(note, "w2", key("w2"), at)
	require.NoError(t, err)
	states := func(keys []evidence.KeyRange, cosigners ...evidence.CosignerKey) (out []evidence.LineState) {
		got, lines, err := evidence.Lines(note, keys, cosigners)
		require.NoError(t, err)
		require.Equal(t, c, got)
		for _, l := range lines {
			out = append(out, l.State)
		}
		return out
	}
	w1, w2 := evidence.CosignerKey{Name: "w1", Key: public("w1")}, evidence.CosignerKey{Name: "w2", Key: public("w2")}
	pub := public("station")
	require.Equal(t, []evidence.LineState{evidence.LineUnknown, evidence.LineUnknown, evidence.LineUnknown}, states(nil))
	require.Equal(t, []evidence.LineState{evidence.LineGood, evidence.LineGood, evidence.LineGood}, states([]evidence.KeyRange{{Key: pub}}, w1, w2))
	require.Equal(t, []evidence.LineState{evidence.LineRange, evidence.LineUnknown, evidence.LineGood}, states([]evidence.KeyRange{{Key: pub, After: 7}}, w2))
	require.Equal(t, evidence.LineGood, states([]evidence.KeyRange{{Key: pub, Last: 6}, {Key: pub, After: 6}})[0])
	note[len(note)-20] ^= 2 // inside the last line's base64
	require.NotEqual(t, evidence.LineGood, states(nil, w2)[2])
}
