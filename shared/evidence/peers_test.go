package evidence_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/formats/log"
	tnote "github.com/transparency-dev/formats/note"
	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/linewatch/linewatch/shared/evidence"
)

// The sizes at which trees are compared with the peers: all small ones and those
// around powers of two.
func sizes() []int {
	out := []int{127, 128, 129, 255, 256, 257, 300, 511, 513, 1000}
	for n := range 67 {
		out = append(out, n)
	}
	return out
}

// peerTree is x/mod's storage of a tree: StoredHashIndex → hash.
type peerTree []tlog.Hash

func (p peerTree) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		out[i] = p[x]
	}
	return out, nil
}

func newPeerTree(t testing.TB, l [][]byte) peerTree {
	var p peerTree
	for i, leaf := range l {
		h, err := tlog.StoredHashes(int64(i), leaf, p)
		require.NoError(t, err)
		p = append(p, h...)
	}
	return p
}

func TestRootsAreThoseOfThePeers(t *testing.T) {
	all := leaves(1000)
	h := hashes(all)
	peer := newPeerTree(t, all)
	grown := evidence.Range{}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	other := factory.NewEmptyRange(0)
	for n := range 1001 {
		want, err := tlog.TreeHash(int64(n), peer)
		require.NoError(t, err)
		got, err := grown.Root()
		require.NoError(t, err)
		require.Equal(t, want, tlog.Hash(got), "size %d", n)
		require.Len(t, grown.Hashes, len(other.Hashes()), "size %d", n)
		fromNodes, err := evidence.RootOf(uint64(n), nodes(h))
		require.NoError(t, err)
		require.Equal(t, got, fromNodes)
		if n < len(h) {
			require.NoError(t, grown.Append(h[n]))
			require.NoError(t, other.Append(h[n][:], nil))
		}
	}
}

func TestCompactRangesAreThoseOfThePeer(t *testing.T) {
	h := hashes(leaves(80))
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	for begin := range 80 {
		other := factory.NewEmptyRange(uint64(begin))
		for end := begin; end <= 80; end++ {
			got := evidence.RangeOf(uint64(begin), h[begin:end])
			require.Len(t, got.Hashes, len(other.Hashes()))
			for i, want := range other.Hashes() {
				require.Equal(t, want, got.Hashes[i][:], "[%d, %d)", begin, end)
			}
			from, err := evidence.RangeFrom(uint64(begin), uint64(end), nodes(h))
			require.NoError(t, err)
			require.Equal(t, got.Hashes, from.Hashes)
			if end < 80 {
				require.NoError(t, other.Append(h[end][:], nil))
			}
		}
	}
}

func TestInclusionProofsAreThoseOfThePeers(t *testing.T) {
	all := leaves(1000)
	h := hashes(all)
	peer := newPeerTree(t, all)
	for _, size := range sizes() {
		for index := 0; index < size; index += max(1, size/70) {
			got, err := evidence.InclusionProof(uint64(index), uint64(size), nodes(h))
			require.NoError(t, err)
			want, err := tlog.ProveRecord(int64(size), int64(index), peer)
			require.NoError(t, err)
			require.Equal(t, toPeer(got), toPeerList(want), "leaf %d size %d", index, size)
			r := root(t, h[:size])
			require.NoError(t, evidence.VerifyInclusion(h[index], uint64(index), uint64(size), got, r))
			require.NoError(t, proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), h[index][:], toPeer(got), r[:]))
		}
	}
}

func TestConsistencyProofsAreThoseOfThePeers(t *testing.T) {
	all := leaves(1000)
	h := hashes(all)
	peer := newPeerTree(t, all)
	for _, size := range sizes() {
		for old := 1; old <= size; old += max(1, size/70) {
			got, err := evidence.ConsistencyProof(uint64(old), uint64(size), nodes(h))
			require.NoError(t, err)
			want, err := tlog.ProveTree(int64(size), int64(old), peer)
			require.NoError(t, err)
			require.Equal(t, toPeer(got), toPeerList(want), "%d in %d", old, size)
			r, o := root(t, h[:size]), root(t, h[:old])
			require.NoError(t, evidence.VerifyConsistency(uint64(old), uint64(size), o, r, got))
			require.NoError(t, proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), uint64(size), toPeer(got), o[:], r[:]))
		}
	}
}

// Random proofs, mostly wrong ones: we accept exactly what the peer accepts.
func TestVerifiersAgreeWithThePeerOnWrongProofs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	h := hashes(leaves(40))
	for range 20000 {
		size, old := rng.IntN(40)+1, rng.IntN(40)+1
		index := rng.IntN(40)
		r, o := root(t, h[:size]), root(t, h[:old])
		path, err := evidence.InclusionProof(uint64(min(index, size-1)), uint64(size), nodes(h))
		require.NoError(t, err)
		if rng.IntN(2) == 0 {
			path = spoil(rng, path)
		}
		ours := evidence.VerifyInclusion(h[index], uint64(index), uint64(size), path, r) == nil
		theirs := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), h[index][:], toPeer(path), r[:]) == nil
		require.Equal(t, theirs, ours, "leaf %d size %d, %d hashes", index, size, len(path))
		if old > size {
			continue
		}
		path, err = evidence.ConsistencyProof(uint64(old), uint64(size), nodes(h))
		require.NoError(t, err)
		if rng.IntN(2) == 0 {
			path = spoil(rng, path)
		}
		ours = evidence.VerifyConsistency(uint64(old), uint64(size), o, r, path) == nil
		theirs = proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), uint64(size), toPeer(path), o[:], r[:]) == nil
		require.Equal(t, theirs, ours, "%d in %d, %d hashes", old, size, len(path))
	}
}

