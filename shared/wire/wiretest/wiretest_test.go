package wiretest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func pair(t *testing.T) (*wiretest.Aggregator, *wiretest.Agent, *wiretest.Log) {
	agg := wiretest.NewAggregator(t, "agg-1")
	agent := wiretest.NewAgent(t, "st07", agg.URL, agg.Client())
	l := agent.Log("manufacturing", "")
	status, _, err := agent.Register(t.Context(), l)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	return agg, agent, l
}

// send expects one result for one segment.
func send(t *testing.T, a *wiretest.Agent, s wiretest.Segment) wire.Result {
	t.Helper()
	status, results, err := a.Send(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Len(t, results, 1)
	return results[0]
}

func TestAnHonestAgentGetsAReceiptForItsNewestSize(t *testing.T) {
	agg, agent, l := pair(t)
	for range 3 {
		r := send(t, agent, l.CommitN(5))
		require.Equal(t, wire.ResultStored, r.Result, r.Reason)
		c, _, _, err := evidence.VerifyCosigned([]byte(r.Receipt), l.Origin, []evidence.CosignerKey{agg.Cosigner()})
		require.NoError(t, err)
		require.Equal(t, l.Tree.End, c.Size)
		_, err = evidence.OpenCheckpoint([]byte(r.Receipt), l.Origin, []evidence.KeyRange{{Key: agent.Public()}})
		require.NoError(t, err)
	}
	require.Equal(t, l.Leaves, agg.Leaves(l.Origin))
	agg.WaitSize(t, l.Origin, 15)
}

func TestTheFakesLeavesAreInsideTheProfile(t *testing.T) {
	for n := range 300 {
		leaf := wiretest.Leaf("st07", n)
		require.NoError(t, event.Check(leaf))
		_, problems, err := event.Parse(leaf)
		require.NoError(t, err)
		require.Empty(t, problems)
	}
}

func TestEveryAttackIsCaughtAndTheHonestLogGoesOn(t *testing.T) {
	agg, agent, l := pair(t)
	require.Equal(t, wire.ResultStored, send(t, agent, l.CommitN(4)).Result)
	for _, attack := range wiretest.Attacks() {
		before := agg.Leaves(l.Origin)
		r := send(t, agent, attack.Make(l))
		require.Equal(t, attack.Want, r.Result, "%s: %s", attack.Name, r.Reason)
		require.Equal(t, before, agg.Leaves(l.Origin), attack.Name)
		require.Equal(t, wire.ResultStored, send(t, agent, l.CommitN(3)).Result, "after: "+attack.Name)
	}
	other := wiretest.NewAgent(t, "st08", agg.URL, agg.Client())
	require.Equal(t, wire.ResultRefused, send(t, other, other.Impersonate(l.Origin)).Result)
	require.Equal(t, wire.ResultFork, send(t, agent, wiretest.Fork(l)).Result)
	require.Equal(t, wire.ResultRefused, send(t, agent, l.CommitN(1)).Result, "quarantined")
}

func TestARolledBackAggregatorIsRefilledToTheSameRoot(t *testing.T) {
	agg, agent, l := pair(t)
	first := l.CommitN(4)
	send(t, agent, first)
	send(t, agent, l.CommitN(4))
	root, err := l.Tree.Root()
	require.NoError(t, err)
	agg.Rollback(l.Origin, 6)
	gap := send(t, agent, l.CommitN(1))
	require.Equal(t, wire.ResultGap, gap.Result)
	require.Equal(t, uint64(4), gap.Size)
	refill := wiretest.Segment{Header: first.Header, Leaves: l.Leaves[4:]}
	refill.First, refill.Count, refill.Checkpoint = 4, 5, l.Sign(agent.Key)
	got := send(t, agent, refill)
	require.Equal(t, wire.ResultStored, got.Result, got.Reason)
	require.NotEqual(t, root.String(), got.Root)
	now, err := l.Tree.Root()
	require.NoError(t, err)
	require.Equal(t, now.String(), got.Root)
}

func TestAHoleIsBridgedAndTheLogGoesOn(t *testing.T) {
	agg, agent, l := pair(t)
	send(t, agent, l.CommitN(3))
	lost := l.CommitN(5)
	hashes := make([]evidence.Hash, 5)
	for i, leaf := range lost.Leaves {
		hashes[i] = evidence.LeafHash(leaf)
	}
	hole := wire.HoleHeader(l.Origin, evidence.RangeOf(3, hashes), []byte(lost.Checkpoint))
	require.Equal(t, wire.ResultStored, send(t, agent, wiretest.Segment{Header: hole}).Result)
	require.Equal(t, wire.ResultStored, send(t, agent, l.CommitN(2)).Result)
	require.Nil(t, agg.Leaves(l.Origin)[4])
	require.Equal(t, l.Leaves[8], agg.Leaves(l.Origin)[8])
}

func TestTheFakeAggregatorMisbehavesWhenTold(t *testing.T) {
	agg, agent, l := pair(t)
	_, _, err := agent.Send(t.Context(), l.CommitN(2))
	require.NoError(t, err)

	agg.Set(wiretest.Faults{Down: true})
	_, _, err = agent.Send(t.Context(), l.CommitN(1))
	require.Error(t, err)
	agg.Set(wiretest.Faults{TooMany: 7})
	status, _, err := agent.Send(t.Context(), l.CommitN(1))
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, status)
	agg.Set(wiretest.Faults{LoseAnswer: true})
	again := l.Clone().CommitN(1)
	again.First, again.Count, again.Leaves = 2, l.Tree.End+1-2, append(l.Clone().Leaves[2:], again.Leaves...)
	_, _, err = agent.Send(t.Context(), again)
	require.Error(t, err)
	require.Len(t, agg.Leaves(l.Origin), 5, "stored although the answer is lost")
	agg.Set(wiretest.Faults{WrongReceipt: true, Delay: time.Millisecond})
	l.CommitN(1)
	r := send(t, agent, l.CommitN(1))
	require.Equal(t, wire.ResultStored, r.Result, r.Reason)
	_, _, _, err = evidence.VerifyCosigned([]byte(r.Receipt), l.Origin, []evidence.CosignerKey{agg.Cosigner()})
	require.ErrorIs(t, err, evidence.ErrCosignature)
	agg.Set(wiretest.Faults{})
}

func TestStatusAndStateAnswer(t *testing.T) {
	agg, agent, l := pair(t)
	var answer wire.StatusResponse
	status, err := agent.Post(t.Context(), wire.PathStatus, strings.NewReader(`{"agent_id":"`+agent.ID+`"}`), &answer)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "agg-1", answer.Cosigners[0].Name)
	require.Equal(t, agent.ID, agg.Statuses()[0].AgentID)
	origin, err := evidence.ParseOrigin(l.Origin)
	require.NoError(t, err)
	w, err := agg.Client().Get(agg.URL + wire.PathLogs + "/" + origin.Log)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	require.Equal(t, http.StatusOK, w.StatusCode)
}
