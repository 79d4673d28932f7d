package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	msqlite "modernc.org/sqlite"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
)

// Backup writes a consistent copy of the store to a file that is not there yet;
// commits go on meanwhile. [Restore] puts it in place again.
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
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	return nil
}

// Restore puts a backup in the place of the store at path, which nobody may have
// open ([store.ErrInUse]). What was there is kept beside it under the name that is
// returned, "" when nothing was there. Positions given out from here on come after
// all that were given out before, people's sessions have ended.
func Restore(ctx context.Context, backup, path string, now time.Time) (kept string, err error) {
	if err := restore(ctx, backup, path, &kept, now); err != nil {
		return kept, fmt.Errorf("restore %s: %w", path, err)
	}
	return kept, nil
}

func restore(ctx context.Context, backup, path string, kept *string, now time.Time) error {
	epoch, err := settle(ctx, path)
	if err != nil {
		return err
	}
	next := path + ".restoring"
	if err := copyFile(backup, next); err != nil {
		return err
	}
	defer os.Remove(next)
	if err := reopened(ctx, next, epoch); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		name := path + ".before-restore-" + now.UTC().Format("20060102T150405Z")
		if err := durable.Rename(path, name); err != nil {
			return err
		}
		*kept = name
	}
	return durable.Rename(next, path)
}

// settle makes sure that nobody uses a store and that all of it is in its one
// file, and returns its epoch; 0 when there is no store.
func settle(ctx context.Context, path string) (epoch int64, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	// Set before the first access: then the whole file is locked, or busy.
	db, err := openWith(path, "deferred", "busy_timeout(1000)", "locking_mode(EXCLUSIVE)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	err = db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'epoch'`).Scan(&epoch)
	if e, ok := errors.AsType[*msqlite.Error](err); ok && e.Code()&0xff == codeBusy {
		return 0, store.ErrInUse
	}
	if err != nil {
		return 0, nil // damaged, or no store at all: that is why a backup is wanted
	}
	var busy, frames, done int
	err = db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &done)
	if err == nil && busy != 0 {
		err = store.ErrInUse
	}
	return epoch, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", filepath.Base(from), err)
	}
	return nil
}

// reopened begins an epoch behind both that of the copy and that of the store
// whose place it takes.
func reopened(ctx context.Context, path string, epoch int64) error {
	db, err := open(path, "immediate", "synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit this does nothing
	if _, err := tx.ExecContext(ctx, `UPDATE meta SET value = max(value, ?) WHERE key = 'epoch'`, epoch); err != nil {
		return fmt.Errorf("the backup is no store: %w", err)
	}
	if err := beginEpoch(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM sessions`); err != nil {
		return err
	}
	return tx.Commit()
}

func beginEpoch(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `UPDATE meta SET value = value + 1 WHERE key = 'epoch'`); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE meta SET value = (SELECT value << 48 FROM meta WHERE key = 'epoch') WHERE key = 'pos'`)
	return err
}
