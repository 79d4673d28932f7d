package verify_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/retention"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/peertest"
	"github.com/linewatch/linewatch/shared/wire"
)

func onBoth(t *testing.T, f func(t *testing.T, r *ingesttest.Rig)) {
	t.Run("sqlite", func(t *testing.T) { f(t, ingesttest.New(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, ingesttest.OnPostgres(t, peertest.Postgres(t))) })
}

func TestWhatWasDroppedIsToldWithItsPolicyAndTheRestStillVerifies(t *testing.T) {
	onBoth(t, func(t *testing.T, r *ingesttest.Rig) {
		a := r.Agent("st07")
		l, other := r.Log(a, "manufacturing", ""), r.Log(a, "security", "")
		send := func(n int) {
			for range n {
				require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(40))[0].Result)
				require.Equal(t, wire.ResultStored, r.Send(a, other.CommitN(2))[0].Result)
			}
		}
		send(6)
		require.NoError(t, r.Ledger.Roots(t.Context()))
		before := time.Now()
		send(3)
		require.NoError(t, r.Ledger.Roots(t.Context()))
		o := retention.Order{Class: event.Manufacturing, Before: before, Policy: "13 months, works agreement 7", By: "anna"}
		plan, err := retention.Plan(t.Context(), r.Store, o)
		require.NoError(t, err)
		require.Len(t, plan, 1)
		require.EqualValues(t, 240, plan[0].Leaves)
		require.True(t, run(t, r, r.Store).OK(), "a plan changes nothing")
		require.NoError(t, retention.Run(t.Context(), r.Store, r.Ledger, o, plan, nil))

		rep := run(t, r, r.Store)
		require.True(t, rep.OK(), "%v", rep.Findings)
		require.EqualValues(t, 240, rep.DroppedLeaves)
		require.Len(t, rep.Dropped, 1)
		d := rep.Dropped[0]
		require.Equal(t, []any{l.Origin, uint64(0), uint64(240), uint64(240), o.Policy, "anna"}, []any{d.Origin, d.First, d.End, d.Leaves, d.Policy, d.By})
		require.NotEmpty(t, d.Ledger)

		id := logID(t, l.Origin)
		_, err = r.Store.Leaf(t.Context(), id, 17)
		require.ErrorIs(t, err, store.ErrDropped)
		for _, index := range []uint64{17, 239, 240, 359} {
			proof, err := r.Store.Proof(t.Context(), id, index, l.Tree.End)
			require.NoError(t, err)
			root, err := l.Tree.Root()
			require.NoError(t, err)
			require.NoError(t, evidence.VerifyInclusion(evidence.LeafHash(l.Leaves[index]), index, l.Tree.End, proof, root),
				"whoever kept a leaf can still prove it")
		}
		again, err := retention.Plan(t.Context(), r.Store, o)
		require.NoError(t, err)
		require.Empty(t, again)
		require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result, "the log goes on")
		require.True(t, run(t, r, r.Store).OK())
	})
}

func logID(t *testing.T, origin string) string {
	t.Helper()
	o, err := evidence.ParseOrigin(origin)
	require.NoError(t, err)
	return o.Log
}

func TestWhatIsDroppedWithoutATombstoneIsFound(t *testing.T) {
	r, victim := filled(t)
	_, err := r.Store.Commit(t.Context(), store.Change{Drops: []store.Drop{{Log: logID(t, victim.Origin), First: 0, End: 5}}})
	require.NoError(t, err)
	rep := run(t, r, r.Store)
	require.Len(t, rep.Findings, 1)
	require.Contains(t, rep.Findings[0].What, "no tombstone")
	require.Equal(t, victim.Origin, rep.Findings[0].Origin)
}

func TestAKeyThatWasChangedInWhatIsDroppedIsTakenFromTheTombstone(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	l := r.Log(a, "manufacturing", "")
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(5))[0].Result)
	next := newKey(t)
	leaf := keyLeaf(t, l.Origin, next)
	require.Equal(t, wire.ResultStored, r.Send(a, l.Commit(leaf))[0].Result)
	a.Key = next
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
	require.True(t, run(t, r, r.Store).OK())
	before := time.Now()
	require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(3))[0].Result)
	o := retention.Order{Class: event.Manufacturing, Before: before, Policy: "test", By: "anna"}
	plan, err := retention.Plan(t.Context(), r.Store, o)
	require.NoError(t, err)
	require.NoError(t, retention.Run(t.Context(), r.Store, r.Ledger, o, plan, nil))
	rep := run(t, r, r.Store)
	require.True(t, rep.OK(), "%v", rep.Findings)
	require.EqualValues(t, 9, rep.DroppedLeaves)
	var tomb retention.Tombstone
	text, err := json.Marshal(r.Events("retention.purged")[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &tomb))
	require.Len(t, tomb.Keys, 1)
	require.EqualValues(t, 6, tomb.Keys[0].After)
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return key
}

// keyLeaf is the leaf behind which a log is signed by another key.
func keyLeaf(t *testing.T, origin string, key ed25519.PrivateKey) []byte {
	t.Helper()
	data, err := event.Object(map[string]any{"origin": origin, "publicKey": base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))})
	require.NoError(t, err)
	now := time.Now().UTC()
	e := event.Event{
		ID: event.NewID(now), Type: event.TypeLogKey, Class: event.Manufacturing, Timestamp: now, CollectedAt: now,
		Station: "hamburg/body/line3/st07", Data: data, Salt: event.NewSalt(),
	}
	leaf, err := e.Leaf()
	require.NoError(t, err)
	return leaf
}
