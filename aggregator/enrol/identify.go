package enrol

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
)

// Identify tells which admitted agent's certificate stands behind a request. The
// error is a *Denied (401, 403) unless the store did not answer. Certificate
// times are judged by our clock; the agent's plays no part.
func (s *Service) Identify(r *http.Request) (store.Agent, error) {
	leaf, err := s.certificate(r, 0)
	if err != nil {
		return store.Agent{}, err
	}
	a, err := s.agent(r.Context(), leaf.Subject.CommonName)
	if err != nil {
		return store.Agent{}, err
	}
	return a, s.accepts(a, leaf)
}

// IdentifyExpired is Identify, but a certificate that expired up to Grace ago
// passes too: such an agent may ask for its renewal and give signs of life, so
// that it is told to renew; its segments wait.
func (s *Service) IdentifyExpired(r *http.Request) (store.Agent, error) {
	a, _, err := s.renewer(r)
	return a, err
}

// certificate is the client certificate, if it ends in our authority. With a
// grace, one that expired no longer ago passes too.
func (s *Service) certificate(r *http.Request, grace time.Duration) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, denied(http.StatusUnauthorized, "a client certificate is needed")
	}
	leaf, now := r.TLS.PeerCertificates[0], s.now()
	if s.verified(leaf, now) {
		return leaf, nil
	}
	at := now
	if now.After(leaf.NotAfter) && !now.After(leaf.NotAfter.Add(grace)) {
		at = leaf.NotAfter
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: s.opts.CA.Pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, denied(http.StatusUnauthorized, "client certificate: %v", err)
	}
	if at.Equal(now) {
		s.remember(leaf, now)
	}
	return leaf, nil
}

// verified tells whether this certificate was found good a moment ago: a chain
// costs as much to check as a hundred leaves to hash.
func (s *Service) verified(leaf *x509.Certificate, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.good[sha256.Sum256(leaf.Raw)]
	return ok && now.Before(until) && now.Before(leaf.NotAfter) && now.After(leaf.NotBefore)
}

func (s *Service) remember(leaf *x509.Certificate, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.good) > 10_000 {
		clear(s.good)
	}
	s.good[sha256.Sum256(leaf.Raw)] = now.Add(time.Minute)
}

// accepts: the agent is admitted and this key is its current one, or the one
// before its last renewal (whose answer may have been lost).
func (s *Service) accepts(a store.Agent, leaf *x509.Certificate) error {
	if a.State != store.AgentActive {
		return denied(http.StatusForbidden, "agent %s is %s", a.ID, a.State)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	for key := a.TLSKey; len(key) >= len(sum); key = key[len(sum):] {
		if bytes.Equal(key[:len(sum)], sum[:]) {
			return nil
		}
	}
	return denied(http.StatusForbidden, "this certificate of agent %s is no longer accepted", a.ID)
}

// agent reads an agent, from memory when it was read a moment ago.
func (s *Service) agent(ctx context.Context, id string) (store.Agent, error) {
	now := s.now()
	s.mu.Lock()
	c, ok := s.cache[id]
	s.mu.Unlock()
	if ok && now.Before(c.until) {
		return c.agent, nil
	}
	a, err := s.opts.Store.Agent(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return a, denied(http.StatusForbidden, "agent %q is not known here", short(id))
	}
	if err != nil {
		return a, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cache) > 10_000 {
		clear(s.cache)
	}
	s.cache[id] = cached{a, now.Add(cacheFor)}
	return a, nil
}

func (s *Service) forget(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.cache, id)
	}
}

func short(text string) string {
	if len(text) > 80 {
		return text[:80]
	}
	return text
}
