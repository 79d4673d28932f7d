package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Suite names how a data key is wrapped: HPKE (RFC 9180) in base mode with
// HKDF-SHA256, AES-256-GCM and one of these key encapsulations.
type Suite string

// The suites.
const (
	// P256 is DHKEM(P-256, HKDF-SHA256) of RFC 9180.
	P256 Suite = "p256"
	// MLKEM768P256 is MLKEM768-P256 of draft-ietf-hpke-pq: who keeps the blobs for
	// a quantum computer needs to break both.
	MLKEM768P256 Suite = "mlkem768-p256"
)

func (s Suite) kem() hpke.KEM {
	switch s {
	case P256:
		return hpke.DHKEM(ecdh.P256())
	case MLKEM768P256:
		return hpke.MLKEM768P256()
	}
	return nil
}

func (s Suite) known() bool { return s == P256 || s == MLKEM768P256 }

// sealedSize is the length of encapsulated key, ciphertext of a data key and tag.
func (s Suite) sealedSize() int {
	const point, mlkem = 65, 1088
	switch s {
	case P256:
		return point + dataKeySize + tagSize
	case MLKEM768P256:
		return mlkem + point + dataKeySize + tagSize
	}
	return -1
}

// PublicKey is a key to wrap data keys for.
type PublicKey struct {
	suite Suite
	id    string
	key   hpke.PublicKey
}

// PrivateKey unwraps them.
type PrivateKey struct {
	public *PublicKey
	key    hpke.PrivateKey
}

// NewPrivateKey makes a key pair.
func NewPrivateKey(s Suite) (*PrivateKey, error) {
	if !s.known() {
		return nil, fmt.Errorf("new sealing key: unknown suite %q", string(s))
	}
	key, err := s.kem().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("new sealing key: %w", err)
	}
	return privateOf(s, key), nil
}

func privateOf(s Suite, key hpke.PrivateKey) *PrivateKey {
	return &PrivateKey{public: publicOf(s, key.PublicKey()), key: key}
}

func publicOf(s Suite, key hpke.PublicKey) *PublicKey {
	sum := sha256.Sum256(append([]byte(string(s)+"\n"), key.Bytes()...))
	return &PublicKey{suite: s, id: hex.EncodeToString(sum[:]), key: key}
}

// ParsePrivateKey reads what Bytes wrote.
func ParsePrivateKey(s Suite, data []byte) (*PrivateKey, error) {
	if !s.known() {
		return nil, fmt.Errorf("sealing key: unknown suite %q", string(s))
	}
	key, err := s.kem().NewPrivateKey(data)
	if err != nil {
		return nil, errors.New("sealing key: private key is damaged") // nothing of it in an error
	}
	return privateOf(s, key), nil
}

// Bytes are the private key as its suite serialises it; a secret.
func (k *PrivateKey) Bytes() ([]byte, error) { return k.key.Bytes() }

// Public is the key to wrap for.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// Suite names how it wraps.
func (k *PublicKey) Suite() Suite { return k.suite }

// ID is the hex SHA-256 of the suite's name, LF and the key's bytes.
func (k *PublicKey) ID() string { return k.id }

// String is the text form: suite, colon, base64 of the key.
func (k *PublicKey) String() string {
	return string(k.suite) + ":" + base64.StdEncoding.EncodeToString(k.key.Bytes())
}

// ParsePublicKey reads what String wrote.
func ParsePublicKey(text string) (*PublicKey, error) {
	name, data, ok := strings.Cut(text, ":")
	s := Suite(name)
	if !ok || !s.known() || len(text) > MaxBlob {
		return nil, errors.New("sealing key: not <suite>:<base64>")
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: no base64", name)
	}
	key, err := s.kem().NewPublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("sealing key %s: %w", name, err)
	}
	return publicOf(s, key), nil
}
