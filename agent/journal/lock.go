package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockName is the file that whoever has the journal open holds locked. bbolt locks
// the file that it writes to; but which one that is a second process finds out only
// after it has looked through the folder and put right what a crash left, and in the
// middle of a roll the first one would lose the file that it has just made.
const lockName = "lock"

// lockWithin is how long the lock is waited for: a process that was killed takes a
// moment until it is gone.
const (
	lockWithin = 2 * time.Second
	lockEvery  = 20 * time.Millisecond
)

// lockFolder takes the folder for this process, or returns ErrLocked. Closing the
// file lets go of it; the end of the process does, too. It is nil on a full disk.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil && isFull(err) {
		return nil, nil // bbolt's lock must do; what comes next makes room
	}
	if err != nil {
		return nil, err // names the file
	}
	locked, err := tryLock(f)
	for end := time.Now().Add(lockWithin); err == nil && !locked && time.Now().Before(end); {
		time.Sleep(lockEvery)
		locked, err = tryLock(f)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("lock %s: %w", f.Name(), err)
	case !locked:
		err = ErrLocked
	default:
		return f, nil
	}
	_ = f.Close() // nothing was written
	return nil, err
}
