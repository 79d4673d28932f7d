package journal

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// fillTo appends manufacturing leaves until what has no receipt takes pct percent.
func fillTo(t *testing.T, j *Journal, class event.Class, pct int64) (refused uint64) {
	t.Helper()
	for n := 0; ; n += 100 {
		st, err := j.Stat(t.Context())
		require.NoError(t, err)
		if st.UsedPct >= pct || refused > 0 {
			return refused
		}
		out, err := j.Append(t.Context(), leaves(class, n, 100), nil)
		if err == ErrFull {
			return refused
		}
		require.NoError(t, err)
		refused += out.Refused[class]
	}
}

func TestTheQuotaRefusesDebugFirstAndSecurityLast(t *testing.T) {
	o := options(t, func(o *Options) { o.Quota = 8 << 20 })
	j := open(t, o)
	refusedNow := func(c event.Class) bool {
		out, err := j.Append(t.Context(), leaves(c, 0, 1), nil)
		require.NoError(t, err)
		return out.Refused[c] == 1
	}
	fillTo(t, j, event.Manufacturing, 84)
	require.False(t, refusedNow(event.Debug))
	fillTo(t, j, event.Manufacturing, 86)
	require.Eventually(t, func() bool { return refusedNow(event.Debug) }, 5*time.Second, 50*time.Millisecond)
	require.False(t, refusedNow(event.Performance))
	fillTo(t, j, event.Manufacturing, 91)
	require.Eventually(t, func() bool { return refusedNow(event.Performance) }, 5*time.Second, 50*time.Millisecond)
	require.False(t, refusedNow(event.Manufacturing))
	fillTo(t, j, event.Manufacturing, 97)
	require.Eventually(t, func() bool { return refusedNow(event.Manufacturing) }, 5*time.Second, 50*time.Millisecond)
	require.False(t, refusedNow(event.Security), "the rest is the security class's reserve")
	fillTo(t, j, event.Security, 101)
	require.Eventually(t, func() bool {
		_, err := j.Append(t.Context(), leaves(event.Security, 0, 1), nil)
		return err == ErrFull
	}, 5*time.Second, 50*time.Millisecond)

	// Receipts make room again, and then the counts are in the record.
	for _, l := range j.Logs() {
		require.NoError(t, j.SetReceipt(l.ID, j.logs[l.ID].note))
	}
	require.Eventually(t, func() bool { return !refusedNow(event.Debug) }, 5*time.Second, 50*time.Millisecond)
	require.NoError(t, j.do(t.Context(), func() error { j.housekeep(); return nil }))
	g := gaps(t, j, o)
	require.Len(t, g, 1)
	require.Equal(t, "quota", g[0]["cause"])
	require.NotZero(t, g[0]["lost"].(map[string]any)["manufacturing"])
}

func TestAStorageWarningComesOnceAtFourFifths(t *testing.T) {
	o := options(t, func(o *Options) { o.Quota = 8 << 20 })
	j := open(t, o)
	fillTo(t, j, event.Manufacturing, 81)
	for range 3 {
		require.NoError(t, j.do(t.Context(), func() error { j.housekeep(); return nil }))
	}
	warnings := 0
	for _, text := range readBack(t, j, logOf(t, j, event.Security), public(o)) {
		if strings.Contains(text, `"event_type":"audit.storage_warning"`) {
			warnings++
			require.Contains(t, text, `"limitPct":80`)
			require.Contains(t, text, `"hoursLeft":`)
		}
	}
	require.Equal(t, 1, warnings)
}

