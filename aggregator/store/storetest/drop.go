package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// testDrop: of what is dropped the hashes, checkpoints and receipts stay, so each
// proof verifies; leaves, rows and their counts are gone, also behind a rebuild.
func testDrop(t *testing.T, s store.Store) {
	ctx := t.Context()
	l := NewLog("a", event.Manufacturing).Register(t, s)
	for range 30 {
		var events []event.Event
		for range 20 {
			events = append(events, l.Event(station, "quality.check"))
		}
		Commit(t, s, l.Append(t, events...))
	}
	hole := l.AppendHole(t, []byte("lost"), []byte("too"))
	copy(l.Leaves[hole.First:], [][]byte{[]byte("lost"), []byte("too")}) // the test knows what was lost
	Commit(t, s, hole, l.Append(t, l.Event(station, "quality.check")))
	other := NewLog("b", event.Manufacturing).Register(t, s)
	Commit(t, s, other.Append(t, other.Event(station, "quality.check")))

	for _, bad := range []store.Drop{{Log: l.ID, First: 0, End: 99}, {Log: l.ID, First: 1, End: 40}, {Log: l.ID, First: 7000, End: 8000}} {
		_, err := s.Commit(ctx, store.Change{Drops: []store.Drop{bad}})
		require.ErrorIs(t, err, store.ErrConflict, "%v: only whole segments", bad)
	}
	_, err := s.Commit(ctx, store.Change{Drops: []store.Drop{{Log: l.ID, First: 0, End: 200}}})
	require.NoError(t, err)
	_, err = s.Commit(ctx, store.Change{Drops: []store.Drop{{Log: l.ID, First: 200, End: 400}, {Log: l.ID, First: 0, End: 200}}})
	require.NoError(t, err, "twice does no harm")
	check := func() {
		t.Helper()
		n, err := s.Count(ctx, All(""), 0)
		require.NoError(t, err)
		require.Equal(t, 202, n)
		n, err = s.Count(ctx, All("data.panel:4020"), 0)
		require.NoError(t, err)
		require.Zero(t, n, "no index finds it")
		sum := uint64(0)
		hours, err := s.StationHours(ctx, All(""), Start().Add(-time.Hour), Start().Add(24*time.Hour))
		require.NoError(t, err)
		for _, h := range hours {
			sum += h.Count
		}
		require.EqualValues(t, 202, sum)
		stations, err := s.Stations(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 202, stations[0].Events)
		_, err = s.EventAt(ctx, l.ID, 399)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
	check()
	dropped, err := s.Dropped(ctx)
	require.NoError(t, err)
	require.Len(t, dropped, 1)
	require.Equal(t, store.Dropped{Log: l.ID, Segments: 20, Leaves: 400, First: 0, End: 400, From: dropped[0].From, To: dropped[0].To}, dropped[0])
	require.True(t, dropped[0].From.Before(dropped[0].To))
	_, err = s.Leaf(ctx, l.ID, 399)
	require.ErrorIs(t, err, store.ErrDropped)
	for _, index := range []uint64{0, 255, 399, 400, 599} {
		checkProof(t, s, l, index, l.Size)
	}
	for g, err := range s.Segments(ctx, l.ID, 390) {
		require.NoError(t, err)
		require.Equal(t, store.KindDropped, g.Kind)
		require.Empty(t, g.Frame)
		require.NotEmpty(t, g.Note)
		require.NotEmpty(t, g.Receipt)
		break
	}
	Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	require.NoError(t, s.Rebuild(ctx, Projector(), nil))
	n, err := s.Count(ctx, All(""), 0)
	require.NoError(t, err)
	require.Equal(t, 203, n)
}

// testDropCopies: a row whose leaf another log carries on stays, under that log.
func testDropCopies(t *testing.T, s store.Store) {
	old, next := NewLog("old", event.Security).Register(t, s), NewLog("next", event.Security)
	next.Copies, next.Predecessor = 1, old.Origin
	next.Register(t, s)
	Commit(t, s, old.Append(t, old.Event(station, "user.login"), old.Event(station, "user.logout")))
	opened, err := new(old.Event(station, "log.opened")).Leaf()
	require.NoError(t, err)
	Commit(t, s, copySegment(t, next, opened, old.Leaves[1]))
	_, err = s.Commit(t.Context(), store.Change{Drops: []store.Drop{{Log: old.ID, First: 0, End: 2}}})
	require.NoError(t, err)
	check := func() {
		t.Helper()
		rows := drain(t, s, All(""))
		require.Len(t, rows, 1)
		require.Equal(t, Address{next.ID, 1}, Address{rows[0].Log, rows[0].Index})
		got, err := s.EventAt(t.Context(), next.ID, 1)
		require.NoError(t, err)
		require.Equal(t, "user.logout", got.Type)
	}
	check()
	require.NoError(t, s.Rebuild(t.Context(), Projector(), nil))
	check()
}
