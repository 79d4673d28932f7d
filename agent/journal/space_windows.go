//go:build windows

package journal

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows"
)

// diskSpace returns the size of the volume of dir and what of it the process may
// still use, in bytes.
func diskSpace(dir string) (total, free int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var available, size, unused uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, &size, &unused); err != nil {
		return 0, 0, err
	}
	return int64(size), int64(available), nil
}

// isFull says whether an error means that the disk has no room. bbolt passes
// some of them on as text.
func isFull(err error) bool {
	for _, e := range []windows.Errno{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_FILE_TOO_LARGE} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
