package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
)

func TestABackupPutBackTwiceGivesOutNoPositionTwice(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "s.db"), filepath.Join(dir, "copy.db")
	s := openAt(t, path)
	p := storetest.NewPlant(t, s, 3)
	p.Fill(t, s, 600, 20, time.Second)
	require.NoError(t, s.SaveSession(t.Context(), "token", []byte("x"), time.Now().Add(time.Hour)))
	require.NoError(t, s.Backup(t.Context(), backup))
	_, err := sqlite.Restore(t.Context(), backup, path, time.Now())
	require.ErrorIs(t, err, store.ErrInUse, "somebody has it open")
	p.Fill(t, s, 60, 20, time.Second)
	require.NoError(t, s.Close())
	seen := ""
	for round := range 2 {
		kept, err := sqlite.Restore(t.Context(), backup, path, time.Now().Add(time.Duration(round)*time.Second))
		require.NoError(t, err)
		old := openAt(t, kept)
		n, err := old.Count(t.Context(), storetest.All(""), 0)
		require.NoError(t, err)
		require.Greater(t, n, 600, "what was there is kept")
		require.NoError(t, old.Close())
		s := openAt(t, path)
		n, err = s.Count(t.Context(), storetest.All(""), 0)
		require.NoError(t, err)
		require.Equal(t, 600, n)
		_, found, err := s.FindSession(t.Context(), "token")
		require.NoError(t, err)
		require.False(t, found, "sessions have ended")
		l := storetest.NewLog("later", "manufacturing").Register(t, s)
		storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
		if seen != "" {
			next, err := s.Feed(t.Context(), seen, 10)
			require.NoError(t, err)
			require.Len(t, next.Rows, 1, "a cursor from the life before misses nothing")
		}
		end, err := s.Feed(t.Context(), "now", 1)
		require.NoError(t, err)
		seen = end.Cursor
		require.NoError(t, s.Close())
	}
}

func TestWhatIsNoBackupLeavesTheStoreAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	s := openAt(t, path)
	storetest.NewPlant(t, s, 1).Fill(t, s, 20, 20, time.Second)
	require.NoError(t, s.Close())
	_, err := sqlite.Restore(t.Context(), filepath.Join(dir, "nothing.db"), path, time.Now())
	require.Error(t, err)
	_, err = sqlite.Restore(t.Context(), "restore_test.go", path, time.Now())
	require.Error(t, err)
	s = openAt(t, path)
	defer s.Close()
	n, err := s.Count(t.Context(), storetest.All(""), 0)
	require.NoError(t, err)
	require.Equal(t, 20, n)
}
