package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	kindCredential = "credential"
	// credentialName is the file that systemd puts into $CREDENTIALS_DIRECTORY.
	credentialName = "linewatch-key"
	// minSecret is the least length of the credential, in bytes.
	minSecret = 16
)

// credential seals with AES-256-GCM under a key made of a secret that systemd
// hands to the service alone.
type credential struct{ aead cipher.AEAD }

// systemCredential returns the credential of this process, nil without one.
func systemCredential() (protector, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(filepath.Join(dir, credentialName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("credential %s: %w", credentialName, err)
	}
	secret = bytes.TrimRight(secret, "\r\n")
	if len(secret) < minSecret {
		return nil, fmt.Errorf("credential %s has %d bytes, at least %d are needed", credentialName, len(secret), minSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "linewatch key file v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return credential{aead}, nil
}

func (credential) kind() string { return kindCredential }

func (c credential) seal(plain []byte) ([]byte, error) {
	return c.aead.Seal(nil, nil, plain, []byte(kindCredential)), nil
}

func (c credential) open(sealed []byte) ([]byte, error) {
	return c.aead.Open(nil, nil, sealed, []byte(kindCredential))
}
