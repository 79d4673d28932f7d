package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/wire"
)

// Two aggregators on one database each remember the heads of logs. What one of
// them remembers may be old.

func TestALogThatForkedAtOneAggregatorIsQuarantinedAtTheOther(t *testing.T) {
	onBoth(t, func(t *testing.T, r *ingesttest.Rig) {
		a := r.Agent("st07")
		l := r.Log(a, "security", "")
		other := r.Beside()
		b := other.At(a)
		require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(5))[0].Result)
		copied := l.Clone()
		require.Equal(t, wire.ResultStored, other.Send(b, l.CommitN(3))[0].Result, "both remember the log as active")
		require.Equal(t, wire.ResultFork, r.Send(a, copied.Commit([]byte(`{"another":"history"}`)))[0].Result)

		got := other.Send(b, l.CommitN(1))[0]
		require.Equal(t, wire.ResultFork, got.Result, got.Reason)
		lg, err := r.Store.Log(t.Context(), logID(t, l.Origin))
		require.NoError(t, err)
		require.Equal(t, store.LogForked, lg.State)
		require.EqualValues(t, 8, lg.Size)
	})
}

func TestALogThatWasSucceededAtOneAggregatorIsClosedAtTheOther(t *testing.T) {
	onBoth(t, func(t *testing.T, r *ingesttest.Rig) {
		a := r.Agent("st07")
		l := r.Log(a, "security", "")
		other := r.Beside()
		b := other.At(a)
		require.Equal(t, wire.ResultStored, other.Send(b, l.CommitN(3))[0].Result)
		next := a.Log("security", "next")
		body, err := json.Marshal(next.Registration(l.Origin, "state lost"))
		require.NoError(t, err)
		status, err := a.Post(t.Context(), wire.PathLogs, strings.NewReader(string(body)), new(wire.LogState))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)

		got := other.Send(b, l.CommitN(1))[0]
		require.Equal(t, wire.ResultRefused, got.Result)
		require.Contains(t, got.Reason, "closed")
		lg, err := r.Store.Log(t.Context(), logID(t, l.Origin))
		require.NoError(t, err)
		require.Equal(t, store.LogClosed, lg.State)
		require.EqualValues(t, 3, lg.Size)
	})
}

func TestAnAggregatorThatWasNotAskedForAWhileAnswersWithWhatTheOtherStored(t *testing.T) {
	onBoth(t, func(t *testing.T, r *ingesttest.Rig) {
		a := r.Agent("st07")
		l := r.Log(a, "manufacturing", "")
		other := r.Beside()
		b := other.At(a)
		first := l.CommitN(2)
		require.Equal(t, wire.ResultStored, other.Send(b, first)[0].Result)
		require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(4))[0].Result)

		got := other.Send(b, first)[0]
		require.Equal(t, wire.ResultStored, got.Result)
		require.EqualValues(t, 6, got.Size, "always the newest receipt, whoever gave it")
		other.Receipt(l.Origin, got)
		require.Equal(t, wire.ResultStored, r.Send(a, l.CommitN(1))[0].Result)
		got = other.Send(b, l.CommitN(2))[0]
		require.Equal(t, wire.ResultStored, got.Result, "not a gap: %s", got.Reason)
		require.EqualValues(t, 9, got.Size)

		missing := l.CommitN(1)
		require.Equal(t, wire.ResultStored, r.Send(a, missing)[0].Result)
		got = other.Send(b, l.CommitN(1), missing)[0]
		require.Equal(t, wire.ResultStored, got.Result)
		require.EqualValues(t, 11, got.Size)
	})
}
