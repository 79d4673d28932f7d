package enrol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
)

// office is an aggregator's side of enrolment, with a real authority.
type office struct {
	t       *testing.T
	ca      *identity.CA
	server  *httptest.Server
	mu      sync.Mutex
	pending bool
	refuse  string
	seen    []wire.EnrolRequest
	renewed int
	client  string // common name of the last client certificate
}

func newOffice(t *testing.T) *office {
	t.Helper()
	ca, err := identity.NewCA("test", time.Now)
	require.NoError(t, err)
	o := &office{t: t, ca: ca}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathEnrol, o.enrol)
	mux.HandleFunc("POST "+wire.PathRenew, o.renew)
	mux.HandleFunc("POST "+wire.PathStatus, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(wire.StatusResponse{Time: time.Now().Add(time.Hour)})
	})
	o.server = httptest.NewUnstartedServer(mux)
	cert, err := ca.Server("127.0.0.1")
	require.NoError(t, err)
	o.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	o.server.StartTLS()
	t.Cleanup(o.server.Close)
	return o
}

func (o *office) token() string {
	return identity.NewToken([]string{o.server.URL}, o.ca.Pin()).Encode()
}

func (o *office) enrol(w http.ResponseWriter, r *http.Request) {
	var req wire.EnrolRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, req)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case o.refuse != "":
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(wire.Problem{Title: "refused", Detail: o.refuse, Status: http.StatusForbidden})
	case o.pending:
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(wire.EnrolResponse{AgentID: req.AgentID, Pending: true, Reason: "a person must look"})
	default:
		_ = json.NewEncoder(w).Encode(o.issue(req.CSR, req.AgentID))
	}
}

func (o *office) issue(csr, agent string) wire.EnrolResponse {
	_, text, err := o.ca.Issue([]byte(csr), agent)
	if err != nil {
		o.t.Error(err)
	}
	return wire.EnrolResponse{
		AgentID: agent, Certificate: string(text), CA: string(o.ca.PEM()), URLs: []string{o.server.URL}, Scope: []string{"a/**"},
		Cosigners:  []wire.Cosigner{{Name: "linewatch/x", Key: base64.StdEncoding.EncodeToString(make([]byte, 32))}},
		Pseudonyms: []wire.PseudonymKey{{Plant: "a", Year: 2026, Key: base64.StdEncoding.EncodeToString(make([]byte, 32))}},
	}
}

