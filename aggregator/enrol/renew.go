package enrol

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// renewer tells whose certificate asks for its renewal; it may have expired up
// to Grace ago, the agent must be admitted and the key one of its own.
func (s *Service) renewer(r *http.Request) (store.Agent, *x509.Certificate, error) {
	leaf, err := s.certificate(r, Grace)
	if err != nil {
		return store.Agent{}, nil, err
	}
	a, err := s.agent(r.Context(), leaf.Subject.CommonName)
	if err != nil {
		return a, nil, err
	}
	return a, leaf, s.accepts(a, leaf)
}

// Renew issues a new certificate to an agent whose certificate (leaf) was
// checked by renewer. What renewer read may be old by now (from memory, or the body
// took its time): the record is read anew, or a renewal would undo a revocation.
func (s *Service) Renew(ctx context.Context, a store.Agent, leaf *x509.Certificate, req wire.RenewRequest) (wire.EnrolResponse, error) {
	return afresh(s, func() (wire.EnrolResponse, error) { return s.renew(ctx, a.ID, leaf, req) })
}

func (s *Service) renew(ctx context.Context, id string, leaf *x509.Certificate, req wire.RenewRequest) (wire.EnrolResponse, error) {
	a, err := s.opts.Store.Agent(ctx, id)
	if err != nil {
		return wire.EnrolResponse{}, fmt.Errorf("renew: %w", err)
	}
	if err := s.accepts(a, leaf); err != nil {
		return wire.EnrolResponse{}, err
	}
	if err := checkMachine(req.Machine); err != nil {
		return wire.EnrolResponse{}, denied(http.StatusBadRequest, "renewal: %v", err)
	}
	if !sameMachine(req.Machine, a.Machine) {
		return wire.EnrolResponse{}, denied(http.StatusForbidden, "another machine is enrolled as %s", a.ID)
	}
	now := s.now().UTC()
	a.CSR = []byte(req.CSR)
	if err := s.issueAfter(&a, leaf); err != nil {
		return wire.EnrolResponse{}, err
	}
	data := map[string]any{
		"keyId": hex.EncodeToString(a.TLSKey[:sha256.Size]), "action": "renewed", "kind": "agent certificate", "by": a.ID,
		"approver": "", "station": a.Station, "until": a.NotAfter,
	}
	if now.After(leaf.NotAfter) {
		data["expiredSince"] = leaf.NotAfter.UTC()
	}
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{Agents: []store.Agent{a}}, eventOf(event.TypeKeyLifecycle, data)); err != nil {
		return wire.EnrolResponse{}, fmt.Errorf("renew %s: %w", a.ID, err)
	}
	s.forget(a.ID)
	return s.response(a)
}

// issueAfter issues a certificate and keeps the key that asked for it, which may
// be the one before the current.
func (s *Service) issueAfter(a *store.Agent, leaf *x509.Certificate) error {
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if len(a.TLSKey) > 0 && !bytes.HasPrefix(a.TLSKey, sum[:]) {
		a.TLSKey = sum[:] // the answer with the newer one never arrived
	}
	return s.issue(a)
}

// TLSConfig is the agents' listener: TLS 1.3, client certificates asked for and
// judged request by request (Identify), because enrolment has none and renewal
// accepts an expired one. The server's certificate is for these names and
// addresses and is made anew 30 days before its end.
func (s *Service) TLSConfig(names ...string) (*tls.Config, error) {
	l := &serving{ca: s.opts.CA, names: names, now: s.now}
	if _, err := l.certificate(nil); err != nil {
		return nil, fmt.Errorf("agents' listener: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, GetCertificate: l.certificate}, nil
}

type serving struct {
	ca    *identity.CA
	names []string
	now   func() time.Time
	mu    sync.Mutex
	cert  *tls.Certificate
}

func (l *serving) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cert != nil && l.now().Add(30*24*time.Hour).Before(l.cert.Leaf.NotAfter) {
		return l.cert, nil
	}
	cert, err := l.ca.Server(l.names...)
	if err != nil {
		return nil, err
	}
	l.cert = &cert
	return l.cert, nil
}
