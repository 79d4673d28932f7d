package sqlite

import (
	"database/sql"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
)

// LimitPages limits the file to so many pages, to those it has for 0.
func LimitPages(t testing.TB, s *Store, pages int) {
	t.Helper()
	if pages == 0 {
		require.NoError(t, s.writer.QueryRowContext(t.Context(), `PRAGMA page_count`).Scan(&pages))
	}
	_, err := s.writer.ExecContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	require.NoError(t, err)
}

// ArrivalPlan is how SQLite answers the first page of a list by arrival.
func ArrivalPlan(t testing.TB, s *Store, q store.EventQuery) (lines []string) {
	t.Helper()
	_, err := inSnapshot(t.Context(), s, func(tx *sql.Tx) (struct{}, error) {
		f, err := compile(t.Context(), tx, q)
		require.NoError(t, err)
		driver, err := f.sparse(t.Context(), tx)
		require.NoError(t, err)
		f.driver = &driver
		text, args := f.arrivalTail(key{math.MaxInt64, math.MaxInt64, math.MaxInt64}, key{first: math.MinInt64}, 101)
		lines, err = collect(rowsOf(tx.QueryContext(t.Context(), `EXPLAIN QUERY PLAN SELECT `+rowColumns+rowSource+`WHERE `+text, args...)), func(r scanner) (string, error) {
			var id, parent, unused int
			var detail string
			return detail, r.Scan(&id, &parent, &unused, &detail)
		})
		return struct{}{}, err
	})
	require.NoError(t, err)
	return lines
}
