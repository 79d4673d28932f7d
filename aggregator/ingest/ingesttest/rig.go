// Package ingesttest is a whole agents' side of an aggregator for tests: SQLite,
// ledger, enrolment, fleet and ingest behind a real TLS listener, and fake agents
// enrolled with it.
package ingesttest

import (
	"context"
	"crypto/ecdsa"
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
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/fleet"
	"github.com/linewatch/linewatch/aggregator/ingest"
	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// CosignerName is the name of the rig's cosigner key.
const CosignerName = "linewatch.test/aggregator"

// Rig is an aggregator's agents' side. Its parts may be used directly.
type Rig struct {
	T         testing.TB
	Dir       string
	Store     store.Store // behind Faults
	Faults    *Faults
	Ledger    *ledger.Ledger
	Enrol     *enrol.Service
	Fleet     *fleet.Fleet
	Ingest    *ingest.Service
	CA        *identity.CA
	Cosigner  ed25519.PrivateKey
	LedgerKey ed25519.PrivateKey
	URL       string
	Clock     *Clock

	dsn  string // of PostgreSQL; SQLite in Dir without one
	stop func()
}

// Option changes the rig before it starts.
type Option func(*ingest.Options)

// New starts a rig that ends with the test.
func New(t testing.TB, options ...Option) *Rig {
	t.Helper()
	clock := &Clock{}
	ca, err := identity.NewCA("test", clock.Now)
	require.NoError(t, err)
	r := &Rig{T: t, Dir: t.TempDir(), CA: ca, Clock: clock, Cosigner: key("cosigner"), LedgerKey: key("ledger")}
	r.Start(options...)
	t.Cleanup(func() { r.Stop() })
	return r
}

// OnPostgres starts a rig on an empty PostgreSQL database.
func OnPostgres(t testing.TB, dsn string, options ...Option) *Rig {
	t.Helper()
	clock := &Clock{}
	ca, err := identity.NewCA("test", clock.Now)
	require.NoError(t, err)
	r := &Rig{T: t, Dir: t.TempDir(), CA: ca, Clock: clock, Cosigner: key("cosigner"), LedgerKey: key("ledger"), dsn: dsn}
	r.Start(options...)
	t.Cleanup(func() { r.Stop() })
	return r
}

// Beside starts a second aggregator with the same keys on the same database.
func (r *Rig) Beside(options ...Option) *Rig {
	r.T.Helper()
	other := &Rig{T: r.T, Dir: r.Dir, CA: r.CA, Clock: r.Clock, Cosigner: r.Cosigner, LedgerKey: r.LedgerKey, dsn: r.dsn}
	other.Start(options...)
	r.T.Cleanup(other.Stop)
	return other
}

// At is an agent as it speaks to another rig.
func (r *Rig) At(a *wiretest.Agent) *wiretest.Agent {
	other := *a
	other.URL = r.URL
	return &other
}

func (r *Rig) open(ctx context.Context) (store.Store, error) {
	if r.dsn != "" {
		return postgres.Open(ctx, r.dsn, postgres.Options{Timeout: 5 * time.Second})
	}
	return sqlite.Open(ctx, filepath.Join(r.Dir, "store.db"), sqlite.Options{})
}

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Start opens the store and serves; after Stop it is a restart of the program.
func (r *Rig) Start(options ...Option) {
	t := r.T
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := r.open(ctx)
	require.NoError(t, err)
	r.Faults = &Faults{Store: db}
	r.Store = r.Faults
	r.Ledger, err = ledger.Open(ctx, ledger.Options{
		Store: r.Store, Key: r.LedgerKey, CosignerName: CosignerName,
		Cosigner: r.Cosigner, Instance: "test", Project: project.Project, Now: r.Clock.Now, Version: "test",
	})
	require.NoError(t, err)
	names, err := enrol.NewPseudonyms(filepath.Join(r.Dir, "pseudonyms"))
	require.NoError(t, err)
	cosigners := []wire.Cosigner{{Name: CosignerName, Key: base64.StdEncoding.EncodeToString(r.Cosigner.Public().(ed25519.PublicKey))}}
	r.Enrol, err = enrol.New(enrol.Options{
		Store: r.Store, Ledger: r.Ledger, CA: r.CA, Pseudonyms: names, Cosigners: cosigners,
		Now: r.Clock.Now, Changed: func(log string) { r.Ingest.Forget(log) },
	})
	require.NoError(t, err)
	r.Fleet, err = fleet.New(fleet.Options{Store: r.Store, Ledger: r.Ledger, Admission: r.Enrol, Cosigners: cosigners, Now: r.Clock.Now})
	require.NoError(t, err)
	o := ingest.Options{
		Store: r.Store, Ledger: r.Ledger, Identity: r.Enrol, CosignerName: CosignerName, Cosigner: r.Cosigner,
		Project: project.Project, Offsets: r.Fleet, Agents: r.Store.Agent, Parts: []ingest.Part{r.Enrol, r.Fleet}, Now: r.Clock.Now,
	}
	for _, f := range options {
		f(&o)
	}
	r.Ingest, err = ingest.New(o)
	require.NoError(t, err)
	r.serve(ctx, cancel, db)
}

func (r *Rig) serve(ctx context.Context, cancel context.CancelFunc, db store.Store) {
	t := r.T
	server := r.Ingest.Server()
	config, err := r.Enrol.TLSConfig("127.0.0.1")
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.URL = "https://" + listener.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Ingest.Run(ctx) })
	wg.Go(func() { _ = server.Serve(tls.NewListener(listener, config)) })
	r.stop = func() {
		cancel()
		_ = server.Close()
		wg.Wait()
		_ = db.Close()
	}
}

