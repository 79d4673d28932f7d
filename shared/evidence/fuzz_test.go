package evidence_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/linewatch/linewatch/shared/evidence"
)

// What we accept as a note, x/mod accepts too, and writing it again gives the
// same bytes: there is one spelling.
func FuzzNote(f *testing.F) {
	plain := checkpoint(f, leaves(5), "station")
	f.Add(plain)
	f.Add(proofOf(f, leaves(3), 1).Checkpoint)
	f.Add([]byte("x\n1\n" + evidence.EmptyRoot().String() + "\n\n— x AAAAAAA=\n"))
	f.Add([]byte("x\n\n— a AAAAAAAA\n— a AAAAAAAB\n"))
	vkey, err := note.NewEd25519VerifierKey(origin, public("station"))
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cosigned, err := evidence.Cosign(data, "aggregator.plant", key("aggregator"), at)
		if err == nil && !bytes.HasPrefix(cosigned, data) {
			t.Fatalf("not kept byte for byte: %q", data)
		}
		c, err := evidence.OpenCheckpoint(data, origin, stationKeys())
		n, theirs := note.Open(data, note.VerifierList(verifier))
		if err == nil && (theirs != nil || n.Text != string(c.Body())) {
			t.Fatalf("only we accept %q: %v", data, theirs)
		}
		if _, err := evidence.PeekCheckpoint(data); err == nil {
			if _, unverified := errors.AsType[*note.UnverifiedNoteError](theirs); theirs != nil && !unverified {
				if _, invalid := errors.AsType[*note.InvalidSignatureError](theirs); !invalid {
					t.Fatalf("only we parse %q: %v", data, theirs)
				}
			}
		}
		if got, err := evidence.Canonical(data, origin, stationKeys(), cosigners()...); err == nil {
			again, err := evidence.Canonical(got, origin, stationKeys(), cosigners()...)
			if err != nil || !bytes.Equal(got, again) {
				t.Fatalf("canonical form is not stable: %q", data)
			}
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(evidence.Checkpoint{Origin: origin, Size: 7, Root: evidence.EmptyRoot()}.Body())
	f.Add([]byte("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	f.Add([]byte("a\n9223372036854775808\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := evidence.ParseCheckpoint(data)
		if err == nil && !bytes.Equal(c.Body(), data) {
			t.Fatalf("second spelling: %q", data)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	for i := range 4 {
		f.Add(proofOf(f, leaves(4), i).Text())
	}
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\na\n\n— x AAAAAAA=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := evidence.ParseProof(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Text(), data) {
			t.Fatalf("second spelling: %q", data)
		}
		_ = p.Verify(stationKeys(), origin)
	})
}

func FuzzParseOrigin(f *testing.F) {
	f.Add(origin)
	f.Add("linewatch/_aggregator/x/security/00")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := evidence.ParseOrigin(text)
		if err == nil && o.String() != text {
			t.Fatalf("second spelling: %q", text)
		}
	})
}

func FuzzRange(f *testing.F) {
	data, err := evidence.RangeOf(3, hashes(leaves(9))).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(make([]byte, 16))
	f.Add(bytes.Repeat([]byte{0xff}, 16+32*126))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r evidence.Range
		if r.UnmarshalBinary(data) != nil {
			return
		}
		again, err := r.MarshalBinary()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("second spelling: %x", data)
		}
		_ = r.Append(evidence.Hash{})
	})
}

func BenchmarkLeafHash(b *testing.B) {
	leaf := bytes.Repeat([]byte("x"), 500)
	b.ReportAllocs()
	b.SetBytes(500)
	for b.Loop() {
		evidence.LeafHash(leaf)
	}
}

func BenchmarkAppend(b *testing.B) {
	var r evidence.Range
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Append(evidence.Hash{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignCheckpoint(b *testing.B) {
	s, err := evidence.NewSigner(origin, key("station"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: 5}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyProof(b *testing.B) {
	p := proofOf(b, leaves(1000), 500)
	for b.Loop() {
		if err := p.Verify(stationKeys(), origin); err != nil {
			b.Fatal(err)
		}
	}
}
