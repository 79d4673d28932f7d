package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/linewatch/linewatch/shared/durable"
)

// copyBytes is about how much one transaction of a copy holds in memory.
const copyBytes = 1 << 20

// inPlace says whether the file is still the one under its name: whoever removes it,
// or copies another one there, leaves us with a file that nobody finds again.
func (l *live) inPlace() bool {
	now, err := os.Stat(l.path)
	return err == nil && l.opened != nil && os.SameFile(now, l.opened)
}

// putBack writes the newest file again, out of the one that is still open, when it
// is no longer in its place. Until that is done nothing is acknowledged.
func (j *Journal) putBack() error {
	if j.live == nil || j.live.inPlace() {
		return nil
	}
	path := j.live.path
	j.log.Error("the newest journal file was removed or replaced while it was in use; it is written again", "file", path)
	if err := os.MkdirAll(j.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if err := j.lockAgain(); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if err := copyBolt(j.live, path, j.opts.MaxFile); err != nil {
		return fmt.Errorf("put back %s: %w", filepath.Base(path), err)
	}
	if err := durable.WriteFile(filepath.Join(j.opts.Dir, newestName), []byte(filepath.Base(path)+"\n"), 0o600); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	j.closeLive()
	if _, err := j.reopen(&batch{}); err != nil {
		return fmt.Errorf("put back %s: %w", filepath.Base(path), err)
	}
	return nil
}

// lockAgain takes the folder's lock where that file was removed, too.
func (j *Journal) lockAgain() error {
	now, err1 := os.Stat(filepath.Join(j.opts.Dir, lockName))
	held, err2 := j.lock.Stat()
	if err1 == nil && err2 == nil && os.SameFile(now, held) {
		return nil
	}
	lock, err := lockFolder(j.opts.Dir)
	if err != nil {
		return err
	}
	_ = j.lock.Close() // of a file that is gone
	j.lock = lock
	return nil
}

// copyBolt writes all that is in an open file under a path: whole, or not at all.
func copyBolt(from *live, path string, size int64) error {
	temp := path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	to, err := openBolt(temp, size)
	if err != nil {
		return err
	}
	to.db.NoSync = true // once, at the end
	err = from.call(func() error {
		return from.db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bolt.Bucket) error { return copyBucket(to, name, b.Cursor()) })
		})
	})
	if err = errors.Join(err, to.file.Sync(), to.close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return durable.Rename(temp, path)
}

func copyBucket(to *live, name []byte, c *bolt.Cursor) error {
	k, v := c.First()
	for first := true; first || k != nil; first = false {
		err := to.update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(name)
			if err != nil {
				return err
			}
			b.FillPercent = 1.0
			for size := 0; k != nil && size < copyBytes; k, v = c.Next() {
				if err := b.Put(k, v); err != nil {
					return err
				}
				size += len(k) + len(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
