package vault

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
)

const (
	fileLock = "change.lock"
	// lockWait is longer than anything takes that is done under the lock.
	lockWait = time.Minute
)

// lock keeps other processes (the command line beside the service) from changing
// the folder's lists between our reading and writing them.
func lock(dir string) (unlock func(), err error) {
	f, err := durable.Lock(filepath.Join(dir, fileLock), lockWait)
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("vault: another process changes it and does not end: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return func() { _ = f.Close() }, nil // nothing was written to it
}
