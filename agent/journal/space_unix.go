//go:build unix

package journal

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// diskSpace returns the size of the file system of dir and what of it the
// process may still use, in bytes.
func diskSpace(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// isFull says whether an error means that the disk has no room. bbolt passes
// some of them on as text.
func isFull(err error) bool {
	for _, e := range []unix.Errno{unix.ENOSPC, unix.EDQUOT, unix.EFBIG} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