// Stop ends everything that runs and closes the store.
func (r *Rig) Stop() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// Machine is the hashed facts of a machine with this name.
func Machine(name string) map[string]string {
	out := map[string]string{}
	for _, fact := range []string{"smbios_uuid", "disk_serial", "mac", "machine_id"} {
		sum := sha256.Sum256([]byte(fact + name))
		out[fact] = hex.EncodeToString(sum[:])
	}
	return out
}

// Request is a correct enrolment request of an agent, and the key of its certificate.
func Request(t testing.TB, a *wiretest.Agent, token, station, machine string) (wire.EnrolRequest, *ecdsa.PrivateKey) {
	t.Helper()
	tlsKey, err := identity.NewTLSKey()
	require.NoError(t, err)
	req := wire.EnrolRequest{
		Token: token, AgentID: a.ID, Station: station, PublicKey: base64.StdEncoding.EncodeToString(a.Public()),
		Machine: Machine(machine), Host: machine, Version: "1.0.0",
	}
	Resign(t, a, &req, tlsKey)
	return req, tlsKey
}

// Resign makes the certificate request and its proof anew, as an agent does each
// time it asks.
func Resign(t testing.TB, a *wiretest.Agent, req *wire.EnrolRequest, tlsKey *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "x"}}, tlsKey)
	require.NoError(t, err)
	sum := sha256.Sum256(der)
	proof := ed25519.Sign(a.Key, []byte(wire.EnrolProofPrefix+hex.EncodeToString(sum[:])))
	req.LogKeyProof = base64.StdEncoding.EncodeToString(proof)
	req.CSR = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// Token makes an enrolment token.
func (r *Rig) Token(scope string, uses int) string {
	r.T.Helper()
	secret, _, err := r.Enrol.CreateToken(r.T.Context(), enrol.TokenSpec{Kind: "agent", Scope: []string{scope}, Uses: uses, By: "anna"})
	require.NoError(r.T, err)
	return secret
}

// Client speaks to the rig with a certificate of the CA, or without one.
func (r *Rig) Client(certificate string, key *ecdsa.PrivateKey) *http.Client {
	r.T.Helper()
	config := &tls.Config{RootCAs: r.CA.Pool(), Time: r.Clock.Now}
	if certificate != "" {
		block, _ := pem.Decode([]byte(certificate))
		require.NotNil(r.T, block)
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}
	}
	transport := &http.Transport{TLSClientConfig: config}
	r.T.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 2 * time.Minute}
}

