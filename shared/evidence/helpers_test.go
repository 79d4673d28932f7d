package evidence_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

const origin = "linewatch/a0123456789abcde/security/0011223344556677"

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// key returns the Ed25519 key that belongs to a name.
func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) ed25519.PublicKey { return key(name).Public().(ed25519.PublicKey) }

func leaf(i int) []byte {
	return fmt.Appendf(nil, `{"id":"%d","event_type":"equipment.status","severity":"info","salt":"%x"}`, i, i*i)
}

func leaves(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = leaf(i)
	}
	return out
}

func hashes(leaves [][]byte) []evidence.Hash {
	out := make([]evidence.Hash, len(leaves))
	for i, l := range leaves {
		out[i] = evidence.LeafHash(l)
	}
	return out
}

// nodes serves the tree over these leaf hashes.
func nodes(h []evidence.Hash) evidence.Nodes { return evidence.LeafNodes(0, h) }

func root(t testing.TB, h []evidence.Hash) evidence.Hash {
	t.Helper()
	r, err := evidence.RangeOf(0, h).Root()
	require.NoError(t, err)
	return r
}

// checkpoint returns the note over the leaves, signed by the key of this name.
func checkpoint(t testing.TB, l [][]byte, signer string) []byte {
	t.Helper()
	s, err := evidence.NewSigner(origin, key(signer))
	require.NoError(t, err)
	note, err := s.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: uint64(len(l)), Root: root(t, hashes(l))})
	require.NoError(t, err)
	return note
}

// proofOf returns the proof of leaf i, signed by "station" and cosigned by "aggregator".
func proofOf(t testing.TB, l [][]byte, i int) evidence.Proof {
	t.Helper()
	path, err := evidence.InclusionProof(uint64(i), uint64(len(l)), nodes(hashes(l)))
	require.NoError(t, err)
	note, err := evidence.Cosign(checkpoint(t, l, "station"), "aggregator.plant", key("aggregator"), at)
	require.NoError(t, err)
	return evidence.Proof{Index: uint64(i), Leaf: l[i], Hashes: path, Checkpoint: note}
}

func stationKeys() []evidence.KeyRange { return []evidence.KeyRange{{Key: public("station")}} }

func cosigners() []evidence.CosignerKey {
	return []evidence.CosignerKey{{Name: "aggregator.plant", Key: public("aggregator")}}
}
