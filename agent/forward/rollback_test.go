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
	"github.com/linewatch/linewatch/shared/evidence"
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

// off ends the agent and closes its journal, as a PC that is shut down.
func (r *rig) off() {
	r.t.Helper()
	r.stop()
	require.NoError(r.t, r.j.Close())
}

// imaged is a station that is off after a hundred events were sent, and an image of
// its disk from then.
func imaged(t *testing.T) (r *rig, backup string) {
	r = newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 100)
	r.caughtUp()
	r.off()
	return r, r.copied()
}

// newKey changes the key of the station's logs.
func (r *rig) newKey() {
	r.t.Helper()
	_, next, err := ed25519.GenerateKey(nil)
	require.NoError(r.t, err)
	require.NoError(r.t, r.j.ChangeKey(r.t.Context(), next, "test"))
}

func TestAFolderCopiedBackIsSucceededAndLosesNothing(t *testing.T) {
	r, backup := imaged(t)

	r.openJournal()
	r.start()
	r.add(event.Manufacturing, 100, 100)
	r.caughtUp()
	old := r.log(event.Manufacturing)
	r.off()

	// The administrator puts the copy back; the station goes on from there.
	r.putBack(backup)
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
	r.off()
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
		r.off()
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
	r.off()
	r.openJournal() // what the stop left is sent, so that the copy is up to date
	r.start()
	r.caughtUp()
	r.stop()
	backup := r.copied()
	origin := r.log(event.Manufacturing).Origin

	r.add(event.Manufacturing, 50, 20) // never sent
	require.NoError(t, r.j.Close())
	r.putBack(backup)
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
	r, backup := imaged(t)

	r.openJournal()
	r.start()
	r.newKey()
	r.add(event.Manufacturing, 100, 100)
	r.caughtUp()
	old := r.log(event.Manufacturing)
	r.off()

	r.putBack(backup)
	r.openJournal()
	r.add(event.Manufacturing, 1000, 30)
	r.start()
	r.succeeded(old.Origin)
	r.caughtUp()
	require.Equal(t, old.Origin, r.agg.Registration(r.log(event.Manufacturing).Origin).Predecessor)
	require.Len(t, r.distinct(event.Manufacturing), 230)
	require.Len(t, r.agg.Leaves(old.Origin), int(old.Size), "nothing more under the old key")
	require.Equal(t, 1, r.successions(old.Origin), "one event says so")
}

// successions counts the events that name a log as succeeded, in all logs.
func (r *rig) successions(origin string) int {
	n := 0
	for _, o := range r.agg.Origins() {
		for _, leaf := range r.agg.Leaves(o) {
			e, _, err := event.Parse(leaf)
			var data struct{ Predecessor string }
			if err == nil && e.Type == event.TypeLogSucceeded && json.Unmarshal(e.Data, &data) == nil && data.Predecessor == origin {
				n++
			}
		}
	}
	return n
}

// The same station was without network for long, so that its old journal grew past
// the size that the aggregator has under the new key; and it is started again later.
func TestAFolderCopiedBackAcrossAChangeOfTheKeyThatGrewFurtherIsSucceededOnceToo(t *testing.T) {
	r, backup := imaged(t)
	r.openJournal()
	r.start()
	r.newKey()
	r.add(event.Manufacturing, 100, 10)
	r.caughtUp()
	old, security := r.log(event.Manufacturing), r.log(event.Security)
	r.off()

	r.putBack(backup)
	r.openJournal()
	for n := range 50 {
		r.add(event.Manufacturing, 1000+n*7, 7)
		r.add(event.Security, 5000+n, 1)
	}
	r.start()
	r.succeeded(old.Origin)
	r.caughtUp()
	fresh := r.log(event.Manufacturing).Origin
	for range 3 {
		r.off()
		r.openJournal()
		r.start()
		r.add(event.Manufacturing, 3000, 1)
		r.caughtUp()
	}
	require.Equal(t, fresh, r.log(event.Manufacturing).Origin, "no succession again")
	require.Len(t, r.distinct(event.Manufacturing), 110+350+1)
	for _, l := range []string{old.Origin, security.Origin} {
		require.Equal(t, 1, r.successions(l), l)
	}
	require.Len(t, r.agg.Leaves(old.Origin), int(old.Size), "nothing more under the old key")
	require.Len(t, r.agg.Leaves(security.Origin), int(security.Size), "nor in another log")
}

