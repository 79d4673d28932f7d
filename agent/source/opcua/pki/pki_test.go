package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// day is the time of all tests here.
func day() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

const serverURI = "urn:press:server"

// made is a certificate with its key.
type made struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

// issue makes a certificate, self-signed without issuer.
func issue(t *testing.T, name string, issuer *made, change func(*x509.Certificate)) *made {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	uri, err := url.Parse(serverURI)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{uri}, DNSNames: []string{"press"},
		NotBefore: day().AddDate(-1, 0, 0), NotAfter: day().AddDate(1, 0, 0), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &made{cert: cert, key: key}
}

func authority(c *x509.Certificate) { c.IsCA = true }

// list makes a revocation list.
func (m *made) list(t *testing.T, revoked ...*made) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: day(), NextUpdate: day().AddDate(0, 1, 0)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.cert.SerialNumber, RevocationTime: day()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, m.cert, m.key)
	require.NoError(t, err)
	return der
}

func put(t *testing.T, s *Store, folder, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir(), folder, name), content, 0o600))
}

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	require.NoError(t, err)
	return s
}

func reason(err error) Reason {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

func TestOnlyATrustedCertificateInItsTimeIsAccepted(t *testing.T) {
	expect := Expect{ApplicationURI: serverURI, Host: "press", MinBits: 2048, MaxBits: 4096}
	good := issue(t, "press", nil, nil)
	expired := issue(t, "old", nil, func(c *x509.Certificate) { c.NotAfter = day().AddDate(0, 0, -1) })
	early := issue(t, "early", nil, func(c *x509.Certificate) { c.NotBefore = day().AddDate(0, 0, 1) })
	other := issue(t, "other", nil, func(c *x509.Certificate) { c.URIs[0].Opaque = "other:server" })
	s := open(t)
	for _, m := range []*made{good, expired, early, other} {
		_, err := s.Trust(m.cert.Raw)
		require.NoError(t, err)
	}
	leaf, warnings, err := s.Check(good.cert.Raw, expect, day())
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.True(t, leaf.Equal(good.cert))

	for want, m := range map[Reason]*made{Expired: expired, NotYetValid: early, WrongURI: other, Unknown: issue(t, "stranger", nil, nil)} {
		_, _, err := s.Check(m.cert.Raw, expect, day())
		require.Equal(t, want, reason(err), "%v", err)
	}
	_, _, err = s.Check([]byte("no certificate"), expect, day())
	require.Equal(t, Malformed, reason(err))
	_, _, err = s.Check(nil, expect, day())
	require.Equal(t, Malformed, reason(err))
	_, _, err = s.Check(good.cert.Raw, Expect{MinBits: 3072}, day())
	require.Equal(t, KeySize, reason(err))
	_, warnings, err = s.Check(good.cert.Raw, Expect{Host: "10.4.1.12"}, day())
	require.NoError(t, err, "another host name is a warning")
	require.Len(t, warnings, 1)
}

func TestAKeyThatIsNotRSAIsRefusedBeforeAnythingElse(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: day(), NotAfter: day().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	s := open(t)
	_, err = s.Trust(der)
	require.NoError(t, err)
	_, _, err = s.Check(der, Expect{}, day())
	require.Equal(t, NotRSA, reason(err))
}

func TestAChainNeedsItsAuthoritiesAndTheirLists(t *testing.T) {
	root := issue(t, "plant root", nil, authority)
	line := issue(t, "line authority", root, authority)
	press := issue(t, "press", line, nil)
	stolen := issue(t, "stolen", line, nil)
	s := open(t)
	check := func(m *made) error {
		_, _, err := s.Check(append(m.cert.Raw, line.cert.Raw...), Expect{}, day())
		return err
	}
	require.Equal(t, Unknown, reason(check(press)), "nobody is trusted yet")
	put(t, s, trustedCerts, "root.der", root.cert.Raw)
	require.Equal(t, NoCRL, reason(check(press)))
	put(t, s, trustedCRL, "root.crl", root.list(t))
	require.Equal(t, NoCRL, reason(check(press)), "the line's list is missing too")
	put(t, s, issuerCRL, "line.crl", line.list(t, stolen))
	require.NoError(t, check(press))
	require.Equal(t, Revoked, reason(check(stolen)))

	// A trusted authority in between that is revoked takes everything with it.
	put(t, s, trustedCRL, "root.crl", root.list(t, line))
	require.Equal(t, Revoked, reason(check(press)))

	// A forged list of the same name is no list.
	impostor := issue(t, "plant root", nil, authority)
	put(t, s, trustedCRL, "root.crl", impostor.list(t))
	require.Equal(t, NoCRL, reason(check(press)))
	// A leaf can't issue.
	child := issue(t, "child", press, nil)
	require.Equal(t, Unknown, reason(check(child)))
}

func TestAFileThatIsNoCertificateIsToldAndNotSkipped(t *testing.T) {
	s := open(t)
	put(t, s, trustedCerts, "note.txt", []byte("call Anna"))
	_, _, err := s.Check(issue(t, "press", nil, nil).cert.Raw, Expect{}, day())
	require.ErrorContains(t, err, "note.txt")
	require.Empty(t, reason(err))
}

func TestRejectedIsKeptOnceAndLeavesWhenTrusted(t *testing.T) {
	s := open(t)
	m := issue(t, "../press 12", nil, nil)
	first, err := s.Reject(m.cert.Raw)
	require.NoError(t, err)
	again, err := s.Reject(m.cert.Raw)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, filepath.Join(s.Dir(), "rejected"), filepath.Dir(first))
	_, err = s.Trust(m.cert.Raw)
	require.NoError(t, err)
	require.NoFileExists(t, first)
	_, _, err = s.Check(m.cert.Raw, Expect{}, day())
	require.NoError(t, err)
}

