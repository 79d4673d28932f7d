package ingest_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func logID(t testing.TB, origin string) string {
	t.Helper()
	o, err := evidence.ParseOrigin(origin)
	require.NoError(t, err)
	return o.Log
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, f func(t *testing.T, r *ingesttest.Rig)) {
	t.Run("sqlite", func(t *testing.T) { f(t, ingesttest.New(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, ingesttest.OnPostgres(t, peertest.Postgres(t))) })
}

func TestAPostgreSQLThatStopsMakesAgentsWaitAndLosesNothing(t *testing.T) {
	server := peertest.StartPostgres(t, peertest.PostgresConfig{})
	r := ingesttest.OnPostgres(t, server.Database(t))
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(5))[0].Result)
	server.Kill(t)
	seg := l.CommitN(3)
	for range 3 {
		status, results, err := a.Send(t.Context(), seg)
		require.NoError(t, err)
		if status == http.StatusOK {
			require.Equal(t, wire.ResultBusy, results[0].Result)
		} else {
			require.Equal(t, http.StatusServiceUnavailable, status)
		}
	}
	server.Start(t)
	require.Eventually(t, func() bool {
		status, results, err := a.Send(t.Context(), seg)
		return err == nil && status == http.StatusOK && results[0].Result == wire.ResultStored && results[0].Size == 8
	}, 30*time.Second, 100*time.Millisecond)
	for i, leaf := range l.Leaves {
		got, err := r.Store.Leaf(t.Context(), logID(t, l.Origin), uint64(i))
		require.NoError(t, err)
		require.Equal(t, string(leaf), string(got))
	}
}

func TestSegmentsAreStoredAndAnsweredWithTheNewestReceipt(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	m, s := r.Log(a, "manufacturing", ""), r.Log(a, "security", "")
	results := r.Send(a, m.CommitN(3), s.CommitN(2), m.CommitN(4))
	for i, l := range []*wiretest.Log{m, s, m} {
		require.Equal(t, wire.ResultStored, results[i].Result, results[i].Reason)
		root, err := l.Tree.Root()
		require.NoError(t, err)
		require.Equal(t, evidence.Checkpoint{Origin: l.Origin, Size: l.Tree.End, Root: root}, r.Receipt(l.Origin, results[i]))
	}
	for i, leaf := range m.Leaves {
		got, err := r.Store.Leaf(t.Context(), logID(t, m.Origin), uint64(i))
		require.NoError(t, err)
		require.Equal(t, string(leaf), string(got))
	}
	page, err := r.Store.Feed(t.Context(), "", 100)
	require.NoError(t, err)
	rows := 0
	for _, row := range page.Rows {
		if row.AgentID == a.ID {
			rows++
		}
	}
	require.Equal(t, 9, rows)
}

func TestEveryAttackIsAnsweredAndTheHonestLogGoesOn(t *testing.T) {
	onBoth(t, everyAttackIsAnsweredAndTheHonestLogGoesOn)
}

func everyAttackIsAnsweredAndTheHonestLogGoesOn(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	for i, attack := range wiretest.Attacks() {
		t.Run(attack.Name, func(t *testing.T) {
			l := r.Log(a, "manufacturing", fmt.Sprint(i))
			require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
			got := r.Send(a, attack.Make(l))[0]
			require.Equal(t, attack.Want, got.Result, got.Reason)
			next := r.Send(a, l.CommitN(2))[0]
			require.Equal(t, wire.ResultStored, next.Result, next.Reason)
			require.Equal(t, uint64(5), next.Size)
		})
	}
	rejected := r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "checkpoint" })
	require.NotEmpty(t, rejected["sampleHash"])
	require.Contains(t, rejected["origin"], a.ID)
}

