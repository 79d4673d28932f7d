package enrol

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/wire"
)

// Caller is what the connection says of who asks.
type Caller struct {
	Address string
	// Agent is the admitted agent whose client certificate came with the request;
	// ID is empty without one.
	Agent store.Agent
}

// candidate is a request that proved its keys.
type candidate struct {
	req wire.EnrolRequest
	key ed25519.PublicKey
	csr *x509.CertificateRequest
}

// Enrol answers a request for admission: with a certificate, or that a person's
// approval is pending (then the same request is sent again). An error is a
// *Denied unless the store did not answer.
func (s *Service) Enrol(ctx context.Context, req wire.EnrolRequest, from Caller) (wire.EnrolResponse, error) {
	c, err := check(req)
	if err != nil {
		return wire.EnrolResponse{}, err
	}
	return afresh(s, func() (wire.EnrolResponse, error) { return s.enrol(ctx, c, from) })
}

func (s *Service) enrol(ctx context.Context, c candidate, from Caller) (wire.EnrolResponse, error) {
	known, err := s.opts.Store.Agent(ctx, c.req.AgentID)
	if err == nil {
		return s.again(ctx, known, c, from)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return wire.EnrolResponse{}, err
	}
	a, tok, err := s.newcomer(ctx, c, from)
	if err != nil {
		return wire.EnrolResponse{}, err
	}
	if a.Reason != "" {
		return s.wait(ctx, a, c, tok, from)
	}
	return s.welcome(ctx, a, c, tok, "token "+tokenID(tok))
}

// check verifies everything that needs no store: the request's form and both
// proofs of possession.
func check(req wire.EnrolRequest) (candidate, error) {
	bad := func(why string) (candidate, error) {
		return candidate{}, denied(http.StatusBadRequest, "enrolment request: %s", why)
	}
	key, err := base64.StdEncoding.DecodeString(req.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return bad("public_key is no Ed25519 key in base64")
	}
	block, _ := pem.Decode([]byte(req.CSR))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return bad("csr is no certificate request in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil {
		return bad("csr does not prove its key")
	}
	sum := sha256.Sum256(block.Bytes)
	proof, err := base64.StdEncoding.DecodeString(req.LogKeyProof)
	if err != nil || !ed25519.Verify(key, []byte(wire.EnrolProofPrefix+hex.EncodeToString(sum[:])), proof) {
		return bad("log_key_proof does not prove the log key")
	}
	if req.AgentID != evidence.AgentID(key) {
		return bad("agent_id does not belong to public_key")
	}
	if err := checkMachine(req.Machine); err != nil {
		return bad(err.Error())
	}
	if len(req.Machine) < identity.MinAgree {
		return bad(fmt.Sprintf("needs %d facts of the machine, has %d: without them a copy could not be told from the original", identity.MinAgree, len(req.Machine)))
	}
	if len(req.Host) > 255 || len(req.Version) > 100 || len(req.Reason) > 1000 || len(req.Predecessor) > 64 {
		return bad("a text is too long")
	}
	return candidate{req, key, csr}, nil
}

func checkMachine(facts map[string]string) error {
	if len(facts) > 16 {
		return errors.New("more than 16 facts of the machine")
	}
	for name, hash := range facts {
		if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size || len(name) > 40 {
			return errors.New("a fact of the machine is no SHA-256 in hex")
		}
	}
	return nil
}

// sameMachine: at least two of the recorded facts agree. Where fewer were
// recorded nothing tells machines apart, so that none is the same: check lets no
// such agent in.
func sameMachine(now, recorded map[string]string) bool {
	agree, _ := identity.Facts(now).Agree(recorded)
	return agree >= identity.MinAgree
}

// newcomer makes the record of an agent not seen before: by a token, or as the
// successor of the agent whose certificate came with the request. Reason is
// filled in when a person must approve.
func (s *Service) newcomer(ctx context.Context, c candidate, from Caller) (store.Agent, store.Token, error) {
	req := c.req
	a := store.Agent{
		ID: req.AgentID, Station: req.Station, Keys: []store.AgentKey{{Public: c.key, Since: s.now().UTC()}},
		CSR: []byte(req.CSR), Machine: req.Machine, Host: event.Clean(req.Host), Version: event.Clean(req.Version),
		Predecessor: req.Predecessor, Enrolled: s.now().UTC(),
	}
	tok, err := s.token(ctx, secretOf(req.Token))
	scope, follows := s.predecessor(ctx, req, from)
	switch {
	case err == nil:
		if a.Scope = tok.Scope; tok.Approve {
			a.Reason = "each enrolment with this token waits for approval"
		}
		a.TokenHash = tok.Hash
		if err := assigned(tok, &a); err != nil {
			return a, tok, err
		}
		if follows { // copies of a disk don't use up the token of the others
			tok = store.Token{Scope: tok.Scope}
		}
	case follows && isDenied(err):
		a.Scope, tok = scope, store.Token{}
	default:
		return a, tok, err
	}
	if req.Predecessor != "" {
		a.Reason = "follows agent " + req.Predecessor + ": " + event.Clean(req.Reason)
	}
	if err := event.ValidStation(a.Station); err != nil {
		return a, tok, denied(http.StatusBadRequest, "station: %v", err)
	}
	if !query.InScope(a.Scope, a.Station) {
		return a, tok, denied(http.StatusForbidden, "station %s is outside of what this token allows (%v)", a.Station, a.Scope)
	}
	return a, tok, nil
}

