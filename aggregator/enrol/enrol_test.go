package enrol_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/enrol"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// stranger is an agent without a certificate.
func stranger(r *ingesttest.Rig, name string) *wiretest.Agent {
	return wiretest.NewAgent(r.T, name, r.URL, r.Client("", nil))
}

func TestATokenAdmitsWithinItsScopeAndUses(t *testing.T) {
	r := ingesttest.New(t)
	token := r.Token("hamburg/body/**", 2)
	a := stranger(r, "st07")
	req, tlsKey := ingesttest.Request(t, a, token, "hamburg/body/line3/st07", "st07")
	status, answer := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, answer.Certificate)
	ingesttest.Resign(t, a, &req, tlsKey)
	require.Equal(t, []string{"hamburg/body/**"}, answer.Scope)
	require.Len(t, answer.Cosigners, 1)
	require.Equal(t, "hamburg", answer.Pseudonyms[0].Plant)

	again, same := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, again)
	require.Equal(t, answer.Certificate, same.Certificate, "a lost answer is repeated and costs no use")

	for _, station := range []string{"hamburg/paint/st01", "evil/hamburg/body/st01", "hamburg/body", "HAMBURG/body/x", ""} {
		x := stranger(r, "x"+station)
		req, _ := ingesttest.Request(t, x, token, station, "x")
		status, _ := ingesttest.Ask(t, x, req)
		if station == "hamburg/body" {
			require.Equal(t, http.StatusOK, status)
			continue
		}
		require.GreaterOrEqual(t, status, 400, station)
	}
	late := stranger(r, "late")
	req, _ = ingesttest.Request(t, late, token, "hamburg/body/line3/late", "late")
	status, _ = ingesttest.Ask(t, late, req)
	require.Equal(t, http.StatusForbidden, status, "used up")

	e := r.Event("agent.enrolled", func(e map[string]any) bool { return e["agentId"] == a.ID })
	require.Equal(t, evidence.Fingerprint(a.Public()), e["fingerprint"])
	r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "enrolment refused" })
}

// A request can be replayed by whoever saw it; it proves nothing about who sends it now.
func TestAReplayedRequestWithoutItsTokenGetsNoPseudonymKeys(t *testing.T) {
	r := ingesttest.New(t)
	a := stranger(r, "st07")
	req, _ := ingesttest.Request(t, a, r.Token("hamburg/body/**", 1), "hamburg/body/line3/st07", "st07")
	status, answer := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, answer.Pseudonyms)
	_, same := ingesttest.Ask(t, a, req)
	require.NotEmpty(t, same.Pseudonyms, "the answer was lost: the token tells who asks again")
	for _, token := range []string{"", "guess", r.Token("**", 1)} {
		req.Token = token
		status, replayed := ingesttest.Ask(t, a, req)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, answer.Certificate, replayed.Certificate, "useless without its key")
		require.Empty(t, replayed.Pseudonyms)
	}
}

func TestWrongTokensAreRefused(t *testing.T) {
	r := ingesttest.New(t)
	a := stranger(r, "st07")
	ctx := t.Context()
	expired, _, err := r.Enrol.CreateToken(ctx, enrol.TokenSpec{Kind: "agent", Scope: []string{"**"}, Valid: time.Millisecond})
	require.NoError(t, err)
	revoked, tok, err := r.Enrol.CreateToken(ctx, enrol.TokenSpec{Kind: "agent", Scope: []string{"**"}})
	require.NoError(t, err)
	require.NoError(t, r.Enrol.RevokeToken(ctx, tok.Hash[:12], "anna"))
	api, _, err := r.Enrol.CreateToken(ctx, enrol.TokenSpec{Kind: "api", Roles: []string{"auditor"}, Scope: []string{"**"}})
	require.NoError(t, err)
	r.Clock.Move(time.Second)
	for _, token := range []string{"", "guess", expired, revoked, api} {
		req, _ := ingesttest.Request(t, a, token, "hamburg/body/st07", "st07")
		status, _ := ingesttest.Ask(t, a, req)
		require.Equal(t, http.StatusForbidden, status)
	}
	whole := identity.NewToken([]string{r.URL}, r.CA.Pin())
	require.NotEmpty(t, whole.Encode())
}

