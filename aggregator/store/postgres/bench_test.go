package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/peertest"
)

// BenchmarkIngest commits 1,000 events in 8 segments at a time, and copies the
// same rows bare into the same table with the same indexes; the server flushes to
// the disk as in a plant.
func BenchmarkIngest(b *testing.B) {
	server := peertest.StartPostgres(b, peertest.PostgresConfig{Fsync: true})
	b.Run("commit", func(b *testing.B) {
		s, err := postgres.Open(b.Context(), server.Database(b), postgres.Options{})
		require.NoError(b, err)
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
	})
	b.Run("bare COPY", func(b *testing.B) {
		dsn := server.Database(b)
		s, err := postgres.Open(b.Context(), dsn, postgres.Options{})
		require.NoError(b, err)
		defer s.Close()
		p := storetest.NewPlant(b, s, 20)
		p.Fill(b, s, 1000, 125, 50*time.Millisecond) // makes the partitions
		conn, err := pgx.Connect(b.Context(), dsn)
		require.NoError(b, err)
		defer conn.Close(b.Context())
		events := 0
		for b.Loop() {
			b.StopTimer()
			var rows [][]any
			for _, a := range p.Change(b, 1000, 125, 50*time.Millisecond).Segments {
				for _, r := range a.Rows {
					values, err := postgres.CopyValues(r, len(rows)%8+1, 7)
					require.NoError(b, err)
					rows = append(rows, values)
				}
			}
			b.StartTimer()
			_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"events"}, postgres.CopyColumns(), pgx.CopyFromRows(rows))
			require.NoError(b, err)
			events += len(rows)
		}
		b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	})
}

// BenchmarkDocumentedQueries runs the ten queries of docs/store.md on 200,000 events.
func BenchmarkDocumentedQueries(b *testing.B) {
	dsn := peertest.Postgres(b)
	s, err := postgres.Open(b.Context(), dsn, postgres.Options{})
	require.NoError(b, err)
	defer s.Close()
	p := storetest.NewPlant(b, s, 20)
	p.Fill(b, s, 200_000, 500, 10*time.Second)
	conn, err := pgx.Connect(b.Context(), dsn)
	require.NoError(b, err)
	defer conn.Close(b.Context())
	_, err = conn.Exec(b.Context(), `ANALYZE`) // autovacuum does it after a minute
	require.NoError(b, err)
	for _, q := range storetest.Documented(s, p.Now()) {
		b.Run(q.Name, func(b *testing.B) {
			for b.Loop() {
				q.Run(b)
			}
		})
	}
}

func BenchmarkPagesByArrival(b *testing.B) {
	s, err := postgres.Open(b.Context(), peertest.Postgres(b), postgres.Options{})
	require.NoError(b, err)
	defer s.Close()
	storetest.PagesByArrival(b, s)
}
