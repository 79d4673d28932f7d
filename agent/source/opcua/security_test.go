package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/opcua/pki"
)

// stateNode is one node that every test server has.
func stateNode() config.OPCUANode {
	return config.OPCUANode{ID: "nsu=urn:linewatch:test;s=Line1.Press.State", As: "press.state", Event: "equipment.status"}
}

// secured is the configuration of one policy and mode with user and password.
func secured(t *testing.T, endpoint, policy, mode, password string) config.OPCUA {
	t.Helper()
	cfg := insecure(endpoint, stateNode())
	cfg.AllowInsecure = false
	cfg.Security = config.OPCUASecurity{Policy: policy, Mode: mode}
	file := filepath.Join(t.TempDir(), "press.pw")
	require.NoError(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	cfg.Auth = config.Auth{User: "linewatch", PasswordFile: file}
	return cfg
}

// secureLine offers all policies to user linewatch.
func secureLine(t *testing.T, more map[string]any) *line {
	t.Helper()
	options := map[string]any{
		"variables": 1, "alarm": false, "anonymous": false, "users": map[string]string{"linewatch": "press-secret"},
		"policies": []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"},
		"modes":    []string{"Sign", "SignAndEncrypt"},
	}
	for k, v := range more {
		options[k] = v
	}
	return startLine(t, options)
}

// trustLine puts the server's certificate among the trusted ones of a fresh store.
func trustLine(t *testing.T, l *line) string {
	t.Helper()
	dir := t.TempDir()
	store, err := pki.Open(dir)
	require.NoError(t, err)
	_, err = store.Trust(l.der(t))
	require.NoError(t, err)
	return dir
}

// refused waits until the source says that a person is needed.
func refused(t *testing.T, s *running) string {
	t.Helper()
	require.Eventually(t, func() bool { return s.Health().State == source.StateRefused }, 30*time.Second, 20*time.Millisecond)
	return s.Health().Reason
}

func TestConfiguredSecurityWorksWithUserAndPassword(t *testing.T) {
	t.Parallel()
	server := secureLine(t, nil)
	dir := trustLine(t, server)
	for _, c := range [][2]string{
		{"Basic256Sha256", "SignAndEncrypt"}, {"Aes256_Sha256_RsaPss", "SignAndEncrypt"}, {"Aes128_Sha256_RsaOaep", "Sign"},
	} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			sink := newRecord()
			s := run(t, secured(t, server.Endpoint, c[0], c[1], "press-secret"), Options{PKI: dir}, sink)
			sink.until(t, "the state", func() bool { return sink.newest("press.state") != nil })
			require.Equal(t, source.StateConnected, s.Health().State)
			require.Empty(t, sink.occurrences("channel.insecure"))
			require.NotEmpty(t, s.Health().Detail["server_certificate_days"])
			// Killed and started again: re-activated with the stored nonce.
			s.stop()
			server.ask(t, "state 3")
			run(t, secured(t, server.Endpoint, c[0], c[1], "press-secret"), Options{PKI: dir, Positions: sink}, sink)
			sink.until(t, "the state set meanwhile", func() bool { return sink.newest("press.state") == int64(3) })
			require.Empty(t, sink.occurrences("audit.gap"))
			server.ask(t, "state 1")
		})
	}
	t.Run("an unknown server certificate is refused until it is trusted", func(t *testing.T) { untilTrusted(t, server) })
	t.Run("a wrong password is refused with what to do, and tried seldom", func(t *testing.T) {
		sink := newRecord()
		s := run(t, secured(t, server.Endpoint, "Basic256Sha256", "SignAndEncrypt", "wrong"), Options{PKI: dir}, sink)
		reason := refused(t, s)
		require.Contains(t, reason, "check auth.user and the password file")
		require.NotContains(t, reason, "wrong", "a password never stands in a text")
		require.Empty(t, sink.newest("press.state"))
	})
}

func untilTrusted(t *testing.T, server *line) {
	dir := t.TempDir()
	sink := newRecord()
	s := run(t, secured(t, server.Endpoint, "Basic256Sha256", "SignAndEncrypt", "press-secret"), Options{PKI: dir}, sink)
	reason := refused(t, s)
	require.Contains(t, reason, "linewatch-agent opcua trust "+server.Endpoint+" --pki /")
	sink.until(t, "the event", func() bool { return len(sink.occurrences("certificate.invalid")) == 1 })
	data := sink.occurrences("certificate.invalid")[0].Occurrence.Data
	require.Equal(t, "unknown", data["reason"])
	require.Equal(t, pki.Fingerprint(server.der(t)), data["thumbprint"])
	rejected, err := filepath.Glob(filepath.Join(dir, "rejected", "*.der"))
	require.NoError(t, err)
	require.Len(t, rejected, 1)

	// Moving the file is enough, the running agent sees it.
	require.NoError(t, os.Rename(rejected[0], filepath.Join(dir, "trusted", "certs", filepath.Base(rejected[0]))))
	sink.until(t, "the state", func() bool { return sink.newest("press.state") != nil })
}

