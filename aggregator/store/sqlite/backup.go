package sqlite

import (
	"context"
	"fmt"
)

// Backup writes a consistent copy of the store to a file that is not there yet;
// commits go on meanwhile. After such a file was put in place again, BeginEpoch
// must be called before agents and readers of the feed come back.
func (s *Store) Backup(ctx context.Context, path string) error {
	// A connection of its own: neither the writer nor a reader waits for it.
	db, err := open(s.path, "deferred")
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, path)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	return nil
}
