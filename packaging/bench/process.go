//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ticks is the kernel's USER_HZ: the unit of times in /proc/<pid>/stat on every
// Linux that Go runs on.
const ticks = 100

// process is one of our programs as the kernel sees it.
type process struct{ pid int }

// child finds the one child process whose command line has all these arguments.
func child(t testing.TB, args ...string) process {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []int
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(t, err)
		matches := process{pid}.parent() == os.Getpid()
		for _, arg := range args {
			matches = matches && bytes.Contains(append([]byte{0}, text...), []byte("\x00"+arg+"\x00"))
		}
		if matches {
			found = append(found, pid)
		}
	}
	require.Len(t, found, 1, "child processes with the arguments %q", args)
	return process{found[0]}
}

// stat returns the fields of /proc/<pid>/stat behind the name, nil when it is gone.
func (p process) stat() []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

func (p process) parent() int {
	f := p.stat()
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// cpu is the processor time that the process used so far, in steps of 10 ms.
func (p process) cpu(t testing.TB) time.Duration {
	t.Helper()
	f := p.stat()
	require.Greater(t, len(f), 12, "process %d is gone", p.pid)
	var sum int64
	for _, field := range f[11:13] { // utime, stime
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err)
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks
}

// status reads one line of /proc/<pid>/status that is in kB, as MB (10^6 bytes);
// 0 when the process is gone.
func (p process) status(name string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// resident is all resident memory in MB, pages of mapped files included.
func (p process) resident() float64 { return p.status("VmRSS") }

// own is the resident memory in MB without mapped files (program, journal).
func (p process) own() float64 { return p.status("RssAnon") }

// peak watches the memory of a process until stop is called, which returns the
// largest that was seen.
func (p process) peak() (stop func() (resident, own float64)) {
	end, done := make(chan struct{}), make(chan struct{})
	var resident, own float64
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			resident, own = max(resident, p.resident()), max(own, p.own())
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	return sync.OnceValues(func() (float64, float64) {
		close(end)
		<-done
		return resident, own
	})
}