func spoil(rng *rand.Rand, path []evidence.Hash) []evidence.Hash {
	path = slices.Clone(path)
	switch {
	case len(path) == 0 || rng.IntN(3) == 0:
		return append(path, evidence.Hash{9})
	case rng.IntN(2) == 0:
		return path[:len(path)-1]
	}
	path[rng.IntN(len(path))][rng.IntN(32)] ^= 1
	return path
}

func TestTilesAreThoseOfThePeer(t *testing.T) {
	all := leaves(700)
	h := hashes(all)
	peer := newPeerTree(t, all)
	var got []evidence.Tile
	for old := 0; old < 700; old += 90 { // grown piece by piece
		size := min(old+90, 700)
		tiles, err := evidence.CompleteTiles(uint64(old), h[old:size], nodes(h[:old]))
		require.NoError(t, err)
		got = append(got, tiles...)
	}
	require.Len(t, got, 2)
	for i, tile := range got {
		want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: tile.Level, N: int64(tile.Index), W: 256}, peer)
		require.NoError(t, err)
		require.Equal(t, want, tile.Hashes)
		require.Equal(t, uint64(i), tile.Index)
	}
}

func TestCheckpointsAreSignedNotesForThePeers(t *testing.T) {
	signed := checkpoint(t, leaves(5), "station")
	vkey, err := note.NewEd25519VerifierKey(origin, public("station"))
	require.NoError(t, err)
	verifier, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	n, err := note.Open(signed, note.VerifierList(verifier))
	require.NoError(t, err)
	c, _, _, err := log.ParseCheckpoint(signed, origin, verifier)
	require.NoError(t, err)
	require.Equal(t, uint64(5), c.Size)
	require.Equal(t, string(c.Marshal()), n.Text)

	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, verifier.KeyHash(),
		base64.StdEncoding.EncodeToString(append([]byte{1}, key("station").Seed()...)))
	signer, err := note.NewSigner(skey)
	require.NoError(t, err)
	theirs, err := note.Sign(&note.Note{Text: n.Text}, signer)
	require.NoError(t, err)
	require.Equal(t, string(theirs), string(signed), "the same bytes")
}

func TestCosignaturesAreThoseOfThePeer(t *testing.T) {
	cosigned := proofOf(t, leaves(5), 2).Checkpoint
	vkey, err := note.NewEd25519VerifierKey("aggregator.plant", public("aggregator"))
	require.NoError(t, err)
	verifier, err := tnote.NewVerifierForCosignatureV1(vkey)
	require.NoError(t, err)
	n, err := note.Open(cosigned, note.VerifierList(verifier))
	require.NoError(t, err)
	when, err := tnote.CoSigV1Timestamp(n.Sigs[0])
	require.NoError(t, err)
	require.True(t, when.Equal(at))

	// And theirs are ours.
	plain := checkpoint(t, leaves(5), "station")
	skey := fmt.Sprintf("PRIVATE+KEY+aggregator.plant+%08x+%s", verifier.KeyHash(),
		base64.StdEncoding.EncodeToString(append([]byte{1}, key("aggregator").Seed()...)))
	signer, err := tnote.NewSignerForCosignatureV1(skey)
	require.NoError(t, err)
	station, err := note.NewEd25519VerifierKey(origin, public("station"))
	require.NoError(t, err)
	own, err := note.NewVerifier(station)
	require.NoError(t, err)
	opened, err := note.Open(plain, note.VerifierList(own))
	require.NoError(t, err)
	theirs, err := note.Sign(opened, signer)
	require.NoError(t, err)
	c, k, _, err := evidence.VerifyCosigned(theirs, origin, cosigners())
	require.NoError(t, err)
	require.Equal(t, uint64(5), c.Size)
	require.Equal(t, "aggregator.plant", k.Name)
}

func TestProofTextIsThatOfThePeer(t *testing.T) {
	p := proofOf(t, leaves(11), 7)
	their := tproof.TLogProof{Index: p.Index, Checkpoint: p.Checkpoint, ExtraData: p.Leaf}
	for _, h := range p.Hashes {
		their.Hashes = append(their.Hashes, h)
	}
	require.Equal(t, string(their.Marshal()), string(p.Text()))
	require.NoError(t, their.Unmarshal(p.Text()))
	require.True(t, bytes.Equal(their.ExtraData, p.Leaf))
}

func toPeer(h []evidence.Hash) [][]byte {
	out := make([][]byte, len(h))
	for i := range h {
		out[i] = h[i][:]
	}
	return out
}

func toPeerList(h []tlog.Hash) [][]byte {
	out := make([][]byte, len(h))
	for i := range h {
		out[i] = h[i][:]
	}
	return out
}
