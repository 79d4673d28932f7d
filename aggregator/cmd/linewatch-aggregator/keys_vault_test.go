package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/vault"
	"github.com/linewatch/linewatch/shared/cli"
)

func TestTheVaultIsListedRotatedAndBackedUpByItsCommands(t *testing.T) {
	s := newShell(t)
	require.Contains(t, s.ok("keys", "vault", "list"), "active")
	var info vault.Info
	require.NoError(t, json.Unmarshal([]byte(s.ok("keys", "vault", "list", "--json")), &info))
	require.Len(t, info.Keys, 1)
	old := info.Keys[0].ID
	s.fails(cli.ExitUsage, []string{"keys", "vault", "destroy", old}, "--yes is needed")
	s.fails(cli.ExitFailed, []string{"keys", "vault", "destroy", old, "--yes"}, "keys vault new")
	s.ok("keys", "vault", "new")
	s.ok("keys", "vault", "destroy", old, "--yes")
	s.fails(cli.ExitFailed, []string{"keys", "vault", "destroy", old, "--yes"}, "was destroyed")
	require.NoError(t, json.Unmarshal([]byte(s.ok("keys", "vault", "list", "--json")), &info))
	require.Equal(t, []string{vault.KeyDestroyed, vault.KeyActive}, []string{info.Keys[0].State, info.Keys[1].State})

	backup := filepath.Join(s.tmp, "vault.bak")
	s.ok("keys", "vault", "backup", "--out", backup)
	require.FileExists(t, filepath.Join(backup, vault.FileVault))
	s.fails(cli.ExitFailed, []string{"keys", "vault", "backup", "--out", backup}, "there already")

	root := filepath.Join(s.tmp, "root.key")
	s.fails(cli.ExitUsage, []string{"keys", "vault", "rotate"}, "--file is needed")
	require.Contains(t, s.ok("keys", "vault", "rotate", "--file", root), "vault: {root: file, file: "+root+"}")
	s.fails(cli.ExitFailed, []string{"keys", "vault", "list"}, "does not open with this root key")
	file := filepath.Join(s.dir, "aggregator.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, "\nvault: {file: "+root+"}\n"...), 0o600))
	s.ok("keys", "vault", "list")
	require.NoError(t, os.Remove(root))
	s.fails(cli.ExitFailed, []string{"keys", "vault", "list"}, "root.key")
}

func TestAnErasureAsksForItsGroundAndWritesACertificate(t *testing.T) {
	s := newShell(t)
	const pseudonym = "p-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	out := filepath.Join(s.tmp, "certificates", "R-17")
	s.fails(cli.ExitUsage, []string{"person", "erase", pseudonym}, "--ground")
	require.Contains(t, s.ok("person", "find", pseudonym), pseudonym)
	code, _, errOut := s.typed("Nobody Atall\n", "person", "find", "-", "--json")
	require.Equal(t, cli.ExitOK, code, errOut)
	s.fails(cli.ExitFailed, []string{"person", "erase", pseudonym, "--ground", "GDPR Art. 17(1)(a)", "--request", "R-17", "--certificate", out, "--yes"}, "nothing was erased")
	text, err := os.ReadFile(out + ".json")
	require.NoError(t, err)
	var c vault.Certificate
	require.NoError(t, json.Unmarshal(text, &c))
	require.Equal(t, "R-17", c.RequestID)
	require.Equal(t, []string{pseudonym}, c.Pseudonyms)
	require.Empty(t, c.Keys)
	require.Equal(t, vault.NothingFound, c.Result, "a name that was spelt wrong is no erased person")
	signed, err := os.ReadFile(out + ".txt")
	require.NoError(t, err)
	require.Contains(t, string(signed), "— linewatch/agg-")
}