func TestARequestMustProveItsKeys(t *testing.T) {
	r := ingesttest.New(t)
	token := r.Token("**", 100)
	a, other := stranger(r, "st07"), stranger(r, "st08")
	good, _ := ingesttest.Request(t, a, token, "hamburg/body/st07", "st07")
	foreign, _ := ingesttest.Request(t, other, token, "hamburg/body/st08", "st08")
	for name, change := range map[string]func(*wire.EnrolRequest){
		"another agent's id":      func(q *wire.EnrolRequest) { q.AgentID = other.ID },
		"another agent's key":     func(q *wire.EnrolRequest) { q.PublicKey, q.AgentID = foreign.PublicKey, other.ID },
		"a proof for another CSR": func(q *wire.EnrolRequest) { q.CSR = foreign.CSR },
		"no proof":                func(q *wire.EnrolRequest) { q.LogKeyProof = "" },
		"no CSR":                  func(q *wire.EnrolRequest) { q.CSR = "hello" },
		"facts that are no hashes": func(q *wire.EnrolRequest) {
			q.Machine = map[string]string{"mac": "00:11:22:33:44:55"}
		},
		"no facts of the machine": func(q *wire.EnrolRequest) { q.Machine = nil },
		"a single fact of the machine": func(q *wire.EnrolRequest) {
			q.Machine = map[string]string{"mac": q.Machine["mac"]}
		},
	} {
		req := good
		change(&req)
		status, _ := ingesttest.Ask(t, a, req)
		require.Equal(t, http.StatusBadRequest, status, name)
	}
}

func TestAListAssignsStationsByHost(t *testing.T) {
	r := ingesttest.New(t)
	token, _, err := r.Enrol.CreateToken(t.Context(), enrol.TokenSpec{
		Kind: "agent", Uses: -1,
		Assign: map[string]string{"pc07": "hamburg/body/st07", "pc08": "hamburg/body/st08"},
	})
	require.NoError(t, err)
	a := stranger(r, "st07")
	req, _ := ingesttest.Request(t, a, token, "", "pc07")
	status, _ := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, status)
	got, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, "hamburg/body/st07", got.Station)
	b := stranger(r, "st08")
	req, _ = ingesttest.Request(t, b, token, "hamburg/body/st07", "pc08")
	status, _ = ingesttest.Ask(t, b, req)
	require.Equal(t, http.StatusForbidden, status)
}

func TestEightyClonesWaitForApprovalAndTheOriginalIsUnharmed(t *testing.T) {
	r := ingesttest.New(t)
	original := r.Agent("st07")
	l := r.Log(original, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(original, l.CommitN(2))[0].Result)

	var wg sync.WaitGroup
	answers := make([]int, 80)
	for i := range answers {
		// A clone finds itself on another machine, makes a new key, and asks with
		// the certificate that was copied with the disk; half have no certificate
		// and present the copied identity itself.
		clone := stranger(r, fmt.Sprintf("clone %d", i))
		clone.Client = original.Client
		if i%2 == 1 {
			clone = stranger(r, "st07")
		}
		req, _ := ingesttest.Request(t, clone, "", "hamburg/body/line3/st07", fmt.Sprintf("pc%02d", i))
		if clone.ID != original.ID {
			req.Predecessor, req.Reason = original.ID, "the machine is another one"
		}
		wg.Go(func() { answers[i], _ = ingesttest.Ask(t, clone, req) })
	}
	wg.Wait()
	for i, status := range answers {
		require.Equal(t, http.StatusAccepted, status, "clone %d", i)
	}
	require.Len(t, r.Events("agent.tamper"), 1, "one alert for all")
	require.Len(t, r.Events("agent.enrolled"), 1)
	waiting, err := r.Enrol.Pending(t.Context())
	require.NoError(t, err)
	require.Len(t, waiting, 41, "40 new identities, and one claim for the old one")

	require.Equal(t, wire.ResultStored, r.Send(original, l.CommitN(2))[0].Result)
	agent, err := r.Store.Agent(t.Context(), original.ID)
	require.NoError(t, err)
	require.Equal(t, store.AgentActive, agent.State)
	require.Equal(t, ingesttest.Machine("st07"), agent.Machine)
}

