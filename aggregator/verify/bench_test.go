package verify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/verify"
	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/wire"
)

// BenchmarkVerify walks 50,000 events in segments of 500, with their rows and
// without.
func BenchmarkVerify(b *testing.B) {
	for name, start := range map[string]func() *ingesttest.Rig{
		"sqlite":   func() *ingesttest.Rig { return ingesttest.New(b) },
		"postgres": func() *ingesttest.Rig { return ingesttest.OnPostgres(b, peertest.Postgres(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			r := start()
			a := r.Agent("st07")
			l := r.Log(a, "manufacturing", "")
			const events = 50_000
			for range events / 500 {
				require.Equal(b, wire.ResultStored, r.Send(a, l.CommitN(500))[0].Result)
			}
			for _, rows := range []bool{true, false} {
				what := "with rows"
				if !rows {
					what = "evidence alone"
				}
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						o := options(r, r.Store, "")
						if !rows {
							o.Project = nil
						}
						rep, err := verify.Run(b.Context(), o)
						require.NoError(b, err)
						require.True(b, rep.OK(), "%v", rep.Findings)
					}
					b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
				})
			}
		})
	}
}
