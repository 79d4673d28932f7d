//go:build unix

package journal

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// abandon closes a file that stays mapped into memory: with the map it would keep
// its lock.
func abandon(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// unavailable says whether an error says nothing of what is in a file: somebody has
// to put something else right, or it passes. bbolt passes some on as text.
func unavailable(err error) bool {
	for _, e := range []unix.Errno{
		unix.EACCES, unix.EPERM, unix.EROFS, unix.EMFILE,
		unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.EBUSY,
		unix.ENOLCK, unix.ENOSPC, unix.EDQUOT, unix.ETXTBSY,
		unix.EINTR,
	} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
