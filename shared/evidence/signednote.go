package evidence

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
)

// ErrUnsigned says that no known key signed a note.
var ErrUnsigned = errors.New("note is not signed by a known key")

// SignNote returns the C2SP signed note of a text (which ends in a newline) with
// one Ed25519 signature under this name: for documents that are no checkpoints,
// such as the list of destroyed keys or a certificate.
func SignNote(text []byte, name string, key crypto.Signer) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("sign note as %s: %w", name, err) }
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || !validName(name) {
		return fail(fmt.Errorf("needs a note key name and an Ed25519 key, not %T", key.Public()))
	}
	sig, err := key.Sign(rand.Reader, text, crypto.Hash(0))
	if err != nil {
		return fail(err)
	}
	n := note{text: slices.Clone(text), sigs: []signature{{name: name, id: keyID(name, algEd25519, pub), sig: sig}}}
	out := n.bytes()
	if back, err := parseNote(out); err != nil || !bytes.Equal(back.text, text) {
		return fail(errors.Join(err, fmt.Errorf("%w: not a text that a note can carry", ErrNote)))
	}
	return out, nil
}

// OpenNote returns the text of a signed note and the key that signed it, the
// first of those given that did.
func OpenNote(data []byte, keys []CosignerKey) ([]byte, CosignerKey, error) {
	n, err := parseNote(data)
	if err != nil {
		return nil, CosignerKey{}, err
	}
	for _, k := range keys {
		if len(k.Key) != ed25519.PublicKeySize {
			continue
		}
		tried := 0
		for _, s := range n.sigs {
			if s.name != k.Name || s.id != keyID(k.Name, algEd25519, k.Key) || tried == maxLines {
				continue
			}
			tried++
			if ed25519.Verify(k.Key, n.text, s.sig) {
				return n.text, k, nil
			}
		}
	}
	return nil, CosignerKey{}, ErrUnsigned
}
