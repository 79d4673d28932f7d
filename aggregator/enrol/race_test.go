package enrol_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// overtaken is a ledger whose first commit is overtaken by another process's.
type overtaken struct {
	enrol.Ledger
	by func()
}

func (l *overtaken) Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error) {
	if by := l.by; by != nil {
		l.by = nil
		by()
	}
	return l.Ledger.Commit(ctx, c, events...)
}

// second is another aggregator's admission on the same database.
func second(t *testing.T, r *ingesttest.Rig, by func()) *enrol.Service {
	t.Helper()
	s, err := enrol.New(enrol.Options{Store: r.Store, Ledger: &overtaken{r.Ledger, by}, CA: r.CA, Now: r.Clock.Now})
	require.NoError(t, err)
	return s
}

func renewal(t *testing.T, r *ingesttest.Rig, id string) (store.Agent, *x509.Certificate) {
	t.Helper()
	a, err := r.Store.Agent(t.Context(), id)
	require.NoError(t, err)
	block, _ := pem.Decode(a.Certificate)
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return a, leaf
}

func TestARenewalOvertakenByARevocationInAnotherProcessIsRefused(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	before, leaf := renewal(t, r, a.ID)
	req, _ := ingesttest.Request(t, a, "", "", "st07")
	s := second(t, r, func() { require.NoError(t, r.Enrol.Revoke(t.Context(), a.ID, "anna", "stolen")) })
	_, err := s.Renew(t.Context(), before, leaf, wire.RenewRequest{CSR: req.CSR, Machine: ingesttest.Machine("st07")})
	require.ErrorContains(t, err, "revoked")
	now, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, store.AgentRevoked, now.State)
}

func TestAKeyThatArrivesDuringARenewalIsKept(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	before, leaf := renewal(t, r, a.ID)
	req, _ := ingesttest.Request(t, a, "", "", "st07")
	s := second(t, r, func() {
		with := before
		with.Keys = append(with.Keys[:len(with.Keys):len(with.Keys)], store.AgentKey{Public: []byte("new"), Since: r.Clock.Now()})
		_, err := r.Store.Commit(t.Context(), store.Change{Agents: []store.Agent{with}})
		require.NoError(t, err)
	})
	_, err := s.Renew(t.Context(), before, leaf, wire.RenewRequest{CSR: req.CSR, Machine: ingesttest.Machine("st07")})
	require.NoError(t, err)
	now, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Len(t, now.Keys, len(before.Keys)+1)
	require.NotEqual(t, before.Certificate, now.Certificate)
}

func TestARevocationOvertakenByARenewalIsCarriedOut(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	before, leaf := renewal(t, r, a.ID)
	req, _ := ingesttest.Request(t, a, "", "", "st07")
	s := second(t, r, func() {
		_, err := r.Enrol.Renew(t.Context(), before, leaf, wire.RenewRequest{CSR: req.CSR, Machine: ingesttest.Machine("st07")})
		require.NoError(t, err)
	})
	require.NoError(t, s.Revoke(t.Context(), a.ID, "anna", "stolen"))
	now, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, store.AgentRevoked, now.State)
}

// The agent registers a log under its new key right after the answer that confirmed
// it; what the service knew of the agent is from before.
func TestALogUnderAKeyThatCameAMomentAgoIsRegistered(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	status, _, err := a.Register(t.Context(), a.Log("security", ""))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	record, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	_, fresh, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	record.Keys = append(record.Keys, store.AgentKey{Public: fresh.Public().(ed25519.PublicKey), Since: r.Clock.Now()})
	_, err = r.Store.Commit(t.Context(), store.Change{Agents: []store.Agent{record}})
	require.NoError(t, err)
	a.Key = fresh
	status, _, err = a.Register(t.Context(), a.Log("manufacturing", ""))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}
