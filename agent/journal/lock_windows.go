//go:build windows

package journal

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/windows"
)

// abandon closes a file that stays mapped into memory, and with it lets go of its lock.
func abandon(f *os.File) error { return f.Close() }

// unavailable says whether an error says nothing of what is in a file: somebody has
// to put something else right, or it passes (a virus scanner, a backup that reads the
// file). bbolt passes some on as text.
func unavailable(err error) bool {
	for _, e := range []windows.Errno{
		windows.ERROR_ACCESS_DENIED, windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_WRITE_PROTECT,
		windows.ERROR_TOO_MANY_OPEN_FILES, windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_COMMITMENT_LIMIT, windows.ERROR_NO_SYSTEM_RESOURCES,
		windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL,
	} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
