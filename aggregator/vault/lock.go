package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	fileLock = "change.lock"
	// lockStale is when the lock of a process that was killed counts no more: what is
	// done under it takes milliseconds.
	lockStale = 20 * time.Second
	lockWait  = time.Minute
	lockRetry = 5 * time.Millisecond
)

// lock keeps other processes (the command line beside the service) from changing
// the folder's lists between our reading and writing them.
func lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, fileLock)
	for begun := time.Now(); ; <-time.After(lockRetry) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			return func() { _ = os.Remove(path) }, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) { // Windows refuses a name that is being removed
			return nil, fmt.Errorf("vault: %w", err)
		}
		if st, err := os.Stat(path); err == nil && time.Since(st.ModTime()) > lockStale {
			_ = os.Remove(path)
		}
		if time.Since(begun) > lockWait {
			return nil, fmt.Errorf("vault: another process changes it and does not end (if there is none, remove %s): %w", path, err)
		}
	}
}
