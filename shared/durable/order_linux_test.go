package durable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/durable"
)

// The order of the system calls is what survives a power cut, so strace looks at
// a child process that writes one file.
func TestTheDataIsSyncedBeforeTheNameAndTheFolderAfter(t *testing.T) {
	if path := os.Getenv("LINEWATCH_DURABLE_CHILD"); path != "" {
		require.NoError(t, durable.WriteFile(path, []byte("x"), 0o600))
		return
	}
	strace, err := exec.LookPath("strace")
	require.NoError(t, err, "this test needs strace: apt-get install strace")
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", trace,
		self, "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LINEWATCH_DURABLE_CHILD="+filepath.Join(dir, "sub.key"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	var calls []string
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile(`(fsync|rename)[a-z0-9]*\(.*`).FindStringSubmatch(line); m != nil && strings.Contains(line, dir) {
			calls = append(calls, m[0])
		}
	}
	require.Len(t, calls, 3, "%s", text)
	require.Regexp(t, `^fsync\(\d+<.*sub\.key\..*tmp>`, calls[0])
	require.Regexp(t, `^rename.*sub\.key\..*tmp.*sub\.key"`, calls[1])
	require.Regexp(t, `^fsync\(\d+<`+regexp.QuoteMeta(dir)+`>`, calls[2])
}
