package journal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

func TestASuccessionThatWasInterruptedIsFinishedAtTheNextStartAndOnlyOnce(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for n := 0; n < 5000; n += 500 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 500))
	}
	old := logOf(t, j, event.Manufacturing)
	// What succeed does, cut off after the first eleven leaves.
	require.NoError(t, j.do(t.Context(), func() error {
		from := j.logs[old.ID]
		l, err := j.newLog(event.Manufacturing, "test")
		if err != nil {
			return err
		}
		spans, count := j.spans(from, 0)
		l.rec.Predecessor, l.rec.PrevSize = from.rec.Origin, from.size
		l.rec.Copies = &copyRecord{Log: from.id, Count: count, Spans: spans}
		opened, err := j.ownEvent(event.TypeLogOpened, l.class, l.openedData())
		if err != nil {
			return err
		}
		seg, err := j.next(from.id, 0, 1)
		if err != nil {
			return err
		}
		j.setState(from, stateSuperseded)
		return j.commit(&batch{
			parts:   []*part{{class: l.class, log: l, leaves: append([][]byte{opened.Bytes}, seg.Leaves[:10]...)}},
			changed: []*logState{from},
		})
	}))
	require.NoError(t, j.Close())
	j = open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 5000, 1))
	l := logOf(t, j, event.Manufacturing)
	require.NotEqual(t, old.ID, l.ID)
	require.EqualValues(t, 1+5001+1, l.Size, "log.opened, the old log whole, the new leaf")
	got := readBack(t, j, l, public(o))
	require.Contains(t, got[0], `"copies":5001`)
	for n := range 5001 {
		require.Equal(t, string(leaf(event.Manufacturing, n).Bytes), got[n+2])
	}
}
