package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

const (
	postgresBin    = "/usr/lib/postgresql/15/bin"
	postgresRemedy = "apt-get install postgresql-15"
)

// PostgresConfig says what a private server shall be like.
type PostgresConfig struct {
	// Fsync makes the server flush to the disk, as in a plant. Tests that kill
	// processes do not need it (the page cache survives), measurements do.
	Fsync bool
	// Settings are further server settings, such as max_connections.
	Settings map[string]string
}

// PostgresServer is a private PostgreSQL 15 cluster.
type PostgresServer struct {
	Port int

	dir    string
	prefix []string // runs a command as the unprivileged user
	cfg    PostgresConfig
	shared bool

	mu    sync.Mutex
	g     *guarded
	count atomic.Int64
}

// sharedCluster is the one cluster of this test process. It is process-wide on
// purpose: initdb takes seconds, and its guard ends it with the process.
var sharedCluster = sync.OnceValues(func() (*PostgresServer, error) {
	return newPostgres(PostgresConfig{}, true)
})

// Postgres returns the DSN of a fresh, empty database in the PostgreSQL 15
// cluster of this test process, which is started on first use. The database is
// dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := sharedCluster()
	if err != nil {
		t.Fatalf("peertest: PostgreSQL: %v", err)
	}
	return s.Database(t)
}

// StartPostgres starts a cluster of this test's own, to be stopped and killed at
// will. It ends with the test.
func StartPostgres(t testing.TB, cfg PostgresConfig) *PostgresServer {
	t.Helper()
	s, err := newPostgres(cfg, false)
	if err != nil {
		t.Fatalf("peertest: PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		s.Stop(t)
		if err := os.RemoveAll(s.dir); err != nil {
			t.Errorf("peertest: remove the PostgreSQL cluster: %v", err)
		}
	})
	return s
}

// newPostgres makes a cluster and starts it.
func newPostgres(cfg PostgresConfig, shared bool) (*PostgresServer, error) {
	initdb, err := program("initdb", postgresRemedy, postgresBin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "peertest-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &PostgresServer{dir: dir, cfg: cfg, shared: shared}
	if err := s.makeCluster(initdb); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := s.start(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// makeCluster runs initdb, as the user postgres when we are root: initdb refuses root.
func (s *PostgresServer) makeCluster(initdb string) error {
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("root may not run PostgreSQL and there is no user postgres: %w", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(s.dir, uid, gid); err != nil {
			return fmt.Errorf("give the folder to postgres: %w", err)
		}
		runuser, err := program("runuser", "apt-get install util-linux")
		if err != nil {
			return err
		}
		s.prefix = []string{runuser, "-u", "postgres", "--"}
	}
	line := append(append([]string{}, s.prefix...), initdb, "-D", filepath.Join(s.dir, "data"),
		"-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// start runs the server; a port that was taken meanwhile is replaced at the first start.
func (s *PostgresServer) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.g != nil && !s.g.ended() {
		return nil
	}
	postgres, err := program("postgres", postgresRemedy, postgresBin)
	if err != nil {
		return err
	}
	fresh := s.Port == 0
	for attempt := 0; ; attempt++ {
		if fresh {
			if s.Port, err = freePort(); err != nil {
				return err
			}
		}
		if err = s.run(postgres); err == nil || !fresh || attempt == 3 {
			return err
		}
	}
}

func (s *PostgresServer) run(postgres string) error {
	log, remove := filepath.Join(s.dir, "log"), ""
	if s.shared {
		remove = s.dir
	}
	argv := []string{
		postgres, "-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.dir,
		"-c", "max_connections=200", "-c", "fsync=" + onOff(s.cfg.Fsync),
	}
	for name, value := range s.cfg.Settings {
		argv = append(argv, "-c", name+"="+value)
	}
	// The output file belongs to root and is inherited open, so it may be anywhere.
	g, err := guard(log, filepath.Join(s.dir, "pid"), "INT", remove, s.prefix, argv...)
	if err != nil {
		return err
	}
	ready := func() error {
		isready, err := program("pg_isready", postgresRemedy, postgresBin)
		if err != nil {
			return err
		}
		return exec.Command(isready, "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres").Run()
	}
	if err := waitFor(g, ready); err != nil {
		text := tail(log)
		g.stop()
		return fmt.Errorf("start: %w\n%s", err, text)
	}
	s.g = g
	return nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// Start starts a stopped server again, on the same port with the same data.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatalf("peertest: PostgreSQL: %v", err)
	}
}

// Stop ends the server as an administrator would (fast shutdown); connections break.
func (s *PostgresServer) Stop(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.g != nil {
		s.g.stop()
		s.g = nil
	}
}

// Kill ends the server at once, without a checkpoint, as a crash does; the next
// Start recovers from the write-ahead log.
func (s *PostgresServer) Kill(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.g == nil {
		return
	}
	pid, err := readPID(s.g, filepath.Join(s.dir, "pid"))
	if err != nil {
		t.Fatalf("peertest: PostgreSQL: find the process: %v", err)
	}
	// SIGQUIT is PostgreSQL's "immediate" shutdown: it takes the children along,
	// which SIGKILL of the postmaster alone would leave behind for a while.
	if err := signalPID(pid, syscall.SIGQUIT); err != nil {
		t.Fatalf("peertest: PostgreSQL: kill: %v", err)
	}
	s.g.stop()
	s.g = nil
}

func signalPID(pid int, sig os.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(sig)
}

// Database makes an empty database and returns its DSN; it is dropped when the
// test ends, if the server still runs.
func (s *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.count.Add(1))
	if out, err := s.tool("createdb", name); err != nil {
		t.Fatalf("peertest: PostgreSQL: createdb: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		s.mu.Lock()
		running := s.g != nil && !s.g.ended()
		s.mu.Unlock()
		if !running {
			return
		}
		if out, err := s.tool("dropdb", "--force", name); err != nil {
			t.Logf("peertest: PostgreSQL: dropdb: %v\n%s", err, out)
		}
	})
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.Port, name)
}

func (s *PostgresServer) tool(name string, args ...string) ([]byte, error) {
	path, err := program(name, postgresRemedy, postgresBin)
	if err != nil {
		return nil, err
	}
	args = append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres"}, args...)
	return exec.Command(path, args...).CombinedOutput()
}