func TestAnotherAgentsLogIsRefusedWhoeverSignsIt(t *testing.T) {
	r := ingesttest.New(t)
	victim, thief := r.Agent("st07"), r.Agent("st08")
	l := r.Log(victim, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(victim, l.CommitN(2))[0].Result)

	forged := r.Send(thief, thief.Impersonate(l.Origin))[0]
	require.Equal(t, wire.ResultRefused, forged.Result)
	stolen := r.Send(thief, l.Clone().CommitN(1))[0]
	require.Equal(t, wire.ResultRefused, stolen.Result)
	require.Equal(t, wire.ResultStored, r.Send(victim, l.CommitN(1))[0].Result)
	e := r.Event("ingest.rejected", func(e map[string]any) bool { return e["reason"] == "not the sender's log" })
	require.Equal(t, thief.ID, e["origin"])
}

func TestAForkKeepsBothCheckpointsAndLetsTheSuccessorIn(t *testing.T) {
	onBoth(t, aForkKeepsBothCheckpointsAndLetsTheSuccessorIn)
}

func aForkKeepsBothCheckpointsAndLetsTheSuccessorIn(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l, other := r.Log(a, "security", ""), r.Log(a, "manufacturing", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(5))[0].Result)
	copied := l.Clone() // the folder, before it goes on
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)

	fork := copied.Commit([]byte(`{"another":"history"}`))
	results := r.Send(a, fork, other.CommitN(2))
	require.Equal(t, wire.ResultFork, results[0].Result, results[0].Reason)
	require.Equal(t, wire.ResultStored, results[1].Result, "the agent's other logs are not held up")
	r.Receipt(l.Origin, results[0])

	e := r.Event("log.forked", nil)
	require.Equal(t, l.Origin, e["log"])
	keys := []evidence.KeyRange{{Key: a.Public()}}
	ours, err := evidence.OpenCheckpoint([]byte(e["first"].(string)), l.Origin, keys)
	require.NoError(t, err)
	require.Equal(t, uint64(8), ours.Size)
	theirs, err := evidence.OpenCheckpoint([]byte(e["second"].(string)), l.Origin, keys)
	require.NoError(t, err)
	require.Equal(t, uint64(6), theirs.Size)

	require.Equal(t, wire.ResultFork, r.Send(a, l.CommitN(1))[0].Result, "quarantined")
	require.Len(t, r.Events("log.forked"), 1)
	lg, err := r.Store.Log(t.Context(), logID(t, l.Origin))
	require.NoError(t, err)
	require.Equal(t, store.LogForked, lg.State)
	require.Equal(t, uint64(8), lg.Size)

	next := a.Log("security", "next")
	body, err := json.Marshal(next.Registration(l.Origin, "fork"))
	require.NoError(t, err)
	status, err := a.Post(t.Context(), wire.PathLogs, strings.NewReader(string(body)), new(wire.LogState))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, wire.ResultStored, r.Send(a, next.CommitN(2))[0].Result)
}

func TestAForkThatReachesBeyondTheStoredSizeIsProved(t *testing.T) {
	onBoth(t, aForkThatReachesBeyondTheStoredSizeIsProved)
}

func aForkThatReachesBeyondTheStoredSizeIsProved(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(5))[0].Result)
	copied := l.Clone()
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(2))[0].Result)
	long := copied.Commit([]byte(`{"n":1}`), []byte(`{"n":2}`), []byte(`{"n":3}`), []byte(`{"n":4}`))

	damaged := long
	damaged.Leaves = append([][]byte{[]byte(`{"n":9}`)}, long.Leaves[1:]...)
	got := r.Send(a, damaged)[0]
	require.Equal(t, wire.ResultRefused, got.Result, "leaves that do not lead to their checkpoint prove nothing")
	require.Equal(t, wire.ResultFork, r.Send(a, long)[0].Result)
}

func TestAFolderCopiedBackGetsTheNewestReceiptAndSeesThatItIsBehind(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	first := l.CommitN(4)
	require.Equal(t, wire.ResultStored, r.Send(a, first)[0].Result)
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(6))[0].Result)
	got := r.Send(a, first)[0] // what the copied folder sends
	require.Equal(t, wire.ResultStored, got.Result)
	require.Equal(t, uint64(10), r.Receipt(l.Origin, got).Size)
}

func TestAnOverlapIsComparedAndItsRemainderAppended(t *testing.T) {
	onBoth(t, anOverlapIsComparedAndItsRemainderAppended)
}

