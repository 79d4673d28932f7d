package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTooManyOpenFilesSayNothingOfAFile(t *testing.T) {
	require.True(t, unavailable(&os.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}))
	require.True(t, unavailable(errors.New("mmap: "+syscall.ENOMEM.Error())), "bbolt passes it on as text")
	require.False(t, unavailable(syscall.EIO), "a sector that can not be read")
}

// A process without a free file descriptor, or without the right to open a file,
// learns nothing of what is in it: a good file is not set aside for that.
func TestAFileThatCantBeOpenedIsNotTakenForADamagedOne(t *testing.T) {
	base := beforeRoll(t)
	j := open(t, helperOptions(base))
	for n := next(j); len(j.files) < 3; n += 20 {
		appendNumbers(t, j, n, 20)
	}
	require.NoError(t, j.Close())
	for _, fault := range []string{"EMFILE", "EACCES", "ENFILE", "EROFS"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			fired := 0
			for n := 1; n <= 60; n += 3 {
				dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
				require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
				l := underStrace(t, dir, fmt.Sprintf("openat:error=%s:when=%d", fault, n), false, func(acked, _ int, _ bool) bool { return acked > 200 })
				if !l.fired {
					break
				}
				fired++
				bad, err := filepath.Glob(filepath.Join(dir, "*.bad"))
				require.NoError(t, err)
				require.Empty(t, bad, "at the %d. opening", n)
			}
			require.Greater(t, fired, 3, "the fault must have happened")
		})
	}
}
