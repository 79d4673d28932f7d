// Package keystore keeps the private keys of a station on its disk: PKCS#8 in files
// that only their owner may read, and sealed where the system offers to. On Linux
// that is a systemd credential named linewatch-key (with LoadCredentialEncrypted
// the TPM may hold what opens it), on Windows the machine's DPAPI.
package keystore

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/identity"
)

var (
	// ErrSealed means that a key file is sealed and this process can't open it.
	ErrSealed = errors.New("key is sealed")
	// ErrLost means that a key file is not there, or holds no key.
	ErrLost = errors.New("key is lost")
)

const (
	sealedType = "LINEWATCH SEALED KEY"
	kindHeader = "Kind"
	// maxFile bounds what is read: a key has a few hundred bytes.
	maxFile = 64 << 10
)

// protector seals keys with what the system offers.
type protector interface {
	kind() string
	seal(plain []byte) ([]byte, error)
	open(sealed []byte) ([]byte, error)
}

// Protection is how this process keeps keys: file, credential or dpapi.
func Protection() (string, error) {
	p, err := available()
	if err != nil || p == nil {
		return "file", err
	}
	return p.kind(), nil
}

// Save writes a private key durably and in one step, readable by its owner alone,
// sealed where the system offers it.
func Save(path string, key crypto.Signer) error {
	p, err := available()
	if err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	if p == nil {
		return identity.SaveKey(path, key)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	sealed, err := p.seal(der)
	if err != nil {
		return fmt.Errorf("save key %s: seal with %s: %w", path, p.kind(), err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: sealedType, Headers: map[string]string{kindHeader: p.kind()}, Bytes: sealed})
	if err := durable.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	return nil
}

// Load reads a key of Save. A file that others may read is refused; one that is
// sealed and can't be opened here is ErrSealed.
func Load(path string) (crypto.Signer, error) {
	block, err := read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("load key: %w: %w", ErrLost, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	if block == nil {
		return nil, fmt.Errorf("load key: %w: %s holds no PEM", ErrLost, path)
	}
	if block.Type != sealedType {
		return identity.LoadKey(path)
	}
	kind := block.Headers[kindHeader]
	p, err := available()
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	if p == nil || p.kind() != kind {
		return nil, fmt.Errorf("load key: %w: %s with %s; %s", ErrSealed, path, kind, remedy(kind))
	}
	der, err := p.open(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("load key: %w: %s: %w; is this the machine and the credential that sealed it?", ErrSealed, path, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("load key: %s holds a %T, which can't sign", path, key)
	}
	return signer, nil
}

// Seal seals a key that lies plain, when the system has come to offer it since (a
// key is often made by the command enrol, outside of the service). It reports
// whether it changed the file.
func Seal(path string) (bool, error) {
	p, err := available()
	if err != nil || p == nil {
		return false, err
	}
	block, err := read(path)
	if err != nil {
		return false, fmt.Errorf("seal key: %w", err)
	}
	if block != nil && block.Type == sealedType {
		return false, nil
	}
	key, err := identity.LoadKey(path)
	if err != nil {
		return false, err
	}
	return true, Save(path, key)
}

// read returns the PEM block of a key file, nil for none.
func read(path string) (*pem.Block, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes and is no key", path, info.Size())
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (%v): chmod 600 it, or make a new one if it has been copied", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	return block, nil
}

func remedy(kind string) string {
	if kind == kindCredential {
		return "only the service has the credential " + credentialName + ": start it and ask it (linewatch-agent start, status, journal)"
	}
	return "it opens only on the machine that sealed it"
}
