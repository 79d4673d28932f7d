// Package agenttest has the aggregator that tests of the whole agent talk to: a
// real authority that admits, refuses or lets wait, in front of the protocol's
// test double (wiretest.Aggregator), which stores and cosigns in memory.
package agenttest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// PseudonymKey is the key that admission hands out for the plant of the station
// and this year, as base64.
const PseudonymKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// Office admits agents; the rest of the protocol is Aggregator's.
type Office struct {
	Aggregator *wiretest.Aggregator
	URL        string

	t      testing.TB
	ca     *identity.CA
	server *httptest.Server

	mu      sync.Mutex
	pending bool
	refuse  string
	good    string // the only token that is taken; "" for any
	asked   []wire.EnrolRequest
	renewed int
}

// NewOffice starts an office on loopback; it ends with the test.
func NewOffice(t testing.TB) *Office {
	t.Helper()
	ca, err := identity.NewCA("agenttest", time.Now)
	require.NoError(t, err)
	o := &Office{t: t, ca: ca, Aggregator: wiretest.NewAggregator(t, "agenttest")}
	behind, err := url.Parse(o.Aggregator.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.Transport = o.Aggregator.Client().Transport
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathEnrol, o.enrol)
	mux.HandleFunc("POST "+wire.PathRenew, o.renew)
	mux.Handle("/", proxy)
	cert, err := ca.Server("127.0.0.1")
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM())
	o.server = httptest.NewUnstartedServer(mux)
	o.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	o.server.StartTLS()
	o.URL = o.server.URL
	t.Cleanup(o.server.Close)
	return o
}

// Token is the text of a new enrolment token of this office.
func (o *Office) Token() string { return identity.NewToken([]string{o.URL}, o.ca.Pin()).Encode() }

// Pending makes the office let agents wait, or admit them.
func (o *Office) Pending(yes bool) { o.mu.Lock(); o.pending = yes; o.mu.Unlock() }

// Refuse makes the office refuse with this reason; "" admits again.
func (o *Office) Refuse(reason string) { o.mu.Lock(); o.refuse = reason; o.mu.Unlock() }

// Only makes the office take this token and no other.
func (o *Office) Only(token string) {
	parsed, err := identity.ParseToken(token)
	require.NoError(o.t, err)
	o.mu.Lock()
	o.good = parsed.Secret
	o.mu.Unlock()
}

// Asked are the requests for admission so far.
func (o *Office) Asked() []wire.EnrolRequest {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]wire.EnrolRequest(nil), o.asked...)
}

// Drop closes all connections, so that agents connect anew.
func (o *Office) Drop() { o.server.CloseClientConnections() }

// Renewed counts the renewed certificates.
func (o *Office) Renewed() int { o.mu.Lock(); defer o.mu.Unlock(); return o.renewed }

// Cosigner is the key of the aggregator's receipts as admission hands it out.
func (o *Office) Cosigner() wire.Cosigner {
	c := o.Aggregator.Cosigner()
	return wire.Cosigner{Name: c.Name, Key: base64.StdEncoding.EncodeToString(c.Key)}
}

func (o *Office) enrol(w http.ResponseWriter, r *http.Request) {
	var req wire.EnrolRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, req)
	refuse := o.refuse
	if o.good != "" && req.Token != o.good {
		refuse = "the token is used up or expired"
	}
	switch {
	case refuse != "":
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(wire.Problem{Title: "not admitted", Detail: refuse, Status: http.StatusForbidden})
	case o.pending:
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(wire.EnrolResponse{AgentID: req.AgentID, Pending: true, Reason: "a person must look"})
	default:
		_ = json.NewEncoder(w).Encode(o.issue(req.CSR, req.AgentID))
	}
}

func (o *Office) renew(w http.ResponseWriter, r *http.Request) {
	var req wire.RenewRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(r.TLS.PeerCertificates) == 0 {
		http.Error(w, "no client certificate", http.StatusUnauthorized)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renewed++
	_ = json.NewEncoder(w).Encode(o.issue(req.CSR, r.TLS.PeerCertificates[0].Subject.CommonName))
}

func (o *Office) issue(csr, agent string) wire.EnrolResponse {
	_, text, err := o.ca.Issue([]byte(csr), agent)
	if err != nil {
		o.t.Error(err)
	}
	return wire.EnrolResponse{
		AgentID: agent, Certificate: string(text), CA: string(o.ca.PEM()), URLs: []string{o.URL}, Scope: []string{"hamburg/**"},
		Cosigners:  []wire.Cosigner{o.Cosigner()},
		Pseudonyms: []wire.PseudonymKey{{Plant: "hamburg", Year: time.Now().Year(), Key: PseudonymKey}},
	}
}

// Machine writes a file with the facts of a machine of this name.
func Machine(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, "machine-"+name)
	text := "smbios_uuid=u-" + name + "\ndisk_serial=d-" + name + "\nmac=m-" + name + "\nmachine_id=i-" + name + "\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