func TestACloneWithTheUsedTokenOfItsOriginalWaits(t *testing.T) {
	r := ingesttest.New(t)
	token := r.Token("hamburg/body/**", 1)
	original := stranger(r, "st07")
	req, _ := ingesttest.Request(t, original, token, "hamburg/body/st07", "st07")
	status, _ := ingesttest.Ask(t, original, req)
	require.Equal(t, http.StatusOK, status)
	clone := stranger(r, "clone")
	req, _ = ingesttest.Request(t, clone, token, "hamburg/body/st07", "other pc")
	status, _ = ingesttest.Ask(t, clone, req)
	require.Equal(t, http.StatusForbidden, status, "used up")
	req.Predecessor, req.Reason = original.ID, "machine changed"
	status, _ = ingesttest.Ask(t, clone, req)
	require.Equal(t, http.StatusAccepted, status)
	require.Len(t, r.Events("agent.tamper"), 1)

	thief := stranger(r, "thief")
	req, _ = ingesttest.Request(t, thief, "guess", "hamburg/body/st07", "a third pc")
	req.Predecessor = original.ID
	status, _ = ingesttest.Ask(t, thief, req)
	require.Equal(t, http.StatusForbidden, status, "knowing an agent's id is not enough to wait in its line")
}

func TestAnApprovedAgentGetsItsCertificateAndMayReplaceAnother(t *testing.T) {
	r := ingesttest.New(t)
	old := r.Agent("st07")
	l := r.Log(old, "security", "")
	next := stranger(r, "new pc")
	next.Client = old.Client
	req, tlsKey := ingesttest.Request(t, next, "", "hamburg/body/line3/st07", "new pc")
	req.Predecessor, req.Reason = old.ID, "new mainboard"
	status, answer := ingesttest.Ask(t, next, req)
	require.Equal(t, http.StatusAccepted, status)
	require.Contains(t, answer.Reason, "new mainboard")
	ingesttest.Resign(t, next, &req, tlsKey)
	commits := r.Faults.Commits.Load()
	status, _ = ingesttest.Ask(t, next, req)
	require.Equal(t, http.StatusAccepted, status, "asked again")
	require.Equal(t, commits, r.Faults.Commits.Load(), "asking again stores nothing")

	require.NoError(t, r.Enrol.Approve(t.Context(), next.ID, old.ID, "anna"))
	ingesttest.Resign(t, next, &req, tlsKey)
	status, answer = ingesttest.Ask(t, next, req)
	require.Equal(t, http.StatusOK, status)
	next.Client = r.Client(answer.Certificate, tlsKey)
	ln := r.Log(next, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(next, ln.CommitN(1))[0].Result)
	status, _, err := old.Send(t.Context(), l.CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status, "the replaced one is out")

	succession, err := json.Marshal(a2(next, l.Origin))
	require.NoError(t, err)
	status, err = next.Post(t.Context(), wire.PathLogs, strings.NewReader(string(succession)), new(wire.LogState))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "its logs may follow those of the agent it replaces")
}

func a2(a *wiretest.Agent, predecessor string) wire.LogRegistration {
	return a.Log("security", "second").Registration(predecessor, "replaces this PC")
}

