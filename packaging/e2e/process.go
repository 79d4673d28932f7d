//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience is how long anything may take before a test gives up; the machine may
// be busy.
const Patience = 90 * time.Second

// Process is one of our programs, running.
type Process struct {
	name string
	log  string // file of its standard error
	cmd  *exec.Cmd
	done chan struct{}
}

// Start runs a program with more variables in its environment; what it writes
// goes to the file log, after what is there.
// It is killed when the test ends, and by the kernel when the test process dies.
func Start(t testing.TB, log string, env []string, name string, args ...string) *Process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer out.Close()
	p := &Process{name: name, log: log, cmd: command(env, name, args), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state is in cmd
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("end of the output of %s (%s):\n%s", name, log, Tail(log, 6000))
		}
	})
	return p
}

// Run runs a program to its end and returns its standard output; a failure fails
// the test.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, errText, code := Try(t, name, args...)
	require.Equal(t, 0, code, "%s %s\n%s%s", name, strings.Join(args, " "), out, errText)
	return out
}

func command(env []string, name string, args []string) *exec.Cmd {
	cmd := exec.Command(Bin(name), args...)
	cmd.Env = append(append(os.Environ(), "USER=tester", "SUDO_USER="), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Try runs a program to its end and returns what it wrote and its exit code.
func Try(t testing.TB, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return try(t, command(nil, name, args))
}

func try(t testing.TB, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ended := err.(*exec.ExitError); !ended {
			require.NoError(t, err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Kill ends the process as a power cut does and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Pause stops the process without ending it: connections stay open, nothing answers.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Pause.
func (p *Process) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// Stop asks the process to end, as a service manager does, waits, and returns
// its exit code.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	if p.Running() {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	}
	select {
	case <-p.done:
	case <-time.After(Patience):
		t.Fatalf("%s does not stop\n%s", p.name, Tail(p.log, 4000))
	}
	return p.cmd.ProcessState.ExitCode()
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Memory is the resident memory in bytes that is the process's own: without the
// pages of mapped files (the journal's), which the kernel takes back at will.
func (p *Process) Memory(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(t, err)
			return kb << 10
		}
	}
	t.Fatal("the kernel does not tell RssAnon")
	return 0
}

// Tail is the end of a file, for messages.
func Tail(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-n):])
}

// Until polls until ok or fails the test; detail, which may be nil, says how far
// it came.
func Until(t testing.TB, what string, ok func() bool, detail func() any) {
	t.Helper()
	Within(t, Patience, what, ok, detail)
}

// Within is Until with a limit of its own.
func Within(t testing.TB, limit time.Duration, what string, ok func() bool, detail func() any) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			if detail != nil {
				t.Fatalf("waited %s for %s: %v", limit, what, detail())
			}
			t.Fatalf("waited %s for %s", limit, what)
		}
		<-tick.C
	}
}

// Pass lets a stretch of time pass: how long an outage lasts.
func Pass(d time.Duration) { <-time.After(d) }
