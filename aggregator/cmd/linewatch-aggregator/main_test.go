package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/shared/cli"
	"github.com/linewatch/linewatch/shared/identity"
)

// shell runs commands on one aggregator's folder.
type shell struct {
	t   *testing.T
	dir string // --data
	tmp string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{t: t, tmp: t.TempDir()}
	s.dir = filepath.Join(s.tmp, "data")
	s.ok("init", "--admin-password-file", s.file("pw", aggregatortest.Password+"\n"), "--people-listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0",
		"--agents-url", "https://127.0.0.1:8444", "--station", "hamburg/central/aggregator")
	return s
}

func (s *shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.tmp, name)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// run runs one command in this process and returns its exit code and what it said.
func (s *shell) run(args ...string) (code int, out, errOut string) {
	return s.typed("", args...)
}

func (s *shell) typed(in string, args ...string) (int, string, string) {
	var out, errOut bytes.Buffer
	code := cli.Run(newRoot(), append([]string{"--data", s.dir}, args...), strings.NewReader(in), &out, &errOut)
	return code, out.String(), errOut.String()
}

// ok runs a command that must succeed and returns its output.
func (s *shell) ok(args ...string) string {
	s.t.Helper()
	code, out, errOut := s.run(args...)
	require.Equal(s.t, cli.ExitOK, code, "%v: %s%s", args, out, errOut)
	require.NotContains(s.t, out+errOut, aggregatortest.Password)
	return out
}

// fails runs a command that must end with code and say each of the texts.
func (s *shell) fails(code int, args []string, say ...string) {
	s.t.Helper()
	got, out, errOut := s.run(args...)
	require.Equal(s.t, code, got, "%v: %s%s", args, out, errOut)
	for _, text := range say {
		require.Contains(s.t, out+errOut, text, args)
	}
}

