package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/agenttest"
	"github.com/linewatch/linewatch/shared/cli"
)

// station is a folder with a configuration, and an office to enrol at.
type station struct {
	t      *testing.T
	dir    string
	office *agenttest.Office
}

const common = "station: hamburg/body/line3/st07\ndata_dir: data\nmachine_file: machine-one\n"

func newStation(t *testing.T) *station {
	t.Helper()
	dir, err := os.MkdirTemp("", "lw") // t.TempDir would be too long for the control socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s := &station{t: t, dir: dir}
	agenttest.Machine(t, dir, "one")
	agenttest.Machine(t, dir, "two")
	s.file("agent.yaml", common)
	return s
}

func (s *station) withOffice() *station { s.office = agenttest.NewOffice(s.t); return s }

func (s *station) path(name string) string { return filepath.Join(s.dir, name) }

func (s *station) file(name, text string) string {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.path(name), []byte(text), 0o600))
	return s.path(name)
}

func (s *station) run(args ...string) (int, string, string) {
	var out, errOut bytes.Buffer
	code := cli.Run(newRoot(), append([]string{"--config", s.path("agent.yaml")}, args...), strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// ok runs a command that must succeed and returns its output.
func (s *station) ok(args ...string) string {
	s.t.Helper()
	code, out, errOut := s.run(args...)
	require.Equal(s.t, cli.ExitOK, code, "%v: %s%s", args, out, errOut)
	return out
}

// fails runs a command that must fail with one line that has all the words.
func (s *station) fails(code int, args []string, words ...string) {
	s.t.Helper()
	got, out, errOut := s.run(args...)
	require.Equal(s.t, code, got, "%v: %s%s", args, out, errOut)
	require.Equal(s.t, 1, strings.Count(errOut, "\n"), "%v: one line: %s", args, errOut)
	for _, w := range words {
		require.Contains(s.t, errOut, w, "%v", args)
	}
}

func TestMistypedCommandsAreUsageErrors(t *testing.T) {
	s := newStation(t)
	s.fails(cli.ExitUsage, []string{"frob"}, "frob")
	s.fails(cli.ExitUsage, []string{"run", "now"}, "now")
	s.fails(cli.ExitUsage, []string{"run", "--nope"}, "--nope")
	s.fails(cli.ExitUsage, []string{"journal", "frob"}, "frob")
	s.fails(cli.ExitUsage, []string{"opcua", "browse"}, "arg")
	s.fails(cli.ExitUsage, []string{"journal", "tail", "-n", "0"}, "1 to 10000")
	s.fails(cli.ExitUsage, []string{"journal", "export"}, "--dir")
	require.Contains(t, s.ok("journal"), "verify")
	require.NotEmpty(t, s.ok("version"))
	require.True(t, json.Valid([]byte(s.ok("version", "--json"))))
	require.Contains(t, s.ok("--help"), "75")
}

func TestAConfigurationThatCannotBeReadIsNamed(t *testing.T) {
	s := newStation(t)
	for name, c := range map[string]struct{ text, want string }{
		"tabs.yaml":    {"station: a/b\nlog:\n\tlevel: info\n", "tabs.yaml:3:1"},
		"windows.yaml": {"station: a/b\ndata_dir: \"C:\\lw\\data\"\n", "windows.yaml:2"},
		"empty.yaml":   {"", "station: is missing"},
		"utf16.yaml":   {"\xff\xfes\x00t\x00a\x00", "UTF-8"},
		"typo.yaml":    {common + "mqqt: []\n", "mqtt"},
	} {
		code, _, errOut := s.run("--config", s.file(name, c.text), "run")
		require.Equal(t, cli.ExitUsage, code, name)
		require.Contains(t, errOut, c.want, name)
	}
	s.fails(cli.ExitUsage, []string{"--config", s.path("agnet.yaml"), "run"}, "agnet.yaml", "--config")
	s.fails(cli.ExitUsage, []string{"--config", s.dir, "run"}, s.dir, "directory")
	s.fails(cli.ExitUsage, []string{"--config", s.path("agnet.yaml"), "install"}, "agnet.yaml")
	s.fails(cli.ExitUsage, []string{"--config", s.file("bad.yaml", common+"x: 1\n"), "install"}, "bad.yaml:4:1")
}

func TestAFileOfNotepadIsRead(t *testing.T) {
	s := newStation(t)
	s.file("agent.yaml", "\xef\xbb\xbf"+strings.ReplaceAll(common, "\n", "\r\n"))
	require.Contains(t, s.ok("check", "--offline"), "is valid")
}

func TestADataDirThatIsNoFolderIsNamed(t *testing.T) {
	s := newStation(t).withOffice()
	s.file("data", "")
	token := s.file("token", s.office.Token())
	for _, args := range [][]string{{"run"}, {"enrol", "--token-file", token}, {"status"}, {"journal", "stat"}, {"prepare-image"}, {"check"}} {
		s.fails(cli.ExitUsage, args, "data_dir", s.path("data"), "no folder")
	}
	s.file("agent.yaml", strings.Replace(common, "data_dir: data", "data_dir: /proc/linewatch", 1))
	if runtime.GOOS == "linux" { // a folder that nobody can make, not even root
		s.fails(cli.ExitFailed, []string{"enrol", "--token-file", token}, "/proc/linewatch")
		require.Empty(t, s.office.Asked())
	}
}

func TestWithoutEnrolmentEveryCommandSaysHowToEnrol(t *testing.T) {
	s := newStation(t)
	for _, args := range [][]string{{"run"}, {"journal", "stat"}, {"journal", "tail"}, {"journal", "verify"}, {"journal", "export", "--dir", s.path("out")}} {
		s.fails(cli.ExitFailed, args, "not enrolled: run linewatch-agent enrol --config "+s.path("agent.yaml")+" --token-file FILE")
		_, _, errOut := s.run(args...)
		require.NotContains(t, errOut, "locked")
	}
	s.fails(cli.ExitFailed, []string{"status"}, "not running", s.path("data"))
	s.fails(cli.ExitFailed, []string{"signals"}, "not running", "start")
	_, _, errOut := s.run("signals")
	require.NotContains(t, errOut, "http://")
	require.Contains(t, s.ok("check"), "not enrolled yet")
}

func TestServiceCommandsAskWhetherItIsInstalled(t *testing.T) {
	s := newStation(t)
	for _, action := range []string{"uninstall", "stop"} {
		code, _, errOut := s.run(action)
		require.Equal(t, cli.ExitFailed, code)
		require.Contains(t, errOut, "installed")
	}
}
