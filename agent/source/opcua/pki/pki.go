// Package pki keeps the certificates of the OPC UA client: its own key and
// certificate, the servers and authorities that it trusts, and what it refused.
// The folders are those of OPC 10000-12 (own, trusted, issuer, rejected), so that
// an administrator may also move files by hand: they are read anew at each check.
//
// gopcua checks no trust at all; every decision about a server's certificate is
// made here, before a secure channel is opened.
package pki

import (
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OPC UA names certificates by their SHA-1 thumbprint
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Store is one folder tree. It has no state beside the files.
type Store struct {
	dir string
}

// The folders of a store, relative to its root.
const (
	ownCerts     = "own/certs"
	ownPrivate   = "own/private"
	trustedCerts = "trusted/certs"
	trustedCRL   = "trusted/crl"
	issuerCerts  = "issuer/certs"
	issuerCRL    = "issuer/crl"
	rejectedDir  = "rejected"
)

// maxFile bounds a certificate or revocation list read from the store.
const maxFile = 1 << 20

// Open makes the folders that are missing under dir and returns the store.
func Open(dir string) (*Store, error) {
	for _, sub := range []string{ownCerts, ownPrivate, trustedCerts, trustedCRL, issuerCerts, issuerCRL, rejectedDir} {
		mode := os.FileMode(0o755)
		if sub == ownPrivate {
			mode = 0o700
		}
		if err := os.MkdirAll(filepath.Join(dir, sub), mode); err != nil {
			return nil, fmt.Errorf("make certificate folder: %w", err)
		}
	}
	return &Store{dir: dir}, nil
}

// Dir is the root of the store.
func (s *Store) Dir() string { return s.dir }

// Stamp changes whenever a file comes to or leaves what decides about trust.
func (s *Store) Stamp() string {
	var b strings.Builder
	for _, sub := range []string{trustedCerts, trustedCRL, issuerCerts, issuerCRL} {
		// A folder that can't be read is told by the next Check.
		entries, err := os.ReadDir(filepath.Join(s.dir, sub))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil {
				fmt.Fprintln(&b, sub, entry.Name(), info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return b.String()
}

// Thumbprint is the SHA-1 of a certificate in hex, as OPC UA tools show it.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// Fingerprint is the SHA-256 of a certificate in hex: what people compare.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Leaf returns the first certificate of a DER chain, parsed.
func Leaf(chain []byte) (*x509.Certificate, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

// Trust puts a server's certificate among the trusted ones and takes it out of
// the rejected ones. It returns the file written.
func (s *Store) Trust(der []byte) (string, error) {
	leaf, err := Leaf(der)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, trustedCerts, fileName(leaf))
	if err := writeFile(path, leaf.Raw, 0o644); err != nil {
		return "", fmt.Errorf("trust certificate: %w", err)
	}
	err = os.Remove(filepath.Join(s.dir, rejectedDir, fileName(leaf)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("take certificate out of rejected: %w", err)
	}
	return path, nil
}

// Reject keeps a refused certificate where an administrator finds it; at most
// maxRejected are kept, so that a stranger can't fill the disk.
func (s *Store) Reject(der []byte) (string, error) {
	const maxRejected = 100
	leaf, err := Leaf(der)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, rejectedDir, fileName(leaf))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.dir, rejectedDir))
	if err != nil {
		return "", fmt.Errorf("list rejected certificates: %w", err)
	}
	if len(entries) >= maxRejected {
		return "", fmt.Errorf("keep rejected certificate: %s already holds %d files", filepath.Join(s.dir, rejectedDir), len(entries))
	}
	if err := writeFile(path, leaf.Raw, 0o644); err != nil {
		return "", fmt.Errorf("keep rejected certificate: %w", err)
	}
	return path, nil
}

// fileName is "<common name> [<thumbprint>].der", as other OPC UA tools name it.
func fileName(c *x509.Certificate) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, c.Subject.CommonName)
	if len(name) > 60 {
		name = name[:60]
	}
	// A leading dot would hide the file.
	if name = strings.TrimLeft(name, "."); name == "" {
		name = "certificate"
	}
	return name + " [" + Thumbprint(c.Raw) + "].der"
}

// certificates reads every certificate file of a folder, PEM or DER. A file that
// is no certificate is an error: silently ignoring it would hide a mistake.
func (s *Store) certificates(sub string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	err := s.eachFile(sub, func(path string, content []byte) error {
		certs, err := parseChain(derBlocks(content, "CERTIFICATE"))
		if err != nil {
			return fmt.Errorf("read certificate %s: %w", path, err)
		}
		all = append(all, certs...)
		return nil
	})
	return all, err
}

func (s *Store) revocations(sub string) ([]*x509.RevocationList, error) {
	var all []*x509.RevocationList
	err := s.eachFile(sub, func(path string, content []byte) error {
		list, err := x509.ParseRevocationList(derBlocks(content, "X509 CRL"))
		if err != nil {
			return fmt.Errorf("read revocation list %s: %w", path, err)
		}
		all = append(all, list)
		return nil
	})
	return all, err
}

func (s *Store) eachFile(sub string, use func(path string, content []byte) error) error {
	dir := filepath.Join(s.dir, sub)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list certificates: %w", err)
	}
	for _, entry := range entries {
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if info, err := entry.Info(); err == nil && info.Size() > maxFile {
			return fmt.Errorf("read %s: larger than %d bytes", path, maxFile)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		if err := use(path, content); err != nil {
			return err
		}
	}
	return nil
}

// derBlocks returns the DER of the PEM blocks of one kind, one after the other,
// or the content itself where it is no PEM.
func derBlocks(content []byte, kind string) []byte {
	var out []byte
	for rest := content; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type == kind {
			out = append(out, block.Bytes...)
		}
		rest = after
	}
	if out == nil {
		return content
	}
	return out
}

// parseChain parses one or more DER certificates, leaf first.
func parseChain(der []byte) ([]*x509.Certificate, error) {
	if len(der) == 0 {
		return nil, errors.New("no certificate given")
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate given")
	}
	return certs, nil
}

// Bits is the size of an RSA key, 0 for another kind.
func Bits(c *x509.Certificate) int {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return 0
	}
	return key.N.BitLen()
}
