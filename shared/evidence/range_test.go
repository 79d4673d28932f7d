package evidence_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

func TestARangeCutAnywhereJoinsToTheSameRoot(t *testing.T) {
	h := hashes(leaves(70))
	for a := 0; a <= 70; a += 3 {
		for b := a; b <= 70; b++ {
			whole := evidence.RangeOf(0, h[:a])
			require.NoError(t, whole.Join(evidence.RangeOf(uint64(a), h[a:b])))
			require.NoError(t, whole.Join(evidence.RangeOf(uint64(b), h[b:])))
			require.Equal(t, evidence.RangeOf(0, h), whole, "cut at %d and %d", a, b)
		}
	}
}

func TestAHoleMadeOfCommitRangesIsBridged(t *testing.T) {
	h := hashes(leaves(500))
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := rng.IntN(500), rng.IntN(500)
		a, b = min(a, b), max(a, b)
		hole := evidence.Range{Begin: uint64(a), End: uint64(a)}
		for at := a; at < b; { // one range per commit, as a journal keeps them
			next := min(b, at+1+rng.IntN(40))
			require.NoError(t, hole.Join(evidence.RangeOf(uint64(at), h[at:next])))
			at = next
		}
		tree := evidence.RangeOf(0, h[:a])
		require.NoError(t, tree.Join(hole))
		for _, leaf := range h[b:] {
			require.NoError(t, tree.Append(leaf))
		}
		got, err := tree.Root()
		require.NoError(t, err)
		require.Equal(t, root(t, h), got, "[%d, %d)", a, b)
	}
}

func TestSurvivorsAroundAHoleAreStillProvable(t *testing.T) {
	h := hashes(leaves(300))
	for _, cut := range [][2]int{{0, 10}, {5, 6}, {7, 200}, {64, 128}, {63, 257}, {100, 300}, {299, 300}} {
		a, b := cut[0], cut[1]
		known := evidence.Combine(
			evidence.LeafNodes(0, h[:a]), evidence.LeafNodes(uint64(b), h[b:]),
			evidence.RangeNodes(evidence.RangeOf(uint64(a), h[a:b])))
		for size := b; size <= 300; size += 17 {
			r := root(t, h[:size])
			for i := range size {
				path, err := evidence.InclusionProof(uint64(i), uint64(size), known)
				if i >= a && i < b {
					if b-a > 1 {
						continue // the leaf itself is lost; whether its path is known does not matter
					}
				} else {
					require.NoError(t, err, "leaf %d of %d, hole %v", i, size, cut)
				}
				require.NoError(t, evidence.VerifyInclusion(h[i], uint64(i), uint64(size), path, r))
			}
		}
	}
}

func TestALostNodeIsNotInvented(t *testing.T) {
	h := hashes(leaves(64))
	known := evidence.Combine(evidence.LeafNodes(0, h[:10]), evidence.RangeNodes(evidence.RangeOf(10, h[10:60])))
	_, err := evidence.InclusionProof(20, 60, known)
	require.ErrorIs(t, err, evidence.ErrUnknownNode)
	_, err = known(70, 0)
	require.ErrorIs(t, err, evidence.ErrUnknownNode)
	_, err = known(-1, 0)
	require.ErrorIs(t, err, evidence.ErrUnknownNode)
	_, err = known(62, 1<<63)
	require.ErrorIs(t, err, evidence.ErrUnknownNode)
}

func TestRangesThatDoNotFitAreRefused(t *testing.T) {
	h := hashes(leaves(9))
	r := evidence.RangeOf(0, h)
	require.Error(t, r.Join(evidence.RangeOf(8, h[8:])), "overlap")
	require.Error(t, r.Join(evidence.RangeOf(10, h[8:])), "gap")
	before := r.Clone()
	bad := evidence.RangeOf(9, h)
	bad.Hashes = bad.Hashes[1:]
	require.Error(t, r.Join(bad))
	require.Equal(t, before, r, "an error changes nothing")
	_, err := evidence.RangeOf(1, h).Root()
	require.Error(t, err)
	broken := evidence.Range{End: 3, Hashes: h[:1]}
	require.Error(t, broken.Append(h[0]))
	_, err = broken.Root()
	require.Error(t, err)
	_, err = broken.MarshalBinary()
	require.Error(t, err)
	empty, err := evidence.Range{}.Root()
	require.NoError(t, err)
	require.Equal(t, evidence.EmptyRoot(), empty)
}

