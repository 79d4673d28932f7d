package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linewatch/linewatch/aggregator/store"
)

// Backup writes a consistent copy of the database with pg_dump, in its custom
// format; commits go on meanwhile. [Restore] reads it, and so does pg_restore.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.backup(ctx, path); err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	return os.Chmod(path, 0o600)
}

func (s *Store) backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return errors.New("the file exists already")
	}
	var schema string
	if err := s.pool.QueryRow(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	return run(ctx, "pg_dump", s.dsn, "--format=custom", "--no-owner", "--no-privileges", "--schema="+schema, "--file="+path)
}

// Restore puts a backup in the place of the store at dsn, to which nobody may be
// connected ([store.ErrInUse]). The schema that was there is kept under the name
// that is returned. Positions given out from here on come after all that were given
// out before, people's sessions have ended.
func Restore(ctx context.Context, backup, dsn string, now time.Time) (kept string, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := restore(ctx, conn, backup, dsn, &kept, now); err != nil {
		return kept, fmt.Errorf("restore: %w", err)
	}
	return kept, nil
}

func restore(ctx context.Context, conn *pgx.Conn, backup, dsn string, kept *string, now time.Time) error {
	var users int
	err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'linewatch'
		AND pid <> pg_backend_pid()`).Scan(&users)
	if err == nil && users > 0 {
		err = store.ErrInUse
	}
	if err != nil {
		return err
	}
	var schema string
	if err := conn.QueryRow(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
		return err
	}
	var epoch int64
	if err := conn.QueryRow(ctx, `SELECT value FROM meta WHERE key = 'epoch'`).Scan(&epoch); err != nil {
		epoch = 0 // there is no store, or a damaged one
	}
	old := "before_restore_" + now.UTC().Format("20060102t150405")
	name, oldName := pgx.Identifier{schema}.Sanitize(), pgx.Identifier{old}.Sanitize()
	_, err = conn.Exec(ctx, `ALTER SCHEMA `+name+` RENAME TO `+oldName)
	if err != nil {
		return fmt.Errorf("keep what is there as schema %s (the user of the database must own it): %w", old, err)
	}
	*kept = "schema " + old
	// The backup makes the schema itself.
	err = refill(ctx, conn, name, backup, dsn, epoch)
	if err == nil {
		return nil
	}
	back := context.WithoutCancel(ctx)
	_, undo := conn.Exec(back, `DROP SCHEMA IF EXISTS `+name+` CASCADE`)
	if undo == nil {
		_, undo = conn.Exec(back, `ALTER SCHEMA `+oldName+` RENAME TO `+name)
	}
	if undo == nil {
		*kept = ""
	}
	return errors.Join(err, undo)
}

func refill(ctx context.Context, conn *pgx.Conn, schema, backup, dsn string, epoch int64) error {
	if err := run(ctx, "pg_restore", dsn, "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", backup); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL search_path TO `+schema); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE meta SET value = greatest(value, $1) WHERE key = 'epoch'`, epoch); err != nil {
			return fmt.Errorf("the backup is no store: %w", err)
		}
		if err := beginEpoch(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM sessions`)
		return err
	})
}

// run runs one of PostgreSQL's own programs on a database. The password goes by
// the environment: command lines can be read by every user of the machine.
func run(ctx context.Context, program, dsn string, args ...string) error {
	path, err := find(program)
	if err != nil {
		return err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return errors.New("the address of the database is no postgres://… address")
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = os.Environ()
	q := u.Query()
	password, given := u.User.Password()
	if p := q.Get("password"); p != "" {
		password, given = p, true
		q.Del("password")
	}
	if given {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
		u.User = url.User(u.User.Username())
	}
	u.RawQuery = q.Encode()
	cmd.Args = append(append(cmd.Args, args...), "--dbname="+u.String())
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// find looks for a program of PostgreSQL: in the PATH, else the newest of those
// that Debian keeps elsewhere.
func find(program string) (string, error) {
	paths, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err == nil && len(paths) > 0 {
		return slices.MaxFunc(paths, func(a, b string) int { return release(a) - release(b) }), nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is needed beside a PostgreSQL store (package postgresql-client): %w", program, err)
	}
	return path, nil
}

func release(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}