// Agent enrols a new agent of the station hamburg/body/line3/<name> on the
// machine <name> and returns it ready to send.
func (r *Rig) Agent(name string) *wiretest.Agent {
	r.T.Helper()
	a := wiretest.NewAgent(r.T, name, r.URL, r.Client("", nil))
	req, tlsKey := Request(r.T, a, r.Token("hamburg/body/**", 1), "hamburg/body/line3/"+name, name)
	status, answer := Ask(r.T, a, req)
	require.Equal(r.T, http.StatusOK, status, answer.Reason)
	a.Client = r.Client(answer.Certificate, tlsKey)
	return a
}

// Ask sends an enrolment request.
func Ask(t testing.TB, a *wiretest.Agent, req wire.EnrolRequest) (int, wire.EnrolResponse) {
	t.Helper()
	body, err := json.Marshal(req)
	require.NoError(t, err)
	resp, err := a.Client.Post(a.URL+wire.PathEnrol, "application/json", strings.NewReader(string(body)))
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer wire.EnrolResponse
	if resp.StatusCode < 300 {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	}
	return resp.StatusCode, answer
}

// Log registers a new log of an agent.
func (r *Rig) Log(a *wiretest.Agent, class, label string) *wiretest.Log {
	r.T.Helper()
	l := a.Log(class, label)
	status, state, err := a.Register(r.T.Context(), l)
	require.NoError(r.T, err)
	require.Equal(r.T, http.StatusOK, status)
	require.Equal(r.T, "active", state.State)
	return l
}

// Send sends segments and returns the results; the request itself must succeed.
func (r *Rig) Send(a *wiretest.Agent, segments ...wiretest.Segment) []wire.Result {
	r.T.Helper()
	status, results, err := a.Send(r.T.Context(), segments...)
	require.NoError(r.T, err)
	require.Equal(r.T, http.StatusOK, status)
	require.Len(r.T, results, len(segments))
	return results
}

// Receipt checks a result's receipt and returns its checkpoint.
func (r *Rig) Receipt(origin string, result wire.Result) evidence.Checkpoint {
	r.T.Helper()
	keys := []evidence.CosignerKey{{Name: CosignerName, Key: r.Cosigner.Public().(ed25519.PublicKey)}}
	c, _, _, err := evidence.VerifyCosigned([]byte(result.Receipt), origin, keys)
	require.NoError(r.T, err, result.Reason)
	require.Equal(r.T, result.Size, c.Size)
	require.Equal(r.T, result.Root, c.Root.String())
	return c
}

// Ledger events of a type, oldest first, as their event_data.
func (r *Rig) Events(typ string) []map[string]any {
	r.T.Helper()
	page, err := r.Store.Feed(r.T.Context(), "", 10_000)
	require.NoError(r.T, err)
	var out []map[string]any
	for _, row := range page.Rows {
		if row.Type != typ || !strings.HasPrefix(row.AgentID, ledger.AgentPrefix) {
			continue
		}
		info, known := event.Lookup(row.Type)
		require.True(r.T, known, "%s is not in the catalogue", row.Type)
		require.Empty(r.T, event.Missing(info, row.Data), "%s", row.Leaf)
		require.Empty(r.T, row.Problems, "%s", row.Leaf)
		var data map[string]any
		require.NoError(r.T, json.Unmarshal(row.Data, &data), "%s", row.Leaf)
		out = append(out, data)
	}
	return out
}

// Event waits for the first ledger event of a type that fits.
func (r *Rig) Event(typ string, fits func(map[string]any) bool) map[string]any {
	r.T.Helper()
	var found map[string]any
	require.Eventually(r.T, func() bool {
		for _, e := range r.Events(typ) {
			if fits == nil || fits(e) {
				found = e
				return true
			}
		}
		return false
	}, 10*time.Second, 20*time.Millisecond, "no event %s: %s", typ, fmt.Sprint(r.Events(typ)))
	return found
}