func anOverlapIsComparedAndItsRemainderAppended(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(4))[0].Result)
	all := l.CommitN(3)
	all.First, all.Count, all.Leaves = 0, 7, l.Leaves
	got := r.Send(a, all)[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	require.Equal(t, uint64(7), r.Receipt(l.Origin, got).Size)
	for i := range l.Leaves {
		leaf, err := r.Store.Leaf(t.Context(), logID(t, l.Origin), uint64(i))
		require.NoError(t, err)
		require.Equal(t, string(l.Leaves[i]), string(leaf))
	}
	page, err := r.Store.Feed(t.Context(), "", 100)
	require.NoError(t, err)
	seen := map[string]int{}
	for _, row := range page.Rows {
		seen[row.ID]++
		require.Equal(t, 1, seen[row.ID])
	}
}

func TestAnAggregatorKilledBetweenCommitAndAnswerStoresOnce(t *testing.T) {
	onBoth(t, anAggregatorKilledBetweenCommitAndAnswerStoresOnce)
}

func anAggregatorKilledBetweenCommitAndAnswerStoresOnce(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	seg := l.CommitN(3)
	r.Faults.LoseAfter.Store(1)
	got := r.Send(a, seg)[0]
	// The writer tries once more by itself, finds the segment stored, and answers.
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	require.Equal(t, uint64(3), r.Receipt(l.Origin, got).Size)

	seg = l.CommitN(2)
	r.Faults.LoseAfter.Store(1)
	r.Send(a, seg)
	r.Stop()
	r.Start()
	a.URL = r.URL
	again := r.Send(a, seg)[0]
	require.Equal(t, wire.ResultStored, again.Result, again.Reason)
	require.Equal(t, uint64(5), r.Receipt(l.Origin, again).Size)
}

func TestAStoreThatIsDownMakesAgentsWaitAndStoresNothingByHalves(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	m, s := r.Log(a, "manufacturing", ""), r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, m.CommitN(1))[0].Result)
	r.Faults.Down.Store(true)
	sm, ss := m.CommitN(3), s.CommitN(2)
	for _, res := range r.Send(a, sm, ss) {
		require.Equal(t, wire.ResultBusy, res.Result)
		require.Positive(t, res.RetryAfter)
		require.Empty(t, res.Receipt)
	}
	lg, err := r.Store.Log(t.Context(), logID(t, m.Origin))
	require.NoError(t, err)
	require.Equal(t, uint64(1), lg.Size)
	r.Faults.Down.Store(false)
	for _, res := range r.Send(a, sm, ss) {
		require.Equal(t, wire.ResultStored, res.Result, res.Reason)
	}
}

func TestOneLogThatCanNotBeStoredDoesNotHoldUpTheOthers(t *testing.T) {
	r := ingesttest.New(t)
	a, b := r.Agent("st07"), r.Agent("st08")
	bad, good, other := r.Log(a, "security", ""), r.Log(a, "manufacturing", ""), r.Log(b, "security", "")
	r.Faults.RefuseLog(logID(t, bad.Origin))
	results := r.Send(a, bad.CommitN(2), good.CommitN(2))
	require.Equal(t, wire.ResultBusy, results[0].Result)
	require.Equal(t, wire.ResultStored, results[1].Result)
	require.Equal(t, wire.ResultStored, r.Send(b, other.CommitN(2))[0].Result)
}

