package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// The agent's own certificate: every server has to trust it by hand, so it lives
// long and is never replaced unasked.
const (
	ownBits  = 3072
	ownYears = 10
)

// Own is the client's certificate with its key.
type Own struct {
	Certificate []byte // DER
	Key         *rsa.PrivateKey
	URI         string // ApplicationURI, the URI of the subject alternative name
	NotAfter    time.Time
}

// Subject says what a new own certificate names.
type Subject struct {
	ApplicationURI string
	CommonName     string
	Hostname       string
	IPs            []net.IP
}

// Own returns the certificate under own/, or makes one for ten years when there
// is none. One that exists is used whatever the subject says.
func (s *Store) Own(subject Subject, now time.Time) (Own, error) {
	certPath := filepath.Join(s.dir, ownCerts, "linewatch-agent.der")
	keyPath := filepath.Join(s.dir, ownPrivate, "linewatch-agent.pem")
	own, err := loadOwn(certPath, keyPath)
	if err == nil {
		return own, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Own{}, fmt.Errorf("load own OPC UA certificate: %w", err)
	}
	// Sources of one agent start together, and a tool may run beside them: each
	// file is made by whoever is first, and everybody uses what is there then. The
	// key first: a certificate without key would be taken for a broken store.
	key, err := ownKey(keyPath)
	if err != nil {
		return Own{}, fmt.Errorf("make own OPC UA key: %w", err)
	}
	der, err := makeOwn(subject, key, now)
	if err != nil {
		return Own{}, fmt.Errorf("make own OPC UA certificate: %w", err)
	}
	if err := writeFirst(certPath, der, 0o644); err != nil {
		return Own{}, fmt.Errorf("write own OPC UA certificate: %w", err)
	}
	return loadOwn(certPath, keyPath)
}

// ownKey reads the key, or makes it when there is none.
func ownKey(path string) (*rsa.PrivateKey, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, ownBits)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		if err := writeFirst(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return nil, err
		}
	}
	return loadKey(path)
}

func loadKey(path string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an RSA key", path)
	}
	return key, nil
}

func loadOwn(certPath, keyPath string) (Own, error) {
	content, err := os.ReadFile(certPath)
	if err != nil {
		return Own{}, err
	}
	leaf, err := Leaf(derBlocks(content, "CERTIFICATE"))
	if err != nil {
		return Own{}, fmt.Errorf("%s: %w", certPath, err)
	}
	key, err := loadKey(keyPath)
	if err != nil {
		// Not wrapped: a certificate whose key is gone must not be replaced unasked.
		return Own{}, fmt.Errorf("%s has no readable key beside it: %v", certPath, err) //nolint:errorlint // see above
	}
	public, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok || !public.Equal(&key.PublicKey) {
		return Own{}, fmt.Errorf("%s does not belong to the key %s", certPath, keyPath)
	}
	if len(leaf.URIs) == 0 {
		return Own{}, fmt.Errorf("%s: no ApplicationURI in the subject alternative name", certPath)
	}
	return Own{Certificate: leaf.Raw, Key: key, URI: leaf.URIs[0].String(), NotAfter: leaf.NotAfter}, nil
}

// makeOwn follows OPC 10000-6 6.2.2: SAN with ApplicationURI and host, key usage
// with dataEncipherment and nonRepudiation, extended key usage of a client.
func makeOwn(subject Subject, key *rsa.PrivateKey, now time.Time) ([]byte, error) {
	uri, err := url.Parse(subject.ApplicationURI)
	if err != nil || subject.ApplicationURI == "" {
		return nil, fmt.Errorf("application URI %q is no URI", subject.ApplicationURI)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject.CommonName, Organization: []string{"Linewatch"}},
		// A day back: a server whose clock is a little behind must not refuse it.
		NotBefore: now.Add(-24 * time.Hour).UTC(),
		NotAfter:  now.AddDate(ownYears, 0, 0).UTC(),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment |
			x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{uri},
		IPAddresses:           subject.IPs,
	}
	if subject.Hostname != "" {
		template.DNSNames = []string{subject.Hostname}
	}
	return x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
}

// writeFile writes under a temporary name, syncs and renames, so that a file of
// the store is never half written.
func writeFile(path string, content []byte, mode os.FileMode) error {
	return writeThen(path, content, mode, os.Rename)
}

// writeFirst is writeFile that leaves a file alone that somebody else made first.
func writeFirst(path string, content []byte, mode os.FileMode) error {
	return writeThen(path, content, mode, func(temporary, path string) error {
		err := os.Link(temporary, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
		return os.Rename(temporary, path) // a file system without links
	})
}

func writeThen(path string, content []byte, mode os.FileMode, finish func(temporary, path string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after a rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return finish(f.Name(), path)
}
