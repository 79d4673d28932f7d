//go:build unix

package main

import (
	"bytes"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// service runs the program as a service manager does; the returned function sends
// SIGTERM and waits for its end.
func (s *shell) service() (agents string, stop func()) {
	s.t.Helper()
	log := &aggregatortest.Log{}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(newRoot(), []string{"--data", s.dir, "run"}, strings.NewReader(""), &bytes.Buffer{}, log)
	}()
	ready := regexp.MustCompile(`aggregator is ready.* agents=(\S+)`)
	require.Eventually(s.t, func() bool { return ready.MatchString(log.String()) }, 20*time.Second, 10*time.Millisecond)
	return ready.FindStringSubmatch(log.String())[1], func() {
		require.NoError(s.t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		require.Equal(s.t, cli.ExitOK, <-ended, log.String())
	}
}

// client speaks to the agents' listener with an agent's certificate, "" for none.
func (s *shell) client(certificate string, key any) *http.Client {
	s.t.Helper()
	ca, err := identity.LoadCA(filepath.Join(s.dir, "ca"), time.Now)
	require.NoError(s.t, err)
	config := &tls.Config{RootCAs: ca.Pool()}
	if certificate != "" {
		block, _ := pem.Decode([]byte(certificate))
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}}
	}
	transport := &http.Transport{TLSClientConfig: config}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// agentOf is an agent that asked, was approved by the command line and sent n leaves.
func (s *shell) agentOf(url string, n int) *wiretest.Agent {
	s.t.Helper()
	token, err := identity.ParseToken(strings.TrimSpace(s.ok("token", "agent", "--scope", "hamburg/body/**", "--approve")))
	require.NoError(s.t, err)
	a := wiretest.NewAgent(s.t, "st07", url, s.client("", nil))
	req, key := ingesttest.Request(s.t, a, token.Secret, "hamburg/body/line3/st07", "pc-07")
	status, _ := ingesttest.Ask(s.t, a, req)
	require.Equal(s.t, http.StatusAccepted, status)
	require.Contains(s.t, s.ok("agents", "list"), "waits for approval")
	require.Regexp(s.t, "compare with what the station printed:  station "+a.ID+" [0-9a-f]{64}\n.*agents approve "+a.ID, s.ok("agents", "list"))
	require.Contains(s.t, s.ok("check"), "1 agents wait")
	s.fails(cli.ExitFailed, []string{"agents", "approve", "a0123456789abcde"}, "a0123456789abcde", "agents list")
	s.ok("agents", "approve", a.ID)
	ingesttest.Resign(s.t, a, &req, key)
	status, answer := ingesttest.Ask(s.t, a, req)
	require.Equal(s.t, http.StatusOK, status)
	a.Client = s.client(answer.Certificate, key)
	log := a.Log("manufacturing", "one")
	status, _, err = a.Register(s.t.Context(), log)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, status)
	status, results, err := a.Send(s.t.Context(), log.CommitN(n))
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, status)
	require.Equal(s.t, "stored", results[0].Result)
	return a
}

// verdicts verifies a bundle as linewatch-verify does.
func verdicts(t *testing.T, file, trustFile string) (bundle.Summary, []bundle.Finding) {
	t.Helper()
	trust := bundle.Trust{}
	if trustFile != "" {
		var err error
		trust, err = bundle.ParseTrust(strings.NewReader(trustFile))
		require.NoError(t, err)
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var found []bundle.Finding
	v := bundle.NewVerifier(trust, func(f bundle.Finding) { found = append(found, f) })
	require.NoError(t, v.Bundle(file, bytes.NewReader(data)))
	v.Close()
	return v.Summary(), found
}

func TestAnAgentIsApprovedItsEvidenceLeavesTheHouseAndIsVerified(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	a := s.agentOf(url, 40)
	out := filepath.Join(s.tmp, "evidence.bundle")
	require.Contains(t, s.ok("evidence", "export", "--out", out), "linewatch-verify")
	trust := s.ok("evidence", "trust")
	require.Contains(t, trust, "station "+a.ID)
	sum, _ := verdicts(t, out, trust)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
	require.Greater(t, sum.Anchored, uint64(40))
	sum, _ = verdicts(t, out, "")
	require.Equal(t, bundle.NotAnchored, sum.Verdict())
	// One agent alone, anchored by its station's fingerprint.
	s.ok("evidence", "export", "--out", out, "--agent", a.ID)
	var station string
	for line := range strings.Lines(trust) {
		if strings.HasPrefix(line, "station ") {
			station += line
		}
	}
	sum, _ = verdicts(t, out, station)
	require.Equal(t, bundle.Anchored, sum.Verdict())
	require.Equal(t, uint64(40), sum.Anchored)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.Equal(t, bundle.Bad, judged(t, trust, data))
	s.fails(cli.ExitFailed, []string{"evidence", "export", "--out", filepath.Join(s.tmp, "no", "where")}, "no such file")
	for _, wrong := range [][]string{
		{"evidence", "export"},
		{"evidence", "export", "--out", out, "--all", "--log", "x"},
		{"evidence", "export", "--out", out, "--station", "a"},
		{"evidence", "export", "--out", out, "--from", "2026-01-01"},
		{"evidence", "export", "--out", out, "--event", "x", "--packed"},
		{"evidence", "export", "--out", out, "--station", "a", "--from", "yesterday", "--to", "2026-01-01"},
	} {
		s.fails(cli.ExitUsage, wrong, "--")
	}
	s.fails(cli.ExitFailed, []string{"evidence", "export", "--out", out, "--event", "00000000-0000-7000-8000-000000000000"}, "not found")
	require.Contains(t, s.ok("agents", "sheet"), a.ID)
	require.Contains(t, s.ok("agents", "sheet", "--html"), "<code>")
	require.Contains(t, s.ok("roots"), "no witness")
	s.ok("agents", "revoke", a.ID, "--reason", "stolen")
	require.Contains(t, s.ok("agents", "list"), "stolen")
	require.NotContains(t, s.ok("trust"), "\nstation "+a.ID, "a revoked station is no anchor")
	stop()
}

// spoil changes what a database administrator can reach.
func (s *shell) spoil() {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "linewatch.db"))
	require.NoError(s.t, err)
	defer db.Close()
	done, err := db.ExecContext(s.t.Context(), `UPDATE segments SET frame = (SELECT frame FROM segments WHERE count = 1 LIMIT 1) WHERE count = 25`)
	require.NoError(s.t, err)
	n, err := done.RowsAffected()
	require.NoError(s.t, err)
	require.EqualValues(s.t, 1, n)
}

func TestAStoreIsVerifiedRebuiltAndFoundOutWhenItWasChanged(t *testing.T) {
	s := newShell(t)
	url, stop := s.service()
	s.agentOf(url, 25)
	stop()
	require.Contains(t, s.ok("verify"), "everything agrees")
	s.ok("rebuild")
	require.Contains(t, s.ok("verify"), "everything agrees")
	var r struct{ Leaves uint64 }
	require.NoError(t, json.Unmarshal([]byte(s.ok("verify", "--json")), &r))
	require.Greater(t, r.Leaves, uint64(25))
	check := s.ok("check")
	require.Contains(t, check, "answers and takes writes")
	require.NoError(t, json.Unmarshal([]byte(s.ok("check", "--json")), &r))
	require.Contains(t, s.ok("version"), "go1.")
	require.NoError(t, json.Unmarshal([]byte(s.ok("version", "--json")), &r))
	s.spoil()
	s.fails(cli.ExitFailed, []string{"verify"}, "FOUND", "does not agree")
}
