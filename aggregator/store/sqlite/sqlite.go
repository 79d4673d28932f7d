// Package sqlite is the embedded store: one file in WAL mode, one connection that
// writes and several that read. It is the only package that knows the SQLite
// library.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/linewatch/linewatch/aggregator/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed readmodel.sql
var readModelSQL string

// readers is how many connections read at the same time.
const readers = 4

// Options of Open; the zero value is ready to use.
type Options struct {
	Logger *slog.Logger
}

// Store is one SQLite file.
type Store struct {
	log     *slog.Logger
	path    string
	writer  *sql.DB // one connection: SQLite has one writer
	reader  *sql.DB
	changes store.Changes

	// writing holds one token: whoever takes it writes. Unlike a mutex it can be
	// waited for with a deadline.
	writing chan struct{}
	insert  *inserter

	unforgotten atomic.Bool // keys were destroyed, and the write-ahead log may hold them
}

var _ store.Store = (*Store)(nil)

// busyMS is how long, in milliseconds, a connection waits for others.
const busyMS = 10_000

// Open opens the file, creates it when it is missing, and brings its tables up to
// date. Use Close.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: o.Logger, writing: make(chan struct{}, 1)}
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	s.path = path
	// Created here so that the mode is ours, not the umask's.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// synchronous=FULL: a receipt is given out behind each commit.
	if s.writer, err = open(path, "immediate", "synchronous(FULL)", "wal_autocheckpoint(4000)", "cache_size(-65536)"); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	if s.reader, err = open(path, "deferred", "query_only(1)", "cache_size(-32768)"); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	if err := s.createReadModel(ctx); err != nil {
		return err
	}
	if s.insert, err = newInserter(ctx, s.writer, ""); err != nil {
		return err
	}
	return nil
}

func open(path, lock string, pragmas ...string) (*sql.DB, error) {
	return openWith(path, lock, append([]string{fmt.Sprintf("busy_timeout(%d)", busyMS), "journal_mode(WAL)", "temp_store(MEMORY)"}, pragmas...)...)
}

func openWith(path, lock string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}, "_pragma": pragmas}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/data/linewatch.db
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	return sql.Open("sqlite", u.String())
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// createReadModel makes the first generation of the read model in a new file.
func (s *Store) createReadModel(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'events'`).Scan(&n)
		if err != nil {
			return err
		}
		if n > 0 {
			return blindTable(ctx, tx)
		}
		_, err = tx.ExecContext(ctx, readModel(0, ""))
		return err
	})
}

// readModel is the text that makes one generation of the read model.
func readModel(generation int64, prefix string) string {
	return strings.NewReplacer("{g}", strconv.FormatInt(generation, 10), "{p}", prefix).Replace(readModelSQL)
}

// write runs f in a transaction of the one writer.
func (s *Store) write(ctx context.Context, f func(*sql.Tx) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After Commit this does nothing; a full disk may have ended the transaction.
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (s *Store) lock(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for other writers: %w", ctx.Err())
	}
}

func (s *Store) unlock() { <-s.writing }

// Ping writes one number.
func (s *Store) Ping(ctx context.Context) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('ping', 1)
			ON CONFLICT (key) DO UPDATE SET value = value + 1`)
		return err
	})
	if err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// BeginEpoch is called after a restore from a backup: positions given out from
// here on come after all that were given out before, also those that the backup
// does not know.
func (s *Store) BeginEpoch(ctx context.Context) error {
	if err := s.write(ctx, func(tx *sql.Tx) error { return beginEpoch(ctx, tx) }); err != nil {
		return fmt.Errorf("begin epoch: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	var errs []error
	if s.insert != nil {
		errs = append(errs, s.insert.Close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}
