// Package peertest starts the real peers that tests talk to: Mosquitto,
// PostgreSQL and Node.js programs of packaging/peers. Everything listens on
// loopback with a free port, lives in a folder of its own and ends with the test,
// or with the test process at the latest, however that ends. A missing program
// is a failure of the test that says what to install, never a reason to skip it.
package peertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startLimit is how long a peer may take until it answers; machines that build
// and test at the same time are slow.
const startLimit = 2 * time.Minute

// FreePort returns a TCP port of 127.0.0.1 that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatalf("peertest: find a free port: %v", err)
	}
	return port
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Root returns the folder of the repository (that of go.mod).
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("peertest: find the repository: %v", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			t.Fatalf("peertest: no go.mod above %s", dir)
		}
	}
}

// program finds an executable in the search path or in one of the folders.
func program(name, remedy string, folders ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: %s", name, remedy)
}

// guarded is a server whose shell guard ends it when our end of the guard's
// standard input closes: by stop, or because the test process died.
type guarded struct {
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{} // closed when the guard and the server have ended
}

// guardScript runs "$@" and ends it with signal $SIG once standard input closes,
// then removes $REMOVE. It also ends when the server ends by itself. The signal is
// sent until it works: a server that has just begun to listen may not handle it
// yet, and the shell makes background commands ignore SIGINT until they do.
const guardScript = `
"$@" </dev/null &
pid=$!
trap '' INT TERM
echo $pid >"$PIDFILE"
exec 3<&0
( cat <&3 >/dev/null; while kill -$SIG $pid 2>/dev/null; do sleep 0.5; done ) &
exec 3<&- </dev/null
wait $pid
if [ -n "$REMOVE" ]; then rm -rf "$REMOVE"; fi
`

// guard starts a command line under a guard. Its output goes to the file output.
func guard(output, pidfile, signal, remove string, prefix []string, argv ...string) (*guarded, error) {
	_ = os.Remove(pidfile)
	line := append(append([]string{}, prefix...), "sh", "-c", guardScript, "guard")
	line = append(line, argv...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "PIDFILE="+pidfile, "SIG="+signal, "REMOVE="+remove, "LC_ALL=C.UTF-8")
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("open the output file: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the guard's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	g := &guarded{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code of a server that was told to end says nothing
		close(g.done)
	}()
	return g, nil
}

// stop closes the guard's standard input and waits for the end.
func (g *guarded) stop() {
	_ = g.stdin.Close()
	<-g.done
}

// ended reports whether the server has ended by itself.
func (g *guarded) ended() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// waitFor calls ready until it returns nil, the server ends, or time is up.
func waitFor(g *guarded, ready func() error) error {
	deadline := time.Now().Add(startLimit)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if g.ended() {
			return fmt.Errorf("the server ended while starting: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server did not answer within %s: %w", startLimit, err)
		}
		select {
		case <-g.done:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// answers dials a TCP port of 127.0.0.1 once.
func answers(port int) error {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// tail returns the last lines of a file for an error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "(no output: " + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) > 20 {
		lines = lines[len(lines)-20:]
	}
	return strings.Join(lines, "\n")
}

// readPID waits for the guard to have written the server's process id.
func readPID(g *guarded, pidfile string) (int, error) {
	var pid int
	err := waitFor(g, func() error {
		b, err := os.ReadFile(pidfile)
		if err != nil {
			return err
		}
		_, err = fmt.Sscan(string(b), &pid)
		return err
	})
	return pid, err
}
