package journal

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/linewatch/linewatch/shared/durable"
)

// noHash says that Ed25519 signs the message itself.
const noHash = crypto.Hash(0)

// live is the file that is written to.
type live struct {
	db   *bolt.DB
	path string
	used int64 // bytes below the high-water mark
	// keys are the wrapped data keys that were written since it was opened; one that
	// is there already is only written once more.
	keys map[string]bool
	file *os.File // of db
	// opened is the file that db is open on, see inPlace.
	opened os.FileInfo
	// broken: bbolt panicked and holds locks that it never gives back; each further
	// call would wait for ever.
	broken atomic.Bool
}

// openBolt opens one file for writing. Whatever a damaged file does to bbolt (a
// panic, a fault in the memory map) comes back as an error.
func openBolt(path string, size int64) (*live, error) {
	l := &live{path: path}
	err := guard(func() (err error) {
		l.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType,
			InitialMmapSize: int(size), MaxSize: int(size), NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
				f, err = os.OpenFile(name, flag, mode)
				l.file = f
				return f, err
			},
		})
		return err
	})
	if errors.Is(err, errPanicked) && l.file != nil {
		_ = abandon(l.file) // it would stay locked
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	l.db.AllocSize = int(min(1<<20, size/16)) // a small file would never reach 7/8 otherwise
	l.opened, _ = l.file.Stat()               // nil: never in place, see inPlace
	return l, nil
}

// errPanicked marks what was a panic or a fault inside of bbolt.
var errPanicked = errors.New("panic")

// guard runs fn and turns a panic and a fault in mapped memory into an error.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("bbolt: %w: %v: %w", errPanicked, r, errDamaged)
		}
	}()
	return fn()
}

// call runs fn, which calls bbolt. Two things keep it from waiting for ever: what
// panicked once is not called again, and a file without a valid meta page is not
// shown to bbolt, which would panic with its locks held.
func (l *live) call(fn func() error) error {
	if l.broken.Load() {
		return fmt.Errorf("bbolt panicked before: %w", errDamaged)
	}
	page := int64(l.db.Info().PageSize)
	_, err1 := readMeta(l.file, 2*page, 0)
	_, err2 := readMeta(l.file, 2*page, page)
	if err1 != nil && err2 != nil {
		return fmt.Errorf("both meta pages of %s: %w", filepath.Base(l.path), errDamaged)
	}
	err := guard(fn)
	if errors.Is(err, errPanicked) {
		l.broken.Store(true)
	}
	return err
}

// update runs one write transaction and remembers the high-water mark.
func (l *live) update(fn func(*bolt.Tx) error) error {
	var used int64
	err := l.call(func() error {
		return l.db.Update(func(tx *bolt.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			used = tx.Size()
			return nil
		})
	})
	if err == nil {
		l.used = used
	}
	return err
}

// snapshot runs fn on the pages of a read transaction: while it runs bbolt does
// not reuse them. The file is read, the map is not walked.
func (l *live) snapshot(fn func(*pages) error) error {
	return l.call(func() error {
		return l.db.View(func(tx *bolt.Tx) error {
			f, err := os.Open(l.path)
			if err != nil {
				return err
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				return err
			}
			p, err := openPagesAt(f, st.Size(), uint64(tx.ID()))
			if err != nil {
				return err
			}
			return fn(p)
		})
	})
}

// read is snapshot, tried again when two commits overtook the transaction before
// its meta page was read.
func (l *live) read(fn func(*pages) error) error {
	for range 100 {
		if err := l.snapshot(fn); !errors.Is(err, errOvertaken) {
			return err
		}
	}
	return errOvertaken
}

// close lets go of the file and of its lock. Of one in which bbolt panicked the
// memory map stays behind.
func (l *live) close() error {
	if l.broken.Load() {
		return abandon(l.file)
	}
	return guard(l.db.Close)
}

// createFile writes a new file under a temporary name, closes it, renames it and
// syncs the folder.
func createFile(path string, size int64, fill func(*bolt.Tx) error) error {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove left-over %s: %w", filepath.Base(temp), err)
	}
	l, err := openBolt(temp, size)
	if err != nil {
		return err
	}
	err = errors.Join(l.update(fill), l.close())
	if err != nil {
		os.Remove(temp)
		return fmt.Errorf("fill %s: %w", filepath.Base(path), err)
	}
	if err := durable.Rename(temp, path); err != nil {
		return fmt.Errorf("name %s: %w", filepath.Base(path), err)
	}
	return nil
}

// withPages opens a closed file for reading by pages.
func withPages(path string, fn func(*pages) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := openPages(f, st.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return fn(p)
}