func TestAClaimCanBeApprovedWhenTheIdentityMovedToAnotherMachine(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	moved := stranger(r, "st07")
	req, tlsKey := ingesttest.Request(t, moved, "", "hamburg/body/line3/st07", "other machine")
	status, _ := ingesttest.Ask(t, moved, req)
	require.Equal(t, http.StatusAccepted, status)
	require.NoError(t, r.Enrol.Approve(t.Context(), a.ID, "", "anna"))
	status, answer := ingesttest.Ask(t, moved, req)
	require.Equal(t, http.StatusOK, status)
	moved.Client = r.Client(answer.Certificate, tlsKey)
	r.Log(moved, "security", "")
	status, _, err := a.Register(t.Context(), a.Log("security", "x"))
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status, "the certificate of the machine before is no longer accepted")
	require.Error(t, r.Enrol.Approve(t.Context(), a.ID, "", "anna"), "nothing waits any more")
}

func renew(t *testing.T, a *wiretest.Agent, machine string) (int, wire.EnrolResponse) {
	t.Helper()
	req, _ := ingesttest.Request(t, a, "", "", machine)
	body, err := json.Marshal(wire.RenewRequest{CSR: req.CSR, Machine: ingesttest.Machine(machine)})
	require.NoError(t, err)
	var answer wire.EnrolResponse
	status, err := a.Post(t.Context(), wire.PathRenew, strings.NewReader(string(body)), &answer)
	require.NoError(t, err)
	return status, answer
}

func TestACertificateIsRenewedAlsoAYearAfterItsEnd(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	status, answer := renew(t, a, "st07")
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, answer.Certificate)
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result, "the answer may have been lost: the key before is good")
	status, _ = renew(t, a, "another machine")
	require.Equal(t, http.StatusForbidden, status)

	r.Clock.Move(identity.AgentValid + 200*24*time.Hour)
	status, _, err := a.Send(t.Context(), l.CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status, "expired")
	status, answer = renew(t, a, "st07")
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, answer.Certificate)
	r.Event("key.lifecycle", func(e map[string]any) bool { return e["expiredSince"] != nil && e["action"] == "renewed" })

	r.Clock.Move(2 * identity.AgentValid)
	status, _ = renew(t, a, "st07")
	require.Equal(t, http.StatusUnauthorized, status, "too long ago")
}

func TestARevokedAgentIsNotRenewed(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	require.NoError(t, r.Enrol.Revoke(t.Context(), a.ID, "anna", "sold"))
	status, _ := renew(t, a, "st07")
	require.Equal(t, http.StatusForbidden, status)
}

// Who was let in may take its time with the body, or be known from memory.
func TestARenewalThatBeganBeforeTheRevocationDoesNotUndoIt(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	before, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	block, _ := pem.Decode(before.Certificate)
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	req, _ := ingesttest.Request(t, a, "", "", "st07")
	require.NoError(t, r.Enrol.Revoke(t.Context(), a.ID, "anna", "stolen"))
	_, err = r.Enrol.Renew(t.Context(), before, leaf, wire.RenewRequest{CSR: req.CSR, Machine: ingesttest.Machine("st07")})
	require.ErrorContains(t, err, "revoked")
	now, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, store.AgentRevoked, now.State)
}

func TestALogIsRegisteredOnlyByItsAgentWithItsKey(t *testing.T) {
	r := ingesttest.New(t)
	a, b := r.Agent("st07"), r.Agent("st08")
	post := func(from *wiretest.Agent, reg wire.LogRegistration) int {
		body, err := json.Marshal(reg)
		require.NoError(t, err)
		status, err := from.Post(t.Context(), wire.PathLogs, strings.NewReader(string(body)), new(wire.LogState))
		require.NoError(t, err)
		return status
	}
	l := a.Log("security", "")
	require.Equal(t, http.StatusForbidden, post(b, l.Registration("", "new")), "another agent's origin")
	wrong := l.Registration("", "new")
	wrong.PublicKey = b.Log("security", "").Registration("", "new").PublicKey
	require.Equal(t, http.StatusForbidden, post(a, wrong), "another agent's key")
	wrong = l.Registration("", "new")
	wrong.Proof = a.Log("debug", "").Registration("", "").Proof
	require.Equal(t, http.StatusForbidden, post(a, wrong), "a proof for another log")
	class := a.Log("secret", "").Registration("", "new")
	require.Equal(t, http.StatusBadRequest, post(a, class))
	require.Equal(t, http.StatusForbidden, post(a, l.Registration(b.Log("security", "").Origin, "new")), "another agent's predecessor")

	require.Equal(t, http.StatusOK, post(a, l.Registration("", "new")))
	require.Equal(t, http.StatusOK, post(a, l.Registration("", "new")), "again")
	require.Equal(t, http.StatusOK, post(a, a.Log("security", "2").Registration(l.Origin, "state lost")))
	o, err := evidence.ParseOrigin(l.Origin)
	require.NoError(t, err)
	lg, err := r.Store.Log(t.Context(), o.Log)
	require.NoError(t, err)
	require.Equal(t, store.LogClosed, lg.State)
	registered := 0
	logs, err := r.Store.Logs(t.Context())
	require.NoError(t, err)
	for _, lg := range logs {
		if lg.AgentID != r.Ledger.Agent() {
			continue
		}
		for i := range lg.Size {
			leaf, err := r.Store.Leaf(t.Context(), lg.ID, i)
			require.NoError(t, err)
			if strings.Contains(string(leaf), `"event_type":"log.registered"`) {
				registered++
			}
		}
	}
	require.Equal(t, 2, registered, "each log is in the ledger once")
}

