package postgres_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/peertest"
)

// TestTheDocumentedQueriesUseIndexes asks PostgreSQL for the plan of each
// statement that the ten queries send, on some ten weeks of events.
func TestTheDocumentedQueriesUseIndexes(t *testing.T) {
	dsn := peertest.Postgres(t)
	var tracer postgres.Tracer
	s, err := postgres.OpenTraced(t.Context(), dsn, &tracer)
	require.NoError(t, err)
	defer s.Close()
	p := storetest.NewPlant(t, s, 20)
	p.Fill(t, s, 100_000, 50, time.Minute)
	conn := connect(t, dsn)
	_, err = conn.Exec(t.Context(), `ANALYZE`)
	require.NoError(t, err)
	scan := regexp.MustCompile(`Seq Scan on (events_g\S+)`)
	used := map[string]bool{}
	for _, q := range storetest.Documented(s, p.Now()) {
		tracer.Take()
		began := time.Now()
		rows := q.Run(t)
		require.NotZero(t, rows, q.Name)
		t.Logf("%-40s %4d rows in %v", q.Name, rows, time.Since(began))
		for _, st := range tracer.Take() {
			if !strings.Contains(st.SQL, "events e") && !strings.Contains(st.SQL, "FROM events") {
				continue
			}
			lines, err := conn.Query(t.Context(), `EXPLAIN `+st.SQL, st.Args...)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
			require.NoError(t, err)
			text := strings.Join(plan, "\n")
			require.Empty(t, scan.FindString(text), "%s\n%s\n%s", q.Name, st.SQL, text)
			for _, index := range regexp.MustCompile(`events_g0_\d+_\w+idx`).FindAllString(text, -1) {
				used[regexp.MustCompile(`^events_g0_\d+_`).ReplaceAllString(index, "")] = true
			}
		}
	}
	for _, index := range []string{
		"station_at_log_idx_idx", "type_at_log_idx_idx", "severity_at_log_idx_idx", "user_id_at_log_idx_idx",
		"correlation_at_log_idx_idx", "id_idx", "data_idx",
	} {
		require.True(t, used[index], "%s is used by none of them; used are %v", index, used)
	}
}