func TestALogThatBeginsUnderANewKeyIsRegisteredOnlyAfterTheChangeIsConfirmed(t *testing.T) {
	r := newRig(t)
	r.start()
	r.add(event.Manufacturing, 0, 10)
	r.caughtUp()
	r.stop()
	r.newKey()
	r.add(event.Security, 500, 5)
	r.add(event.Debug, 1000, 5)
	r.start()
	r.caughtUp()
	require.Len(t, r.distinct(event.Debug), 5)
	require.Zero(t, r.agg.Refused(), "nothing that has to be refused is asked for")
}

// The aggregator is put back to before the leaf log.key of the agent's logs came.
func TestAnAggregatorRestoredFromBeforeAChangeOfTheKeyIsRefilledToTheSameRoot(t *testing.T) {
	for name, keep := range map[string]int{"long before": 40, "just before": 0, "just behind": -1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			for n := range 10 {
				r.add(event.Manufacturing, n*10, 10)
			}
			r.caughtUp()
			before := map[string]int{}
			for _, o := range r.agg.Origins() {
				before[o] = len(r.agg.Leaves(o)) - keep
			}
			r.newKey()
			r.add(event.Manufacturing, 100, 100)
			r.caughtUp()
			l := r.log(event.Manufacturing)
			root := r.root(l.Origin)
			for o, size := range before {
				r.agg.Rollback(o, uint64(max(0, size)))
			}
			r.add(event.Manufacturing, 200, 5)
			r.agg.WaitSize(t, l.Origin, l.Size+5)
			require.Eventually(t, r.equal, 20*time.Second, 5*time.Millisecond, "all logs are refilled")
			require.Equal(t, l.Origin, r.log(event.Manufacturing).Origin, "no successor is needed")
			got := r.numbers(l.Origin)
			require.Len(t, got, 205)
			require.IsIncreasing(t, got)
			require.Equal(t, root, r.rootOf(l.Origin, l.Size), "the same tree as before")
			require.NotContains(t, joined(r.agg.Leaves(r.log(event.Security).Origin)), `"log.succeeded"`)
			require.Contains(t, joined(r.agg.Leaves(r.log(event.Security).Origin)), `"log.restored"`)
			require.True(t, r.j.KeyReceipted())
		})
	}
}

// equal tells whether the aggregator has all of every active log.
func (r *rig) equal() bool {
	for _, l := range r.j.Logs() {
		if l.State == "active" && uint64(len(r.agg.Leaves(l.Origin))) != l.Size {
			return false
		}
	}
	return r.j.Backlog() == 0
}

// root is that of a whole log at the aggregator.
func (r *rig) root(origin string) evidence.Hash {
	return r.rootOf(origin, uint64(len(r.agg.Leaves(origin))))
}

func (r *rig) rootOf(origin string, size uint64) evidence.Hash {
	r.t.Helper()
	var hashes []evidence.Hash
	for _, leaf := range r.agg.Leaves(origin)[:size] {
		hashes = append(hashes, evidence.LeafHash(leaf))
	}
	tree := evidence.RangeOf(0, hashes)
	root, err := tree.Root()
	require.NoError(r.t, err)
	return root
}

// copied is a copy of the closed journal's folder, as an image of the PC has it.
func (r *rig) copied() string {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "backup")
	require.NoError(r.t, os.CopyFS(dir, os.DirFS(r.jo.Dir)))
	return dir
}

// putBack replaces the closed journal by such a copy.
func (r *rig) putBack(dir string) {
	r.t.Helper()
	require.NoError(r.t, os.RemoveAll(r.jo.Dir))
	require.NoError(r.t, os.CopyFS(r.jo.Dir, os.DirFS(dir)))
}
