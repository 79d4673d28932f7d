package ingest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/linewatch/linewatch/aggregator/ingest"
	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// BenchmarkSegments is the rate of leaves through TLS, verification, projection,
// SQLite and receipt: one agent, ten commits of 100 leaves in a request.
func BenchmarkSegments(b *testing.B) {
	for _, per := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("%d leaves per commit", per), func(b *testing.B) {
			r := ingesttest.New(b, func(o *ingest.Options) { o.Limits.LeafRate, o.Limits.LeafBurst = 1e9, 1e9 })
			a := r.Agent("st07")
			l := r.Log(a, "manufacturing", "")
			leaves := 0
			for b.Loop() {
				b.StopTimer()
				segs := []wiretest.Segment{}
				for range 10 {
					segs = append(segs, l.CommitN(per))
				}
				b.StartTimer()
				status, results, err := a.Send(b.Context(), segs...)
				if err != nil || status != http.StatusOK || results[9].Result != wire.ResultStored {
					b.Fatal(status, results, err)
				}
				leaves += 10 * per
			}
			b.ReportMetric(float64(leaves)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}
