//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/carry/carrytest"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// imported brings a folder in and returns what became of it.
func (s *shell) imported(code int, args ...string) (out aggregator.Imported) {
	s.t.Helper()
	got, text, errOut := s.run(append([]string{"import", "--json"}, args...)...)
	require.Equal(s.t, code, got, text+errOut)
	require.NoError(s.t, json.Unmarshal([]byte(text), &out), text+errOut)
	return out
}

// ledger is the JSON of all leaves of the aggregator's own logs that name a type.
func (s *shell) ledger(typ string) (found []string) {
	s.t.Helper()
	out := filepath.Join(s.t.TempDir(), "all.bundle")
	s.ok("evidence", "export", "--out", out, "--all")
	data, err := os.ReadFile(out)
	require.NoError(s.t, err)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "= ") && strings.Contains(line, `"event_type":"`+typ+`"`) {
			found = append(found, line)
		}
	}
	return found
}

// partly registers a log and sends its first n segments, as the station did before
// its network went.
func (s *shell) partly(a *wiretest.Agent, l *carrytest.Log, n int) {
	s.t.Helper()
	status, _, err := a.Register(s.t.Context(), l.Log)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, status)
	status, results, err := a.Send(s.t.Context(), l.Segments[:n]...)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, status)
	require.Equal(s.t, "stored", results[n-1].Result, results)
}

func TestTheJournalOfAStationWithoutNetworkIsBroughtIn(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	a := s.agentOf(url, 2)
	begun := carrytest.New(t, a, "manufacturing", "begun").CommitN(3).CommitN(4)
	s.partly(a, begun, 2)
	never := carrytest.New(t, a, "security", "never").CommitN(5)
	gone := carrytest.New(t, a, "debug", "gone").CommitN(5)
	gone.Head.State = "superseded"
	dir := carrytest.Write(t, begun, never, gone)
	done := s.imported(cli.ExitOK, dir)
	require.EqualValues(t, 4+6, done.New)
	require.EqualValues(t, 4, done.Same)
	require.Equal(t, a.ID, done.Agent)
	by := map[string]aggregator.ImportedLog{}
	for _, l := range done.Logs {
		by[l.Origin] = l
	}
	require.True(t, by[never.Log.Origin].Registered)
	require.EqualValues(t, 4, by[begun.Log.Origin].Before)
	require.Contains(t, by[gone.Log.Origin].Skipped, "a successor carries")
	again := s.imported(cli.ExitOK, dir)
	require.Zero(t, again.New, "twice does no harm")
	require.EqualValues(t, 14, again.Same)
	require.Contains(t, s.ok("import", dir), "0 leaves of agent "+a.ID+" (hamburg/body/line3/st07) are new, 14 were here already")
	stop()
	require.Contains(t, s.ok("verify"), "everything agrees")
	events := s.ledger(event.TypeEvidenceImported)
	require.Len(t, events, 6, "before and after each")
	require.Contains(t, strings.Join(events, ""), `"by":"cli`)
	require.Contains(t, strings.Join(events, ""), `"stored":10`)
	out := filepath.Join(s.tmp, "evidence.bundle")
	s.ok("evidence", "export", "--out", out, "--agent", a.ID)
	sum, _ := verdicts(t, out, "station "+a.ID+" "+evidence.Fingerprint(a.Public()))
	require.Equal(t, bundle.Anchored, sum.Verdict())
	require.EqualValues(t, 2+14, sum.Anchored, "what came on the stick is evidence like all else")
}

func TestALogAloneIsBroughtInAndWhatWasCutOffIsCompletedLater(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	defer stop()
	a := s.agentOf(url, 1)
	l := carrytest.New(t, a, "security", "x").CommitN(3).CommitN(4)
	dir := carrytest.Write(t, l)
	name := filepath.Join(dir, carry.Name(".", l.Head.Log))
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, whole[:len(whole)-3], 0o600))
	done := s.imported(cli.ExitFailed, name)
	require.EqualValues(t, 4, done.New, "what is whole is taken")
	require.Contains(t, done.Logs[0].Problem, ".segments: segment 3 (byte ")
	require.NoError(t, os.WriteFile(name, whole, 0o600))
	require.EqualValues(t, 4, s.imported(cli.ExitOK, dir).New)
}

