package store_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

func TestALeafIsTakenOutOfItsSegmentAndNothingElse(t *testing.T) {
	frame, err := wire.PackLeaves([][]byte{[]byte("one"), []byte("two"), []byte("three")})
	require.NoError(t, err)
	segment := store.StoredSegment{First: 7, Count: 3, Kind: wire.KindLeaves, Frame: frame}
	for index, want := range map[uint64]string{7: "one", 8: "two", 9: "three"} {
		leaf, err := segment.Leaf(index)
		require.NoError(t, err)
		require.Equal(t, want, string(leaf))
	}
	for _, index := range []uint64{0, 6, 10, math.MaxUint64} {
		for _, kind := range []string{wire.KindLeaves, wire.KindHole, store.KindDropped} {
			segment.Kind = kind
			_, err := segment.Leaf(index)
			require.ErrorIs(t, err, store.ErrNotFound, "%s %d", kind, index)
		}
	}
	segment.Kind, segment.Frame = wire.KindHole, nil
	_, err = segment.Leaf(8)
	require.ErrorIs(t, err, store.ErrNotFound)
	segment.Kind = store.KindDropped
	_, err = segment.Leaf(8)
	require.ErrorIs(t, err, store.ErrDropped)
	segment.Kind, segment.Frame = wire.KindLeaves, frame[:len(frame)-1]
	_, err = segment.Leaf(8)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrNotFound, "damage is no absence")
}
