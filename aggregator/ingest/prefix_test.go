package ingest

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
)

// tree is a store with one log of known hashes.
type tree []evidence.Hash

func (t tree) Log(context.Context, string) (store.Log, error) { return store.Log{}, store.ErrNotFound }

func (t tree) LeafHashes(_ context.Context, _ string, from, to uint64) ([]evidence.Hash, error) {
	return t[from:to], nil
}

func (t tree) Proof(_ context.Context, _ string, index, size uint64) ([]evidence.Hash, error) {
	return evidence.InclusionProof(index, size, evidence.LeafNodes(0, t))
}

func (t tree) Segments(context.Context, string, uint64) iter.Seq2[store.StoredSegment, error] {
	return func(func(store.StoredSegment, error) bool) {}
}

func (t tree) MissingKeys(context.Context, []string) ([]string, error) { return nil, nil }

func TestThePrefixReadOutOfAProofIsTheCompactRange(t *testing.T) {
	var hashes tree
	for n := range 300 {
		hashes = append(hashes, evidence.LeafHash([]byte{byte(n), byte(n >> 8)}))
	}
	b := &batch{s: &Service{opts: Options{Store: hashes}}, ctx: t.Context()}
	w := &working{stored: uint64(len(hashes))}
	for n := range len(hashes) + 1 {
		got, err := b.prefix(w, uint64(n))
		require.NoError(t, err)
		want := evidence.RangeOf(0, hashes[:n])
		require.Equal(t, want.End, got.End)
		require.Equal(t, len(want.Hashes), len(got.Hashes))
		for i := range want.Hashes {
			require.Equal(t, want.Hashes[i], got.Hashes[i], "size %d", n)
		}
	}
}
