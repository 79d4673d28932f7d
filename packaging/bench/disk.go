//go:build linux

package bench

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// syncs measures n times how long it takes to append an event's bytes to a file
// and flush them, on the disk that the tests' folders are on.
func syncs(t testing.TB, n int) []time.Duration {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "plain"))
	require.NoError(t, err)
	defer f.Close()
	line := append(bytes.Repeat([]byte("x"), 399), '\n')
	all := make([]time.Duration, 0, n)
	for range n {
		begin := time.Now()
		_, err := f.Write(line)
		require.NoError(t, err)
		require.NoError(t, syscall.Fdatasync(int(f.Fd())))
		all = append(all, time.Since(begin))
	}
	return all
}

// quantile of durations in milliseconds: the smallest that a share q of them
// does not exceed. It sorts the list.
func quantile(list []time.Duration, q float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	slices.Sort(list)
	at := int(math.Ceil(q*float64(len(list)))) - 1
	return float64(list[min(max(at, 0), len(list)-1)].Microseconds()) / 1000
}