func TestTheOwnCertificateIsMadeOnceForTenYears(t *testing.T) {
	s := open(t)
	subject := Subject{ApplicationURI: "urn:st07:linewatch:agent", CommonName: "Linewatch agent st07", Hostname: "st07"}
	own, err := s.Own(subject, day())
	require.NoError(t, err)
	leaf, err := Leaf(own.Certificate)
	require.NoError(t, err)
	require.Equal(t, 3072, own.Key.N.BitLen())
	require.Equal(t, subject.ApplicationURI, leaf.URIs[0].String())
	require.Equal(t, []string{"st07"}, leaf.DNSNames)
	require.Equal(t, day().AddDate(10, 0, 0), leaf.NotAfter)
	usage := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	require.Equal(t, usage, leaf.KeyUsage&usage)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
	require.Equal(t, x509.SHA256WithRSA, leaf.SignatureAlgorithm)
	info, err := os.Stat(filepath.Join(s.Dir(), ownPrivate, "linewatch-agent.pem"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again, err := s.Own(Subject{ApplicationURI: "urn:other"}, day().AddDate(1, 0, 0))
	require.NoError(t, err)
	require.Equal(t, own.Certificate, again.Certificate, "never replaced unasked")

	require.NoError(t, os.Remove(filepath.Join(s.Dir(), ownPrivate, "linewatch-agent.pem")))
	_, err = s.Own(subject, day())
	require.ErrorContains(t, err, "no readable key", "a lost key is told, not replaced")
}

func TestSourcesThatStartTogetherShareOneCertificate(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	owns, errs := make([]Own, 4), make([]error, 4)
	for i := range owns {
		wg.Go(func() { owns[i], errs[i] = s.Own(Subject{ApplicationURI: "urn:st07:linewatch:agent"}, day()) })
	}
	wg.Wait()
	for i := range owns {
		require.NoError(t, errs[i])
		require.Equal(t, owns[0].Certificate, owns[i].Certificate)
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add([]byte("x"))
	f.Add([]byte{0x30, 0x82, 0x01, 0x00})
	s, err := Open(f.TempDir())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, der []byte) {
		_, _, err := s.Check(der, Expect{MinBits: 2048}, day())
		require.Error(t, err)
	})
}
