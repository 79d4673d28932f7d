package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

func testRefused(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	var events []event.Event
	for range 41 {
		events = append(events, l.Event(station, "quality.check"))
	}
	a := l.Append(t, events...)
	// The projector would never let these through.
	a.Rows[7].Data = []byte(`{"broken`)
	a.Rows[8].Severity = 77
	a.Rows[30].Context = []byte("\x00")
	m := NewLog("b", event.Manufacturing).Register(t, s)
	b := m.Append(t, m.Event(station, "quality.check"))
	done := Commit(t, s, a, b)
	var refused []uint64
	for _, r := range done.Refused {
		require.Equal(t, l.ID, r.Log)
		require.NotEmpty(t, r.Reason)
		refused = append(refused, r.Index)
	}
	require.ElementsMatch(t, []uint64{7, 8, 30}, refused)
	rows := drain(t, s, All(""))
	require.Len(t, rows, 42)
	bad := 0
	for _, r := range rows {
		if r.Quarantined {
			bad++
			require.Equal(t, l.Leaves[r.Index], r.Leaf, "the leaf is there, byte for byte")
			require.NotEmpty(t, r.Problems)
			require.Equal(t, station, r.Station)
		}
	}
	require.Equal(t, 3, bad)
	leaf, err := s.Leaf(t.Context(), l.ID, 7)
	require.NoError(t, err)
	require.Equal(t, l.Leaves[7], leaf)
	checkProof(t, s, l, 7, l.Size)
}

func testQuarantine(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	good, err := new(l.Event(station, "quality.check")).Leaf()
	require.NoError(t, err)
	bad := [][]byte{
		[]byte("{"), []byte("\xff\xfe\x00"), []byte(`{"station":"` + station + `","station":"x"}`), []byte(strings.Repeat("[", 2000)),
		[]byte(`{"event_type":"quality.check","event_data":{"a":"\ud800"}}`), []byte(`{"event_data":{"n":1e131071}}`), []byte(`{}`),
	}
	done := Commit(t, s, l.AppendLeaves(t, append(bad, good)...))
	require.Empty(t, done.Refused, "the projector keeps the database from refusing")
	rows := drain(t, s, All(""))
	require.Len(t, rows, len(bad)+1)
	for _, r := range rows {
		require.Equal(t, l.Leaves[r.Index], r.Leaf)
		require.Equal(t, int(r.Index) != len(bad), r.Quarantined)
	}
	found, err := s.Event(t.Context(), rows[len(rows)-1].ID)
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func testCopies(t *testing.T, s store.Store) {
	old, next := NewLog("old", event.Security).Register(t, s), NewLog("next", event.Security)
	next.Copies, next.Predecessor = 3, old.Origin
	next.Register(t, s)
	Commit(t, s, old.Append(t, old.Event(station, "user.login"), old.Event(station, "user.logout")))
	// The successor copies a leaf that is stored, one that is not, and one that is no row.
	unsent, err := new(old.Event(station, "user.lockout")).Leaf()
	require.NoError(t, err)
	opened, err := new(old.Event(station, "log.opened")).Leaf()
	require.NoError(t, err)
	a := copySegment(t, next, opened, old.Leaves[1], unsent, opened)
	Commit(t, s, a)
	rows := drain(t, s, All(""))
	require.Len(t, rows, 3, "no second row")
	got, err := s.EventAt(t.Context(), next.ID, 1)
	require.NoError(t, err)
	require.Equal(t, Address{old.ID, 1}, Address{got.Log, got.Index})
	got, err = s.EventAt(t.Context(), next.ID, 2)
	require.NoError(t, err)
	require.Equal(t, Address{next.ID, 2}, Address{got.Log, got.Index})
	_, err = s.EventAt(t.Context(), next.ID, 3)
	require.ErrorIs(t, err, store.ErrNotFound)
	// The same again, made from the evidence.
	require.NoError(t, s.Rebuild(t.Context(), Projector(), nil))
	require.Equal(t, addresses(rows), addresses(drain(t, s, All(""))))
	got, err = s.EventAt(t.Context(), next.ID, 1)
	require.NoError(t, err)
	require.Equal(t, Address{old.ID, 1}, Address{got.Log, got.Index})
}

// copySegment makes a segment whose leaves behind the first are copies.
func copySegment(t testing.TB, l *Log, leaves ...[]byte) store.Append {
	a := l.AppendLeaves(t, leaves...)
	rows := map[uint64]store.Row{}
	for _, r := range a.Rows {
		rows[r.Index] = r
	}
	a.Rows = nil
	for i := 1; i < len(leaves); i++ {
		a.Copies = append(a.Copies, store.Copy{Hash: evidence.LeafHash(leaves[i]), Index: uint64(i), Row: rows[uint64(i)]})
	}
	return a
}

func testTimes(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	now := l.Clock
	var events []event.Event
	for _, at := range []time.Time{
		now.AddDate(0, 0, -34), now.AddDate(0, 0, -36), now.AddDate(3, 0, 0), now.Add(23 * time.Hour), now.Add(25 * time.Hour),
		time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC), now,
	} {
		events = append(events, l.Event(station, "quality.check", func(e *event.Event) { e.Timestamp = at }))
	}
	l.Clock = now
	done := Commit(t, s, l.Append(t, events...))
	require.Empty(t, done.Refused)
	rows := drain(t, s, All(""))
	require.Len(t, rows, len(events))
	flagged := 0
	for _, r := range rows {
		require.Equal(t, events[r.Index].Timestamp, r.Timestamp, "the source's time is kept")
		require.WithinRange(t, r.At, r.ReceivedAt.AddDate(0, 0, -35), r.ReceivedAt.AddDate(0, 0, 1))
		if len(r.Problems) > 0 {
			require.Equal(t, r.ReceivedAt, r.At)
			flagged++
		}
		same, err := s.EventAt(t.Context(), r.Log, r.Index)
		require.NoError(t, err)
		SameRow(t, r, same)
	}
	require.Equal(t, 5, flagged)
	fed, _ := readFeed(t, s, "", 3)
	require.Len(t, fed, len(events))
}
