package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"

	"github.com/linewatch/linewatch/shared/durable"
)

// NewSigningKey makes an Ed25519 key: what signs logs and receipts.
func NewSigningKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an Ed25519 key: %w", err)
	}
	return key, nil
}

// NewTLSKey makes an ECDSA P-256 key: what TLS uses.
func NewTLSKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a P-256 key: %w", err)
	}
	return key, nil
}

// SaveKey writes a private key as PKCS#8 PEM, readable by its owner alone,
// durably and in one step.
func SaveKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := durable.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	return nil
}

// LoadKey reads a key of SaveKey: an ed25519.PrivateKey or *ecdsa.PrivateKey. A
// file that others may read is refused, because its secret is no longer one.
func LoadKey(path string) (crypto.Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("load key: %s may be read by others (%v): chmod 600 it, or make a new one if it has been copied", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("load key: %s holds no PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load key: %s: %w", path, err)
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("load key: %s holds a %T, not Ed25519 or ECDSA", path, key)
}

// LoadOrNewSigningKey loads an Ed25519 key, and makes and saves it when there is
// no file.
func LoadOrNewSigningKey(path string) (ed25519.PrivateKey, error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		key, err := NewSigningKey()
		if err != nil {
			return nil, err
		}
		return key, SaveKey(path, key)
	}
	key, err := LoadKey(path)
	if err != nil {
		return nil, err
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("load key: %s is no Ed25519 key", path)
	}
	return ed, nil
}

// Fingerprint returns what is printed at enrolment and pinned in trust files: 64
// hex digits of SHA-256 of the Ed25519 public key.
func Fingerprint(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}

// SPKIHash returns 64 hex digits of SHA-256 of a certificate's public key
// (SubjectPublicKeyInfo): it pins a CA and names a TLS identity, and stays when
// the certificate is renewed with its key.
func SPKIHash(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
