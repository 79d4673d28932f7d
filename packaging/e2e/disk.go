//go:build linux

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Disk is a small file system of its own, in memory.
type Disk struct {
	Dir    string
	filler string
}

// NewDisk mounts a file system of so many MiB until the test ends. It needs root.
func NewDisk(t testing.TB, mib string) *Disk {
	t.Helper()
	d := &Disk{Dir: filepath.Join(t.TempDir(), "disk")}
	d.filler = filepath.Join(d.Dir, "filler")
	require.NoError(t, os.Mkdir(d.Dir, 0o700))
	if err := syscall.Mount("linewatch-e2e", d.Dir, "tmpfs", 0, "size="+mib+"m"); err != nil {
		t.Fatalf("a small disk cannot be mounted (%v): this test must run as root, in a container with CAP_SYS_ADMIN", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", d.Dir, err)
		}
	})
	return d
}

// Fill takes all space that is left.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		require.True(t, errors.Is(err, syscall.ENOSPC), "fill the disk: %v", err)
	}
}

// Free gives the space back.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	require.NoError(t, os.Remove(d.filler))
}