func TestPseudonymKeysAreKeptPerPlantAndYear(t *testing.T) {
	p, err := enrol.NewPseudonyms(t.TempDir())
	require.NoError(t, err)
	at := func(text string) time.Time {
		tm, err := time.Parse("2006-01-02", text)
		require.NoError(t, err)
		return tm
	}
	years := func(day string) (out []int) {
		keys, err := p.Keys([]string{"hamburg"}, at(day))
		require.NoError(t, err)
		for _, k := range keys {
			out = append(out, k.Year)
		}
		return out
	}
	require.Equal(t, []int{2026}, years("2026-11-30"))
	require.Equal(t, []int{2026, 2027}, years("2026-12-01"))
	require.Equal(t, []int{2026, 2027}, years("2027-01-15"))
	one, err := p.Keys([]string{"hamburg", "leipzig"}, at("2026-06-01"))
	require.NoError(t, err)
	two, err := p.Keys([]string{"hamburg", "leipzig"}, at("2026-06-02"))
	require.NoError(t, err)
	require.Equal(t, one, two)
	require.NotEqual(t, one[0].Key, one[1].Key)

	gone, err := p.Expire(at("2028-01-31"))
	require.NoError(t, err)
	require.Empty(t, gone)
	gone, err = p.Expire(at("2028-02-01"))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"hamburg-2026", "leipzig-2026"}, gone)
}

// Another token may move an admitted agent, but only as its maker allowed it.
func TestATokenThatAsksForApprovalWidensNoScopeWithoutIt(t *testing.T) {
	r := ingesttest.New(t)
	a := stranger(r, "st07")
	req, _ := ingesttest.Request(t, a, r.Token("hamburg/body/line3/*", 1), "hamburg/body/line3/st07", "st07")
	status, _ := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, status)

	approve, _, err := r.Enrol.CreateToken(t.Context(), enrol.TokenSpec{Kind: "agent", Scope: []string{"**"}, Uses: -1, Approve: true})
	require.NoError(t, err)
	req, _ = ingesttest.Request(t, a, approve, "munich/paint/st01", "st07")
	status, _ = ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusForbidden, status)
	req, _ = ingesttest.Request(t, a, approve, "hamburg/body/line3/st08", "st07")
	status, answer := ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"hamburg/body/line3/*"}, answer.Scope, "the scope that somebody approved")

	assigned, _, err := r.Enrol.CreateToken(t.Context(), enrol.TokenSpec{
		Kind: "agent", Uses: -1,
		Assign: map[string]string{"st07": "hamburg/body/line3/st07", "boss": "hamburg/office"},
	})
	require.NoError(t, err)
	req, _ = ingesttest.Request(t, a, assigned, "hamburg/office", "st07")
	status, _ = ingesttest.Ask(t, a, req)
	require.Equal(t, http.StatusForbidden, status, "another host's station")
}
