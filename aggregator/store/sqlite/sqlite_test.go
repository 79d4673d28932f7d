package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
)

func open(t testing.TB) store.Store {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "linewatch.db"), sqlite.Options{})
	require.NoError(t, err)
	return s
}

func TestSQLitePassesTheSuite(t *testing.T) { storetest.Run(t, open) }
