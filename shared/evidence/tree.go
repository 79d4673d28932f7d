// Package evidence is the mathematics of a Linewatch log: the Merkle tree of
// RFC 6962, compact ranges, inclusion and consistency proofs, 256-leaf tiles,
// signed checkpoints (C2SP tlog-checkpoint, signed-note), cosignatures (C2SP
// tlog-cosignature) and offline proofs (C2SP tlog-proof).
//
// Everything here is a pure function on values: no files, no network, no clock,
// no randomness. A leaf is opaque: its bytes are hashed and never interpreted.
//
// # The tree
//
// A log of n leaves has one root. With ‖ for concatenation and H for SHA-256:
//
//	leaf hash      L(d)    = H(0x00 ‖ d)
//	node hash      N(l, r) = H(0x01 ‖ l ‖ r)
//	root of 0      MTH()   = H()
//	root of 1      MTH(d)  = L(d)
//	root of n > 1          = N(MTH(D[0:k]), MTH(D[k:n])), k the largest power of two < n
//
// The node (level, index) is the root of the perfect subtree of 2^level leaves
// that begins at leaf index·2^level. Every root, proof and compact range is made
// of such nodes.
package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
)

// HashSize is the length of a [Hash] in bytes.
const HashSize = sha256.Size

// MaxSize is the largest number of leaves of a log: C2SP tlog-cosignature and
// the databases hold sizes in signed 64-bit integers.
const MaxSize = 1<<63 - 1

// Hash is a SHA-256 hash of a leaf or of a node.
type Hash [HashSize]byte

// String returns the hash in standard base64, as in checkpoints and proofs.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// ParseHash reads the base64 of [Hash.String]; there is only one spelling.
func ParseHash(text string) (Hash, error) {
	if len(text) > 2*HashSize {
		return Hash{}, errors.New("hash: too long")
	}
	raw, err := strictBase64(text)
	if err != nil {
		return Hash{}, fmt.Errorf("hash: %w", err)
	}
	if len(raw) != HashSize {
		return Hash{}, fmt.Errorf("hash of %d bytes, want %d", len(raw), HashSize)
	}
	return Hash(raw), nil
}

var errBase64 = errors.New("not canonical base64")

// strictBase64 decodes standard base64 that has exactly one spelling: no line
// breaks and no unused bits, so that a changed character is always noticed.
func strictBase64(text string) ([]byte, error) {
	for i := range len(text) {
		if text[i] == '\n' || text[i] == '\r' {
			return nil, errBase64
		}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errBase64
	}
	return raw, nil
}

// ParseKey reads the base64 of an Ed25519 public key; there is only one spelling.
func ParseKey(text string) (ed25519.PublicKey, error) {
	raw, err := strictBase64(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%q is not the base64 of an Ed25519 key", clip(text))
	}
	return raw, nil
}

// smallLeaf is the length up to which a leaf is hashed from the stack.
const smallLeaf = 2047

// LeafHash returns L(leaf) = SHA-256(0x00 ‖ leaf), RFC 6962 section 2.1.
func LeafHash(leaf []byte) Hash {
	if len(leaf) <= smallLeaf {
		var buf [1 + smallLeaf]byte
		n := copy(buf[1:], leaf)
		return sha256.Sum256(buf[:1+n])
	}
	d := sha256.New()
	d.Write([]byte{0})
	d.Write(leaf)
	var h Hash
	d.Sum(h[:0])
	return h
}

// NodeHash returns N(l, r) = SHA-256(0x01 ‖ l ‖ r), RFC 6962 section 2.1.
func NodeHash(l, r Hash) Hash {
	var buf [1 + 2*HashSize]byte
	buf[0] = 1
	copy(buf[1:], l[:])
	copy(buf[1+HashSize:], r[:])
	return sha256.Sum256(buf[:])
}

// EmptyRoot returns the root of the log without leaves, SHA-256 of nothing.
func EmptyRoot() Hash { return sha256.Sum256(nil) }

// levelAt returns the level of the largest node that begins at leaf p and ends
// at or before leaf end; p < end.
func levelAt(p, end uint64) int {
	level := bits.Len64(end-p) - 1
	if p != 0 {
		level = min(level, bits.TrailingZeros64(p))
	}
	return level
}

// splitPoint returns k of RFC 6962: the largest power of two smaller than n > 1.
func splitPoint(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }
