package journal

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestErrorsOfTheDiskLoseNothingThatWasAcknowledged(t *testing.T) {
	for name, inject := range map[string]string{
		"sync fails":              "fdatasync:error=EIO:when=7+5",
		"two syncs in three fail": "fdatasync:error=EIO:when=9+2",
		"write fails":             "pwrite64:error=EIO:when=40+23",
		"disk full for a moment":  "pwrite64:error=ENOSPC:when=60+97",
		"growing fails":           "ftruncate:error=EIO:when=3+2",
		"rename fails":            "renameat:error=EIO:when=3+3",
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			exe, err := os.Executable()
			require.NoError(t, err)
			call, _, _ := strings.Cut(inject, ":")
			trace := filepath.Join(t.TempDir(), "trace")
			cmd := exec.Command("strace", "-f", "-q", "-e", "trace="+call, "-e", "inject="+inject, "-o", trace, exe)
			cmd.Env = append(os.Environ(), helperVariable+"="+dir, retryVariable+"=1")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start(), "strace is needed")
			kill := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
			// It lives for two seconds of faults, on a busy machine until it got on.
			begin, life := time.Now(), time.AfterFunc(time.Minute, kill)
			acked := 0
			for lines := bufio.NewScanner(out); lines.Scan(); {
				word, number, _ := strings.Cut(lines.Text(), " ")
				require.NotEqual(t, "error", word, lines.Text())
				if word == "acked" {
					acked, err = strconv.Atoi(number)
					require.NoError(t, err)
					if acked > 100 && time.Since(begin) > 2*time.Second {
						kill()
					}
				}
			}
			cmd.Wait()
			life.Stop()
			text, err := os.ReadFile(trace)
			require.NoError(t, err)
			require.Contains(t, string(text), "(INJECTED)", "the fault must have happened")
			require.Greater(t, acked, 100, "the journal must go on")
			requireWhole(t, open(t, helperOptions(dir)), acked)
		})
	}
}
