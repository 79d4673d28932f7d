package postgres_test

import (
	"net/url"
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

func TestADatabaseThatIsNotThereSaysHowToMakeIt(t *testing.T) {
	dsn := peertest.Postgres(t)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Path = "/nobody_made_this"
	_, err = postgres.Open(t.Context(), u.String(), postgres.Options{})
	require.ErrorContains(t, err, "createdb")
	require.NotErrorIs(t, err, store.ErrAway, "it does not come by itself")
	_, err = postgres.Open(t.Context(), "postgres://lw@127.0.0.1:1/lw", postgres.Options{})
	require.ErrorIs(t, err, store.ErrAway)
}

func TestPostgreSQLPassesTheSuite(t *testing.T) { storetest.Run(t, open) }
