package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/postgres"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/peertest"
)

func TestABackupIsPutBackAndWhatWasThereIsKept(t *testing.T) {
	dsn := peertest.Postgres(t)
	open := func() *postgres.Store {
		s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		require.NoError(t, err)
		return s
	}
	backup := filepath.Join(t.TempDir(), "copy.dump")
	s := open()
	p := storetest.NewPlant(t, s, 3)
	p.Fill(t, s, 600, 20, time.Second)
	require.NoError(t, s.SaveSession(t.Context(), "token", []byte("x"), time.Now().Add(time.Hour)))
	require.NoError(t, s.Backup(t.Context(), backup))
	require.Error(t, s.Backup(t.Context(), backup), "it overwrites nothing")
	_, err := postgres.Restore(t.Context(), backup, dsn, time.Now())
	require.ErrorIs(t, err, store.ErrInUse, "somebody is connected")
	p.Fill(t, s, 60, 20, 30*24*time.Hour) // partitions that the backup does not know
	cursor, err := s.Feed(t.Context(), "now", 1)
	require.NoError(t, err)
	require.NoError(t, s.Close())

	kept, err := postgres.Restore(t.Context(), backup, dsn, time.Now())
	require.NoError(t, err)
	s = open()
	defer s.Close()
	for text, want := range map[string]int{"": 600, "data.panel:17": 1} {
		n, err := s.Count(t.Context(), storetest.All(text), 0)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	_, found, err := s.FindSession(t.Context(), "token")
	require.NoError(t, err)
	require.False(t, found, "sessions have ended")
	l := storetest.NewLog("later", "manufacturing").Register(t, s)
	storetest.Commit(t, s, l.Append(t, l.Event("hamburg/body/line3/st07", "quality.check")))
	require.Eventually(t, func() bool {
		next, err := s.Feed(t.Context(), cursor.Cursor, 10)
		require.NoError(t, err)
		return len(next.Rows) == 1
	}, time.Minute, 10*time.Millisecond, "a cursor from the time after the backup misses nothing")
	conn := connect(t, dsn)
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM `+strings.TrimPrefix(kept, "schema ")+`.events`).Scan(&n))
	require.Greater(t, n, 600)
}

func TestABackupThatCantBeReadLeavesTheDatabaseAlone(t *testing.T) {
	dsn := peertest.Postgres(t)
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	storetest.NewPlant(t, s, 1).Fill(t, s, 20, 20, time.Second)
	require.NoError(t, s.Close())
	broken := filepath.Join(t.TempDir(), "broken.dump")
	require.NoError(t, os.WriteFile(broken, []byte("PGDMP and nothing more"), 0o600))
	kept, err := postgres.Restore(t.Context(), broken, dsn, time.Now())
	require.Error(t, err)
	require.Empty(t, kept)
	s, err = postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	defer s.Close()
	n, err := s.Count(t.Context(), storetest.All(""), 0)
	require.NoError(t, err)
	require.Equal(t, 20, n)
}
