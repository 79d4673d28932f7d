package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// rename replaces to and returns when the move is on disk.
func rename(from, to string) error {
	fail := func(err error) error { return &os.LinkError{Op: "rename", Old: from, New: to, Err: err} }
	f, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return fail(err)
	}
	t, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return fail(err)
	}
	if err := windows.MoveFileEx(f, t, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH); err != nil {
		return fail(err)
	}
	return nil
}

// SyncDir has nothing to do: Windows journals names itself and has no call for
// it; renames are written through. It only reports a folder that is not there.
func SyncDir(dir string) error {
	_, err := os.Stat(dir)
	return err
}

// tryLock locks a file for as long as it is open; false: another one has it.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
