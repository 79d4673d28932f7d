package pki

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Reason says why a certificate is refused; it is also the text in events.
type Reason string

// The reasons of a refusal.
const (
	Unknown     Reason = "unknown"       // neither trusted itself nor signed by a trusted authority
	Expired     Reason = "expired"       // or the chain is
	NotYetValid Reason = "not yet valid" // or the chain is
	WrongURI    Reason = "application URI differs"
	KeySize     Reason = "key size not allowed by the policy"
	NotRSA      Reason = "not an RSA key"
	Revoked     Reason = "revoked"
	NoCRL       Reason = "revocation list missing"
	BadChain    Reason = "broken chain"
	Malformed   Reason = "malformed"
)

// Refusal is a certificate that may not be used.
type Refusal struct {
	Reason      Reason
	Detail      string
	Certificate *x509.Certificate // nil when malformed
}

func (r *Refusal) Error() string {
	if r.Certificate == nil {
		return fmt.Sprintf("server certificate refused: %s (%s)", r.Reason, r.Detail)
	}
	return fmt.Sprintf("server certificate %q refused: %s (%s), SHA-1 %s",
		r.Certificate.Subject.CommonName, r.Reason, r.Detail, Thumbprint(r.Certificate.Raw))
}

// Expect is what the certificate of a server must fulfil.
type Expect struct {
	ApplicationURI string // of the server's ApplicationDescription
	Host           string // of the endpoint URL; a difference is a warning only
	MinBits        int    // of the policy
	MaxBits        int
}

// Check decides whether a server's certificate (DER, perhaps with its chain) may
// be used now. It returns the leaf and warnings, or a [*Refusal].
func (s *Store) Check(chain []byte, expect Expect, now time.Time) (*x509.Certificate, []string, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, nil, &Refusal{Reason: Malformed, Detail: err.Error()}
	}
	leaf := certs[0]
	refuse := func(reason Reason, format string, args ...any) (*x509.Certificate, []string, error) {
		return nil, nil, &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...), Certificate: leaf}
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok {
		return refuse(NotRSA, "the key is %T", leaf.PublicKey)
	}
	if bits := key.N.BitLen(); bits < expect.MinBits || (expect.MaxBits > 0 && bits > expect.MaxBits) {
		return refuse(KeySize, "%d bits, allowed %d to %d", bits, expect.MinBits, expect.MaxBits)
	}
	if err := s.trusted(leaf, certs[1:], now); err != nil {
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok {
			return nil, nil, err
		}
		refusal.Certificate = leaf
		return nil, nil, refusal
	}
	if reason, detail := dates(leaf, now); reason != "" {
		return refuse(reason, "%s", detail)
	}
	if uri := applicationURI(leaf); expect.ApplicationURI != "" && uri != expect.ApplicationURI {
		return refuse(WrongURI, "certificate says %q, server says %q", uri, expect.ApplicationURI)
	}
	return leaf, hostWarning(leaf, expect.Host), nil
}

// trusted accepts a leaf that lies in trusted/, or whose chain ends at an
// authority in trusted/ over authorities in issuer/ or sent along, unrevoked.
func (s *Store) trusted(leaf *x509.Certificate, sent []*x509.Certificate, now time.Time) error {
	trusted, err := s.certificates(trustedCerts)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(trusted, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, leaf.Raw) }) {
		if isIssuedBy(leaf, leaf) {
			return nil
		}
		return s.unrevoked([]*x509.Certificate{leaf}, trusted, false)
	}
	issuers, err := s.certificates(issuerCerts)
	if err != nil {
		return err
	}
	chain := []*x509.Certificate{leaf}
	for len(chain) < 8 {
		last := chain[len(chain)-1]
		if root := issuerOf(last, trusted); root != nil {
			return s.unrevoked(append(chain, root), append(trusted, issuers...), true)
		}
		next := issuerOf(last, append(issuers, sent...))
		if next == nil || slices.ContainsFunc(chain, next.Equal) {
			break
		}
		if reason, detail := dates(next, now); reason != "" {
			return &Refusal{Reason: reason, Detail: "authority " + next.Subject.CommonName + " " + detail}
		}
		chain = append(chain, next)
	}
	return &Refusal{Reason: Unknown, Detail: "not among the trusted certificates"}
}

// unrevoked looks each certificate of a chain up in the revocation lists of its
// issuer. With need, an issuer without a list is a refusal, as in OPC 10000-4
// 6.1.3: the plant says so by putting the list into trusted/crl or issuer/crl.
func (s *Store) unrevoked(chain, authorities []*x509.Certificate, need bool) error {
	a, errA := s.revocations(trustedCRL)
	b, errB := s.revocations(issuerCRL)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	lists := append(a, b...)
	for i, c := range chain {
		var issuer *x509.Certificate
		if i+1 < len(chain) {
			issuer = chain[i+1]
		} else {
			issuer = issuerOf(c, authorities)
		}
		if issuer == nil || issuer.Equal(c) || isIssuedBy(c, c) {
			continue
		}
		found := false
		for _, list := range lists {
			if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			found = true
			for _, entry := range list.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(c.SerialNumber) == 0 {
					return &Refusal{Reason: Revoked, Detail: "by " + issuer.Subject.CommonName + " at " + entry.RevocationTime.UTC().Format(time.RFC3339)}
				}
			}
		}
		if !found && need {
			return &Refusal{Reason: NoCRL, Detail: "put the list of " + issuer.Subject.CommonName + " into trusted/crl"}
		}
	}
	return nil
}

func issuerOf(c *x509.Certificate, from []*x509.Certificate) *x509.Certificate {
	for _, candidate := range from {
		if candidate.IsCA && isIssuedBy(c, candidate) {
			return candidate
		}
	}
	return nil
}

// isIssuedBy checks name and signature; CheckSignatureFrom alone would insist on
// CA flags that self-signed OPC UA certificates often lack.
func isIssuedBy(c, issuer *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, issuer.RawSubject) &&
		issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func dates(c *x509.Certificate, now time.Time) (Reason, string) {
	switch {
	case now.After(c.NotAfter):
		return Expired, "since " + c.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(c.NotBefore):
		return NotYetValid, "before " + c.NotBefore.UTC().Format(time.DateOnly)
	}
	return "", ""
}

func applicationURI(c *x509.Certificate) string {
	if len(c.URIs) == 0 {
		return ""
	}
	return c.URIs[0].String()
}

// hostWarning compares the host with the certificate: stations are often reached
// by an address that the certificate does not name, so it is no refusal.
func hostWarning(c *x509.Certificate, host string) []string {
	if host == "" {
		return nil
	}
	ok := slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, host) })
	if ip := net.ParseIP(host); ip != nil {
		ok = ok || slices.ContainsFunc(c.IPAddresses, ip.Equal)
	}
	if ok {
		return nil
	}
	return []string{fmt.Sprintf("the certificate does not name the host %q", host)}
}
