package peertest_test

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/peertest"
)

func TestEachTestGetsAnEmptyDatabaseOfTheSameCluster(t *testing.T) {
	first, second := peertest.Postgres(t), peertest.Postgres(t)
	require.NotEqual(t, first, second)
	for _, dsn := range []string{first, second} {
		c, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		_, err = c.Exec(t.Context(), "CREATE TABLE x (a int)")
		require.NoError(t, err)
		require.NoError(t, c.Close(t.Context()))
	}
}

func TestAPrivateClusterKeepsItsRowsOverStopAndKill(t *testing.T) {
	s := peertest.StartPostgres(t, peertest.PostgresConfig{Settings: map[string]string{"work_mem": "8MB"}})
	dsn := s.Database(t)
	run := func(sql string) (n int) {
		c, err := pgx.Connect(t.Context(), dsn)
		require.NoError(t, err)
		defer c.Close(context.Background())
		require.NoError(t, c.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	run("WITH t AS (SELECT 1) SELECT 1 FROM t")
	c, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), "CREATE TABLE x (a int); INSERT INTO x VALUES (1)")
	require.NoError(t, err)
	s.Kill(t)
	_, err = pgx.Connect(t.Context(), dsn)
	require.Error(t, err)
	s.Start(t)
	require.Equal(t, 1, run("SELECT count(*) FROM x"))
	s.Stop(t)
	s.Start(t)
	require.Equal(t, 1, run("SELECT count(*) FROM x"))
}

func TestABrokerStopsStartsAndDies(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{
		Text: "max_queued_messages 100000", Users: map[string]string{"lw": "secret"}, TLS: true,
	})
	dial := func() error {
		c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port)), time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}
	require.FileExists(t, b.CAFile)
	require.NoError(t, dial())
	b.Kill(t)
	require.Error(t, dial())
	b.Start(t)
	require.NoError(t, dial())
	b.Stop(t)
	require.Error(t, dial())
}

func TestANodeProgramTellsThatItIsReadyAndTakesCommands(t *testing.T) {
	p := peertest.Node(t, "echo.js", "hello")
	var ready struct{ Args []string }
	require.NoError(t, json.Unmarshal(p.Ready, &ready))
	require.Equal(t, []string{"hello"}, ready.Args)
	p.Send(t, map[string]int{"n": 1})
	select {
	case line := <-p.Lines():
		require.JSONEq(t, `{"echo":{"n":1}}`, string(line))
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
	}
	p.Stop(t)
	_, open := <-p.Lines()
	require.False(t, open)
}
