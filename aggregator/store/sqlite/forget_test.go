package sqlite_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// TestADestroyedKeyIsInNoneOfTheFiles: its bytes are overwritten, and the write-ahead
// log is emptied, also when somebody was reading at the time.
func TestADestroyedKeyIsInNoneOfTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	held := func(k *seal.DataKey) (files []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			if bytes.Contains(text, k.Blob[len(k.Blob)-40:]) {
				files = append(files, e.Name())
			}
		}
		return files
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "linewatch.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	l := storetest.NewLog("sealed", event.Security).Register(t, s)
	put := func() *seal.DataKey {
		k, err := seal.NewDataKey(private.Public(), seal.Label{Subject: "p-0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", Month: "2026-03"})
		require.NoError(t, err)
		a := l.Append(t, l.Event("hamburg/body/line3/st07", "user.login"))
		a.Keys = map[string][]byte{k.ID: k.Blob}
		storetest.Commit(t, s, a)
		require.NotEmpty(t, held(k))
		return k
	}
	destroy := func(k *seal.DataKey) {
		_, err := s.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: k.ID, List: 1, At: storetest.Start()}}})
		require.NoError(t, err)
	}
	first := put()
	destroy(first)
	require.Empty(t, held(first))

	second := put()
	beside, err := sql.Open("sqlite", filepath.Join(dir, "linewatch.db"))
	require.NoError(t, err)
	defer beside.Close()
	reading, err := beside.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var n int
	require.NoError(t, reading.QueryRow(`SELECT count(*) FROM wrapped_keys`).Scan(&n))
	require.Equal(t, 1, n)
	destroy(second) // waits for the reader as long as the database does
	require.NotEmpty(t, held(second), "a reader keeps the log")
	require.NoError(t, reading.Rollback())
	storetest.Commit(t, s, l.Append(t, l.Event("hamburg/body/line3/st07", "user.login")))
	require.Empty(t, held(second), "the next change makes up for it")
}
