package identity_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/identity"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFactsComeFromAFileAndAreHashed(t *testing.T) {
	path := write(t, "machine", "# demo\nsmbios_uuid = {4C4C4544-0035-4A10-8051-C3C04F4D3332}\nmac: 00:11:22:33:44:55\ndisk_serial=S4\n\nmachine_id=00000000000000000000000000000000\n")
	facts, err := identity.Machine(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, []string{"disk_serial", "mac", "smbios_uuid"}, facts.Names(), "a placeholder is no fact")
	for _, hash := range facts {
		require.Regexp(t, `^[0-9a-f]{64}$`, hash)
	}
	same, err := identity.Machine(t.Context(), write(t, "machine", "smbios_uuid=4c4c4544-0035-4a10-8051-c3c04f4d3332\n"))
	require.NoError(t, err)
	require.Equal(t, facts["smbios_uuid"], same["smbios_uuid"], "spelling does not matter")
}

func TestAFactFileWithAMistakeIsRefusedWithItsLine(t *testing.T) {
	for text, message := range map[string]string{
		"mac=1\nserial=2\n": `line 2: "serial" is none of`,
		"\nnothing\n":       "line 2: not name=value",
	} {
		_, err := identity.Machine(t.Context(), write(t, "machine", text))
		require.ErrorContains(t, err, message)
	}
	_, err := identity.Machine(t.Context(), filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCredentialsOfTheServiceManagerAreFacts(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "smbios_uuid"), []byte("4c4c4544-0035-4a10-8051-c3c04f4d3332\n"), 0o400))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "disk_serial"), []byte("S4\n"), 0o400))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	facts, err := identity.Machine(t.Context(), "")
	require.NoError(t, err)
	byFile, err := identity.Machine(t.Context(), write(t, "machine", "smbios_uuid=4c4c4544-0035-4a10-8051-c3c04f4d3332\ndisk_serial=S4"))
	require.NoError(t, err)
	require.Equal(t, byFile["smbios_uuid"], facts["smbios_uuid"])
	require.Equal(t, byFile["disk_serial"], facts["disk_serial"])
}

func TestTwoOfTheRecordedFactsMustHold(t *testing.T) {
	recorded := identity.Facts{"smbios_uuid": "a", "mac": "b", "machine_id": "c"}
	agree, known := identity.Facts{"smbios_uuid": "a", "mac": "b", "machine_id": "c", "disk_serial": "d"}.Agree(recorded)
	require.Equal(t, []int{3, 3}, []int{agree, known})
	// A copied disk brings its machine id along and nothing else.
	agree, known = identity.Facts{"smbios_uuid": "x", "mac": "y", "machine_id": "c"}.Agree(recorded)
	require.Equal(t, []int{1, 3}, []int{agree, known})
	require.Less(t, agree, identity.MinAgree)
	agree, known = identity.Facts{"smbios_uuid": "a"}.Agree(recorded)
	require.Equal(t, []int{1, 1}, []int{agree, known})
}

func TestATokenIsReadBackAndItsSecretStaysOutOfTexts(t *testing.T) {
	token := identity.NewToken([]string{"https://aggregator.plant:8444", "https://10.1.0.9:8444"}, strings.Repeat("ab", 32))
	text := token.Encode()
	require.Regexp(t, `^lwt1_[A-Za-z0-9_-]+$`, text)
	back, err := identity.ParseToken(" " + text + "\n")
	require.NoError(t, err)
	require.Equal(t, token, back)
	require.NotContains(t, back.String(), token.Secret)
	require.Len(t, token.Hash(), 64)
	require.NotEqual(t, token.Secret, identity.NewSecret())
}

func TestADamagedTokenIsRefusedWithoutShowingIt(t *testing.T) {
	text := identity.NewToken([]string{"https://a:1"}, strings.Repeat("ab", 32)).Encode()
	for i := len("lwt1_"); i < len(text); i++ {
		damaged := []byte(text)
		damaged[i] ^= 1
		_, err := identity.ParseToken(string(damaged))
		require.Error(t, err, "byte %d", i)
		require.NotContains(t, err.Error(), text[8:40])
	}
	for _, bad := range []identity.Token{
		{CAPin: strings.Repeat("ab", 32), Secret: "s"},
		{URLs: []string{"http://plain:1"}, CAPin: strings.Repeat("ab", 32), Secret: "s"},
		{URLs: []string{"https://a:1"}, CAPin: "ab", Secret: "s"},
		{URLs: []string{"https://a:1"}, CAPin: strings.Repeat("ab", 32)},
	} {
		_, err := identity.ParseToken(bad.Encode())
		require.Error(t, err)
	}
	_, err := identity.ParseToken("hello")
	require.ErrorContains(t, err, "lwt1_")
}

func FuzzAnyTextIsATokenOrAnError(f *testing.F) {
	f.Add(identity.NewToken([]string{"https://a:1"}, strings.Repeat("ab", 32)).Encode())
	f.Add("lwt1_")
	f.Add("lwt1_AAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := identity.ParseToken(text)
		if err != nil {
			return
		}
		again, err := identity.ParseToken(token.Encode())
		require.NoError(t, err)
		require.Equal(t, token, again)
	})
}