func TestInitMakesAnAggregatorOnceAndOnlyWithAGoodPassword(t *testing.T) {
	s := &shell{t: t, tmp: t.TempDir()}
	s.dir = filepath.Join(s.tmp, "data")
	s.fails(cli.ExitUsage, []string{"init"}, "name a file", "--admin-password-file")
	for text, why := range map[string]string{"short\n": "12 characters", "\n": "empty", "aaaaaaaaaaaaaaaa": "repeated", "the-admin-password": "contain the name"} {
		code, _, errOut := s.run("init", "--admin-password-file", s.file("bad", text))
		require.NotEqual(t, cli.ExitOK, code)
		require.Contains(t, errOut, why)
	}
	s.fails(cli.ExitFailed, []string{"init", "--admin-password-file", s.file("pw", aggregatortest.Password), "--admin", "ad\nmin"}, "not visible")
	s.fails(cli.ExitUsage, []string{"init", "--admin-password-file", s.file("pw", aggregatortest.Password), "--time-zone", "Mars/Base"}, "time_zone")
	_, err := os.Stat(filepath.Join(s.dir, "aggregator.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist, "what failed made nothing that looks complete")
	code, out, errOut := s.typed(aggregatortest.Password+"\n", "init", "--admin-password-file", "-")
	require.Equal(t, cli.ExitOK, code, errOut)
	require.Contains(t, out, "aggregator.yaml")
	info, err := os.Stat(filepath.Join(s.dir, "keys", "ledger.key"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
	key, err := os.ReadFile(filepath.Join(s.dir, "keys", "ledger.key"))
	require.NoError(t, err)
	s.fails(cli.ExitFailed, []string{"init", "--admin-password-file", s.file("pw", aggregatortest.Password)}, "exists already")
	same, err := os.ReadFile(filepath.Join(s.dir, "keys", "ledger.key"))
	require.NoError(t, err)
	require.Equal(t, key, same)
}

func TestADatabaseThatDoesNotAnswerIsTemporaryAndSaysWhereToLook(t *testing.T) {
	s := &shell{t: t, tmp: t.TempDir()}
	s.dir = filepath.Join(s.tmp, "data")
	pw := s.file("pw", aggregatortest.Password)
	s.fails(cli.ExitTemporary, []string{"init", "--store", "postgres://lw@127.0.0.1:1/lw", "--admin-password-file", pw}, "is PostgreSQL running", "aggregator.yaml")
	s.ok("init", "--admin-password-file", pw)
	text, err := os.ReadFile(filepath.Join(s.dir, "aggregator.yaml"))
	require.NoError(t, err)
	s.file("data/aggregator.yaml", string(text)+"store: postgres://lw@127.0.0.1:1/lw\n")
	for _, args := range [][]string{{"check"}, {"run"}, {"user", "list"}} {
		s.fails(cli.ExitTemporary, args, "is PostgreSQL running")
	}
}

func TestMistakesOfTheCommandLineAreExitCode2(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{
		{"--nope"},
		{"user", "add", "--role", "viewer"},
		{"user", "add", "--name", "x", "--role", "boss"},
		{"user", "add", "--name", "x"},
		{"token", "api"},
		{"token", "agent", "--valid", "soon"},
		{"agents", "revoke", "a0123456789abcde"},
		{"evidence", "export"},
		{"check", "--config", filepath.Join(s.tmp, "none.yaml")},
		{"check", "--config", s.file("bad.yaml", "instanse: x\npeople: {listen: 8443}\n")},
	} {
		s.fails(cli.ExitUsage, args)
	}
	s.fails(cli.ExitUsage, []string{"check", "--config", s.file("bad.yaml", "instanse: x\npeople: {listen: 8443}\n")},
		"bad.yaml:1:1", "instance", "people.listen", "data_dir")
}

func TestPeopleAreAddedListedAndTakenOut(t *testing.T) {
	s := newShell(t)
	pw := s.file("anna", "wrench hammer torque 17\n")
	s.ok("user", "add", "--name", "anna", "--display", "Anna B.", "--role", "maintenance", "--scope", "hamburg/body/**", "--password-file", pw)
	s.fails(cli.ExitFailed, []string{"user", "add", "--name", "anna", "--role", "viewer", "--password-file", pw}, "exists already")
	s.fails(cli.ExitFailed, []string{"user", "add", "--name", "b\x1b[2J", "--role", "viewer", "--password-file", pw}, "not visible")
	s.fails(cli.ExitFailed, []string{"user", "add", "--name", "bert", "--role", "viewer", "--password-file", s.file("weak", "bert bert bert")}, "contain the name")
	for _, scope := range []string{"Hamburg/**", "a//b", "", "a/b/c/d/e/f/g/h/i", "a/b/c/d/e/f/g/h/**/i"} {
		s.fails(cli.ExitUsage, []string{"user", "add", "--name", "carl", "--role", "viewer", "--scope", scope, "--password-file", pw}, "--scope")
	}
	code, out, errOut := s.run("user", "add", "--name", "carl", "--role", "viewer", "--scope", "hamburg/bdoy/**,**/st07", "--password-file", pw)
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, "added carl")
	require.Contains(t, errOut, `"hamburg/bdoy/**", "**/st07"`, "no station of the kind has sent anything")
	require.NotContains(t, s.ok("user", "list"), "bert")
	list := s.ok("user", "list")
	require.Contains(t, list, "Anna B.")
	require.Contains(t, list, "administrator")
	s.ok("user", "disable", "anna")
	require.Contains(t, s.ok("user", "list"), "disabled")
	s.ok("user", "enable", "anna")
	s.ok("user", "password", "anna", "--password-file", s.file("new", "another long secret"))
	s.fails(cli.ExitFailed, []string{"user", "password", "nobody", "--password-file", pw}, "nobody")
	s.fails(cli.ExitFailed, []string{"user", "disable", "nobody"}, "nobody")
	var people []struct {
		Name     string
		Roles    []string
		Disabled bool
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("user", "list", "--json")), &people))
	require.Len(t, people, 3)
	require.NotContains(t, s.ok("user", "list", "--json"), "argon2")
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	s := newShell(t)
	text := strings.TrimSpace(s.ok("token", "agent", "--scope", "hamburg/body/**", "--uses", "80", "--valid", "14d"))
	token, err := identity.ParseToken(text)
	require.NoError(t, err)
	require.Equal(t, []string{"https://127.0.0.1:8444"}, token.URLs)
	require.NotEmpty(t, token.CAPin)
	s.fails(cli.ExitUsage, []string{"token", "agent"}, "--scope is needed")
	require.Contains(t, s.ok("token", "agent", "--help"), "(default 14d)")
	s.fails(cli.ExitUsage, []string{"token", "agent", "--scope", "**", "--uses", "0"}, "-1 for any number")
	s.fails(cli.ExitUsage, []string{"token", "agent", "--scope", "**", "--uses", "-5"}, "-1 for any number")
	s.fails(cli.ExitUsage, []string{"user", "disable", "--name", "anna"}, "unknown flag", "user disable --help")
	s.fails(cli.ExitUsage, []string{"token", "agent", "--scope", "Hamburg/**"}, "matches no station")
	s.fails(cli.ExitUsage, []string{"token", "api", "--role", "viewer", "--scope", "a//b"}, "matches no station")
	var api struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(s.ok("token", "api", "--role", "auditor", "--json")), &api))
	require.NotEmpty(t, api.Token)
	s.fails(cli.ExitUsage, []string{"token", "api", "--role", "viewer", "--scope", ""}, "--scope")
	_, _, errOut := s.run("token", "api", "--role", "viewer", "--scope", "hamburg/bdoy/**")
	require.Contains(t, errOut, `"hamburg/bdoy/**"`)
	list := s.ok("token", "list")
	require.NotContains(t, list, api.Token)
	require.NotContains(t, list, token.Secret)
	id := identity.SecretHash(api.Token)[:12]
	require.Contains(t, list, id)
	s.ok("token", "revoke", id)
	require.Contains(t, s.ok("token", "list"), "revoked")
	s.fails(cli.ExitFailed, []string{"token", "revoke", "ffffffffffff"}, "0 tokens")
	s.fails(cli.ExitFailed, []string{"token", "revoke", ""}, "begin so")
}

func TestAssignmentsAreReadWithEveryMistakeAtItsLine(t *testing.T) {
	s := newShell(t)
	good := s.file("stations.csv", "# PC, station\npc-07, hamburg/body/line3/st07\npc-08,hamburg/body/line3/st08\n")
	var made struct {
		Uses  int
		Scope []string
	}
	require.NoError(t, json.Unmarshal([]byte(s.ok("token", "agent", "--assign", good, "--json")), &made))
	require.Equal(t, 2, made.Uses)
	require.Equal(t, []string{"hamburg/body/line3/st07", "hamburg/body/line3/st08"}, made.Scope)
	bad := s.file("bad.csv", "pc-1,hamburg/x\npc-1,hamburg/y\npc-2,Hamburg Mitte\npc-3\npc-4,hamburg/z,more\npc-5,hamburg/ok\n")
	s.fails(cli.ExitFailed, []string{"token", "agent", "--assign", bad}, "bad.csv:2", "bad.csv:3", "line 4", "line 5")
	s.fails(cli.ExitFailed, []string{"token", "agent", "--assign", s.file("empty.csv", "# nothing\n")}, "no line")
	s.fails(cli.ExitFailed, []string{"token", "agent", "--assign", filepath.Join(s.tmp, "none.csv")}, "none.csv")
	require.Equal(t, 1, strings.Count(s.ok("token", "list"), "agent"), "mistakes made no token")
}
