//go:build !windows

package control

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A data folder may be open to all (0755, made by hand): whoever connects between
// bind and chmod would be let in.
func TestTheSocketIsAtNoMomentOpenToOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "control.sock")
	end, seen := make(chan struct{}), make(chan os.FileMode, 1)
	go func() {
		var widest os.FileMode
		for {
			if info, err := os.Lstat(path); err == nil {
				widest |= info.Mode().Perm() &^ 0o600
			}
			select {
			case <-end:
				seen <- widest
				return
			default:
			}
		}
	}()
	for range 500 {
		l, err := listen(dir)
		require.NoError(t, err)
		require.NoError(t, l.Close())
		require.NoFileExists(t, path)
	}
	close(end)
	require.Equal(t, os.FileMode(0), <-seen)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
