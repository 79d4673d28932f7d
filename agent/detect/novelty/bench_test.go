//go:build unix

package novelty

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/detecttest"
)

// BenchmarkDetector measures a value of one signal, aged and with all views that it may
// need: at 10 Hz and 1 Hz many values are a step, at 0.1 Hz each is one.
func BenchmarkDetector(b *testing.B) {
	for _, run := range runs {
		b.Run(strconv.FormatFloat(run.rate, 'g', -1, 64)+"Hz", func(b *testing.B) {
			p := newPlayer("recipes", 1, 1, run.rate)
			p.until(1.2)
			for range 2 {
				p.d.model.age()
			}
			values := make([]float64, 4096)
			for i := range values {
				values[i] = p.next()
			}
			at, i := detecttest.Monday().Add(time.Duration(p.now()*float64(time.Second))), 0
			b.ReportAllocs()
			began := processor(b)
			for b.Loop() {
				at = at.Add(time.Duration(float64(time.Second) / run.rate))
				i++
				p.d.Observe(detect.Sample{At: at, Value: values[i%len(values)]})
			}
			b.ReportMetric(float64((processor(b)-began).Nanoseconds())/float64(i), "cpu-ns/value")
			b.ReportMetric(heapOf(b, 256), "B/signal")
		})
	}
}

// processor is the processor time of this process.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
