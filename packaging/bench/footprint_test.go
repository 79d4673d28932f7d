//go:build linux

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/packaging/e2e"
	"github.com/linewatch/linewatch/shared/peertest"
)

// BenchmarkIdle is an agent with one MQTT source on which nothing happens, for 20
// seconds, connected to its aggregator.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		broker := peertest.Mosquitto(b, peertest.MosquittoConfig{})
		p := e2e.New(b, e2e.Options{})
		s := p.Station("st07", e2e.CountSource(broker.URL))
		s.Start()
		pid, server := agent(b, s), aggregator(b, p)
		e2e.Pass(2 * time.Second) // what the start left to do
		memory := pid.peak()
		before, served, began := pid.cpu(b), server.cpu(b), time.Now()
		e2e.Pass(20 * time.Second)
		used, took := pid.cpu(b)-before, time.Since(began)
		served = server.cpu(b) - served
		resident, own := memory()
		b.ReportMetric(resident, "agent-MB")
		b.ReportMetric(own, "agent-own-MB")
		b.ReportMetric(100*used.Seconds()/took.Seconds(), "agent-cpu%")
		b.ReportMetric(server.resident(), "aggregator-MB")
		b.ReportMetric(100*served.Seconds()/took.Seconds(), "aggregator-cpu%")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkBinaries builds the programs as `make build` does and tells their sizes
// (1 MB = 10^6 bytes).
func BenchmarkBinaries(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/",
			"./agent/cmd/linewatch-agent", "./aggregator/cmd/linewatch-aggregator", "./shared/cmd/linewatch-verify")
		cmd.Dir, cmd.Env = peertest.Root(b), append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%s", out)
		for _, name := range []string{"agent", "aggregator", "verify"} {
			info, err := os.Stat(filepath.Join(dir, "linewatch-"+name))
			require.NoError(b, err)
			b.ReportMetric(float64(info.Size())/1e6, name+"-MB")
		}
		b.ReportMetric(0, "ns/op")
	}
}
