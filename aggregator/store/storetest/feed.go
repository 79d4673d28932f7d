package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// Projector is the one that the aggregator uses.
func Projector() store.Projector { return project.Project }

func testFeed(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	start, err := s.Feed(t.Context(), "now", 10)
	require.NoError(t, err)
	require.Empty(t, start.Rows)
	changed := s.Changed()
	for i := range 25 {
		e := l.Event(station, "quality.check", func(e *event.Event) { e.Timestamp = e.Timestamp.Add(-time.Duration(i) * time.Hour) })
		Commit(t, s, l.Append(t, e, l.Event(station, "signal.summary")))
	}
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		require.Fail(t, "nobody said that something changed")
	}
	rows := waitFeed(t, s, "", 25)
	for i, r := range rows {
		require.Equal(t, uint64(2*i), r.Index)
	}
	half, err := s.Feed(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, half.Rows, 10)
	rest, end := readFeed(t, s, half.Cursor, 4)
	require.Equal(t, addresses(rows[10:]), addresses(rest))
	again, same := readFeed(t, s, end, 4)
	require.Empty(t, again)
	require.Equal(t, end, same)
	fromStart, _ := readFeed(t, s, start.Cursor, 4)
	require.Equal(t, addresses(rows), addresses(fromStart))
	now, err := s.Feed(t.Context(), "now", 10)
	require.NoError(t, err)
	Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	require.Len(t, waitFeed(t, s, now.Cursor, 1), 1)
}

// waitFeed reads the feed until it has brought so many rows.
func waitFeed(t testing.TB, s store.Store, cursor string, n int) []store.Row {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var rows []store.Row
	for {
		changed := s.Changed()
		page, err := s.Feed(ctx, cursor, 100)
		require.NoError(t, err)
		rows, cursor = append(rows, page.Rows...), page.Cursor
		if len(rows) >= n {
			require.Len(t, rows, n)
			return rows
		}
		if len(page.Rows) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			require.Failf(t, "the feed stands still", "%d of %d rows", len(rows), n)
		}
	}
}

func testFeedWriters(t *testing.T, s store.Store) {
	const writers, commits = 6, 25
	logs := make([]*Log, writers)
	for i := range logs {
		logs[i] = NewLog(fmt.Sprint(i), event.Manufacturing).Register(t, s)
	}
	var wg sync.WaitGroup
	for _, l := range logs {
		wg.Go(func() {
			for range commits {
				a := l.Append(t, l.Event("hamburg/"+l.ID, "quality.check"), l.Event("hamburg/"+l.ID, "quality.check"))
				if _, err := s.Commit(t.Context(), store.Change{Segments: []store.Append{a}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	rows := waitFeed(t, s, "", writers*commits*2)
	wg.Wait()
	next := map[string]uint64{}
	for _, r := range rows {
		require.Equal(t, next[r.Log], r.Index, "each log in its order, nothing left out")
		next[r.Log]++
	}
	again, _ := readFeed(t, s, "", 1000)
	require.Equal(t, addresses(rows), addresses(again), "what was read live is what stands there")
}

func testEpoch(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	first := waitFeed(t, s, "", 1)
	page, err := s.Feed(t.Context(), "", 10)
	require.NoError(t, err)
	require.NoError(t, s.(interface{ BeginEpoch(context.Context) error }).BeginEpoch(t.Context()))
	Commit(t, s, l.Append(t, l.Event(station, "quality.check")))
	next := waitFeed(t, s, page.Cursor, 1)
	require.Equal(t, uint64(1), next[0].Index)
	all, _ := readFeed(t, s, "", 10)
	require.Equal(t, addresses(append(first, next...)), addresses(all))
}

func testRebuild(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 5)
	p.Fill(t, s, 1500, 30, time.Second)
	bad := NewLog("bad", event.Security).Register(t, s)
	Commit(t, s, bad.AppendLeaves(t, []byte("{"), []byte(`{"a":1}`)))
	Commit(t, s, bad.AppendHole(t, []byte("lost")))
	before, fed := drain(t, s, All("")), waitFeed(t, s, "", 1502)
	stations, err := s.Stations(t.Context())
	require.NoError(t, err)
	var last, total uint64
	require.NoError(t, s.Rebuild(t.Context(), Projector(), func(d, n uint64) { last, total = d, n }))
	require.Equal(t, total, last)
	require.Equal(t, uint64(1503), total)
	after := drain(t, s, All(""))
	require.Len(t, after, len(before))
	for i := range before {
		SameRow(t, before[i], after[i])
	}
	again, _ := readFeed(t, s, "", 1000)
	require.Equal(t, addresses(fed), addresses(again), "a rebuild moves nothing in the feed")
	same, err := s.Stations(t.Context())
	require.NoError(t, err)
	require.Equal(t, stations, same)
	for _, q := range Documented(s, p.Now()) {
		q.Run(t)
	}
	p.Fill(t, s, 100, 10, time.Second)
	require.Len(t, drain(t, s, All("")), len(before)+100)
	// A second one, after an unfinished one.
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Rebuild(ctx, Projector(), func(uint64, uint64) { cancel() })
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Len(t, drain(t, s, All("")), len(before)+100)
	require.NoError(t, s.Rebuild(t.Context(), Projector(), nil))
	require.Len(t, drain(t, s, All("")), len(before)+100)
}

func testRebuildBusy(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 3)
	p.Fill(t, s, 2000, 10, time.Second)
	done := make(chan error, 1)
	go func() { done <- s.Rebuild(t.Context(), Projector(), nil) }()
	n := 2000
	for running := true; running; {
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		default:
			p.Fill(t, s, 20, 10, time.Second)
			n += 20
		}
	}
	p.Fill(t, s, 20, 10, time.Second)
	require.Len(t, drain(t, s, All("")), n+20)
	require.Len(t, waitFeed(t, s, "", n+20), n+20)
}
