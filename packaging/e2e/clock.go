//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// EnvClock tells a program of [WrongClock] how wrong its clock is: seconds, and
// after a slash by how many seconds it jumps to and fro every five seconds.
const EnvClock = "LINEWATCH_TEST_CLOCK"

// wrongClock is put into the standard library. Only wall time is wrong, as on a
// station whose clock was never set: timers and the monotonic clock go right.
const wrongClock = `package time

import "syscall"

var wrongBy, wrongStep = func() (by, step int64) {
	text, _ := syscall.Getenv("` + EnvClock + `")
	n, sign := &by, int64(1)
	for _, c := range []byte(text) {
		switch c {
		case '-':
			sign = -1
		case '/':
			by *= sign
			n, sign = &step, 1
		default:
			*n = *n*10 + int64(c-'0')
		}
	}
	*n *= sign
	return by, step
}()

func wrong(mono int64) int64 {
	if mono/5e9%2 == 0 {
		return wrongBy
	}
	return wrongBy + wrongStep
}
`

// WrongClock builds the agent as it is, but with a standard library whose clock
// obeys LINEWATCH_TEST_CLOCK, and returns the program's path. So the agent itself
// needs no hook for tests: a Go program asks the kernel for the time without the C
// library, which is why libfaketime can't help, and time namespaces shift only
// the clocks that are right anyway.
func WrongClock(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	lib := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(lib, "time.go"))
	require.NoError(t, err)
	const read = "sec, nsec, mono := runtimeNow()\n"
	now := strings.Index(string(source), "func Now() Time {")
	require.Positive(t, now, "the standard library's time.Now is another than this test knows")
	patched := string(source[:now]) + strings.Replace(string(source[now:]), read, read+"\tsec += wrong(mono)\n", 1)
	require.NotEqual(t, string(source), patched, "the standard library's time.Now is another than this test knows")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(lib, "time.go"): write("time.go", patched), filepath.Join(lib, "wrong.go"): write("wrong.go", wrongClock),
	}})
	require.NoError(t, err)
	program := filepath.Join(dir, programAgent)
	build := exec.Command("go", "build", "-overlay", write("overlay.json", string(overlay)), "-o", program, module+"agent/cmd/linewatch-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	return program
}
