package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/peertest"
)

func open(t testing.TB) store.Store {
	s, err := postgres.Open(t.Context(), peertest.Postgres(t), postgres.Options{})
	require.NoError(t, err)
	return s
}

func TestPostgreSQLPassesTheSuite(t *testing.T) { storetest.Run(t, open) }
