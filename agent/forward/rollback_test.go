package forward

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

// distinct collects the numbered leaves of a class over all logs of the aggregator.
func (r *rig) distinct(class event.Class) map[int]bool {
	out := map[int]bool{}
	for _, o := range r.agg.Origins() {
		if strings.Contains(o, "/"+string(class)+"/") {
			for _, n := range r.numbers(o) {
				out[n] = true
			}
		}
	}
	return out
}

// succeeded waits until another log has taken the place of the one with this origin.
func (r *rig) succeeded(origin string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		for _, l := range r.j.Logs() {
			if l.Class == event.Manufacturing && l.State == "active" {
				return l.Origin != origin
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond)
}

func TestAFolderCopiedBackIsSucceededAndLosesNothing(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 100)
	r.caughtUp()
	r.stop()
	require.NoError(t, r.j.Close())
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(r.jo.Dir)))

	r.openJournal()
	r.start()
	r.add(event.Manufacturing, 100, 100)
	r.caughtUp()
	old := r.log(event.Manufacturing)
	r.stop()
	require.NoError(t, r.j.Close())

	// The administrator puts the copy back; the station goes on from there.
	require.NoError(t, os.RemoveAll(r.jo.Dir))
	require.NoError(t, os.CopyFS(r.jo.Dir, os.DirFS(backup)))
	r.openJournal()
	r.add(event.Manufacturing, 1000, 30)
	r.start()
	r.succeeded(old.Origin)
	r.caughtUp()
	reg := r.agg.Registration(r.log(event.Manufacturing).Origin)
	require.Equal(t, old.Origin, reg.Predecessor)
	require.NotEqual(t, "new", reg.Reason)
	got := r.distinct(event.Manufacturing)
	require.Len(t, got, 230, "what was sent before, and what came after the copy")
	require.Contains(t, joined(r.agg.Leaves(r.log(event.Security).Origin)), `"log.succeeded"`)
}

func TestTwoCopiesOfOneJournalForkAndTheSecondIsSucceeded(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 50)
	r.caughtUp()
	r.stop()
	require.NoError(t, r.j.Close())
	clone := filepath.Join(t.TempDir(), "clone")
	require.NoError(t, os.CopyFS(clone, os.DirFS(r.jo.Dir)))
	r.openJournal()
	r.start()
	r.add(event.Manufacturing, 50, 10)
	r.caughtUp()
	origin := r.log(event.Manufacturing).Origin
	r.stop()

	twin := *r
	twin.jo.Dir = clone
	twin.openJournal()
	twin.add(event.Manufacturing, 5000, 40) // longer than the original, with another history
	twin.start()
	twin.succeeded(origin)
	twin.caughtUp()
	require.Len(t, r.distinct(event.Manufacturing), 100)
}

