package durable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/durable"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestAFileIsReplacedWholeWithItsPermissions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	for _, text := range []string{"old", "new and longer", ""} {
		require.NoError(t, durable.WriteFile(path, []byte(text), 0o600))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	require.NoError(t, durable.WriteFile(path, []byte("x"), 0o644))
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o644), info.Mode().Perm())
	}
	require.Equal(t, []string{"key.pem"}, names(t, dir), "nothing is left behind")
}

func TestAFailedWriteLeavesTheOldContentAndNoRest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o700))
	require.Error(t, durable.WriteFile(path, []byte("x"), 0o600), "a folder can't be replaced by a file")
	require.Equal(t, []string{"folder"}, names(t, dir))
	require.ErrorIs(t, durable.WriteFile(filepath.Join(dir, "no", "such"), nil, 0o600), fs.ErrNotExist)
}

func TestRenameMovesBetweenFolders(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(a, "1"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(b, "2"), []byte("y"), 0o600))
	require.NoError(t, durable.Rename(filepath.Join(a, "1"), filepath.Join(b, "2")))
	got, err := os.ReadFile(filepath.Join(b, "2"))
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	require.Empty(t, names(t, a))
	require.ErrorIs(t, durable.Rename(filepath.Join(a, "1"), filepath.Join(b, "2")), fs.ErrNotExist)
}

func TestRemoveAllRemovesAndIsContentWithNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	require.NoError(t, os.MkdirAll(path, 0o700))
	require.NoError(t, durable.RemoveAll(filepath.Join(dir, "a")))
	require.Empty(t, names(t, dir))
	require.NoError(t, durable.RemoveAll(filepath.Join(dir, "a")))
	require.NoError(t, durable.RemoveAll(filepath.Join(dir, "no", "such")))
	require.ErrorIs(t, durable.SyncDir(filepath.Join(dir, "a")), fs.ErrNotExist)
}
