package opcua

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// session is what re-activates a session on another channel, also after the
// process was killed. We make and activate sessions ourselves: gopcua's Session
// can't leave the process, and it answers (nil, nil) for a bad server signature.
type session struct {
	Token   string        `json:"token"` // authentication token as NodeId text
	Nonce   []byte        `json:"nonce"` // the server's last
	Cert    []byte        `json:"certificate,omitempty"`
	Timeout time.Duration `json:"timeout"`
	Policy  tokenPolicy   `json:"policy"` // of the user's token
	// Started is the server's start time: subscription ids of an earlier life of
	// the server may belong to somebody else now.
	Started time.Time `json:"started"`
	// Namespaces of the server at CreateSession.
	Namespaces []string `json:"namespaces"`
}

// tokenPolicy is how the server wants to be told the user.
type tokenPolicy struct {
	ID  string `json:"id"`
	URI string `json:"uri"` // "" = the channel's policy
}

// login is who the agent is for the server.
type login struct {
	user          string
	password      string
	allowInsecure bool
}

// errSignature is a server that can't prove to own the certificate it showed.
var errSignature = errors.New("the server did not prove that the certificate is its own")

// createSession asks for a session that outlives an outage of the given length.
func (c *channel) createSession(ctx context.Context, endpoint, name string, timeout time.Duration, who login) (*session, error) {
	nonce := make([]byte, 32)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	req := &ua.CreateSessionRequest{
		ClientDescription: &ua.ApplicationDescription{
			ApplicationURI: c.own.URI, ProductURI: "urn:linewatch:agent",
			ApplicationName: ua.NewLocalizedText("Linewatch agent"), ApplicationType: ua.ApplicationTypeClient,
		},
		EndpointURL: endpoint, SessionName: name, ClientNonce: nonce,
		RequestedSessionTimeout: float64(timeout / time.Millisecond),
	}
	if c.sec.secure() {
		req.ClientCertificate = c.own.Certificate
	}
	res, err := call[*ua.CreateSessionResponse](ctx, c, req, requestTimeout)
	if err != nil {
		return nil, err
	}
	if res.AuthenticationToken == nil {
		return nil, errors.New("CreateSession: no token in the answer")
	}
	if c.sec.secure() {
		if !bytes.HasPrefix(res.ServerCertificate, c.pinned) || res.ServerSignature == nil {
			return nil, fmt.Errorf("CreateSession: %w", errSignature)
		}
		if err := c.sc.VerifySessionSignature(c.pinned, nonce, res.ServerSignature.Signature); err != nil {
			return nil, fmt.Errorf("CreateSession: %w: %w", errSignature, err)
		}
	}
	policy, err := c.chooseToken(res.ServerEndpoints, who)
	if err != nil {
		return nil, err
	}
	return &session{
		Token: res.AuthenticationToken.String(), Nonce: res.ServerNonce, Cert: res.ServerCertificate,
		Timeout: time.Duration(res.RevisedSessionTimeout) * time.Millisecond, Policy: policy,
	}, nil
}

// chooseToken picks the user token policy of the endpoint that we use. A password
// never travels readable unless the configuration allows an insecure connection.
func (c *channel) chooseToken(endpoints []*ua.EndpointDescription, who login) (tokenPolicy, error) {
	want := ua.UserTokenTypeAnonymous
	if who.user != "" {
		want = ua.UserTokenTypeUserName
	}
	for _, e := range endpoints {
		if e == nil || e.SecurityMode != c.sec.mode || e.SecurityPolicyURI != c.sec.uri {
			continue
		}
		for _, t := range e.UserIdentityTokens {
			if t == nil || t.TokenType != want {
				continue
			}
			p := tokenPolicy{ID: t.PolicyID, URI: t.SecurityPolicyURI}
			if want == ua.UserTokenTypeUserName && c.readable(p) && !who.allowInsecure {
				continue
			}
			return p, nil
		}
	}
	if who.user == "" {
		return tokenPolicy{}, &refusal{reason: "the server accepts no anonymous user: give auth.user and auth.password_file"}
	}
	return tokenPolicy{}, &refusal{reason: "the server offers no way to send the password encrypted: use security mode SignAndEncrypt"}
}

// readable tells whether a password under this token policy could be read on the wire.
func (c *channel) readable(p tokenPolicy) bool {
	uri := p.URI
	if uri == "" {
		uri = c.sec.uri
	}
	return uri == ua.SecurityPolicyURINone && c.sec.mode != ua.MessageSecurityModeSignAndEncrypt
}

// activate binds a session to this channel, new or out of an earlier one, and
// stores the server's next nonce in it.
func (c *channel) activate(ctx context.Context, s *session, who login) error {
	token, err := ua.ParseNodeID(s.Token)
	if err != nil {
		return fmt.Errorf("session token: %w", err)
	}
	req := &ua.ActivateSessionRequest{
		ClientSignature: &ua.SignatureData{}, LocaleIDs: []string{"en"}, UserTokenSignature: &ua.SignatureData{},
	}
	if c.sec.secure() {
		signature, algorithm, err := c.sc.NewSessionSignature(bytes.Clone(c.pinned), s.Nonce)
		if err != nil {
			return fmt.Errorf("sign session: %w", err)
		}
		req.ClientSignature = &ua.SignatureData{Algorithm: algorithm, Signature: signature}
	}
	identity, err := c.identity(s, who)
	if err != nil {
		return err
	}
	req.UserIdentityToken = ua.NewExtensionObject(identity)
	c.token = token
	res, err := call[*ua.ActivateSessionResponse](ctx, c, req, requestTimeout)
	if err != nil {
		return err
	}
	s.Nonce = res.ServerNonce
	return nil
}

func (c *channel) identity(s *session, who login) (any, error) {
	if who.user == "" {
		return &ua.AnonymousIdentityToken{PolicyID: s.Policy.ID}, nil
	}
	if c.readable(s.Policy) && !who.allowInsecure {
		return nil, &refusal{reason: "the password would travel readable: use security mode SignAndEncrypt"}
	}
	cert := c.pinned
	if len(cert) == 0 {
		cert = s.Cert
	}
	uri := s.Policy.URI
	if uri == "" {
		uri = c.sec.uri
	}
	if uri != ua.SecurityPolicyURINone {
		// gopcua asserts an RSA key without looking.
		if err := mustBeRSA(cert); err != nil {
			return nil, err
		}
	}
	secret, algorithm, err := c.sc.EncryptUserPassword(uri, who.password, cert, s.Nonce)
	if err != nil {
		return nil, fmt.Errorf("encrypt password: %w", err)
	}
	return &ua.UserNameIdentityToken{
		PolicyID: s.Policy.ID, UserName: who.user, Password: secret, EncryptionAlgorithm: algorithm,
	}, nil
}

func mustBeRSA(chain []byte) error {
	leaf, err := pki.Leaf(chain)
	if err != nil {
		return fmt.Errorf("certificate for the password: %w", err)
	}
	if leaf.PublicKeyAlgorithm.String() != "RSA" {
		return &refusal{reason: "the server's certificate has no RSA key: OPC UA over RSA policies needs one"}
	}
	return nil
}

// closeSession ends the session and frees its place in the server.
func (c *channel) closeSession(ctx context.Context, deleteSubscriptions bool) error {
	_, err := call[*ua.CloseSessionResponse](ctx, c, &ua.CloseSessionRequest{DeleteSubscriptions: deleteSubscriptions}, requestTimeout)
	c.token = nil
	return err
}