func TestReceiptedFilesGoWhenTheyAreOldOrTheQuotaNeedsTheSpace(t *testing.T) {
	o, names := filled(t, 12000)
	o.Refill = 7 * 24 * time.Hour
	j := open(t, o)
	keep := func() { require.NoError(t, j.do(t.Context(), func() error { j.housekeep(); return nil })) }
	for _, l := range j.Logs() {
		require.NoError(t, j.SetReceipt(l.ID, j.logs[l.ID].note))
	}
	keep()
	require.FileExists(t, names[0], "the receipts are not on disk yet")
	mustAppend(t, j, leaves(event.Security, 0, 1))
	keep()
	require.FileExists(t, names[0], "younger than the refill window")
	j.space.quota = 2 << 20
	keep()
	require.NoFileExists(t, names[0])
	require.NoError(t, j.Close())

	o.Refill = -1
	j = open(t, o)
	keep()
	left, err := filepath.Glob(filepath.Join(o.Dir, "*.db"))
	require.NoError(t, err)
	require.Len(t, left, 1, "without a refill window only the live file stays")
	tail, err := j.Tail(t.Context(), 100)
	require.NoError(t, err)
	for _, e := range tail {
		require.NotContains(t, string(e.Leaf), "audit.gap", "what was removed on purpose is no loss")
	}
}

func TestGentleModeCommitsTenTimesASecondAfterAFirstOneAtOnce(t *testing.T) {
	o := options(t, func(o *Options) { o.Gentle = true })
	j := open(t, o)
	before := j.Stat0(t)
	start := time.Now()
	for n := range 4 {
		mustAppend(t, j, leaves(event.Security, n, 1))
	}
	require.GreaterOrEqual(t, time.Since(start), 300*time.Millisecond)
	require.EqualValues(t, 4, j.Stat0(t).Commits-before.Commits)
}

// Stat0 is Stat for tests.
func (j *Journal) Stat0(t *testing.T) Stat {
	t.Helper()
	st, err := j.Stat(t.Context())
	require.NoError(t, err)
	return st
}

func TestHeartbeatsComeByThemselvesAndNameTheOtherLogs(t *testing.T) {
	o := options(t, func(o *Options) { o.Heartbeat = 30 * time.Millisecond })
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 7))
	man := logOf(t, j, event.Manufacturing)
	require.Eventually(t, func() bool {
		for _, text := range readBack(t, j, logOf(t, j, event.Security), public(o)) {
			if strings.Contains(text, `"reason":"interval"`) && strings.Contains(text, man.Origin) && strings.Contains(text, `"size":8`) &&
				strings.Contains(text, `"bootId":`) && strings.Contains(text, `"monotonicMs":`) {
				return true
			}
		}
		return false
	}, 5*time.Second, 10*time.Millisecond)
}

func TestASecondProcessIsRefused(t *testing.T) {
	o := options(t)
	open(t, o)
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrLocked)
}

func TestAnotherSigningKeyMakesSuccessors(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 5), source.Position{Source: "a", Set: map[string][]byte{"x": {1}}})
	old := logOf(t, j, event.Manufacturing)
	require.NoError(t, j.Close())
	o.Signer = options(t).Signer
	j = open(t, o)
	l := logOf(t, j, event.Manufacturing)
	require.NotEqual(t, old.ID, l.ID)
	got := readBack(t, j, l, public(o))
	require.Len(t, got, 1+6, "log.opened, then the old log's leaves, its log.opened too")
	require.Contains(t, got[0], `"copies":6`)
	require.Equal(t, string(leaf(event.Manufacturing, 4).Bytes), got[6])
	require.Equal(t, []byte{1}, j.Positions("a")["x"])
}

func TestAFileIsRolledAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		j, err := Open(t.Context(), o)
		require.NoError(t, err)
		mustAppend(t, j, leaves(event.Security, 0, 1))
		<-time.After(25 * time.Hour) // fake time
		mustAppend(t, j, leaves(event.Security, 1, 1))
		require.NoError(t, j.Close())
		files, err := filepath.Glob(filepath.Join(o.Dir, "*.db"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(files), 2)
	})
}

func TestUnfinishedFilesOfARollAreRemoved(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Security, 0, 3))
	require.NoError(t, j.Close())
	left := filepath.Join(o.Dir, fileName(99)+".tmp")
	require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	j = open(t, o)
	require.NoFileExists(t, left)
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Security), o), 3)
}

