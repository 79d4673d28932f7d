//go:build linux

package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// benchLeaves are of the size of a usual event, 400 bytes.
func benchLeaves(n int) []Leaf {
	out := make([]Leaf, n)
	for i := range out {
		out[i] = Leaf{Class: event.Manufacturing, Bytes: fmt.Appendf(nil, `{"n":%06d,"pad":"%s"}`, i, strings.Repeat("x", 380))}
	}
	return out
}

// BenchmarkCommit measures commits of 1 to 1,000 events beside an append and
// fdatasync of the same bytes on the same disk, bare and with a signature for each
// event.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		batch := benchLeaves(n)
		b.Run(fmt.Sprintf("append+fdatasync/%d", n), func(b *testing.B) { plainCommits(b, batch, nil) })
		b.Run(fmt.Sprintf("signed-each+append+fdatasync/%d", n), func(b *testing.B) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			require.NoError(b, err)
			plainCommits(b, batch, key)
		})
		b.Run(fmt.Sprintf("journal/%d", n), func(b *testing.B) {
			o := options(b, func(o *Options) { o.MaxFile = 64 << 20 })
			j := open(b, o)
			ctx := context.Background()
			before := bytesWritten(b)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				_, err := j.Append(ctx, batch, nil)
				require.NoError(b, err)
				took = append(took, time.Since(start))
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
			reportSlowest(b, took)
			b.ReportMetric(float64(bytesWritten(b)-before)/float64(b.N*n), "bytes-written/event")
		})
	}
}

// plainCommits appends the batch to a file and syncs it, again and again; with a
// key each event is hashed and signed first.
func plainCommits(b *testing.B, batch []Leaf, key ed25519.PrivateKey) {
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	require.NoError(b, err)
	var all []byte
	var took []time.Duration
	before := bytesWritten(b)
	for b.Loop() {
		start := time.Now()
		all = all[:0]
		for _, l := range batch {
			all = append(append(all, l.Bytes...), '\n')
			if key != nil {
				h := evidence.LeafHash(l.Bytes)
				all = append(all, ed25519.Sign(key, h[:])...)
			}
		}
		_, err := f.Write(all)
		require.NoError(b, err)
		require.NoError(b, syscall.Fdatasync(int(f.Fd())))
		took = append(took, time.Since(start))
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "events/s")
	reportSlowest(b, took)
	b.ReportMetric(float64(bytesWritten(b)-before)/float64(b.N*len(batch)), "bytes-written/event")
	require.NoError(b, f.Close())
}

// reportSlowest gives the time that 99 of 100 writes do not exceed.
func reportSlowest(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// bytesWritten is what this process handed to the block layer so far.
func bytesWritten(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	require.NoError(b, err)
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(number, 10, 64)
	require.NoError(b, err)
	return n
}

// BenchmarkManyCallers measures the group commit: callers that each wait for
// their own event.
func BenchmarkManyCallers(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			j := open(b, options(b, func(o *Options) { o.MaxFile = 64 << 20 }))
			one := benchLeaves(1)
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := j.Append(context.Background(), one, nil); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkBacklog measures what a large backlog costs: opening the journal, and
// reading it for the forwarder (verified, and packed for the wire).
func BenchmarkBacklog(b *testing.B) {
	o := options(b, func(o *Options) { o.MaxFile, o.Quota = 64<<20, 4<<30 })
	j, err := Open(context.Background(), o)
	require.NoError(b, err)
	batch := benchLeaves(1000)
	commits := soak(600, 5000) // five million events, 2.6 GB
	for range commits {
		_, err := j.Append(context.Background(), batch, nil)
		require.NoError(b, err)
	}
	require.NoError(b, j.Close())
	st, err := filepath.Glob(filepath.Join(o.Dir, "*.db"))
	require.NoError(b, err)
	b.Run("open", func(b *testing.B) {
		var took time.Duration
		for b.Loop() {
			start := time.Now()
			j, err := Open(context.Background(), o)
			took += time.Since(start)
			require.NoError(b, err)
			require.NoError(b, j.Close())
		}
		b.ReportMetric(float64(took.Microseconds())/1000/float64(b.N), "ms/open")
		b.ReportMetric(float64(len(st)), "files")
	})
	b.Run("drain", func(b *testing.B) {
		j := open(b, o)
		l := logOf(b, j, event.Manufacturing)
		n := 0
		for b.Loop() {
			for at := uint64(0); at < l.Size; {
				seg, err := j.Next(context.Background(), l.ID, at, 1<<20)
				require.NoError(b, err)
				_, err = wire.AppendSegment(nil, seg.Header, seg.Leaves)
				require.NoError(b, err)
				at += seg.Header.Count
				n += len(seg.Leaves)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("verify", func(b *testing.B) {
		j := open(b, o)
		n := uint64(0)
		for b.Loop() {
			files, err := j.Verify(context.Background(), nil)
			require.NoError(b, err)
			for _, f := range files {
				require.Empty(b, f.Error)
				for _, leaves := range f.Leaves {
					n += leaves
				}
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkSign shows what a signature per event would cost.
func BenchmarkSign(b *testing.B) {
	o := options(b)
	s, err := evidence.NewSigner("linewatch/a000000000000000/security/0000000000000000", o.Signer.(ed25519.PrivateKey))
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.SignCheckpoint(evidence.Checkpoint{Origin: "linewatch/a000000000000000/security/0000000000000000", Size: 1})
		require.NoError(b, err)
	}
}