func onlyNone(t *testing.T, server *line) {
	before := answer(t, server, "count", "sessions")
	sink := newRecord()
	s := run(t, secured(t, server.Endpoint, "Basic256Sha256", "SignAndEncrypt", "press-secret"), Options{PKI: server.PKI}, sink)
	reason := refused(t, s)
	require.Contains(t, reason, "does not offer Basic256Sha256/SignAndEncrypt, it offers None/None")
	require.Contains(t, reason, "linewatch-agent opcua endpoints "+server.Endpoint)
	require.Empty(t, sink.newest("press.state"))
	require.Equal(t, before, answer(t, server, "count", "sessions"))
}

func TestNoneWithoutPermissionIsAMistakeOfTheConfiguration(t *testing.T) {
	cfg := insecure("opc.tcp://127.0.0.1:4840", stateNode())
	cfg.AllowInsecure = false
	err := New(cfg, Options{PKI: t.TempDir()}).Run(t.Context(), newRecord())
	require.ErrorContains(t, err, "allow_insecure: true")
	require.ErrorContains(t, err, cfg.Name)
	cfg.Security = config.OPCUASecurity{Policy: "Basic128Rsa15", Mode: "Sign"}
	require.ErrorContains(t, Validate(cfg, Options{}), "unknown")
	cfg.Security = config.OPCUASecurity{Policy: "Basic256Sha256", Mode: "None"}
	require.ErrorContains(t, Validate(cfg, Options{}), "do not go together")
}

func TestAChangedServerCertificateIsASecurityEvent(t *testing.T) {
	t.Parallel()
	first := secureLine(t, nil)
	dir := trustLine(t, first)
	sink := newRecord()
	cfg := secured(t, first.Endpoint, "Basic256Sha256", "SignAndEncrypt", "press-secret")
	run(t, cfg, Options{PKI: dir}, sink)
	sink.until(t, "the state", func() bool { return sink.newest("press.state") != nil })
	first.Kill(t)
	second := secureLine(t, map[string]any{"port": first.Port})
	sink.until(t, "the refusal", func() bool { return len(sink.occurrences("certificate.invalid")) > 0 })
	data := sink.occurrences("certificate.invalid")[0].Occurrence.Data
	require.Equal(t, true, data["changed"])
	require.Equal(t, pki.Fingerprint(first.der(t)), data["previousThumbprint"])
	require.Equal(t, pki.Fingerprint(second.der(t)), data["thumbprint"])

	// Trusted by a person: it works, and the record says that it is another one.
	store, err := pki.Open(dir)
	require.NoError(t, err)
	_, err = store.Trust(second.der(t))
	require.NoError(t, err)
	again := newRecord()
	again.positions = sink.Positions("")
	run(t, cfg, Options{PKI: dir, Positions: again}, again)
	again.until(t, "the change", func() bool { return len(again.occurrences("config.change")) == 1 })
	change := again.occurrences("config.change")[0].Occurrence.Data
	require.True(t, strings.HasPrefix(change["key"].(string), "server certificate"))
}

func TestACertificateThatRunsOutIsToldOncePerStep(t *testing.T) {
	dir := t.TempDir()
	certFile, _ := serverCertificate(t, dir, time.Now().AddDate(-1, 0, 0), time.Now().Add(20*24*time.Hour))
	text, err := os.ReadFile(certFile)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	now := time.Now()
	s := New(secured(t, "opc.tcp://127.0.0.1:1", "Basic256Sha256", "SignAndEncrypt", "x"), Options{PKI: dir, Now: func() time.Time { return now }})
	e, err := s.prepare()
	require.NoError(t, err)
	e.pinned = block.Bytes
	told := func() int { return len(e.out.in) }
	e.expiring(t.Context())
	e.expiring(t.Context())
	require.Equal(t, 1, told())
	now = now.Add(15 * 24 * time.Hour)
	e.expiring(t.Context())
	e.expiring(t.Context())
	require.Equal(t, 2, told())
	first := <-e.out.in
	require.Equal(t, "certificate.expiring", first.readings[0].Occurrence.Type)
	require.Equal(t, "server", first.readings[0].Occurrence.Data["owner"])
}

func TestAnExpiredServerCertificateIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := serverCertificate(t, dir, time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0))
	server := secureLine(t, map[string]any{"certificate": cert, "key": key})
	sink := newRecord()
	s := run(t, secured(t, server.Endpoint, "Basic256Sha256", "SignAndEncrypt", "press-secret"), Options{PKI: trustLine(t, server)}, sink)
	require.Contains(t, refused(t, s), "expired")
	sink.until(t, "the event", func() bool { return len(sink.occurrences("certificate.invalid")) == 1 })
	require.Equal(t, "expired", sink.occurrences("certificate.invalid")[0].Occurrence.Data["reason"])
	require.Nil(t, sink.newest("press.state"))
}

// serverCertificate writes a self-signed certificate of the test server.
func serverCertificate(t *testing.T, dir string, from, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	uri, err := url.Parse("urn:linewatch:test:server")
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old press"}, NotBefore: from, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{uri},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certFile, keyFile
}
