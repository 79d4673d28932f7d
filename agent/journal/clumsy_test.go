package journal

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

func TestASecondProcessTouchesNothingInAFolderThatIsInUse(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	// The first process is in the middle of a roll: the next file is being made, or
	// is made and not named as the newest yet.
	next := filepath.Join(o.Dir, fileName(1000))
	require.NoError(t, createFile(next, o.MaxFile, func(tx *bolt.Tx) error {
		return j.fill(tx, &fileInfo{seq: 1000, prev: j.files[0].seq, logs: map[string]logRecord{}})
	}))
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, fileName(2000)+".tmp"), nil, 0o600))
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrLocked)
	require.FileExists(t, next)
	require.FileExists(t, filepath.Join(o.Dir, fileName(2000)+".tmp"))
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 10, "and the folder is free again")
}

// gone removes what people remove who need room, or who think that it is a cache.
func gone(t *testing.T, dir string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, p))
		require.NoError(t, err)
		for _, n := range names {
			require.NoError(t, os.RemoveAll(n))
		}
	}
}

func TestAJournalThatWasRemovedAsAWholeIsDeclared(t *testing.T) {
	for name, patterns := range map[string][]string{"the folder": {"."}, "all in it": {"*"}, "all files and not the marker": {"*.db"}} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Memory = filepath.Join(t.TempDir(), "journal.json")
			j := open(t, o)
			mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
			before := logOf(t, j, event.Manufacturing)
			require.NoError(t, j.Close())
			if patterns[0] == "." {
				require.NoError(t, os.RemoveAll(o.Dir))
			}
			gone(t, o.Dir, patterns...)
			j = open(t, o)
			require.Len(t, gaps(t, j, o), 1, "what was not forwarded is lost, and the record says so")
			mustAppend(t, j, leaves(event.Manufacturing, 10, 1))
			l := logOf(t, j, event.Manufacturing)
			require.Equal(t, before.Origin, l.Predecessor, "the aggregator learns which log ended")
			reg, err := j.Registration(l.ID)
			require.NoError(t, err)
			require.Equal(t, "the journal was removed", reg.Reason)
			require.NoError(t, j.Close())
			j = open(t, o)
			require.Len(t, gaps(t, j, o), 1, "declared once")
		})
	}
}

func TestAFirstStartAndAnotherAgentsMemoryDeclareNothing(t *testing.T) {
	o := options(t)
	o.Memory = filepath.Join(t.TempDir(), "journal.json")
	j := open(t, o)
	require.Empty(t, gaps(t, j, o))
	require.NoError(t, j.Close())
	require.NoError(t, os.RemoveAll(o.Dir))
	other := options(t)
	other.Memory = o.Memory
	require.Empty(t, gaps(t, open(t, other), other), "a new identity has a journal of its own")
	require.NoError(t, os.WriteFile(o.Memory, []byte("{"), 0o600))
	again := options(t)
	again.Memory = o.Memory
	require.Empty(t, gaps(t, open(t, again), again), "a memory that can't be read says nothing")
}

func TestFilesRemovedUnderARunningJournalLoseNothingThatCanStillBeRead(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, o Options, live string){
		"the newest":  func(t *testing.T, _ Options, live string) { require.NoError(t, os.Remove(live)) },
		"all of them": func(t *testing.T, o Options, _ string) { gone(t, o.Dir, "*") },
		"the folder":  func(t *testing.T, o Options, _ string) { require.NoError(t, os.RemoveAll(o.Dir)) },
		"an older one": func(t *testing.T, _ Options, live string) {
			require.NoError(t, os.WriteFile(live+".old", []byte("x"), 0o600))
			require.NoError(t, os.Rename(live+".old", live))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			j := open(t, o)
			mustAppend(t, j, leaves(event.Manufacturing, 0, 500))
			spoil(t, o, j.live.path)
			mustAppend(t, j, leaves(event.Manufacturing, 500, 500))
			require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 1000, "also while it runs")
			require.NoError(t, j.Close())
			j = open(t, o)
			require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 1000)
			require.Empty(t, gaps(t, j, o))
			reports, err := j.Verify(t.Context(), nil)
			require.NoError(t, err)
			for _, r := range reports {
				require.Empty(t, r.Error, r.Name)
			}
		})
	}
}

func TestANewestFileThatIsOverwrittenUnderARunningJournalIsGivenUpAndNothingStandsStill(t *testing.T) {
	for name, at := range map[string]int64{"its begin": 0, "its root": -1} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			j := open(t, o)
			mustAppend(t, j, leaves(event.Manufacturing, 0, 500))
			f, err := os.OpenFile(j.live.path, os.O_RDWR, 0)
			require.NoError(t, err)
			size := int64(2 * os.Getpagesize())
			if at < 0 {
				at, size = size, j.live.used-size
			}
			_, err = f.WriteAt(make([]byte, size), at)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.Eventually(t, func() bool {
				_, err := j.Append(context.Background(), leaves(event.Manufacturing, 500, 1), nil)
				return err == nil
			}, time.Minute, 10*time.Millisecond, "the next file is begun")
			require.NoError(t, j.Close())
			require.Greater(t, len(j.files), 1, "and it is another file")
			j = open(t, o)
			j.scrub()
			require.NotEmpty(t, gaps(t, j, o), "what can't be read is declared")
		})
	}
}

func TestErrorsThatSayNothingOfAFileAreToldFromDamage(t *testing.T) {
	require.False(t, unavailable(berrors.ErrInvalid))
	require.False(t, unavailable(os.ErrNotExist))
}

// memoryOf reads what is remembered outside of the folder.
func memoryOf(t *testing.T, path string) (m memory) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &m))
	return m
}

func TestWhatIsRememberedFollowsTheLogs(t *testing.T) {
	o := options(t)
	o.Memory = filepath.Join(t.TempDir(), "journal.json")
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 1))
	old := logOf(t, j, event.Manufacturing)
	require.Equal(t, old.Origin, memoryOf(t, o.Memory).Logs["manufacturing"])
	require.NoError(t, j.Succeed(t.Context(), old.ID, "test"))
	require.Equal(t, logOf(t, j, event.Manufacturing).Origin, memoryOf(t, o.Memory).Logs["manufacturing"])
	require.False(t, strings.Contains(string(mustRead(t, o.Memory)), "key"), "no secret")
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

func TestAFolderThatWasPutAwayAndPutBackGoesOnInNewLogsWithAllThatIsInIt(t *testing.T) {
	o := options(t)
	o.Memory = filepath.Join(t.TempDir(), "journal.json")
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	old := logOf(t, j, event.Manufacturing)
	require.NoError(t, j.Close())
	require.NoError(t, os.Rename(o.Dir, o.Dir+".old"))
	j = open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 10, 10))
	require.Equal(t, old.Origin, logOf(t, j, event.Manufacturing).Predecessor, "this closes the old log at the aggregator")
	require.NoError(t, j.Close())
	require.NoError(t, os.RemoveAll(o.Dir))
	require.NoError(t, os.Rename(o.Dir+".old", o.Dir))
	j = open(t, o)
	_, ok, err := j.Reconcile(t.Context(), old.ID, wire.LogState{Origin: old.Origin, State: "closed"})
	require.NoError(t, err)
	require.False(t, ok)
	l := logOf(t, j, event.Manufacturing)
	require.Equal(t, old.Origin, l.Predecessor)
	require.Len(t, numbersOf(t, j, l, o), 10, "nothing of it waits for ever")
}
