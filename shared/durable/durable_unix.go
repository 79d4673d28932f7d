//go:build unix

package durable

import (
	"errors"
	"fmt"
	"os"
)

func rename(from, to string) error { return os.Rename(from, to) }

// SyncDir makes the names in a folder durable: files created, renamed and removed.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
