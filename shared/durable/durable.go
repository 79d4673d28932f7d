// Package durable changes files so that a power cut leaves either the old or the
// new state: the data is synced before the name appears, and the folder after. It
// also locks files between processes.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts data under path with these permissions. When it returns nil the
// new content survives a power cut; when it fails, or power fails meanwhile, path
// has its old content or none if it had none. The umask does not apply.
func WriteFile(path string, data []byte, mode fs.FileMode) (err error) {
	dir, name := filepath.Split(filepath.Clean(path))
	f, err := os.CreateTemp(dir, name+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, werr := f.Write(data)
	if err := errors.Join(werr, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}

// Rename gives a file or folder a new name, in place of what had it, and makes
// that durable in both folders. The content of a file must be synced already.
func Rename(from, to string) error {
	if err := rename(from, to); err != nil {
		return err // os.LinkError names both
	}
	target, source := filepath.Dir(to), filepath.Dir(from)
	if err := SyncDir(target); err != nil {
		return err
	}
	if source == target {
		return nil
	}
	return SyncDir(source)
}

// RemoveAll removes path with all below it and makes that durable. A path that
// does not exist is no error.
func RemoveAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err // fs.PathError names the path
	}
	err := SyncDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
