package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

// BenchmarkDurableWrite measures the time from when an event is due until it is
// durable, at 1, 100 and 1,000 events a second, each handed over by itself. The
// peer appends what waits to a file and syncs it: the same group commit without
// hashes, signatures and a file format.
func BenchmarkDurableWrite(b *testing.B) {
	for _, rate := range []int{1, 100, 1000} {
		n := soak(max(10, 5*rate), 60*rate)
		b.Run(fmt.Sprintf("append+fdatasync/%d-per-s", rate), func(b *testing.B) {
			w := newAppender(b)
			atRate(b, rate, n, w.write)
			w.close(b)
		})
		b.Run(fmt.Sprintf("journal/%d-per-s", rate), func(b *testing.B) {
			j := open(b, options(b, func(o *Options) { o.MaxFile = 64 << 20 }))
			mustAppend(b, j, []Leaf{leaf(event.Manufacturing, 0)})
			atRate(b, rate, n, func(l Leaf) error {
				_, err := j.Append(context.Background(), []Leaf{l}, nil)
				return err
			})
		})
	}
}

// atRate hands n events over, evenly, and reports how long each took.
func atRate(b *testing.B, rate, n int, write func(Leaf) error) {
	b.Helper()
	events := benchLeaves(n)
	for b.Loop() {
		took := make([]time.Duration, n)
		before, begin := bytesWritten(b), time.Now()
		var all sync.WaitGroup
		for i := range n {
			due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
			timer := time.NewTimer(time.Until(due))
			<-timer.C
			all.Go(func() {
				if err := write(events[i]); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(due)
			})
		}
		all.Wait()
		b.ReportMetric(float64(bytesWritten(b)-before)/float64(n), "bytes-written/event")
		reportSlowest(b, took)
	}
	b.ReportMetric(0, "ns/op")
}

// appender is append + fdatasync with a group commit.
type appender struct {
	f     *os.File
	queue chan appended
	ended chan struct{}
}

type appended struct {
	bytes []byte
	done  chan error
}

func newAppender(b *testing.B) *appender {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	require.NoError(b, err)
	w := &appender{f, make(chan appended, 1024), make(chan struct{})}
	go w.run()
	return w
}

func (w *appender) run() {
	defer close(w.ended)
	var all []byte
	for first := range w.queue {
		batch := []appended{first}
		for len(w.queue) > 0 {
			batch = append(batch, <-w.queue)
		}
		all = all[:0]
		for _, a := range batch {
			all = append(append(all, a.bytes...), '\n')
		}
		_, err := w.f.Write(all)
		if err == nil {
			err = syscall.Fdatasync(int(w.f.Fd()))
		}
		for _, a := range batch {
			a.done <- err
		}
	}
}

func (w *appender) write(l Leaf) error {
	a := appended{l.Bytes, make(chan error, 1)}
	w.queue <- a
	return <-a.done
}

func (w *appender) close(b *testing.B) {
	b.Helper()
	close(w.queue)
	<-w.ended
	require.NoError(b, w.f.Close())
}