// predecessor tells whether a request comes from where the named predecessor
// was enrolled: with its certificate, or with the token that admitted it (which
// may be used up or too old to admit anybody, but was not revoked). That is a PC
// with a new mainboard, or a copied disk: it may wait for a person's approval.
func (s *Service) predecessor(ctx context.Context, req wire.EnrolRequest, from Caller) (scope []string, follows bool) {
	if req.Predecessor == "" {
		return nil, false
	}
	if from.Agent.ID == req.Predecessor {
		return from.Agent.Scope, true
	}
	old, err := s.opts.Store.Agent(ctx, req.Predecessor)
	if err != nil || old.TokenHash == "" || old.State == store.AgentRevoked {
		return nil, false
	}
	hash := identity.SecretHash(secretOf(req.Token))
	if subtle.ConstantTimeCompare([]byte(hash), []byte(old.TokenHash)) != 1 {
		return nil, false
	}
	tok, err := s.opts.Store.Token(ctx, hash)
	return old.Scope, err == nil && !tok.Revoked
}

// assigned: a token with a list of stations by host name decides the station.
func assigned(t store.Token, a *store.Agent) error {
	if len(t.Assign) == 0 {
		return nil
	}
	station, ok := t.Assign[a.Host]
	if !ok {
		return denied(http.StatusForbidden, "host %s is not in the list of this token", a.Host)
	}
	if a.Station != "" && a.Station != station {
		return denied(http.StatusForbidden, "host %s is assigned to station %s, not %s", a.Host, station, a.Station)
	}
	a.Station = station
	return nil
}

func isDenied(err error) bool {
	_, ok := errors.AsType[*Denied](err)
	return ok
}

// secretOf takes the secret out of a token's text; agents may send either.
func secretOf(text string) string {
	if t, err := identity.ParseToken(text); err == nil {
		return t.Secret
	}
	return text
}

// again answers an agent that is known: the same machine gets its certificate,
// another one with its keys is a clone.
func (s *Service) again(ctx context.Context, a store.Agent, c candidate, from Caller) (wire.EnrolResponse, error) {
	if a.State == store.AgentRevoked || a.State == store.AgentReplaced {
		return wire.EnrolResponse{}, denied(http.StatusForbidden, "agent %s is %s", a.ID, a.State)
	}
	if !sameMachine(c.req.Machine, a.Machine) {
		return s.clone(ctx, a, c, from)
	}
	sameKey := bytes.Equal(keyInfo(a.CSR), c.csr.RawSubjectPublicKeyInfo) // each request is signed anew
	if a.State == store.AgentPending {
		if !sameKey {
			a.CSR = []byte(c.req.CSR)
			if _, err := s.opts.Ledger.Commit(ctx, store.Change{Agents: []store.Agent{a}}); err != nil {
				return wire.EnrolResponse{}, err
			}
		}
		return wire.EnrolResponse{AgentID: a.ID, Pending: true, Reason: a.Reason}, nil
	}
	if sameKey && len(a.Certificate) > 0 && s.now().Add(RenewBefore).Before(a.NotAfter) {
		return s.repeat(a, c, from)
	}
	tok, err := s.token(ctx, secretOf(c.req.Token))
	if err != nil {
		return wire.EnrolResponse{}, err
	}
	scope := tok.Scope
	if tok.Approve { // no more than what a person, or another token, allowed it before
		scope = a.Scope
	}
	a.Station, a.Host = c.req.Station, event.Clean(c.req.Host)
	if err := assigned(tok, &a); err != nil {
		return wire.EnrolResponse{}, err
	}
	if !query.InScope(tok.Scope, a.Station) || !query.InScope(scope, a.Station) {
		return wire.EnrolResponse{}, denied(http.StatusForbidden, "station %s is outside of what this token allows without approval (%v)", a.Station, scope)
	}
	a.Scope, a.TokenHash, a.CSR = scope, tok.Hash, []byte(c.req.CSR)
	return s.welcome(ctx, a, c, tok, "token "+tokenID(tok)+", enrolled again")
}

