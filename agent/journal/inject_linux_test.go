package journal

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

// patience is how long a helper may take on a busy machine before it is given up.
const patience = 2 * time.Minute

// life is what a helper process under strace did.
type life struct {
	acked int  // the last number that was acknowledged
	fired bool // the fault happened
}

// underStrace runs the helper in dir with one fault injected until enough says so,
// or until the fault kills it.
func underStrace(t *testing.T, dir, inject string, receipts bool, enough func(acked, files int, fired bool) bool) (l life) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	call, _, _ := strings.Cut(inject, ":")
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-q", "-e", "signal=none", "-e", "trace=" + call, "-e", "inject=" + inject, "-o", trace}
	if !strings.Contains(inject, "SIGKILL") {
		args = append(args, "--seccomp-bpf") // quicker, but it injects no signals
	}
	cmd := exec.Command("strace", append(args, exe)...)
	cmd.Env = append(os.Environ(), helperVariable+"="+dir, retryVariable+"=1", "GOMAXPROCS=1")
	if receipts {
		cmd.Env = append(cmd.Env, receiptVariable+"=1")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(), "strace is needed")
	var stopped atomic.Bool // by us
	kill := func() {
		stopped.Store(true)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	limit := time.AfterFunc(patience, kill)
	defer limit.Stop()
	injected := func() bool {
		text, err := os.ReadFile(trace)
		return err == nil && strings.Contains(string(text), "INJECTED")
	}
	looked := time.Time{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, number, _ := strings.Cut(lines.Text(), " ")
		if word != "acked" {
			continue
		}
		l.acked, err = strconv.Atoi(number)
		require.NoError(t, err)
		if time.Since(looked) < 50*time.Millisecond {
			continue
		}
		looked = time.Now()
		names, err := filepath.Glob(filepath.Join(dir, "*.db"))
		require.NoError(t, err)
		l.fired = l.fired || injected()
		if enough(l.acked, len(names), l.fired) {
			kill()
			break
		}
	}
	// strace ends as its child did. The trace does not always name the call that a
	// signal ended: the process may be gone before strace hears of it.
	var end *exec.ExitError
	if errors.As(cmd.Wait(), &end) && !stopped.Load() {
		status, ok := end.Sys().(syscall.WaitStatus)
		l.fired = l.fired || ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	l.fired = l.fired || injected()
	return l
}

func TestErrorsOfTheDiskAgainAndAgainLoseNothingThatWasAcknowledged(t *testing.T) {
	for name, inject := range map[string]string{
		"sync fails":              "fdatasync:error=EIO:when=7+5",
		"two syncs in three fail": "fdatasync:error=EIO:when=9+2",
		"write fails":             "pwrite64:error=EIO:when=40+23",
		"disk full for a moment":  "pwrite64:error=ENOSPC:when=60+97",
		"growing fails":           "ftruncate:error=EIO:when=3+2",
		"rename fails":            "renameat:error=EIO:when=3+3",
		"removal fails":           "unlinkat:error=EIO:when=2+2",
	} {
		receipts := strings.HasPrefix(name, "removal")
		slow, least := strings.HasPrefix(name, "two syncs"), 200
		if slow { // every commit needs two syncs and waits longer after each that failed: too slow to fill a file
			least = 50
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "journal")
			l := underStrace(t, dir, inject, receipts, func(acked, files int, fired bool) bool {
				return fired && acked > least && (slow || files > 1 || receipts && acked > 20000)
			})
			require.True(t, l.fired, "the fault must have happened")
			require.Greater(t, l.acked, least, "the journal must go on")
			requireWhole(t, open(t, helperOptions(dir)), l.acked)
		})
	}
}

// beforeRoll is a journal that a few more commits make roll.
func beforeRoll(t *testing.T) string {
	t.Helper()
	o := helperOptions(filepath.Join(t.TempDir(), "journal"))
	j := open(t, o)
	for n := 0; j.live.used < o.MaxFile/8*6; n += 20 {
		appendNumbers(t, j, n, 20)
	}
	require.Len(t, j.files, 1)
	require.NoError(t, j.Close())
	return o.Dir
}

// matrix is every fault at the n-th call; in make test a few n, in make soak all of
// a life that opens the journal, commits, rolls to the next file and goes on.
func matrix() (faults []string, ns func(call string) []int) {
	for _, call := range []string{"pwrite64", "write", "fdatasync", "fsync", "ftruncate", "renameat", "unlinkat"} {
		for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=SIGKILL"} {
			faults = append(faults, call+":"+fault)
		}
	}
	if soak(0, 1) == 1 {
		return faults, func(string) []int {
			all := make([]int, 400)
			for i := range all {
				all[i] = i + 1
			}
			return all
		}
	}
	return faults, func(call string) []int {
		switch call {
		case "pwrite64":
			return []int{1, 7, 23}
		case "write", "fdatasync":
			return []int{4}
		}
		return []int{1}
	}
}

func TestAFaultAtAnyWriteSyncTruncateRenameOrRemovalAlsoDuringTheRollLosesNothing(t *testing.T) {
	base := beforeRoll(t)
	faults, ns := matrix()
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			call, _, _ := strings.Cut(fault, ":")
			misses := 0 // strace counts the calls of each thread: one may have fewer
			for i, n := range ns(call) {
				dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
				require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
				begin := 0
				l := underStrace(t, dir, fmt.Sprintf("%s:when=%d", fault, n), call == "unlinkat", func(acked, files int, fired bool) bool {
					if (files > 1 || fired) && begin == 0 {
						begin = acked
					}
					return begin > 0 && acked > begin+100 && (files > 1 || call == "unlinkat")
				})
				if !l.fired {
					require.Positive(t, i, "%s: the fault must have happened", fault)
					if misses++; misses < 3 {
						continue
					}
					t.Logf("%s: a life has fewer than %d calls", fault, n)
					return
				}
				misses = 0
				j := open(t, helperOptions(dir))
				appendNumbers(t, j, next(j), 5)
				requireWhole(t, j, l.acked)
				require.NoError(t, j.Close())
				require.NoError(t, os.RemoveAll(dir))
			}
		})
	}
}

// A roll that is cut off at each of its steps: the files it made are there or not.
func TestAKillAtAnyStepOfTheRollLosesNothing(t *testing.T) {
	base := beforeRoll(t)
	for _, step := range []string{"renameat", "fsync", "unlinkat", "ftruncate"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "journal")
			require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
			acked := 0
			for n := 1; n <= 3; n++ { // cut off again and again, each time a little later
				l := underStrace(t, dir, fmt.Sprintf("%s:signal=SIGKILL:when=%d", step, n), step == "unlinkat", func(acked, files int, _ bool) bool { return files > 2 || acked > 20000 })
				acked = max(acked, l.acked)
			}
			j := open(t, helperOptions(dir))
			mustAppend(t, j, []Leaf{leaf(event.Debug, 1)})
			requireWhole(t, j, acked)
		})
	}
}
