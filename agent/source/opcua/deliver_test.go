package opcua

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
)

// notification has n values of this many bytes, and a position.
func notification(key string, n, size int) delivery {
	d := delivery{readings: make([]source.Reading, n), set: map[string][]byte{key: {1}}}
	for i := range d.readings {
		d.readings[i].Value = []any{strings.Repeat("x", size/2), strings.Repeat("x", size-size/2)}
	}
	return d
}

// A batch and its position are one transaction of the journal as long as the batch
// is not larger than one: so notifications are joined no further than that.
func TestNotificationsAreJoinedOnlyAsFarAsOneTransactionOfTheJournalHolds(t *testing.T) {
	for name, c := range map[string]struct{ values, size int }{"many values": {1500, 10}, "long values": {40, 60_000}} {
		t.Run(name, func(t *testing.T) {
			d := newDeliverer(&Source{})
			for _, key := range []string{"a", "b", "c"} {
				require.NoError(t, d.put(t.Context(), notification(key, c.values, c.size)))
			}
			for _, key := range []string{"a", "b", "c"} {
				first := <-d.next()
				d.held = nil
				batch := d.collect(first)
				require.Len(t, batch.readings, c.values)
				require.Equal(t, map[string][]byte{key: {1}}, batch.set, "in their order, each with its own position")
			}
			require.Nil(t, d.held)
			require.Equal(t, maxHeld, d.room())
		})
	}
	d := newDeliverer(&Source{})
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, d.put(t.Context(), notification(key, 100, 10)))
	}
	batch := d.collect(<-d.next())
	require.Len(t, batch.readings, 300, "small ones are joined")
	require.Len(t, batch.set, 3)
}
