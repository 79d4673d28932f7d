package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryCommandAnswersAProgramInJSON: docs/operating.md promises --json for each.
func TestEveryCommandAnswersAProgramInJSON(t *testing.T) {
	s := newShell(t)
	pw := s.file("anna", "wrench hammer torque 17\n")
	read := func(args ...string) (v any) {
		t.Helper()
		out := s.ok(append(args, "--json")...)
		require.NoError(t, json.Unmarshal([]byte(out), &v), "%v: %s", args, out)
		require.NotNil(t, v, "%v: nothing to list is an empty list, not null", args)
		return v
	}
	read("agents", "list")
	read("token", "list")
	require.Equal(t, "added", read("user", "add", "--name", "anna", "--role", "viewer", "--password-file", pw).(map[string]any)["state"])
	for _, args := range [][]string{
		{"user", "list"},
		{"user", "disable", "anna"},
		{"user", "enable", "anna"},
		{"user", "password", "anna", "--password-file", s.file("new", "another long secret")},
		{"token", "agent", "--scope", "hamburg/**"},
		{"agents", "sheet"},
		{"keys", "list"},
		{"keys", "vault", "list"},
		{"keys", "vault", "new"},
		{"keys", "vault", "backup", "--out", filepath.Join(s.tmp, "vault")},
		{"person", "find", "nobody"},
		{"evidence", "trust"},
		{"evidence", "roots"},
		{"evidence", "export", "--out", filepath.Join(s.tmp, "all.bundle")},
		{"evidence", "drop", "--class", "debug", "--before", "2025-01-01", "--policy", "none", "--dry-run"},
		{"check"},
		{"verify"},
		{"backup", "--out", filepath.Join(s.tmp, "backup")},
		{"rebuild"},
		{"version"},
	} {
		read(args...)
	}
	api := read("token", "api", "--role", "auditor").(map[string]any)
	require.NotEmpty(t, api["token"])
	for line := range strings.Lines(s.ok("token", "list")) {
		if strings.Contains(line, "api-auditor") {
			require.Equal(t, "revoked", read("token", "revoke", strings.Fields(line)[0]).(map[string]any)["state"])
		}
	}
	read("keys", "vault", "rotate", "--file", filepath.Join(s.tmp, "root.key")) // last: aggregator.yaml would have to name it
}
