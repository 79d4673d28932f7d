package seal_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// All tests of this package run once more in a process where the standard library
// refuses every algorithm that FIPS 140-3 does not allow.
func TestEverythingWorksInFIPSOnlyMode(t *testing.T) {
	if os.Getenv("LINEWATCH_FIPS") == "only" {
		require.True(t, fips140.Enabled())
		return
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^Test", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "LINEWATCH_FIPS=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestEverythingWorksInFIPSOnlyMode")
	require.GreaterOrEqual(t, strings.Count(string(out), "--- PASS"), 9)
}
