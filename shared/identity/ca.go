package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
)

// AgentValid is how long an agent's certificate lives.
const AgentValid = 365 * 24 * time.Hour

const (
	caValid     = 20 * 365 * 24 * time.Hour
	serverValid = 2 * 365 * 24 * time.Hour
	// backdate lets stations with a clock that is a little behind accept a new
	// certificate.
	backdate = 24 * time.Hour
)

// Names of the CA's files in its folder.
const (
	caFile    = "ca.pem"
	caKeyFile = "ca.key"
)

// CA is the aggregator's own certificate authority: one P-256 root that issues
// agents' and servers' certificates directly.
type CA struct {
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time
}

// NewCA makes a new authority. The name stands in its certificate.
func NewCA(name string, now func() time.Time) (*CA, error) {
	key, err := NewTLSKey()
	if err != nil {
		return nil, fmt.Errorf("new CA: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Linewatch"}},
		NotBefore:             now().Add(-backdate),
		NotAfter:              now().Add(caValid),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	ca := &CA{cert: template, key: key, now: now}
	ca.cert, err = ca.sign(template, key.Public())
	if err != nil {
		return nil, fmt.Errorf("new CA: %w", err)
	}
	return ca, nil
}

// LoadCA reads the authority that Save wrote into dir.
func LoadCA(dir string, now func() time.Time) (*CA, error) {
	text, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	cert, err := ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("load CA: %s: %w", filepath.Join(dir, caFile), err)
	}
	key, err := LoadKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, fmt.Errorf("load CA: %w", err)
	}
	if pub, ok := key.Public().(*ecdsa.PublicKey); !ok || !pub.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("load CA: %s does not belong to %s", caKeyFile, caFile)
	}
	return &CA{cert: cert, key: key, now: now}, nil
}

// Save writes ca.pem and ca.key (0600) into dir.
func (ca *CA) Save(dir string) error {
	if err := SaveKey(filepath.Join(dir, caKeyFile), ca.key); err != nil {
		return fmt.Errorf("save CA: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, caFile), ca.PEM(), 0o644); err != nil {
		return fmt.Errorf("save CA: %w", err)
	}
	return nil
}

// Certificate returns the root certificate; callers must not change it.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// PEM returns the root certificate as text.
func (ca *CA) PEM() []byte { return certificatePEM(ca.cert) }

// Pin returns SPKIHash of the root: what enrolment tokens carry.
func (ca *CA) Pin() string { return SPKIHash(ca.cert) }

// Pool returns a pool that holds the root alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Issue signs an agent's certificate for the key of a PEM request, with the
// agent's id as its only name; whatever else the request asks for is ignored.
func (ca *CA) Issue(csr []byte, agentID string) (*x509.Certificate, []byte, error) {
	block, _ := pem.Decode(csr)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, nil, errors.New("issue: no certificate request in PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("issue: %w", err)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, nil, fmt.Errorf("issue: the request does not prove its key: %w", err)
	}
	if pub, ok := request.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve.Params().BitSize != 256 {
		return nil, nil, errors.New("issue: the key of the request is not ECDSA P-256")
	}
	cert, err := ca.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: agentID},
		NotBefore:   ca.now().Add(-backdate),
		NotAfter:    ca.now().Add(AgentValid),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, request.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("issue: %w", err)
	}
	return cert, certificatePEM(cert), nil
}

// Server makes a key and certificate for a listener under these host names and
// addresses; the chain carries the root, which agents look for by its pin.
func (ca *CA) Server(names ...string) (tls.Certificate, error) {
	key, err := NewTLSKey()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "linewatch-aggregator"},
		NotBefore:   ca.now().Add(-backdate),
		NotAfter:    ca.now().Add(serverValid),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, err := ca.sign(template, key.Public())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw, ca.cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

func (ca *CA) sign(template *x509.Certificate, pub crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, pub, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
