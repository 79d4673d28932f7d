package durable

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrLocked says that another process, or another part of this one, has the lock.
var ErrLocked = errors.New("another process has it locked")

// lockEvery is how often a lock that somebody has is asked for again.
const lockEvery = 5 * time.Millisecond

// Lock locks a file for as long as it is open, and makes it if need be. It waits for
// another one that has it, and then returns ErrLocked. Closing the file lets go of the
// lock, and so does the end of the process, however it ends: a file that is there says
// nothing. All take part that lock it so; who only reads or writes is not hindered.
func Lock(path string, within time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err // names the file
	}
	locked, err := tryLock(f)
	for end := time.Now().Add(within); err == nil && !locked && time.Now().Before(end); {
		<-time.After(lockEvery)
		locked, err = tryLock(f)
	}
	if err == nil && !locked {
		err = ErrLocked
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