func TestTailVerifyAndExportShowWhatIsThere(t *testing.T) {
	o, _ := filled(t, 12000)
	j := open(t, o)
	tail, err := j.Tail(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, tail, 3)
	require.Contains(t, string(tail[2].Leaf), `"log.heartbeat"`, "the newest by its own time")
	dir := t.TempDir()
	var done, all uint64
	n, err := Export(t.Context(), j, "s", dir, func(d, a uint64) { require.GreaterOrEqual(t, d, done); done, all = d, a })
	require.NoError(t, err)
	require.Greater(t, n, uint64(12000))
	require.Equal(t, all, done)
	_, err = Export(t.Context(), j, "s", dir, nil)
	require.ErrorContains(t, err, "there already")
	require.FileExists(t, filepath.Join(dir, logOf(t, j, event.Manufacturing).ID+".segments"))
}

func TestTailKeepsTheOrderOfEachLogWhateverTheirTimesSay(t *testing.T) {
	j := open(t, options(t))
	for i := range 3 { // of one time, long before the log's own first leaf
		mustAppend(t, j, leaves(event.Security, i, 1))
		mustAppend(t, j, leaves(event.Manufacturing, i, 1))
	}
	for _, n := range []int{100, 5} {
		tail, err := j.Tail(t.Context(), n)
		require.NoError(t, err)
		last := map[string]uint64{}
		for _, e := range tail {
			before, seen := last[e.Origin]
			require.True(t, !seen || e.Index == before+1, "%s %d after %d", e.Origin, e.Index, before)
			last[e.Origin] = e.Index
		}
		require.EqualValues(t, logOf(t, j, event.Security).Size-1, last[logOf(t, j, event.Security).Origin], "the newest is in it")
	}
}

func TestRefusalsAreOnDiskWithTheFirstCommitThatKnowsOfThem(t *testing.T) {
	o := options(t, func(o *Options) { o.Quota = 8 << 20 })
	j := open(t, o)
	fillTo(t, j, event.Manufacturing, 86)
	require.Eventually(t, func() bool {
		out, err := j.Append(t.Context(), leaves(event.Debug, 0, 3), nil)
		require.NoError(t, err)
		return out.Refused[event.Debug] == 3
	}, 5*time.Second, 50*time.Millisecond)
	onDisk := func() uint64 {
		var n uint64
		require.NoError(t, j.do(t.Context(), func() error {
			st, err := j.live.state()
			if err == nil && st.refused != nil {
				n = st.refused.Counts["debug"]
			}
			return err
		}))
		return n
	}
	require.EqualValues(t, 3, onDisk(), "the first refusal is durable when it is answered")
	at := source.Position{Source: "s", Set: map[string][]byte{"k": {1}}, Urgent: true}
	_, err := j.Append(t.Context(), leaves(event.Debug, 3, 2), []source.Position{at})
	require.NoError(t, err)
	require.EqualValues(t, 5, onDisk(), "no position without the counts before it")
	_, err = j.Append(t.Context(), leaves(event.Debug, 5, 1), nil)
	require.NoError(t, err)
	require.NoError(t, j.do(t.Context(), func() error { j.housekeep(); return nil }))
	require.EqualValues(t, 6, onDisk(), "later ones within seconds, without an event that carries them")
}

func TestAReceiptOverAHistoryThatWeNeverSignedIsNotTaken(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	l := logOf(t, j, event.Manufacturing)
	_, other, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := evidence.NewSigner(l.Origin, other)
	require.NoError(t, err)
	note, err := signer.SignCheckpoint(evidence.Checkpoint{Origin: l.Origin, Size: l.Size - 1, Root: evidence.Hash{1}})
	require.NoError(t, err)
	require.Error(t, j.SetReceipt(l.ID, note))
	require.Zero(t, logOf(t, j, event.Manufacturing).Receipted)
}
