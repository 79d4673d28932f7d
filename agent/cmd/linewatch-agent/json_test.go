package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent"
	"github.com/linewatch/linewatch/shared/cli"
)

// TestEveryCommandAnswersAProgramInJSON: docs/operating.md promises --json for each.
func TestEveryCommandAnswersAProgramInJSON(t *testing.T) {
	s := newStation(t).withOffice()
	read := func(args ...string) (v any) {
		t.Helper()
		out := s.ok(append(args, "--json")...)
		require.NoError(t, json.Unmarshal([]byte(out), &v), "%v: %s", args, out)
		require.NotNil(t, v, "%v: nothing to list is an empty list, not null", args)
		return v
	}
	require.NotEmpty(t, read("enrol", "--token-file", s.file("token", s.office.Token())).(map[string]any)["fingerprint"])
	_, stop := s.start()
	s.until("everything is receipted", func(st agent.Status) bool { return st.Forward.Connected && st.Backlog == 0 })
	for _, args := range [][]string{
		{"status"},
		{"check", "--for", "1ms"},
		{"signals"},
		{"spc", "baseline", "show"},
		{"detect", "pause"},
		{"detect", "resume"},
		{"detect", "state", "maintenance", "--for", "2h"},
		{"detect", "state", "auto"},
		{"journal", "stat"},
		{"journal", "verify"},
		{"journal", "export", "--dir", s.path("out")},
		{"journal", "rotate-key"},
		{"version"},
	} {
		read(args...)
	}
	for line := range strings.Lines(s.ok("journal", "tail", "--json")) {
		require.True(t, json.Valid([]byte(line)), "one object a line: %s", line)
	}
	require.Equal(t, cli.ExitOK, stop())
	read("prepare-image", "--force")
}
