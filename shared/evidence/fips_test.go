package evidence_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests that need nothing but this package run once more in a process where
// the standard library refuses every algorithm that FIPS 140-3 does not allow.
func TestEverythingWorksInFIPSOnlyMode(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	const names = "^(TestFIPSOnlyIsOn|TestVersion1|TestAnOldKey|TestARange|TestDropped|TestTheCanonicalForm|TestIDs|TestProofVectors)"
	cmd := exec.CommandContext(t.Context(), self, "-test.run", names, "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "LINEWATCH_FIPS=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestFIPSOnlyIsOn")
	require.GreaterOrEqual(t, strings.Count(string(out), "--- PASS"), 8)
}

func TestFIPSOnlyIsOnInTheChildProcess(t *testing.T) {
	require.Equal(t, os.Getenv("LINEWATCH_FIPS") == "only", fips140.Enabled())
}
