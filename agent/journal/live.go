package journal

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
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
}

// openBolt opens one file for writing. Whatever a damaged file does to bbolt (a
// panic, a fault in the memory map) comes back as an error.
func openBolt(path string, size int64) (*bolt.DB, error) {
	var db *bolt.DB
	err := guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType,
			InitialMmapSize: int(size), MaxSize: int(size), NoStatistics: true,
		})
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	db.AllocSize = int(min(1<<20, size/16)) // a small file would never reach 7/8 otherwise
	return db, nil
}

// guard runs fn and turns a panic and a fault in mapped memory into an error.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("bbolt: %v: %w", r, errDamaged)
		}
	}()
	return fn()
}

// update runs one write transaction and remembers the high-water mark.
func (l *live) update(fn func(*bolt.Tx) error) error {
	var used int64
	err := guard(func() error {
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
	return guard(func() error {
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

// close lets go of the file. A damaged one may refuse; then its handle is lost.
func (l *live) close() { _ = guard(l.db.Close) }

// createFile writes a new file under a temporary name, closes it, renames it and
// syncs the folder.
func createFile(path string, size int64, fill func(*bolt.Tx) error) error {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove left-over %s: %w", filepath.Base(temp), err)
	}
	db, err := openBolt(temp, size)
	if err != nil {
		return err
	}
	err = errors.Join(guard(func() error { return db.Update(fill) }), guard(db.Close))
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
