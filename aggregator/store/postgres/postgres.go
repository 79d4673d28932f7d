// Package postgres is the store for plants: PostgreSQL 15 or newer, several
// aggregators on one database. It is the only package that knows pgx.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/linewatch/linewatch/aggregator/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed readmodel.sql
var readModelSQL string

//go:embed view.sql
var viewSQL string

// Advisory locks of one database.
const (
	lockMigrate    = 0x6c77_0001 // held while tables are made
	lockReadModel  = 0x6c77_0002 // shared by commits, alone by the swap of a rebuild
	lockPartitions = 0x6c77_0003 // held while a partition is made
	lockRebuild    = 0x6c77_0004 // held during a rebuild
	lockSealed     = 0x6c77_0005 // shared by who stores wrapped keys, alone by who destroys some
)

// Options of Open; the zero value is ready to use.
type Options struct {
	Logger *slog.Logger
	// Timeout bounds each call, so that a database that does not answer is an
	// error; 30 s by default. Rebuild is bounded by the batch.
	Timeout time.Duration
	// Connections is the size of the pool, 10 by default.
	Connections int
}

// Store is one PostgreSQL database.
type Store struct {
	log     *slog.Logger
	pool    *pgxpool.Pool
	dsn     string
	timeout time.Duration
	changes store.Changes
	known   known
	stop    context.CancelFunc
	running sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects, brings the tables up to date and begins to listen for commits of
// others. Use Close.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	return open(ctx, dsn, o, nil)
}

func open(ctx context.Context, dsn string, o Options, tracer pgx.QueryTracer) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Connections <= 0 {
		o.Connections = 10
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err) // pgx leaves the password out
	}
	cfg.MaxConns = int32(o.Connections)
	cfg.ConnConfig.Tracer = tracer
	cfg.ConnConfig.ConnectTimeout = min(o.Timeout, 10*time.Second)
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "linewatch"
	params["timezone"] = "UTC"
	params["statement_timeout"] = strconv.FormatInt(o.Timeout.Milliseconds(), 10)
	params["lock_timeout"] = params["statement_timeout"]
	params["idle_in_transaction_session_timeout"] = strconv.FormatInt(2*o.Timeout.Milliseconds(), 10)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{log: o.Logger, pool: pool, dsn: dsn, timeout: o.Timeout}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", refusedConnection(err))
	}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.running.Go(func() { s.listen(listening, cfg.ConnConfig) })
	return s, nil
}

// prepare makes the tables; one aggregator at a time.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, lockMigrate); err != nil {
		return err
	}
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockMigrate); err != nil {
			s.log.Warn("unlock after migration", "error", err)
		}
	}()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := createReadModel(ctx, tx); err != nil {
			return err
		}
		return checkEpoch(ctx, tx)
	})
}

func createReadModel(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('events') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if there {
		return blindTable(ctx, tx)
	}
	return execScript(ctx, tx, readModel(0, ""), view(""))
}

// checkEpoch begins a new epoch when the database has moved to another cluster (a
// restored dump): transaction ids begin anew there, positions must not.
func checkEpoch(ctx context.Context, tx pgx.Tx) error {
	var cluster, epoch, newest, xid int64
	err := tx.QueryRow(ctx, `SELECT (SELECT system_identifier FROM pg_control_system()),
		(SELECT value FROM meta WHERE key = 'epoch'), (SELECT coalesce(max(pos), 0) FROM segments),
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&cluster, &epoch, &newest, &xid)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	var before int64
	err = tx.QueryRow(ctx, `SELECT value FROM meta WHERE key = 'cluster'`).Scan(&before)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	moved := err == nil && before != cluster
	if moved || newest >= epoch<<posBits+xid {
		if err := beginEpoch(ctx, tx); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO meta (key, value) VALUES ('cluster', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, cluster)
	return err
}

func beginEpoch(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE meta SET value = greatest(value, (SELECT coalesce(max(pos), 0) FROM segments) >> 48) + 1 WHERE key = 'epoch'`)
	return err
}

// BeginEpoch is called after a restore from a backup: positions given out from
// here on come after all that were given out before, also those that the backup
// does not know.
func (s *Store) BeginEpoch(ctx context.Context) error {
	if err := s.write(ctx, beginEpoch); err != nil {
		return fmt.Errorf("begin epoch: %w", err)
	}
	return nil
}

// readModel is the text that makes one generation of the read model.
func readModel(generation int64, prefix string) string {
	return strings.NewReplacer("{g}", strconv.FormatInt(generation, 10), "{p}", prefix).Replace(readModelSQL)
}

func view(prefix string) string { return strings.ReplaceAll(viewSQL, "{p}", prefix) }

// execScript runs texts of several statements without parameters.
func execScript(ctx context.Context, tx pgx.Tx, scripts ...string) error {
	for _, text := range scripts {
		if _, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// write runs f in a transaction, again when the database asks for it.
func (s *Store) write(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for try := 0; ; try++ {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return f(ctx, tx) })
		if try == 3 || !retry(err) {
			return err
		}
	}
}

// Ping writes one number.
func (s *Store) Ping(ctx context.Context) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO meta (key, value) VALUES ('ping', 1) ON CONFLICT (key) DO UPDATE SET value = meta.value + 1`)
		return err
	})
	if err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// Close ends all connections.
func (s *Store) Close() error {
	s.stop()
	s.running.Wait()
	s.pool.Close()
	return nil
}
