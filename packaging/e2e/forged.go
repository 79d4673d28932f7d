//go:build linux

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// Forged enrols an agent that is none: a client that says whatever a test wants.
func (p *Plant) Forged(name string) *wiretest.Agent {
	p.t.Helper()
	token, err := identity.ParseToken(p.EnrolToken())
	require.NoError(p.t, err)
	a := wiretest.NewAgent(p.t, name, p.AgentsURL, p.client())
	key, err := identity.NewTLSKey()
	require.NoError(p.t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: a.ID}}, key)
	require.NoError(p.t, err)
	sum := sha256.Sum256(der)
	machine := map[string]string{}
	for _, fact := range []string{"smbios_uuid", "disk_serial", "mac", "machine_id"} {
		hash := sha256.Sum256([]byte(fact + name))
		machine[fact] = hex.EncodeToString(hash[:])
	}
	body, err := json.Marshal(wire.EnrolRequest{
		Token: token.Secret, AgentID: a.ID, Station: "hamburg/body/line3/" + name, PublicKey: base64.StdEncoding.EncodeToString(a.Public()),
		LogKeyProof: base64.StdEncoding.EncodeToString(ed25519.Sign(a.Key, []byte("linewatch enrol\n"+hex.EncodeToString(sum[:])))),
		CSR:         string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), Machine: machine, Host: name, Version: "1.0.0",
	})
	require.NoError(p.t, err)
	resp, err := a.Client.Post(a.URL+wire.PathEnrol, "application/json", strings.NewReader(string(body)))
	require.NoError(p.t, err)
	defer resp.Body.Close()
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
	var answer wire.EnrolResponse
	require.NoError(p.t, json.NewDecoder(resp.Body).Decode(&answer))
	block, _ := pem.Decode([]byte(answer.Certificate))
	require.NotNil(p.t, block)
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: p.CA().Pool(), Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
	}}
	p.t.Cleanup(transport.CloseIdleConnections)
	a.Client = &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	return a
}
