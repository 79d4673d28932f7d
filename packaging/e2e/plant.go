//go:build linux

package e2e

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/identity"
	"github.com/linewatch/linewatch/shared/peertest"
)

const (
	programAgent      = "linewatch-agent"
	programAggregator = "linewatch-aggregator"
	programVerify     = "linewatch-verify"
)

// Options says what a plant shall be like; the zero value has SQLite in a folder
// of its own.
type Options struct {
	// Store is a DSN of PostgreSQL; empty is SQLite.
	Store string
	// Dir is the aggregator's data folder; default: below the test's folder.
	Dir string
}

// Plant is an aggregator as a real process, and what was made beside it.
type Plant struct {
	*API
	Dir       string // of the test: logs, tokens, stations
	Data      string // the aggregator's data folder
	PeopleURL string
	AgentsURL string

	t          testing.TB
	aggregator *Process
	stations   int
}

// New initialises an aggregator by its command line, runs it and waits until it
// is ready. The plant's API reads as an auditor.
func New(t testing.TB, o Options) *Plant {
	t.Helper()
	p := &Plant{t: t, Dir: shortDir(t), Data: o.Dir}
	if p.Data == "" {
		p.Data = filepath.Join(p.Dir, "aggregator")
	}
	people, agents := fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", peertest.FreePort(t))
	p.PeopleURL, p.AgentsURL = "https://"+people, "https://"+agents
	args := []string{
		"init", "--data", p.Data, "--admin-password-file", p.File("admin.pw", "correct horse battery staple\n"), "--plant", "Test",
		"--people-listen", people, "--agents-listen", agents, "--agents-url", p.AgentsURL, "--station", "hamburg/central/aggregator",
	}
	if o.Store != "" {
		args = append(args, "--store", o.Store)
	}
	Run(t, programAggregator, args...)
	token := strings.TrimSpace(p.Command("token", "api", "--role", "auditor", "--name", "test"))
	p.API = &API{t: t, URL: p.PeopleURL, Token: token, client: p.client()}
	p.StartAggregator()
	return p
}

// shortDir is a folder that goes with the test. That of t.TempDir is too long for
// the agent's control socket where the test has a long name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lw-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// File writes a file into the plant's folder and returns its path.
func (p *Plant) File(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.Dir, name)
	require.NoError(p.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// Command runs the aggregator's command line beside the service and returns its
// standard output.
func (p *Plant) Command(args ...string) string {
	p.t.Helper()
	return Run(p.t, programAggregator, append(args, "--data", p.Data)...)
}

// CA is the plant's certificate authority.
func (p *Plant) CA() *identity.CA {
	p.t.Helper()
	ca, err := identity.LoadCA(filepath.Join(p.Data, "ca"), time.Now)
	require.NoError(p.t, err)
	return ca
}

func (p *Plant) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.CA().Pool()}}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// Aggregator is the running aggregator.
func (p *Plant) Aggregator() *Process { return p.aggregator }

// AggregatorLog is the file with everything that the aggregator wrote.
func (p *Plant) AggregatorLog() string { return filepath.Join(p.Dir, "aggregator.log") }

// LaunchAggregator runs the aggregator without waiting for it.
func (p *Plant) LaunchAggregator() {
	p.t.Helper()
	p.aggregator = Start(p.t, p.AggregatorLog(), nil, programAggregator, "run", "--data", p.Data)
}

// StartAggregator runs the aggregator and waits until it answers.
func (p *Plant) StartAggregator() {
	p.t.Helper()
	p.LaunchAggregator()
	p.Ready()
}

// Ready waits until the aggregator answers that it is ready.
func (p *Plant) Ready() {
	p.t.Helper()
	Until(p.t, "the aggregator to be ready", func() bool {
		if !p.aggregator.Running() {
			p.t.Fatalf("the aggregator ended: %s", Tail(p.AggregatorLog(), 4000))
		}
		resp, err := p.API.client.Get(p.PeopleURL + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, nil)
}

// EnrolToken makes an enrolment token with the command line.
func (p *Plant) EnrolToken(args ...string) string {
	p.t.Helper()
	return strings.TrimSpace(p.Command(append([]string{"token", "agent", "--scope", "hamburg/**"}, args...)...))
}
