package opcua

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
	"github.com/linewatch/linewatch/agent/source/opcua/secure"
)

// discover asks the server for its endpoints, takes the one of the configured
// policy and mode, and checks its certificate. What comes back is unauthenticated:
// it is a hint for which certificate to look up among the trusted ones, and never
// changes the security that was configured.
func (e *engine) discover(ctx context.Context) error {
	offers, err := endpoints(ctx, e.plan.cfg.Endpoint, e.own, e.src.opts.Sent)
	if err != nil {
		return err
	}
	offer, err := choose(offers, e.plan.sec, e.plan.cfg)
	if err != nil {
		return err
	}
	if !e.plan.sec.secure() {
		return nil
	}
	leaf, err := e.trusted(offer)
	if err != nil {
		return err
	}
	e.pinned = leaf
	return nil
}

// trusted checks the certificate of an endpoint and returns the leaf.
func (e *engine) trusted(offer *ua.EndpointDescription) ([]byte, error) {
	uri := ""
	if offer.Server != nil {
		uri = offer.Server.ApplicationURI
	}
	expect := pki.Expect{
		ApplicationURI: uri, Host: host(e.plan.cfg.Endpoint), MinBits: e.plan.sec.minBits, MaxBits: e.plan.sec.maxBits,
	}
	leaf, warnings, err := e.store.Check(offer.ServerCertificate, expect, e.now())
	if err == nil {
		for _, warning := range warnings {
			e.log.Warn("server certificate", "warning", warning)
		}
		e.showCertificate(leaf.NotAfter)
		return leaf.Raw, nil
	}
	refused, ok := errors.AsType[*pki.Refusal](err)
	if !ok {
		return nil, fmt.Errorf("check server certificate: %w", err)
	}
	reason := refused.Error()
	if refused.Reason == pki.Unknown {
		if _, err := e.store.Reject(offer.ServerCertificate); err != nil {
			e.log.Warn("refused certificate not kept", "error", err)
		}
		reason = fmt.Sprintf("the server's certificate is not trusted (%q, SHA-256 %s): compare it, then run: linewatch-agent opcua trust %s --pki %s",
			refused.Certificate.Subject.CommonName, pki.Fingerprint(refused.Certificate.Raw), e.plan.cfg.Endpoint, argument(e.store.Dir()))
	}
	return nil, &refusal{reason: reason, err: refused}
}

// argument is a path as it is typed into a command line.
func argument(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if strings.ContainsAny(path, " \t") {
		return `"` + path + `"`
	}
	return path
}

// recheck looks again at a certificate in use before each reconnect: trust may
// have been withdrawn, or the certificate may have expired.
func (e *engine) recheck() error {
	expect := pki.Expect{MinBits: e.plan.sec.minBits, MaxBits: e.plan.sec.maxBits}
	_, _, err := e.store.Check(e.pinned, expect, e.now())
	if err == nil {
		return nil
	}
	e.pinned = nil
	if refused, ok := errors.AsType[*pki.Refusal](err); ok {
		return &refusal{reason: "the server's certificate is no longer accepted", err: refused}
	}
	return fmt.Errorf("check server certificate: %w", err)
}

// endpoints asks for what a server offers, over an open channel: that question is
// answered to everybody.
func endpoints(ctx context.Context, endpoint string, own pki.Own, sent func(string)) ([]*ua.EndpointDescription, error) {
	none := policies()["None"]
	none.policy, none.mode = "None", ua.MessageSecurityModeNone
	ch, err := dial(ctx, dialConfig{endpoint: endpoint, sec: none, own: own, sent: sent})
	if err != nil {
		return nil, err
	}
	defer ch.close()
	res, err := call[*ua.GetEndpointsResponse](ctx, ch, &ua.GetEndpointsRequest{EndpointURL: endpoint}, requestTimeout)
	if err != nil {
		return nil, err
	}
	var found []*ua.EndpointDescription
	for _, e := range res.Endpoints {
		// Others are HTTPS or WebSocket bindings.
		if e != nil && (e.TransportProfileURI == "" || strings.HasSuffix(e.TransportProfileURI, "uatcp-uasc-uabinary")) {
			found = append(found, e)
		}
	}
	return found, nil
}

// choose takes the endpoint of exactly the configured policy and mode. Its URL is
// not used: servers often name a host that the station can't resolve.
func choose(offers []*ua.EndpointDescription, sec security, cfg config.OPCUA) (*ua.EndpointDescription, error) {
	var names []string
	for _, o := range offers {
		if o.SecurityPolicyURI == sec.uri && o.SecurityMode == sec.mode {
			return o, nil
		}
		names = append(names, policyName(o.SecurityPolicyURI)+"/"+modeName(o.SecurityMode))
	}
	list := strings.Join(unique(names), ", ")
	if list == "" {
		list = "nothing"
	}
	return nil, &refusal{reason: fmt.Sprintf(
		"the server does not offer %s, it offers %s: change its settings or security: in the configuration, see linewatch-agent opcua endpoints %s",
		sec, list, cfg.Endpoint)}
}

func unique(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

func host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// explain turns status codes that need a person into a sentence with a remedy.
func (e *engine) explain(err error) error {
	if errors.Is(err, secure.ErrDowngrade) || errors.Is(err, errSignature) {
		return &refusal{reason: "the connection is refused", err: err}
	}
	if _, ok := errors.AsType[*secure.Malformed](err); ok {
		return &refusal{reason: "the server breaks the protocol, or somebody is between the agent and the server: check the device and its firmware", err: err}
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the server or the network closed the connection: %w", err)
	}
	switch status(err) {
	case ua.StatusBadIdentityTokenRejected, ua.StatusBadUserAccessDenied, ua.StatusBadIdentityTokenInvalid:
		return &refusal{reason: fmt.Sprintf("the server refused user %q: check auth.user and the password file", e.who.user), err: err}
	case ua.StatusBadSecurityChecksFailed, ua.StatusBadCertificateUntrusted, ua.StatusBadCertificateInvalid,
		ua.StatusBadCertificateURIInvalid, ua.StatusBadCertificateTimeInvalid, ua.StatusBadCertificateUseNotAllowed:
		return &refusal{reason: fmt.Sprintf(
			"the server does not trust this agent: let it trust the certificate %s (SHA-1 %s)", e.own.URI, pki.Thumbprint(e.own.Certificate)), err: err}
	case ua.StatusBadTooManySessions:
		return fmt.Errorf("the server has no free session: close an unused client or raise its limit: %w", err)
	}
	return err
}
