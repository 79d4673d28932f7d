package journal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

func TestAfterAFarewellNothingIsLeftToSendAndALookChangesNothing(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	require.NoError(t, j.Farewell(t.Context()))
	for _, l := range j.Logs() {
		require.NoError(t, j.SetReceipt(l.ID, j.logs[l.ID].note))
	}
	require.Zero(t, j.Backlog())
	before := j.Logs()
	require.NoError(t, j.Close())

	o.Heartbeat = -1
	for range 2 {
		j = open(t, o)
		require.Zero(t, j.Backlog(), "the receipts were written at the end")
		require.Equal(t, before, j.Logs())
		require.NoError(t, j.Close())
	}
}
