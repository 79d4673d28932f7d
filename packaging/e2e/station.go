//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/enrol"
)

// Station is one PC: a folder with the agent's configuration and data, the facts
// of its machine by file, and its agent as a real process.
type Station struct {
	Name    string // station path
	Dir     string
	Program string   // of the agent
	Env     []string // for the agent, besides the test's own

	t     testing.TB
	plant *Plant
	agent *Process
}

// Station makes a PC with sources (the rest of agent.yaml), enrols its agent and
// does not start it yet.
func (p *Plant) Station(name, sources string) *Station {
	p.t.Helper()
	s := p.Machine(name, sources)
	s.Enrol(p.EnrolToken())
	return s
}

// Machine makes a PC that is not enrolled.
func (p *Plant) Machine(name, sources string) *Station {
	p.t.Helper()
	p.stations++
	s := &Station{Name: "hamburg/body/line3/" + name, Dir: filepath.Join(p.Dir, name), Program: programAgent, t: p.t, plant: p}
	require.NoError(p.t, os.MkdirAll(s.Dir, 0o700))
	s.SetMachine(fmt.Sprintf("%s-%d", name, p.stations))
	s.Configure(sources)
	return s
}

// Configure writes agent.yaml with these sources.
func (s *Station) Configure(sources string) {
	s.t.Helper()
	text := fmt.Sprintf("station: %s\ndata_dir: data\nmachine_file: machine\njournal: {quota: 2GiB}\n%s", s.Name, sources)
	require.NoError(s.t, os.WriteFile(s.Config(), []byte(text), 0o600))
}

// SetMachine makes the folder one of another PC: all facts of the machine change.
func (s *Station) SetMachine(name string) {
	s.t.Helper()
	text := fmt.Sprintf("smbios_uuid=uuid-%s\ndisk_serial=disk-%[1]s\nmac=mac-%[1]s\nmachine_id=id-%[1]s\n", name)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.Dir, "machine"), []byte(text), 0o600))
}

// Config is the path of agent.yaml.
func (s *Station) Config() string { return filepath.Join(s.Dir, "agent.yaml") }

// Data is the agent's data folder.
func (s *Station) Data() string { return filepath.Join(s.Dir, "data") }

// LogFile holds everything that the agent wrote.
func (s *Station) LogFile() string { return filepath.Join(s.Dir, "agent.log") }

// Enrol enrols the agent with a token.
func (s *Station) Enrol(token string, more ...string) string {
	s.t.Helper()
	file := filepath.Join(s.Dir, "token")
	require.NoError(s.t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	return s.Command(append([]string{"enrol", "--token-file", file}, more...)...)
}

// Command runs the agent's command line and returns its standard output.
func (s *Station) Command(args ...string) string {
	s.t.Helper()
	out, errText, code := s.Try(args...)
	require.Equal(s.t, 0, code, "%s\n%s%s", args, out, errText)
	return out
}

// Try runs the agent's command line and returns what it wrote and its exit code.
func (s *Station) Try(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	return try(s.t, command(s.Env, s.Program, append(args, "--config", s.Config())))
}

// AgentID is the id under which the agent records now.
func (s *Station) AgentID() string {
	s.t.Helper()
	id, err := enrol.Load(s.Data())
	require.NoError(s.t, err)
	return id.AgentID
}

// Launch runs the agent without waiting for it.
func (s *Station) Launch() {
	s.t.Helper()
	s.agent = Start(s.t, s.LogFile(), s.Env, s.Program, "run", "--config", s.Config())
}

// Start runs the agent and waits until its sources are connected.
func (s *Station) Start() {
	s.t.Helper()
	s.Launch()
	s.Connected()
}

// Agent is the running agent.
func (s *Station) Agent() *Process { return s.agent }

// Connected waits until every source of the agent is connected.
func (s *Station) Connected() {
	s.t.Helper()
	var last Status
	Until(s.t, "the sources of "+s.Name, func() bool {
		if !s.agent.Running() {
			s.t.Fatalf("the agent of %s ended: %s", s.Name, Tail(s.LogFile(), 4000))
		}
		var ok bool
		if last, ok = s.Status(); !ok {
			return false
		}
		for _, h := range last.Sources {
			if h.State != "connected" {
				return false
			}
		}
		return true
	}, func() any { return fmt.Sprintf("%+v", last) })
}

// Status is what `linewatch-agent status --json` tells of a running agent.
type Status struct {
	AgentID   string `json:"agent_id"`
	Admission string `json:"admission"`
	Backlog   uint64 `json:"backlog"`
	Sources   []struct {
		Name   string `json:"name"`
		State  string `json:"state"`
		Reason string `json:"reason"`
	} `json:"sources"`
}

// Status asks the running agent by its command line; false while it does not answer.
func (s *Station) Status() (Status, bool) {
	s.t.Helper()
	out, _, code := s.Try("status", "--json")
	var st Status
	if code != 0 || json.Unmarshal([]byte(out), &st) != nil {
		return st, false
	}
	return st, true
}

// Copy makes a second PC with a copy of this one's whole folder, as if the disk
// had been cloned.
func (s *Station) Copy(name string) *Station {
	s.t.Helper()
	c := &Station{Name: s.Name, Dir: filepath.Join(s.plant.Dir, name), Program: s.Program, Env: s.Env, t: s.t, plant: s.plant}
	out, err := exec.Command("cp", "-a", s.Dir, c.Dir).CombinedOutput() // os.CopyFS drops modes
	require.NoError(s.t, err, "%s", out)
	return c
}

// Leaked returns the files below the folders that hold the text, in clear.
func Leaked(t testing.TB, text string, folders ...string) (files []string) {
	t.Helper()
	for _, folder := range folders {
		require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if err == nil && strings.Contains(strings.ToLower(string(data)), strings.ToLower(text)) {
				files = append(files, path)
			}
			return err
		}))
	}
	return files
}