func (o *office) renew(w http.ResponseWriter, r *http.Request) {
	var req wire.RenewRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(r.TLS.PeerCertificates) == 0 {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.client = r.TLS.PeerCertificates[0].Subject.CommonName
	o.renewed++
	_ = json.NewEncoder(w).Encode(o.issue(req.CSR, o.client))
}

func facts(names ...string) identity.Facts {
	f := identity.Facts{}
	for _, n := range names {
		sum := sha256.Sum256([]byte(n))
		f[n[:3]] = hex.EncodeToString(sum[:])
	}
	return f
}

func TestAStationEnrolsAndKeepsWhatItWasGiven(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1", "mac1"))
	require.NoError(t, err)
	require.True(t, id.Pending)
	admitted, err := id.Ask(t.Context(), "v")
	require.NoError(t, err)
	require.True(t, admitted)

	again, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, id.State, again.State)
	require.False(t, again.Pending)
	keys, err := again.Pseudonyms()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	until, err := again.CertificateUntil()
	require.NoError(t, err)
	require.Greater(t, time.Until(until), 300*24*time.Hour)

	// What was sent proves the log key over the request for the TLS key.
	req := o.seen[0]
	pub, err := base64.StdEncoding.DecodeString(req.PublicKey)
	require.NoError(t, err)
	block, _ := pem.Decode([]byte(req.CSR))
	sum := sha256.Sum256(block.Bytes)
	proof, err := base64.StdEncoding.DecodeString(req.LogKeyProof)
	require.NoError(t, err)
	require.True(t, ed25519.Verify(pub, []byte(wire.EnrolProofPrefix+hex.EncodeToString(sum[:])), proof))

	for _, name := range []string{"agent.json", "log.key", "tls.key", "pseudonyms.json"} {
		info, err := os.Stat(filepath.Join(dir, "identity", name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

func TestWaitingAndRefusalAreToldApart(t *testing.T) {
	o := newOffice(t)
	id, err := Create(t.TempDir(), "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	o.pending = true
	admitted, err := id.Ask(t.Context(), "v")
	require.NoError(t, err)
	require.False(t, admitted)
	require.Equal(t, "a person must look", id.Reason)
	o.pending, o.refuse = false, "the token is used up"
	_, err = id.Ask(t.Context(), "v")
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "the token is used up")
	o.server.Close()
	_, err = id.Ask(t.Context(), "v")
	require.Error(t, err)
	require.NotErrorAs(t, err, &refused, "trouble on the way is no refusal")
}

func TestOnlyTheAuthorityOfTheTokenIsSpokenTo(t *testing.T) {
	right, wrong := newOffice(t), newOffice(t)
	token := identity.NewToken([]string{wrong.server.URL}, right.ca.Pin()).Encode()
	id, err := Create(t.TempDir(), "a/b", token, facts("smb1", "dsk1"))
	require.NoError(t, err)
	_, err = id.Ask(t.Context(), "v")
	require.ErrorContains(t, err, "does not show the CA that the token pins")
	require.Empty(t, wrong.seen, "nothing may be sent before the server is known")
}

func TestTheNextAddressIsTriedWhenOneIsAway(t *testing.T) {
	o := newOffice(t)
	token := identity.NewToken([]string{"https://127.0.0.1:1", o.server.URL}, o.ca.Pin()).Encode()
	id, err := Create(t.TempDir(), "a/b", token, facts("smb1", "dsk1"))
	require.NoError(t, err)
	admitted, err := id.Ask(t.Context(), "v")
	require.NoError(t, err)
	require.True(t, admitted)
}

func TestAnIdentityIsNotMadeTwiceAndNotOnAnUnknownMachine(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	_, err := Create(dir, "a/b", o.token(), facts("smb1"))
	require.ErrorContains(t, err, "only 1 facts")
	_, err = Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	_, err = Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.ErrorContains(t, err, "prepare-image")
	_, err = Create(t.TempDir(), "a/b", "lwt1_nonsense", facts("smb1", "dsk1"))
	require.ErrorContains(t, err, "token")
}

func TestAnotherMachineGetsAnotherIdentityThatNamesTheFirst(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1", "mac1"))
	require.NoError(t, err)
	_, err = id.Ask(t.Context(), "v")
	require.NoError(t, err)
	same, _ := id.SameMachine(facts("smb1", "dsk1", "mac2"))
	require.True(t, same, "a new network card is still this machine")
	same, why := id.SameMachine(facts("smb2", "dsk2", "mac1"))
	require.False(t, same)
	require.Contains(t, why, "1 of the 3 facts")

	next, err := id.Replace(dir, facts("smb2", "dsk2", "mac1"), "machine changed")
	require.NoError(t, err)
	require.NotEqual(t, id.AgentID, next.AgentID)
	require.Equal(t, id.AgentID, next.Predecessor)
	require.True(t, next.Pending)
	loaded, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, next.AgentID, loaded.AgentID)
	require.DirExists(t, filepath.Join(dir, "identity.replaced-"+id.AgentID))
	o.pending = true
	_, err = next.Ask(t.Context(), "v")
	require.NoError(t, err)
	last := o.seen[len(o.seen)-1]
	require.Equal(t, id.AgentID, last.Predecessor)
	require.NotEmpty(t, last.Token)
}

func TestAnAnswerThatCannotBeKeptIsAskedForAgain(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	kept, err := os.ReadFile(filepath.Join(dir, "identity", "agent.json"))
	require.NoError(t, err)
	for name, content := range map[string][]byte{"ca.pem": nil, "agent.json": kept} {
		file := filepath.Join(dir, "identity", name)
		require.NoError(t, os.RemoveAll(file))
		require.NoError(t, os.MkdirAll(filepath.Join(file, "in the way"), 0o700))
		admitted, err := id.Ask(t.Context(), "v")
		require.ErrorContains(t, err, "asked for again")
		require.False(t, admitted)
		require.True(t, id.Waiting())
		require.NoError(t, os.RemoveAll(file))
		if content != nil {
			require.NoError(t, os.WriteFile(file, content, 0o600))
		}
	}
	admitted, err := id.Ask(t.Context(), "v")
	require.NoError(t, err)
	require.True(t, admitted)
}

// A folder that was copied back is of another machine once more.
func TestAnIdentityMayBeSetAsideTwice(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1", "mac1"))
	require.NoError(t, err)
	backup := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(backup, "identity"), os.DirFS(filepath.Join(dir, "identity"))))
	_, err = id.Replace(dir, facts("smb2", "dsk2"), "machine changed")
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "identity")))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "identity"), os.DirFS(filepath.Join(backup, "identity"))))
	for _, key := range []string{"log.key", "tls.key"} {
		require.NoError(t, os.Chmod(filepath.Join(dir, "identity", key), 0o600))
	}
	again, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, id.AgentID, again.AgentID)
	third, err := again.Replace(dir, facts("smb2", "dsk2"), "machine changed")
	require.NoError(t, err)
	require.NotEqual(t, id.AgentID, third.AgentID)
	require.DirExists(t, filepath.Join(dir, "identity.replaced-"+id.AgentID+"-2"))
}

