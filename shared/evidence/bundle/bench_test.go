package bundle_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// logBundle is a whole log of n leaves, with a receipt after each commit.
func logBundle(b *testing.B, n, perCommit int, packed bool) ([]byte, bundle.Trust) {
	b.Helper()
	a := wiretest.NewAgent(b, "st07", "", nil)
	l := a.Log("security", "")
	data := build(b, func(w *bundle.Writer) {
		require.NoError(b, w.Key(l.Origin, evidence.KeyRange{Key: a.Public()}))
		require.NoError(b, w.Cosigner(evidence.CosignerKey{Name: "agg-1", Key: public("agg")}))
		for first := 0; first < n; first += perCommit {
			s := l.CommitN(perCommit)
			receipt, err := evidence.Cosign([]byte(s.Checkpoint), "agg-1", key("agg"), at)
			require.NoError(b, err)
			if packed {
				require.NoError(b, w.Segment(s.Header, frame(b, s)))
			} else {
				items := make([]bundle.Item, len(s.Leaves))
				for i, leaf := range s.Leaves {
					items[i].Leaf = leaf
				}
				require.NoError(b, w.Run(l.Origin, uint64(first), items))
			}
			require.NoError(b, w.Checkpoint(receipt))
		}
	})
	return data, trust(b, "station "+a.ID+" "+b64(a.Public()))
}

// How many events of a whole log are verified a second, and how large it is.
func BenchmarkVerifyLog(b *testing.B) {
	for name, c := range map[string]struct {
		perCommit int
		packed    bool
	}{"text/100-per-commit": {100, false}, "text/1-per-commit": {1, false}, "packed/100-per-commit": {100, true}} {
		b.Run(name, func(b *testing.B) {
			const n = 2000
			data, tr := logBundle(b, n, c.perCommit, c.packed)
			for b.Loop() {
				s, _, err := verify(b, tr, data)
				if err != nil || s.Anchored != n {
					b.Fatal(s, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(len(data))/n, "bytes/event")
		})
	}
}

// A proof out of a log of ten million leaves: its size, and the time to check it.
func BenchmarkVerifyProofOfTenMillion(b *testing.B) {
	const size = 10_000_000
	leaf := wiretest.Leaf("st07", 7)
	path := make([]evidence.Hash, 0, 24)
	root := evidence.LeafHash(leaf)
	f, s := uint64(1234567), uint64(size-1)
	for ; s > 0; f, s = f>>1, s>>1 { // the sibling of each level is made up
		if f == s && f&1 == 0 {
			continue
		}
		sibling := evidence.LeafHash([]byte{byte(s)})
		if path = append(path, sibling); f&1 == 1 {
			root = evidence.NodeHash(sibling, root)
		} else {
			root = evidence.NodeHash(root, sibling)
		}
	}
	a := wiretest.NewAgent(b, "st07", "", nil)
	origin := a.Log("security", "").Origin
	signer, err := evidence.NewSigner(origin, a.Key)
	require.NoError(b, err)
	note, err := signer.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: size, Root: root})
	require.NoError(b, err)
	note, err = evidence.Cosign(note, "agg-1", key("agg"), at)
	require.NoError(b, err)
	text := evidence.Proof{Index: 1234567, Leaf: leaf, Hashes: path, Checkpoint: note}.Text()
	tr := trust(b, "station "+a.ID+" "+b64(a.Public()))
	for b.Loop() {
		v := bundle.NewVerifier(tr, func(f bundle.Finding) {
			if f.Verdict != bundle.Anchored {
				b.Fatal(f.Err)
			}
		})
		v.Proof("proof", text)
	}
	b.ReportMetric(float64(len(text)), "bytes")
}

func BenchmarkVerifyEventBundle(b *testing.B) {
	data, a := plainBundle(b)
	tr := trust(b, "station "+a.ID+" "+b64(a.Public()))
	for b.Loop() {
		v := bundle.NewVerifier(tr, func(bundle.Finding) {})
		if err := v.Bundle("b", bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data)), "bytes")
}
