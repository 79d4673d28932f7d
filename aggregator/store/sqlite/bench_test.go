package sqlite_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store/storetest"
)

// BenchmarkIngest commits 1,000 events in 8 segments at a time.
func BenchmarkIngest(b *testing.B) {
	s := open(b)
	defer s.Close()
	p := storetest.NewPlant(b, s, 20)
	events := 0
	for b.Loop() {
		b.StopTimer()
		c := p.Change(b, 1000, 125, 50*time.Millisecond)
		b.StartTimer()
		_, err := s.Commit(b.Context(), c)
		require.NoError(b, err)
		events += 1000
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkDocumentedQueries runs the ten queries of docs/store.md on 200,000 events.
func BenchmarkDocumentedQueries(b *testing.B) {
	s := open(b)
	defer s.Close()
	p := storetest.NewPlant(b, s, 20)
	p.Fill(b, s, 200_000, 500, 10*time.Second)
	for _, q := range storetest.Documented(s, p.Now()) {
		b.Run(q.Name, func(b *testing.B) {
			for b.Loop() {
				q.Run(b)
			}
		})
	}
}

func BenchmarkPagesByArrival(b *testing.B) {
	s := open(b)
	defer s.Close()
	storetest.PagesByArrival(b, s)
}
