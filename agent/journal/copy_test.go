package journal

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

// cutOff does what succeed does, ended after log.opened and n copies.
func cutOff(t *testing.T, j *Journal, log string, n int) {
	t.Helper()
	require.NoError(t, j.do(t.Context(), func() error {
		from := j.logs[log]
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
		l.copyDue = true
		return j.commit(&batch{
			parts:   []*part{{class: l.class, log: l, leaves: append([][]byte{opened.Bytes}, seg.Leaves[:n]...)}},
			changed: []*logState{from},
		})
	}))
}

func TestASuccessionThatWasInterruptedIsFinishedAtTheNextStartAndOnlyOnce(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for n := 0; n < 5000; n += 500 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 500))
	}
	old := logOf(t, j, event.Manufacturing)
	cutOff(t, j, old.ID, 10)
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

func TestFilesAreKeptUntilTheirLeavesAreCopiedIntoTheSuccessor(t *testing.T) {
	o, _ := filled(t, 12000)
	o.Refill = -1
	j := open(t, o)
	old := logOf(t, j, event.Manufacturing)
	before := readBack(t, j, old, public(o))
	cutOff(t, j, old.ID, 10) // a full disk, say
	require.NoError(t, j.do(t.Context(), func() error {
		j.removeReceipted(0, true)
		j.housekeep()
		return nil
	}))
	mustAppend(t, j, leaves(event.Manufacturing, 12000, 1))
	got := readBack(t, j, logOf(t, j, event.Manufacturing), public(o))
	require.Len(t, got, 1+len(before)+1)
	require.Equal(t, before, got[1:len(before)+1])
}

func TestASuccessorOfASuccessorTakesOverWhatWasNotYetCopied(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for n := 0; n < 3000; n += 500 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 500))
	}
	old := logOf(t, j, event.Manufacturing)
	before := readBack(t, j, old, public(o))
	cutOff(t, j, old.ID, 10)
	second := logOf(t, j, event.Manufacturing)
	require.NoError(t, j.Succeed(t.Context(), second.ID, "fork"))
	got := readBack(t, j, logOf(t, j, event.Manufacturing), public(o))
	have := map[string]bool{}
	for _, text := range got {
		have[text] = true
	}
	for i, text := range before {
		require.True(t, have[text], "leaf %d of the first log", i)
	}
}

func TestOneSpanThatCantBeCopiedDoesNotTakeTheOthersAlong(t *testing.T) {
	o, names := filled(t, 12000)
	j := open(t, o)
	old := logOf(t, j, event.Manufacturing)
	before := readBack(t, j, old, public(o))
	cutOff(t, j, old.ID, 10)
	require.Greater(t, len(names), 2)
	require.NoError(t, j.do(t.Context(), func() error { return os.Rename(names[1], names[1]+".away") }))
	mustAppend(t, j, leaves(event.Manufacturing, 12000, 1))
	got := readBack(t, j, logOf(t, j, event.Manufacturing), public(o))
	have := map[string]bool{}
	for _, text := range got {
		have[text] = true
	}
	require.True(t, have[before[len(before)-1]], "the last leaf is in a file that is whole")
	require.Len(t, gaps(t, j, o), 1)
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, readBack(t, j, logOf(t, j, event.Manufacturing), public(o)), len(got), "settled once and for all")
}