func TestACloneSharesNothing(t *testing.T) {
	r := evidence.RangeOf(0, hashes(leaves(7)))
	c := r.Clone()
	require.NoError(t, r.Append(evidence.Hash{1}))
	require.NoError(t, r.Append(evidence.Hash{2}))
	require.Equal(t, evidence.RangeOf(0, hashes(leaves(7))), c)
}

func TestRangesAreReadBack(t *testing.T) {
	h := hashes(leaves(40))
	for a := range h {
		for b := a; b <= 40; b++ {
			data, err := evidence.RangeOf(uint64(a), h[a:b]).MarshalBinary()
			require.NoError(t, err)
			var got evidence.Range
			require.NoError(t, got.UnmarshalBinary(data))
			require.Equal(t, evidence.RangeOf(uint64(a), h[a:b]), got)
			require.Error(t, got.UnmarshalBinary(data[:len(data)-1]))
			require.Error(t, got.UnmarshalBinary(slices.Concat(data, make([]byte, 32))))
		}
	}
}

// memTiles keeps complete tiles and, of the lowest level, the partial one.
type memTiles map[[2]uint64][]byte

func (m memTiles) Tile(level int, index uint64) ([]byte, error) {
	return m[[2]uint64{uint64(level), index}], nil
}

func TestProofsComeFromTilesAlone(t *testing.T) {
	const n = 70_000 // more than one tile of level 1
	h := make([]evidence.Hash, n)
	for i := range h {
		h[i] = evidence.LeafHash([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	m := memTiles{}
	tree := evidence.Range{}
	for old := 0; old < n; old += 7_777 {
		size := min(n, old+7_777)
		tiles, err := evidence.CompleteTiles(uint64(old), h[old:size], evidence.Combine(evidence.TileNodes(m), evidence.LeafNodes(uint64(old/256*256), h[old/256*256:old])))
		require.NoError(t, err)
		for _, tile := range tiles {
			require.Len(t, tile.Hashes, 256*32)
			m[[2]uint64{uint64(tile.Level), tile.Index}] = tile.Hashes
		}
		require.NoError(t, tree.Join(evidence.RangeOf(uint64(old), h[old:size])))
	}
	require.Len(t, m, n/256+n/65536)
	served := evidence.Combine(evidence.TileNodes(m), evidence.LeafNodes(n/256*256, h[n/256*256:]))
	want, err := tree.Root()
	require.NoError(t, err)
	got, err := evidence.RootOf(n, served)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for i := 0; i < n; i += 997 {
		path, err := evidence.InclusionProof(uint64(i), n, served)
		require.NoError(t, err)
		require.NoError(t, evidence.VerifyInclusion(h[i], uint64(i), n, path, want))
	}
	old, err := evidence.RootOf(66_000, served)
	require.NoError(t, err)
	path, err := evidence.ConsistencyProof(66_000, n, served)
	require.NoError(t, err)
	require.NoError(t, evidence.VerifyConsistency(66_000, n, old, want, path))
}

func TestTilesWithLostLeavesAreLeftOutAndTheLogGoesOn(t *testing.T) {
	h := hashes(leaves(1100))
	hole := evidence.RangeOf(300, h[300:310]) // in the second tile
	m := memTiles{}
	for _, step := range [][2]int{{0, 300}, {310, 1100}} {
		first := step[0] / 256 * 256
		older := evidence.Combine(evidence.TileNodes(m), evidence.LeafNodes(uint64(first), h[first:min(step[0], 300)]), evidence.RangeNodes(hole))
		tiles, err := evidence.CompleteTiles(uint64(step[0]), h[step[0]:step[1]], older)
		require.NoError(t, err)
		for _, tile := range tiles {
			m[[2]uint64{uint64(tile.Level), tile.Index}] = tile.Hashes
		}
	}
	require.Contains(t, m, [2]uint64{0, 0})
	require.NotContains(t, m, [2]uint64{0, 1})
	require.Contains(t, m, [2]uint64{0, 2})
	served := evidence.Combine(evidence.TileNodes(m), evidence.LeafNodes(256, h[256:300]), evidence.LeafNodes(310, h[310:512]),
		evidence.LeafNodes(1024, h[1024:]), evidence.RangeNodes(hole))
	for _, i := range []int{0, 299, 310, 511, 512, 1099} {
		path, err := evidence.InclusionProof(uint64(i), 1100, served)
		require.NoError(t, err)
		require.NoError(t, evidence.VerifyInclusion(h[i], uint64(i), 1100, path, root(t, h)))
	}
}