func TestOnlyAdmittedAgentsAreBroughtIn(t *testing.T) {
	s := newShell(t)
	stranger := carrytest.Write(t, carrytest.New(t, wiretest.NewAgent(t, "stranger", "", nil), "security", "x"))
	s.fails(cli.ExitFailed, []string{"import", stranger}, "is not known here")
	url, stop := s.service()
	defer stop()
	a := s.agentOf(url, 1)
	known := carrytest.New(t, a, "security", "known").CommitN(3)
	s.partly(a, known, 1)
	dir := carrytest.Write(t, known, carrytest.New(t, a, "debug", "new"))

	token, err := identity.ParseToken(strings.TrimSpace(s.ok("token", "agent", "--scope", "hamburg/body/**", "--approve")))
	require.NoError(t, err)
	b := wiretest.NewAgent(t, "st07b", url, s.client("", nil))
	req, _ := ingesttest.Request(t, b, token.Secret, "hamburg/body/line3/st07", "pc-08")
	status, _ := ingesttest.Ask(t, b, req)
	require.Equal(t, http.StatusAccepted, status)
	s.fails(cli.ExitFailed, []string{"import", carrytest.Write(t, carrytest.New(t, b, "security", "x"))}, "waits for approval", "agents approve "+b.ID)
	s.ok("agents", "approve", b.ID, "--replaces", a.ID)
	s.fails(cli.ExitFailed, []string{"import", dir}, "was replaced by "+b.ID, "--replaced")
	done := s.imported(cli.ExitFailed, "--replaced", dir)
	require.EqualValues(t, 3, done.New)
	require.Equal(t, 1, done.Failed, "a log that was never registered is not begun for a PC that is no longer admitted")
	s.ok("agents", "revoke", b.ID, "--reason", "stolen")
	s.fails(cli.ExitFailed, []string{"import", "--replaced", carrytest.Write(t, carrytest.New(t, b, "security", "x"))}, "was revoked (stolen)")
	both := carrytest.Write(t, known, carrytest.New(t, b, "security", "x"))
	s.fails(cli.ExitFailed, []string{"import", both}, "logs of two agents")
}

func TestAForgedOrForkedExportIsFoundAtItsImport(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	a := s.agentOf(url, 1)
	l := carrytest.New(t, a, "security", "x").CommitN(3)
	s.partly(a, l, 2)
	l.Commit(wiretest.Leaf("st07", 100))

	forged := *l
	forged.Segments = append([]wiretest.Segment(nil), l.Segments...)
	forged.Segments[2].Leaves = [][]byte{wiretest.Leaf("st07", 101)}
	done := s.imported(cli.ExitFailed, carrytest.Write(t, &forged))
	require.Contains(t, done.Logs[0].Problem, "leaves 4 to 4: refused: root")

	stolen := wire.LogRegistration{Predecessor: l.Log.Origin, Reason: "takeover"}
	successor := carrytest.New(t, a, "security", "y")
	successor.Head.Registration.Predecessor, successor.Head.Registration.Reason = stolen.Predecessor, stolen.Reason
	done = s.imported(cli.ExitFailed, carrytest.Write(t, successor))
	require.Contains(t, done.Logs[0].Problem, "says something else than the first leaf", "nobody ends a log on the way")

	other := carrytest.New(t, a, "security", "x").CommitN(2).Commit(wiretest.Leaf("st07", 7))
	done = s.imported(cli.ExitFailed, carrytest.Write(t, other))
	require.Contains(t, done.Logs[0].Problem, "FORK")
	stop()
	require.Len(t, s.ledger(event.TypeLogForked), 1)
}

func TestAnExportWithoutItsDataKeysOrItsBeginIsNotTaken(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	defer stop()
	a := s.agentOf(url, 1)
	id := seal.KeyID([]byte("nowhere"))
	sealed := carrytest.New(t, a, "security", "x").Commit([]byte(`{"sealed":{"event_data.a":{"key":"` + id + `","text":"x"}}}`))
	done := s.imported(cli.ExitFailed, carrytest.Write(t, sealed))
	require.Contains(t, done.Logs[0].Problem, "wrapped data keys of 1 sealed fields are missing in the export, the first is "+id)
	late := carrytest.New(t, a, "debug", "x").CommitN(3).CommitN(3).Drop(2)
	done = s.imported(cli.ExitFailed, carrytest.Write(t, late))
	require.Contains(t, done.Logs[0].Problem, "it begins with leaf 4")
	began := carrytest.New(t, a, "performance", "x").CommitN(3).CommitN(3)
	s.partly(a, began, 1)
	done = s.imported(cli.ExitFailed, carrytest.Write(t, began.Drop(2)))
	require.Contains(t, done.Logs[0].Problem, "only 1 leaves of this log are stored here")
}

func TestWhatIsNoExportIsRefusedWithWhatToDo(t *testing.T) {
	s := newShell(t)
	s.fails(cli.ExitUsage, []string{"import"}, "arg")
	s.fails(cli.ExitFailed, []string{"import", t.TempDir()}, "linewatch-agent journal export", carry.IndexName)
	s.fails(cli.ExitFailed, []string{"import", filepath.Join(t.TempDir(), "x.segments")}, "x.json")
	dir := carrytest.Write(t)
	s.fails(cli.ExitFailed, []string{"import", dir}, "it has no log")
}
