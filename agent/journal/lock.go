package journal

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
)

// lockName is the file that whoever has the journal open holds locked. bbolt locks
// the file that it writes to; but which one that is a second process finds out only
// after it has looked through the folder and put right what a crash left, and in the
// middle of a roll the first one would lose the file that it has just made.
const lockName = "lock"

// lockWithin is how long the lock is waited for: a process that was killed takes a
// moment until it is gone.
const lockWithin = 2 * time.Second

// lockFolder takes the folder for this process, or returns ErrLocked. Closing the
// file lets go of it; the end of the process does, too. It is nil on a full disk.
func lockFolder(dir string) (*os.File, error) {
	f, err := durable.Lock(filepath.Join(dir, lockName), lockWithin)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, durable.ErrLocked):
		return nil, ErrLocked
	case isFull(err):
		return nil, nil // bbolt's lock must do; what comes next makes room
	}
	return nil, err
}