func TestAHoleReachesTheAggregatorAndTheRestIsVerified(t *testing.T) {
	r := newRig(t)
	for n := 0; n < 12000; n += 500 {
		r.add(event.Manufacturing, n, 500)
	}
	require.NoError(t, r.j.Close())
	names, err := filepath.Glob(filepath.Join(r.jo.Dir, "*.db"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(names[1]))
	r.openJournal()
	r.start()
	r.caughtUp()
	got := r.distinct(event.Manufacturing)
	require.Less(t, len(got), 12000)
	require.True(t, got[0] && got[11999])
	leaves := r.agg.Leaves(r.log(event.Manufacturing).Origin)
	lost := 0
	for _, l := range leaves {
		if l == nil {
			lost++
		}
	}
	require.Equal(t, 12000-len(got), lost, "the aggregator knows which indexes are lost")
	require.Contains(t, joined(r.agg.Leaves(r.log(event.Security).Origin)), `"missing_file"`)
}

func TestTheJournalSurvivesManyRestartsWhileTheAggregatorComesAndGoes(t *testing.T) {
	r := newRig(t)
	n := 0
	for round := range 6 {
		r.agg.Set(wiretest.Faults{Down: round%2 == 0})
		r.start()
		for range 20 {
			r.add(event.Manufacturing, n, 10)
			n += 10
		}
		r.stop()
		require.NoError(t, r.j.Close())
		r.openJournal()
	}
	r.agg.Set(wiretest.Faults{})
	r.start()
	r.caughtUp()
	got := r.numbers(r.log(event.Manufacturing).Origin)
	require.Len(t, got, n)
	require.IsIncreasing(t, got)
}

func TestAClosedLogIsSentWholeBeforeItsSuccessorIsRegistered(t *testing.T) {
	r := newRig(t)
	r.fo.Segment, r.fo.Request = 16<<10, 16<<10 // many requests
	for n := 0; n < 3000; n += 50 {
		r.add(event.Manufacturing, n, 50)
	}
	old := r.log(event.Manufacturing)
	require.NoError(t, r.j.CloseLogs(t.Context(), "moved"))
	r.add(event.Manufacturing, 3000, 10)
	next := r.log(event.Manufacturing)
	r.start()
	r.agg.Wait(t, "registration of the successor", func() bool { return r.agg.Registration(next.Origin).Origin != "" })
	require.Len(t, r.agg.Leaves(old.Origin), int(old.Size)+1, "log.closed is its last leaf")
	r.caughtUp()
	require.Len(t, r.distinct(event.Manufacturing), 3010)
}

// What was never sent and is rolled back with the folder is not caught by any
// signature: the documents say so. The heartbeats bound it: a start without the
// stop before it is in the record, with the clock that ran meanwhile.
func TestANeverForwardedTailRolledBackIsNotCaughtBySignaturesButTheHeartbeatsShowTheStart(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 50)
	r.caughtUp()
	r.stop()
	require.NoError(t, r.j.Close())
	r.openJournal() // what the stop left is sent, so that the copy is up to date
	r.start()
	r.caughtUp()
	r.stop()
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(r.jo.Dir)))
	origin := r.log(event.Manufacturing).Origin

	r.add(event.Manufacturing, 50, 20) // never sent
	require.NoError(t, r.j.Close())
	require.NoError(t, os.RemoveAll(r.jo.Dir))
	require.NoError(t, os.CopyFS(r.jo.Dir, os.DirFS(backup)))
	r.openJournal()
	r.start()
	r.add(event.Manufacturing, 100, 10)
	r.caughtUp()
	require.Equal(t, origin, r.log(event.Manufacturing).Origin, "no signature speaks against it")
	got := r.distinct(event.Manufacturing)
	require.Len(t, got, 60)
	require.False(t, got[50])

	var reasons []string
	for _, leaf := range r.agg.Leaves(r.log(event.Security).Origin) {
		var e struct {
			Type string `json:"event_type"`
			Data struct {
				Reason string
				BootID string
			} `json:"event_data"`
		}
		require.NoError(t, json.Unmarshal(leaf, &e))
		if e.Type == event.TypeLogHeartbeat {
			require.NotEmpty(t, e.Data.BootID)
			reasons = append(reasons, e.Data.Reason)
		}
	}
	require.Equal(t, []string{"start", "stop", "start", "start"}, reasons, "the second start is followed by another one without a stop")
}

// The journal that is put back does not know the key that signs now: the claim of
// the aggregator can't be checked with its keys, and still the station must go on.
func TestAFolderCopiedBackAcrossAChangeOfTheKeyIsSucceededToo(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 100)
	r.caughtUp()
	r.stop()
	require.NoError(t, r.j.Close())
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(r.jo.Dir)))

	r.openJournal()
	r.start()
	_, next, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	require.NoError(t, r.j.ChangeKey(t.Context(), next, "test"))
	r.add(event.Manufacturing, 100, 100)
	r.caughtUp()
	old := r.log(event.Manufacturing)
	r.stop()
	require.NoError(t, r.j.Close())

	require.NoError(t, os.RemoveAll(r.jo.Dir))
	require.NoError(t, os.CopyFS(r.jo.Dir, os.DirFS(backup)))
	r.openJournal()
	r.add(event.Manufacturing, 1000, 30)
	r.start()
	r.succeeded(old.Origin)
	r.caughtUp()
	require.Equal(t, old.Origin, r.agg.Registration(r.log(event.Manufacturing).Origin).Predecessor)
	require.Len(t, r.distinct(event.Manufacturing), 230)
}