func TestManyAgentsShareTransactions(t *testing.T) {
	r := ingesttest.New(t)
	const agents, rounds = 12, 5
	var logs [agents]*wiretest.Log
	var as [agents]*wiretest.Agent
	for i := range as {
		as[i] = r.Agent(fmt.Sprintf("st%02d", i))
		logs[i] = r.Log(as[i], "manufacturing", "")
	}
	// On one processor nobody else may come up while a quick disk commits.
	r.Faults.Slow.Store(int64(20 * time.Millisecond))
	before := r.Faults.Commits.Load()
	var wg sync.WaitGroup
	for i := range as {
		wg.Go(func() {
			for range rounds {
				status, results, err := as[i].Send(t.Context(), logs[i].CommitN(20))
				if err != nil || status != http.StatusOK || results[0].Result != wire.ResultStored {
					t.Errorf("agent %d: %d %v %v", i, status, results, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d segments in %d transactions", agents*rounds, r.Faults.Commits.Load()-before)
	require.Less(t, r.Faults.Commits.Load()-before, int64(agents*rounds))
	for i := range logs {
		lg, err := r.Store.Log(t.Context(), logID(t, logs[i].Origin))
		require.NoError(t, err)
		require.Equal(t, uint64(20*rounds), lg.Size)
	}
}

func TestAHoleIsBridgedAndTheLogGoesOn(t *testing.T) { onBoth(t, aHoleIsBridgedAndTheLogGoesOn) }

func aHoleIsBridgedAndTheLogGoesOn(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
	lost := l.CommitN(4)
	hashes := make([]evidence.Hash, 0, 4)
	for _, leaf := range lost.Leaves {
		hashes = append(hashes, evidence.LeafHash(leaf))
	}
	hole := wiretest.Segment{Header: wire.HoleHeader(l.Origin, evidence.RangeOf(3, hashes), []byte(lost.Checkpoint))}
	results := r.Send(a, hole, l.CommitN(2))
	require.Equal(t, wire.ResultStored, results[0].Result, results[0].Reason)
	require.Equal(t, wire.ResultStored, results[1].Result, results[1].Reason)
	require.Equal(t, uint64(9), r.Receipt(l.Origin, results[1]).Size)
	_, err := r.Store.Leaf(t.Context(), logID(t, l.Origin), 4)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Equal(t, wire.ResultStored, r.Send(a, hole)[0].Result, "a hole sent again is stored already")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result)
}

// leafOf is a leaf of an agent's own kind.
func leafOf(t testing.TB, typ string, class event.Class, data map[string]any) []byte {
	t.Helper()
	obj, err := event.Object(data)
	require.NoError(t, err)
	e := event.Event{
		ID: event.NewID(now()), Type: typ, Class: class, Severity: event.SeverityInfo, Timestamp: now(),
		CollectedAt: now(), Station: "hamburg/body/line3/st07", Data: obj, Salt: event.NewSalt(),
	}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}

func TestAKeyChangeIsPinnedToSizes(t *testing.T) { onBoth(t, aKeyChangeIsPinnedToSizes) }

func aKeyChangeIsPinnedToSizes(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(2))[0].Result)
	_, fresh, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	change := l.Commit(leafOf(t, "log.key", event.Security, map[string]any{"origin": l.Origin, "publicKey": "", "reason": "rotation"}))
	refused := r.Send(a, change)[0]
	require.Equal(t, wire.ResultRefused, refused.Result, "a log.key leaf without a key")

	l = r.Log(a, "security", "second")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(2))[0].Result)
	change = l.Commit(leafOf(t, "log.key", event.Security, map[string]any{
		"origin": l.Origin, "publicKey": base64Of(fresh.Public().(ed25519.PublicKey)), "reason": "rotation",
	}))
	got := r.Send(a, change)[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)

	old := l.CommitN(1) // signed by the old key
	require.Equal(t, wire.ResultRefused, r.Send(a, old)[0].Result)
	old.Checkpoint = l.Sign(fresh)
	r.Stop()
	r.Start() // the key change is stored, not only remembered
	a.URL = r.URL
	got = r.Send(a, old)[0]
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	agent, err := r.Store.Agent(t.Context(), a.ID)
	require.NoError(t, err)
	require.Len(t, agent.Keys, 2)
}

func TestCopiesOfASuccessorAreJoinedByTheirHash(t *testing.T) {
	onBoth(t, copiesOfASuccessorAreJoinedByTheirHash)
}

func copiesOfASuccessorAreJoinedByTheirHash(t *testing.T, r *ingesttest.Rig) {
	a := r.Agent("st07")
	l := r.Log(a, "security", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
	next := r.Log(a, "security", "next")
	own := wiretest.Leaf("st07", 99)
	opened := leafOf(t, "log.opened", event.Security, map[string]any{"origin": next.Origin, "copies": 2})
	first := next.Commit(opened, l.Leaves[1])
	second := next.Commit(l.Leaves[2], own)
	require.Equal(t, wire.ResultStored, r.Send(a, first)[0].Result)
	r.Ingest.Forget(logID(t, next.Origin)) // the number of copies is stored
	require.Equal(t, wire.ResultStored, r.Send(a, second)[0].Result)
	page, err := r.Store.Feed(t.Context(), "", 100)
	require.NoError(t, err)
	rows := 0
	for _, row := range page.Rows {
		if row.AgentID == a.ID {
			rows++
		}
	}
	require.Equal(t, 4, rows, "three leaves and the successor's own one")
}

func TestAnAggregatorRestoredFromAnOldBackupIsRefilledToTheSameRoot(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l, late := r.Log(a, "security", ""), a.Log("manufacturing", "")
	first := l.CommitN(5)
	require.Equal(t, wire.ResultStored, r.Send(a, first)[0].Result)
	r.Stop()
	path := filepath.Join(r.Dir, "store.db")
	backup, err := os.ReadFile(path)
	require.NoError(t, err)
	r.Start()
	a.URL = r.URL
	second, third := l.CommitN(4), l.CommitN(2)
	before := r.Send(a, second)[0]
	_, _, err = a.Register(t.Context(), late)
	require.NoError(t, err)
	ofLate := late.CommitN(3)
	require.Equal(t, wire.ResultStored, r.Send(a, ofLate)[0].Result)
	r.Stop()
	require.NoError(t, os.WriteFile(path, backup, 0o600))
	require.NoError(t, errors.Join(os.RemoveAll(path+"-wal"), os.RemoveAll(path+"-shm")))
	r.Start()
	a.URL = r.URL

	results := r.Send(a, third, ofLate)
	require.Equal(t, wire.ResultGap, results[0].Result)
	require.Equal(t, uint64(5), r.Receipt(l.Origin, results[0]).Size, "the agent sees that less is stored than it has a receipt for")
	require.Equal(t, wire.ResultRefused, results[1].Result, "registered after the backup")
	after := r.Send(a, second)[0]
	require.Equal(t, before.Root, after.Root)
	require.Equal(t, wire.ResultStored, r.Send(a, third)[0].Result)
	_, state, err := a.Register(t.Context(), late)
	require.NoError(t, err)
	require.Zero(t, state.Size)
	require.Equal(t, wire.ResultStored, r.Send(a, ofLate)[0].Result)
}

func TestManyStationsComeBackAtOnce(t *testing.T) {
	r := ingesttest.New(t)
	const stations = 30 // with two logs each
	var wg sync.WaitGroup
	as, logs := make([]*wiretest.Agent, stations), make([][2]*wiretest.Log, stations)
	for i := range as {
		as[i] = r.Agent(fmt.Sprintf("st%03d", i))
		logs[i] = [2]*wiretest.Log{r.Log(as[i], "security", ""), r.Log(as[i], "manufacturing", "")}
	}
	for i, a := range as {
		wg.Go(func() {
			left := []wiretest.Segment{logs[i][0].CommitN(30), logs[i][1].CommitN(50), logs[i][1].CommitN(50)}
			for range 1000 {
				status, results, err := a.Send(t.Context(), left...)
				if err != nil {
					t.Error(err)
					return
				}
				if status == http.StatusOK && !slices.ContainsFunc(results, func(r wire.Result) bool { return r.Result != wire.ResultStored }) {
					return
				}
			}
			t.Errorf("station %d was never stored", i)
		})
	}
	wg.Wait()
	for i := range logs {
		for k, want := range []uint64{30, 100} {
			lg, err := r.Store.Log(t.Context(), logID(t, logs[i][k].Origin))
			require.NoError(t, err)
			require.Equal(t, want, lg.Size)
		}
	}
	t.Logf("%d commits", r.Ingest.Metrics.Commits.Load())
}