func TestAReplacementThatWasCutOffIsFinishedAtTheNextStart(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	_, err = id.Ask(t.Context(), "v")
	require.NoError(t, err)
	next, err := id.Replace(dir, facts("smb2", "dsk2"), "machine changed")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "identity", "ca.pem"))
	require.FileExists(t, filepath.Join(dir, "identity", "pseudonyms.json"))
	// As if power had failed between the two renames, and before them.
	require.NoError(t, os.Rename(filepath.Join(dir, "identity"), filepath.Join(dir, "identity.new")))
	loaded, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, next.AgentID, loaded.AgentID)
	require.NoDirExists(t, filepath.Join(dir, "identity.new"))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "identity.new"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "identity.new", "agent.json"), []byte("{"), 0o600))
	loaded, err = Load(dir)
	require.NoError(t, err)
	require.Equal(t, next.AgentID, loaded.AgentID, "half made: the old one counts")
	_, err = loaded.Replace(dir, facts("smb3", "dsk3"), "machine changed")
	require.NoError(t, err)
}

func TestEnrolmentAndRenewalGoWhereAndHowTheConfigurationSays(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	token := identity.NewToken([]string{"https://127.0.0.1:1"}, o.ca.Pin()).Encode() // it has moved since
	id, err := Create(dir, "a/b", token, facts("smb1", "dsk1"))
	require.NoError(t, err)
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", r.Host)
		if err != nil || r.Method != http.MethodConnect {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		defer up.Close()
		tunnels.Add(1)
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, down) }()
		_, _ = io.Copy(down, up)
	}))
	defer proxy.Close()
	id.Via([]string{o.server.URL}, proxy.URL)
	admitted, err := id.Ask(t.Context(), "v")
	require.NoError(t, err)
	require.True(t, admitted)
	require.EqualValues(t, 1, tunnels.Load())
	id.URLs = []string{"https://127.0.0.1:1"}
	transport, err := id.Transport(proxy.URL)
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	require.NoError(t, id.Renew(t.Context(), &http.Client{Transport: transport}))
	require.Equal(t, 1, o.renewed)
	id.Via(nil, "http://bad proxy")
	_, err = id.Ask(t.Context(), "v")
	require.ErrorContains(t, err, "aggregator.proxy")
}

func TestACertificateIsRenewedWhenItEndsSoonByTheAggregatorsClock(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	id, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	_, err = id.Ask(t.Context(), "v")
	require.NoError(t, err)
	transport, err := id.Transport("")
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	r := &Renewer{Identity: id, Client: &http.Client{Transport: transport}}
	renewed, err := r.Tick(t.Context(), time.Now(), false)
	require.NoError(t, err)
	require.False(t, renewed, "a new certificate is left alone")
	renewed, err = r.Tick(t.Context(), time.Now().Add(300*24*time.Hour), false)
	require.NoError(t, err)
	require.True(t, renewed)
	require.Equal(t, id.AgentID, o.client, "renewal goes over mTLS")
	renewed, err = r.Tick(t.Context(), time.Now(), true)
	require.NoError(t, err)
	require.False(t, renewed, "not again within the hour")
}

func TestReachMeasuresTheClock(t *testing.T) {
	o := newOffice(t)
	id, err := Create(t.TempDir(), "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	_, err = id.Ask(t.Context(), "v")
	require.NoError(t, err)
	offset, url, err := id.Reach(t.Context(), []string{"https://127.0.0.1:1", o.server.URL}, "")
	require.NoError(t, err)
	require.Equal(t, o.server.URL, url)
	require.InDelta(t, time.Hour.Seconds(), offset.Seconds(), 5)
}

func TestPrepareImageStripsIdentityAndJournalButNotUnsentEvents(t *testing.T) {
	o, dir := newOffice(t), t.TempDir()
	_, err := Create(dir, "a/b", o.token(), facts("smb1", "dsk1"))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "journal"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pki", "own"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pki", "trusted"), 0o700))
	_, err = PrepareImage(dir, 3, false)
	require.ErrorContains(t, err, "3 events are not forwarded")
	require.DirExists(t, filepath.Join(dir, "identity"))
	removed, err := PrepareImage(dir, 3, true)
	require.NoError(t, err)
	require.Len(t, removed, 3)
	_, err = Load(dir)
	require.ErrorIs(t, err, ErrNotEnrolled)
	require.DirExists(t, filepath.Join(dir, "pki", "trusted"))
}

func TestADamagedIdentityIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(dir)
	require.ErrorIs(t, err, ErrNotEnrolled)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "identity"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "identity", "agent.json"), []byte("{"), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "damaged")
}
