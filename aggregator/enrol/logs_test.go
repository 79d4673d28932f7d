package enrol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/ingest/ingesttest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// Whoever removes the journal of a station together with all that remembers it leaves
// an agent that begins anew; what was never sent is gone, and only we know of the log.
func TestALogWhosePlaceAnotherOneTakesWithoutAWordIsAnEvent(t *testing.T) {
	r := ingesttest.New(t)
	a := r.Agent("st07")
	r.Log(a, "manufacturing", "empty") // nothing of it was stored: nothing is missed
	old := r.Log(a, "manufacturing", "old")
	require.Equal(t, wire.ResultStored, r.Send(a, old.CommitN(3))[0].Result)
	r.Log(a, "security", "another class")
	require.Empty(t, r.Events(event.TypeLogCleared))

	next := r.Log(a, "manufacturing", "next")
	told := r.Events(event.TypeLogCleared)
	require.Len(t, told, 1)
	require.Equal(t, old.Origin, told[0]["log"])
	require.Equal(t, next.Origin, told[0]["next"])
	require.Contains(t, told[0]["host"], "st07")
	require.Equal(t, wire.ResultStored, r.Send(a, old.CommitN(2))[0].Result, "its end may still come, from a copy")
}
