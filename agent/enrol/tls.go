package enrol

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/version"
	"github.com/linewatch/linewatch/shared/wire"
)

// pinned is the client before admission: the server must show a chain that ends
// in the CA whose pin is in the token. Certificate times are not judged here: a
// wrong station clock must not stop an enrolment.
func (id *Identity) pinned() (*http.Client, error) {
	proxy, err := proxyOf(id.proxy)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: proxy,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13,
			// The chain is verified below, against the pin instead of the system's roots.
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
			VerifyConnection:   func(cs tls.ConnectionState) error { return verifyPinned(cs, id.CAPin) },
		},
		DisableKeepAlives: true,
	}}, nil
}

// proxyOf is the proxy of a transport; the environment plays no part, because a
// service has another one than the person who enrols.
func proxyOf(text string) (func(*http.Request) (*url.URL, error), error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("aggregator.proxy: %w", err)
	}
	return http.ProxyURL(u), nil
}

func verifyPinned(cs tls.ConnectionState, pin string) error {
	for _, ca := range cs.PeerCertificates {
		if identity.SPKIHash(ca) == pin && ca.IsCA {
			return verifyChain(cs, ca)
		}
	}
	return fmt.Errorf("the aggregator at %s does not show the CA that the token pins; is this the right address?", cs.ServerName)
}

// verifyChain checks the leaf against the one CA at a time when both are valid,
// so that a station clock at 2009 does not matter.
func verifyChain(cs tls.ConnectionState, ca *x509.Certificate) error {
	leaf := cs.PeerCertificates[0]
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca)
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, DNSName: cs.ServerName,
		CurrentTime: leaf.NotAfter.Add(-time.Minute),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// Transport is the mTLS transport of an admitted agent. The certificate is read
// again for each connection, so a renewal needs no restart. proxy may be "".
func (id *Identity) Transport(proxy string) (*http.Transport, error) {
	text, err := os.ReadFile(filepath.Join(id.dir, "ca.pem"))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("identity: %s holds no certificate", filepath.Join(id.dir, "ca.pem"))
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("identity: ca.pem: %w", err)
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS13,
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, without the station's clock
			VerifyConnection:   func(cs tls.ConnectionState) error { return verifyChain(cs, ca) },
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return id.certificate()
			},
		},
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       90 * time.Second,
	}
	t.Proxy, err = proxyOf(proxy)
	return t, err
}

func (id *Identity) certificate() (*tls.Certificate, error) {
	key, err := id.loadTLSKey()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(id.dir, "tls.crt"))
	if err != nil {
		return nil, err
	}
	cert := &tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert.Certificate = append(cert.Certificate, block.Bytes)
	}
	if len(cert.Certificate) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(id.dir, "tls.crt"))
	}
	cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0])
	return cert, err
}

// CertificateUntil returns when the TLS certificate ends.
func (id *Identity) CertificateUntil() (time.Time, error) {
	cert, err := id.certificate()
	if err != nil {
		return time.Time{}, fmt.Errorf("identity: %w", err)
	}
	return cert.Leaf.NotAfter, nil
}

// Renew asks for a new certificate over the mTLS connection and puts it in place.
func (id *Identity) Renew(ctx context.Context, client *http.Client) error {
	key, err := id.loadTLSKey()
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: id.AgentID}}, key)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	req := wire.RenewRequest{
		CSR:     string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
		Machine: id.Machine,
	}
	var res wire.EnrolResponse
	if err := id.post(ctx, client, wire.PathRenew, req, &res); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	if res.Certificate == "" {
		return errors.New("renew: the aggregator sent no certificate: " + res.Reason)
	}
	if err := durable.WriteFile(filepath.Join(id.dir, "tls.crt"), []byte(res.Certificate), 0o644); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	return nil
}

// Renewer renews ahead of the end. now must be the aggregator's clock, as far as
// it is known: the station's own may be years off.
type Renewer struct {
	Identity *Identity
	Client   *http.Client

	mu   sync.Mutex
	last time.Time
}

// renewAhead is how long before its end a certificate is renewed.
const renewAhead = 90 * 24 * time.Hour

// Tick renews when the certificate ends soon or the aggregator asks for it, at
// most once an hour. It reports whether a new certificate is in place.
func (r *Renewer) Tick(ctx context.Context, now time.Time, asked bool) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, err := r.Identity.CertificateUntil()
	if err != nil {
		return false, err
	}
	if !asked && until.Sub(now) > renewAhead {
		return false, nil
	}
	if !r.last.IsZero() && time.Since(r.last) < time.Hour {
		return false, nil
	}
	r.last = time.Now()
	if err := r.Identity.Renew(ctx, r.Client); err != nil {
		return false, err
	}
	return true, nil
}

// Reach asks the addresses in turn for a sign of life and measures the clock:
// the offset is the aggregator's time minus ours, half of the way included.
func (id *Identity) Reach(ctx context.Context, urls []string, proxy string) (time.Duration, string, error) {
	transport, err := id.Transport(proxy)
	if err != nil {
		return 0, "", err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	boot, monotonic := identity.Boot()
	var errs []error
	for _, u := range urls {
		sent := time.Now()
		st := wire.Status{AgentID: id.AgentID, Time: sent.UTC(), Monotonic: monotonic.Milliseconds(), BootID: boot, Version: version.String(), Station: id.Station, Sizes: map[string]uint64{}}
		body, err := json.Marshal(st)
		if err != nil {
			return 0, "", err
		}
		var answer wire.StatusResponse
		if err := postOne(ctx, client, strings.TrimSuffix(u, "/")+wire.PathStatus, body, &answer); err != nil {
			errs = append(errs, err)
			continue
		}
		back := time.Now()
		return answer.Time.Sub(sent.Add(back.Sub(sent) / 2)), u, nil
	}
	return 0, "", errors.Join(errs...)
}
