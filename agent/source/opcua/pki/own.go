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
	der, key, err := makeOwn(subject, now)
	if err != nil {
		return Own{}, fmt.Errorf("make own OPC UA certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Own{}, fmt.Errorf("encode own OPC UA key: %w", err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	// The key first: a certificate without key would be taken for a broken store.
	if err := writeFile(keyPath, pemKey, 0o600); err != nil {
		return Own{}, fmt.Errorf("write own OPC UA key: %w", err)
	}
	if err := writeFile(certPath, der, 0o644); err != nil {
		return Own{}, fmt.Errorf("write own OPC UA certificate: %w", err)
	}
	return loadOwn(certPath, keyPath)
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
	keyText, err := os.ReadFile(keyPath)
	if err != nil {
		// Not wrapped: a certificate whose key is gone must not be replaced unasked.
		return Own{}, fmt.Errorf("%s has no readable key beside it: %v", certPath, err) //nolint:errorlint // see above
	}
	block, _ := pem.Decode(keyText)
	if block == nil {
		return Own{}, fmt.Errorf("%s: no PEM block", keyPath)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Own{}, fmt.Errorf("%s: %w", keyPath, err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return Own{}, fmt.Errorf("%s: not an RSA key", keyPath)
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
func makeOwn(subject Subject, now time.Time) ([]byte, *rsa.PrivateKey, error) {
	uri, err := url.Parse(subject.ApplicationURI)
	if err != nil || subject.ApplicationURI == "" {
		return nil, nil, fmt.Errorf("application URI %q is no URI", subject.ApplicationURI)
	}
	key, err := rsa.GenerateKey(rand.Reader, ownBits)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
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
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	return der, key, nil
}

// writeFile writes under a temporary name, syncs and renames, so that a file of
// the store is never half written.
func writeFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after the rename
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
