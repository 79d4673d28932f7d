package sqlite

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
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
