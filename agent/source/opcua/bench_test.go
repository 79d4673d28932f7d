//go:build unix

package opcua

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
)

// counter is a sink that only counts, and checks that the steps of each variable
// follow each other.
type counter struct {
	mu      sync.Mutex
	got     int
	lost    int64
	last    map[*source.Point]int64
	changed chan struct{}
}

// Take counts.
func (c *counter) Take(_ context.Context, batch []source.Reading, _ source.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		step, ok := batch[i].Value.(int64)
		if !ok {
			continue
		}
		if last := c.last[batch[i].Point]; last != 0 && step > last+1 {
			c.lost += step - last - 1
		}
		c.last[batch[i].Point] = step
		c.got++
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
	return nil
}

// wait returns once n values have come.
func (c *counter) wait(b *testing.B, n int) int {
	b.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		got := c.got
		c.mu.Unlock()
		if got >= n {
			return got
		}
		select {
		case <-c.changed:
		case <-deadline:
			b.Fatalf("%d of %d values came", got, n)
		}
	}
}

// processorTime is what this process used so far; the server is another one.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousandVariablesAtTenHertz is the budget of the design: 1,000
// variables at 10 Hz, none lost, CPU seconds per million values. Detection and
// journal are not in it: the sink only counts.
func BenchmarkThousandVariablesAtTenHertz(b *testing.B) {
	const variables = 1000
	server := startLine(b, map[string]any{"variables": variables, "every": 100, "alarm": false})
	for b.Loop() {
		sink := &counter{last: map[*source.Point]int64{}, changed: make(chan struct{}, 1)}
		s := run(b, insecure(server.Endpoint, stepNodes(variables)...), Options{}, sink)
		from := sink.wait(b, 2*variables)
		before, began := processorTime(b), time.Now()
		got := sink.wait(b, from+60*variables) - from
		used, elapsed := processorTime(b)-before, time.Since(began)
		s.stop()
		b.ReportMetric(used.Seconds()/float64(got)*1e6, "CPU-s/million")
		b.ReportMetric(float64(got)/elapsed.Seconds(), "values/s")
		b.ReportMetric(float64(sink.lost), "lost")
	}
}