// repeat answers a request whose first answer may have been lost. A request is no
// secret and may be replayed by somebody else: without the token that admitted the
// agent, or its certificate, the answer holds no pseudonym keys; the agent itself
// gets them with its first status call.
func (s *Service) repeat(a store.Agent, c candidate, from Caller) (wire.EnrolResponse, error) {
	res, err := s.response(a)
	hash := identity.SecretHash(secretOf(c.req.Token))
	if from.Agent.ID != a.ID && subtle.ConstantTimeCompare([]byte(hash), []byte(a.TokenHash)) != 1 {
		res.Pseudonyms = nil
	}
	return res, err
}

// keyInfo is the public key of a stored certificate request, nil without one.
func keyInfo(csr []byte) []byte {
	block, _ := pem.Decode(csr)
	if block == nil {
		return nil
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil
	}
	return r.RawSubjectPublicKeyInfo
}

// welcome issues the certificate and stores the agent, the use of its token and
// the event in one transaction.
func (s *Service) welcome(ctx context.Context, a store.Agent, c candidate, tok store.Token, by string) (wire.EnrolResponse, error) {
	if err := s.issue(&a); err != nil {
		return wire.EnrolResponse{}, err
	}
	a.State, a.Reason = store.AgentActive, ""
	change := store.Change{Agents: []store.Agent{a}, UseTokens: []string{tok.Hash}}
	_, err := s.opts.Ledger.Commit(ctx, change, enrolledEvent(a, by))
	if usedUp(err) {
		return wire.EnrolResponse{}, denied(http.StatusForbidden, "the enrolment token is used up")
	}
	if err != nil {
		return wire.EnrolResponse{}, fmt.Errorf("enrol %s: %w", a.ID, err)
	}
	s.forget(a.ID)
	return s.response(a)
}

// enrolledEvent proves a station's key: it is what a trust file leads to.
func enrolledEvent(a store.Agent, by string) event.Event {
	key := a.Keys[len(a.Keys)-1].Public
	e := eventOf(event.TypeAgentEnrolled, map[string]any{
		"agentId": a.ID, "station": a.Station,
		"publicKey": base64.StdEncoding.EncodeToString(key), "fingerprint": evidence.Fingerprint(key), "by": by,
		"host": a.Host, "version": a.Version, "scope": stringsOf(a.Scope), "predecessor": a.Predecessor, "certificateUntil": a.NotAfter,
	})
	e.Station = a.Station
	return e
}

func stringsOf(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// issue makes the certificate of the agent's stored request. The key that it
// had before stays accepted until the next one: an answer can be lost.
func (s *Service) issue(a *store.Agent) error {
	cert, text, err := s.opts.CA.Issue(a.CSR, a.ID)
	if err != nil {
		return denied(http.StatusBadRequest, "certificate request: %v", err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	if before := a.TLSKey[:min(len(a.TLSKey), len(sum))]; len(before) > 0 && !bytes.Equal(before, sum[:]) {
		a.TLSKey = append(sum[:], before...)
	} else {
		a.TLSKey = sum[:]
	}
	a.Certificate, a.NotAfter = text, cert.NotAfter.UTC()
	return nil
}

// response is what an admitted agent is told.
func (s *Service) response(a store.Agent) (wire.EnrolResponse, error) {
	keys, err := s.PseudonymKeys(a)
	if err != nil {
		return wire.EnrolResponse{}, err
	}
	out := wire.EnrolResponse{
		AgentID: a.ID, Certificate: string(a.Certificate), CA: string(s.opts.CA.PEM()),
		URLs: s.opts.URLs, Scope: a.Scope, Cosigners: s.opts.Cosigners, Pseudonyms: keys,
	}
	if s.opts.Sealing != nil {
		out.Sealing = s.opts.Sealing()
	}
	if s.opts.Destroyed != nil {
		out.Destroyed = s.opts.Destroyed()
	}
	return out, nil
}

// PseudonymKeys are the keys that an agent's user names need now.
func (s *Service) PseudonymKeys(a store.Agent) ([]wire.PseudonymKey, error) {
	if s.opts.Pseudonyms == nil {
		return nil, nil
	}
	return s.opts.Pseudonyms.Keys(plants(a.Station, a.Scope), s.now())
}

// RenewDue tells whether an agent should renew its certificate now.
func (s *Service) RenewDue(a store.Agent) bool {
	return !a.NotAfter.IsZero() && s.now().Add(RenewBefore).After(a.NotAfter)
}