func TestKeysAreReadBackAndOneThatOthersCanReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	signing, err := identity.LoadOrNewSigningKey(filepath.Join(dir, "log.key"))
	require.NoError(t, err)
	again, err := identity.LoadOrNewSigningKey(filepath.Join(dir, "log.key"))
	require.NoError(t, err)
	require.Equal(t, signing, again)
	require.Regexp(t, `^[0-9a-f]{64}$`, identity.Fingerprint(signing.Public().(ed25519.PublicKey)))
	tlsKey, err := identity.NewTLSKey()
	require.NoError(t, err)
	path := filepath.Join(dir, "tls.key")
	require.NoError(t, identity.SaveKey(path, tlsKey))
	loaded, err := identity.LoadKey(path)
	require.NoError(t, err)
	require.True(t, tlsKey.PublicKey.Equal(loaded.Public()))
	_, err = identity.LoadOrNewSigningKey(path)
	require.ErrorContains(t, err, "no Ed25519 key")
	if runtime.GOOS == "windows" {
		return // files have an access list there instead of a mode
	}
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = identity.LoadKey(path)
	require.ErrorContains(t, err, "may be read by others")
}

// request makes a certificate request in PEM that asks for more than it gets.
func request(t *testing.T) (csr []byte, key any) {
	t.Helper()
	tlsKey, err := identity.NewTLSKey()
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "somebody-else"}, DNSNames: []string{"aggregator.plant"},
	}, tlsKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), tlsKey
}

func TestTheAuthorityConnectsAgentsAndServersByMutualTLS(t *testing.T) {
	dir := t.TempDir()
	made, err := identity.NewCA("plant hamburg", time.Now)
	require.NoError(t, err)
	require.NoError(t, made.Save(dir))
	ca, err := identity.LoadCA(dir, time.Now)
	require.NoError(t, err)
	require.Equal(t, made.Pin(), ca.Pin())
	server, err := ca.Server("localhost", "127.0.0.1")
	require.NoError(t, err)
	csr, key := request(t)
	cert, text, err := ca.Issue(csr, "a0123456789abcde")
	require.NoError(t, err)
	require.Equal(t, "a0123456789abcde", cert.Subject.CommonName, "names in the request do not count")
	require.Empty(t, cert.DNSNames)
	parsed, err := identity.ParseCertificate(text)
	require.NoError(t, err)
	require.Equal(t, identity.SPKIHash(cert), identity.SPKIHash(parsed))

	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MinVersion: tls.VersionTLS13,
	})
	require.NoError(t, err)
	defer listener.Close()
	peer := make(chan string, 1)
	go func() { peer <- acceptName(listener) }()
	client, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
		RootCAs: ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	})
	require.NoError(t, err)
	defer client.Close()
	require.Equal(t, "a0123456789abcde", <-peer)
	chain := client.ConnectionState().PeerCertificates
	require.Equal(t, ca.Pin(), identity.SPKIHash(chain[len(chain)-1]), "the root travels along for the pin")
}

// acceptName returns the name that the next client proves.
func acceptName(listener net.Listener) string {
	conn, err := listener.Accept()
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	secure := conn.(*tls.Conn)
	if err := secure.Handshake(); err != nil {
		return err.Error()
	}
	return secure.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestTheAuthorityRefusesWhatIsNoProperRequest(t *testing.T) {
	ca, err := identity.NewCA("plant", time.Now)
	require.NoError(t, err)
	csr, _ := request(t)
	for name, bad := range map[string][]byte{
		"no PEM":        []byte("hello"),
		"a certificate": ca.PEM(),
		"a changed one": flip(csr),
	} {
		_, _, err := ca.Issue(bad, "a")
		require.Error(t, err, name)
	}
	other, err := identity.NewCA("other", time.Now)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, ca.Save(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), other.PEM(), 0o600))
	_, err = identity.LoadCA(dir, time.Now)
	require.ErrorContains(t, err, "does not belong")
}

// flip changes one bit of the signature inside a PEM text.
func flip(text []byte) []byte {
	block, _ := pem.Decode(text)
	block.Bytes[len(block.Bytes)-1] ^= 1
	return pem.EncodeToMemory(block)
}

func TestTheBootClockRuns(t *testing.T) {
	id, first := identity.Boot()
	again, second := identity.Boot()
	require.NotEmpty(t, id)
	require.Equal(t, id, again)
	require.GreaterOrEqual(t, second, first)
	require.Positive(t, second)
}

func TestATokenOfVersion1StaysReadableForEver(t *testing.T) {
	text, err := os.ReadFile("testdata/token-v1.txt")
	require.NoError(t, err)
	token, err := identity.ParseToken(string(text))
	require.NoError(t, err)
	require.Equal(t, identity.Token{
		URLs:  []string{"https://aggregator.plant:8444", "https://10.1.0.9:8444"},
		CAPin: strings.Repeat("ab", 32), Secret: "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I",
	}, token)
	require.Equal(t, strings.TrimSpace(string(text)), token.Encode())
}
