package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/aggregator/store/sqlite"
	"github.com/linewatch/linewatch/aggregator/store/storetest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

const station = "hamburg/body/line3/st07"

func openAt(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	return s
}

func TestAClosedStoreOpensAgainWithEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := openAt(t, path)
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	page, err := s.Feed(t.Context(), "", 10)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "only its owner reads the file")

	s = openAt(t, path)
	defer s.Close()
	storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	next, err := s.Feed(t.Context(), page.Cursor, 10)
	require.NoError(t, err)
	require.Len(t, next.Rows, 1)
	n, err := s.Count(t.Context(), storetest.All("type:quality.*"), 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// TestAFullDiskIsAnErrorAndALaterCommitWorks uses SQLite's own limit of pages,
// which fails as a full disk does (SQLITE_FULL), in the middle of a transaction.
func TestAFullDiskIsAnErrorAndALaterCommitWorks(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	defer s.Close()
	p := storetest.NewPlant(t, s, 3)
	p.Fill(t, s, 200, 20, time.Second)
	sqlite.LimitPages(t, s, 0)
	var failed error
	c := p.Change(t, 6000, 2000, time.Second)
	_, failed = s.Commit(t.Context(), c)
	require.ErrorContains(t, failed, "full")
	n, err := s.Count(t.Context(), storetest.All(""), 0)
	require.NoError(t, err)
	require.Equal(t, 200, n, "nothing of it was stored")
	require.Error(t, commitAgain(t, s, c), "still full")
	sqlite.LimitPages(t, s, 1<<30)
	require.NoError(t, commitAgain(t, s, c))
	n, err = s.Count(t.Context(), storetest.All(""), 0)
	require.NoError(t, err)
	want := 200
	for _, a := range c.Segments {
		want += int(a.Count)
	}
	require.Equal(t, want, n)
}

func commitAgain(t testing.TB, s store.Store, c store.Change) error {
	_, err := s.Commit(t.Context(), c)
	return err
}

func TestAnotherProcessThatHoldsTheFileIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := openAt(t, path)
	defer s.Close()
	l := storetest.NewLog("a", event.Manufacturing).Register(t, s)
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	a := l.Append(t, l.Event(station, "quality.check"))
	began := time.Now()
	_, err = s.Commit(ctx, store.Change{Segments: []store.Append{a}})
	require.Error(t, err, "busy, and the caller's time is over")
	require.Less(t, time.Since(began), 15*time.Second)
	done := make(chan error, 1)
	go func() { done <- commitAgain(t, s, store.Change{Segments: []store.Append{a}}) }()
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done)
}

// TestKilledWhileItCommitsNothingCommittedIsLost starts this test binary as the
// process to be killed.
func TestKilledWhileItCommitsNothingCommittedIsLost(t *testing.T) {
	const child = "LINEWATCH_SQLITE_CHILD"
	if path := os.Getenv(child); path != "" {
		commitForEver(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "s.db")
	done := uint64(0)
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWhileItCommitsNothingCommittedIsLost$")
		cmd.Env = append(os.Environ(), child+"="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		buf := make([]byte, 64)
		for read := 0; read < 40+17*round; {
			n, err := out.Read(buf)
			require.NoError(t, err)
			read += n // one byte for each commit
			done += uint64(n)
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	}
	s := openAt(t, path)
	defer s.Close()
	logs, err := s.Logs(t.Context())
	require.NoError(t, err)
	require.Len(t, logs, 3)
	total := uint64(0)
	for _, l := range logs {
		total += l.Size
		_, err := s.Proof(t.Context(), l.ID, 0, l.Size)
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, total, 3*done)
	n, err := s.Count(t.Context(), storetest.All(""), 0)
	require.NoError(t, err)
	require.Equal(t, total, uint64(n))
}

func commitForEver(t *testing.T, path string) {
	s := openAt(t, path)
	l := storetest.NewLog(time.Now().String(), event.Manufacturing).Register(t, s)
	for {
		storetest.Commit(t, s, l.Append(t, l.Event(station, "quality.check"), l.Event(station, "quality.check"), l.Event(station, "quality.check")))
		if _, err := os.Stdout.Write([]byte{'.'}); err != nil {
			return
		}
	}
}

func TestAProofInALargeLogTakesMilliseconds(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	defer s.Close()
	l := storetest.FillLog(t, s, 200_000)
	began := time.Now()
	const proofs = 50
	for i := range uint64(proofs) {
		_, err := s.Proof(t.Context(), l.ID, i*7919%l.Size, l.Size)
		require.NoError(t, err)
	}
	t.Logf("one proof in a log of %d leaves: %v", l.Size, time.Since(began)/proofs)
	require.Less(t, time.Since(began)/proofs, 100*time.Millisecond)
}

func TestABackupIsWholeAndGoesOnInANewEpoch(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "s.db"))
	defer s.Close()
	p := storetest.NewPlant(t, s, 3)
	p.Fill(t, s, 600, 20, time.Second)
	require.NoError(t, s.Backup(t.Context(), filepath.Join(dir, "copy.db")))
	require.Error(t, s.Backup(t.Context(), filepath.Join(dir, "copy.db")), "it overwrites nothing")
	p.Fill(t, s, 60, 20, time.Second)
	now, err := s.Feed(t.Context(), "now", 1)
	require.NoError(t, err)

	c := openAt(t, filepath.Join(dir, "copy.db"))
	defer c.Close()
	require.NoError(t, c.BeginEpoch(t.Context()))
	for text, want := range map[string]int{"": 600, "data.panel:17": 1, "type:quality.check pass": -1} {
		n, err := c.Count(t.Context(), storetest.All(text), 0)
		require.NoError(t, err)
		require.True(t, n == want || want < 0 && n > 300, "%q: %d", text, n)
	}
	l := storetest.NewLog("later", event.Manufacturing).Register(t, c)
	storetest.Commit(t, c, l.Append(t, l.Event(station, "quality.check")))
	next, err := c.Feed(t.Context(), now.Cursor, 10)
	require.NoError(t, err)
	require.Len(t, next.Rows, 1, "a cursor from the time after the backup misses nothing")
}

func TestADestroyedKeyIsNotInTheFilesAnyMore(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "linewatch.db"), sqlite.Options{})
	require.NoError(t, err)
	defer s.Close()
	vault, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	key, err := seal.NewDataKey(vault.Public(), seal.Label{Subject: seal.Set("secret"), Month: "2026-03"})
	require.NoError(t, err)
	l := storetest.NewLog("sealed", event.Security).Register(t, s)
	a := l.Append(t, l.Event("hamburg/body/line1/st01", "user.login"))
	a.Keys = map[string][]byte{key.ID: key.Blob}
	storetest.Commit(t, s, a)
	holds := func() (found bool) {
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(filepath.Join(dir, "linewatch.db"+suffix))
			require.NoError(t, err)
			found = found || bytes.Contains(data, key.Blob[len(key.Blob)-60:])
		}
		return found
	}
	require.True(t, holds())
	_, err = s.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: key.ID, List: 1, At: storetest.Start()}}})
	require.NoError(t, err)
	require.False(t, holds())
}
