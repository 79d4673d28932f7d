//go:build linux

package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
	"github.com/linewatch/linewatch/shared/peertest"
)

// BenchmarkCatchUp is the end of an outage: an agent took a queue of messages into
// its journal while the aggregator was away; the time runs from the aggregator's
// start to the last commit in PostgreSQL.
func BenchmarkCatchUp(b *testing.B) {
	for b.Loop() {
		broker := peertest.Mosquitto(b, peertest.MosquittoConfig{Text: limitless})
		p := e2e.New(b, database(b, "postgres"))
		s := p.Station("st07", drainSource(broker.URL))
		require.Equal(b, 0, p.Aggregator().Stop(b))
		fill(b, broker.URL, queued)
		s.Launch()
		pid := agent(b, s)
		backlog := uint64(0)
		e2e.Until(b, "the queue to be in the journal", func() bool {
			if st, ok := s.Status(); ok {
				backlog = st.Backlog
			}
			return backlog >= queued
		}, func() any { return backlog })
		own := pid.own()
		before := pid.cpu(b)
		p.LaunchAggregator()
		began := time.Now()
		stored := 0
		e2e.Within(b, 2*time.Minute, "the backlog to be stored", func() bool {
			stored = events(p, s.Name)
			return stored >= queued
		}, func() any { return stored })
		took, used := time.Since(began), pid.cpu(b)-before
		b.ReportMetric(queued/took.Seconds(), "events/s")
		b.ReportMetric(used.Seconds()/queued*1e6, "agent-cpu-s/million")
		b.ReportMetric(own, "agent-own-MB")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkWritten is what an agent makes the disk write in a day at 50 events a
// second, with the default commit and the gentle one for flash.
func BenchmarkWritten(b *testing.B) {
	for _, commit := range []string{"fast", "gentle"} {
		b.Run(commit, func(b *testing.B) {
			for b.Loop() {
				const rate, warm, n = 50, 100, 1100
				broker := peertest.Mosquitto(b, peertest.MosquittoConfig{})
				p := e2e.New(b, e2e.Options{})
				s := p.Station("st07", e2e.CountSource(broker.URL))
				text, err := os.ReadFile(s.Config())
				require.NoError(b, err)
				changed := strings.Replace(string(text), "journal: {", "journal: {commit: "+commit+", ", 1)
				require.NotEqual(b, string(text), changed)
				require.NoError(b, os.WriteFile(s.Config(), []byte(changed), 0o600))
				s.Start()
				client, sent, pid := e2e.Publisher(b, broker.URL), make([]time.Time, n), agent(b, s)
				paced(b, client, 0, warm, rate, sent)
				before, began := pid.written(b), time.Now()
				paced(b, client, warm, n, rate, sent)
				perSecond := float64(pid.written(b)-before) / time.Since(began).Seconds()
				b.ReportMetric(perSecond*86400/1e9, "GB/day")
				b.ReportMetric(perSecond/rate, "bytes/event")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// written is what the process handed to the block layer so far, in bytes.
func (p process) written(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.pid))
	require.NoError(b, err)
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	figure, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(figure, 10, 64)
	require.NoError(b, err)
	return n
}
