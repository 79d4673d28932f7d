package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

func testPaging(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 5)
	p.Fill(t, s, 700, 9, 0) // all at one instant: only log and index tell them apart
	p.Fill(t, s, 800, 9, 137*time.Microsecond)
	for _, text := range []string{"", "station:st01", "type:quality.check,equipment.status", "pass", "data.result:pass", "-type:access.*"} {
		q := All(text)
		whole := drain(t, s, q)
		seen := map[Address]bool{}
		for i, r := range whole {
			require.False(t, seen[Address{r.Log, r.Index}], "a row came twice for %q", text)
			seen[Address{r.Log, r.Index}] = true
			require.True(t, q.Match(r), text)
			if i > 0 {
				require.False(t, whole[i-1].At.Before(r.At), "newest first for %q", text)
			}
		}
		for _, limit := range []int{1, 7, 100} {
			if limit == 1 && len(whole) > 400 {
				continue
			}
			q.Limit = limit
			require.Equal(t, addresses(whole), addresses(drain(t, s, q)), "%q by pages of %d", text, limit)
		}
	}
	require.Len(t, drain(t, s, All("")), 1500)
}

func testArrival(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	var want []Address
	for i := range 30 {
		l.Clock = Start().Add(-time.Duration(i) * time.Hour) // later commits bring older events
		e := l.Event(station, "quality.check")
		l.Clock = Start()
		Commit(t, s, l.Append(t, e))
		want = append(want, Address{l.ID, uint64(i)})
	}
	slices.Reverse(want)
	q := All("")
	q.ByArrival = true
	require.Equal(t, want, addresses(drain(t, s, q)))
	q.Limit = 7
	require.Equal(t, want, addresses(drain(t, s, q)))
	q = All("station:line3/** type:quality.*")
	q.ByArrival, q.Limit = true, 4
	require.Equal(t, want, addresses(drain(t, s, q)))
}

// testManyArrivals: however common or rare what is asked for, a list by arrival
// brings each row once, in the order of the feed, and comes to an end.
func testManyArrivals(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 5)
	p.Fill(t, s, 24_000, 500, 100*time.Millisecond)
	fed := waitFeed(t, s, "", 24_000)
	slices.Reverse(fed)
	from := p.Now().Add(-2 * time.Minute).Format(time.RFC3339)
	for _, text := range []string{
		"", "type:quality.check", "type:quality.check,equipment.status", "type:access.denied", "-type:quality.check", "severity>=high",
		"station:st01 type:quality.check", "station:st01 type:equipment.fault", "user:p-00000000000000000000000000000007", "user:p-*7",
		"since:" + from, "until:" + from + " type:equipment.status", "hydraulic", "pass", `"hydraulic pressure"`, "-pass",
		"data.panel:17", "data.result:pass type:access.denied", "data.result:nothing", "id:" + fed[77].ID, "type:nothing.such",
	} {
		q := All(text)
		q.ByArrival = true
		var want []Address
		for _, r := range fed {
			if q.Match(r) {
				want = append(want, Address{r.Log, r.Index})
			}
		}
		got := addresses(drain(t, s, q))
		require.Len(t, got, len(want), text)
		if len(want) > 0 {
			require.Equal(t, want, got, text)
		}
	}
}

func testCursor(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 2)
	p.Fill(t, s, 50, 10, time.Second)
	q := All("")
	q.Limit = 10
	page, err := s.Events(t.Context(), q)
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for name, change := range map[string]func(*store.EventQuery){
		"filter":  func(q *store.EventQuery) { q.Filter = query.Must("type:quality.check", Start()) },
		"scope":   func(q *store.EventQuery) { q.Scope = []string{"hamburg/**"} },
		"order":   func(q *store.EventQuery) { q.ByArrival = true },
		"bounds":  func(q *store.EventQuery) { q.From = Start() },
		"damaged": func(q *store.EventQuery) { q.After = "A" + q.After[1:] },
		"empty":   func(q *store.EventQuery) { q.After = "!" },
	} {
		other := q
		other.After = page.Next
		change(&other)
		_, err := s.Events(t.Context(), other)
		require.ErrorIs(t, err, store.ErrCursor, name)
	}
	_, err = s.Feed(t.Context(), page.Next, 10)
	require.ErrorIs(t, err, store.ErrCursor)
}

// testSearch compares each query with the matcher that the live hub uses.
func testSearch(t *testing.T, s store.Store) {
	l := NewLog("a", event.Security).Register(t, s)
	for i := range 60 {
		Commit(t, s, l.Append(t, l.Event(fmt.Sprintf("hamburg/body/line%d/st%02d", i%3, i%10), searchType(i), searchFields(t, i))))
	}
	p := NewPlant(t, s, 3)
	p.Fill(t, s, 300, 20, time.Second)
	all := drain(t, s, All(""))
	require.Len(t, all, 360)
	from := Start().Add(20 * time.Second).Format(time.RFC3339)
	found := 0
	for _, text := range []string{
		"station:line1/**", "station:hamburg/body/line1/st01", "station:st0*", "-station:line1/**", "station:nowhere",
		"type:user.*", "type:user.login,access.denied", "-type:user.**", "type:quality.check station:line2/**", "type:x.**",
		"severity:high", "severity>=medium", "severity<low", "severity:info,high", "-severity:info",
		"class:security", "class:manufacturing,debug", "-class:security",
		"user:p-3*", "user:p-37", "-user:p-3*", "equipment:press*", "equipment:press-1", "-equipment:press-1",
		"signal:press.*", "signal:press.**", "signal:press.temperature", "-signal:press.*",
		"correlation:order-1", "correlation:order-*", "-correlation:order-1",
		"ip:10.4.1.7", "ip:10.0.0.0/8", "-ip:10.4.1.7", "-ip:10.0.0.0/8", "ip:fe80::1",
		"id:" + all[3].ID, "-id:" + all[3].ID, "log:" + l.ID, "log:" + l.ID[:4] + "*", "agent:" + l.AgentID, "-agent:" + l.AgentID,
		"data.panel:7", "data.panel:4711", "data.number:7", "data.number:7.0", "data.flag:true", "data.nothing:null",
		"data.deep.er:x7", "data.panel:1,2,3", "-data.panel:7", "data.missing:1", `data."odd key":"a b"`,
		"pressure", `"hydraulic pressure"`, `"pressure hydraulic"`, "hydr*", "Prüfung", "prüf*", "-hydraulic", "st07", "nothing_like_this",
		"since:" + from, "until:" + from, "since:" + from + " until:" + Start().Add(40*time.Second).Format(time.RFC3339),
		"type:user.login severity>=info station:line1/** data.panel:4", "pressure type:equipment.fault -station:line0/**",
	} {
		q := All(text)
		var want []Address
		for _, r := range all {
			if q.Match(r) {
				want = append(want, Address{r.Log, r.Index})
			}
		}
		got := addresses(drain(t, s, q))
		require.Equal(t, len(want), len(got), text)
		found += min(len(want), 1)
		if len(want) > 0 {
			require.Equal(t, want, got, text)
		}
		n, err := s.Count(t.Context(), q, 0)
		require.NoError(t, err)
		require.Equal(t, len(want), n, "count of %s", text)
		n, err = s.Count(t.Context(), q, 5)
		require.NoError(t, err)
		require.Equal(t, min(5, len(want)), n, "bounded count of %s", text)
	}
	require.Greater(t, found, 55, "most of them find something")
}

func searchType(i int) string {
	return []string{"user.login", "user.logout", "access.denied", "equipment.fault", "x.acme.thing"}[i%5]
}

func searchFields(t testing.TB, i int) func(*event.Event) {
	return func(e *event.Event) {
		e.Severity = event.Severity(i % 6)
		fields := map[string]any{
			"panel": fmt.Sprint(i), "number": i, "flag": i%2 == 0, "nothing": nil,
			"deep": map[string]any{"er": fmt.Sprint("x", i)}, "odd key": "a b", "list": []any{"hydr", i},
		}
		switch i % 4 {
		case 0:
			fields["text"] = "Hydraulic pressure low; Prüfung nötig"
			e.UserID, e.SourceIP = fmt.Sprint("p-3", i%10), fmt.Sprint("10.4.1.", i%10)
		case 1:
			fields["text"] = "pressure of the hydraulic is [fine?]*"
			e.Equipment, e.Signal = fmt.Sprint("press-", i%3), "press.temperature"
		case 2:
			e.CorrelationID, e.Signal = fmt.Sprint("order-", i%5), "press.door.state"
			e.SourceIP = "fe80::1"
		}
		var err error
		e.Data, err = event.Object(fields)
		require.NoError(t, err)
	}
}

func testScope(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 8)
	p.Fill(t, s, 400, 10, time.Second)
	l := NewLog("broken", event.Manufacturing).Register(t, s)
	Commit(t, s, l.AppendLeaves(t, []byte("no leaf at all")))
	for _, scope := range [][]string{nil, {"hamburg/body/line1/**"}, {"hamburg/body/line1/**", "hamburg/body/line2/st02"}, {"line1/**"}, {"**"}, {"munich/**"}} {
		q := All("")
		q.Scope = scope
		want, hours, bars := 0, uint64(0), uint64(0)
		for _, r := range drain(t, s, All("")) {
			if store.InScope(scope, r.Station) {
				want++
			}
		}
		got := drain(t, s, q)
		require.Len(t, got, want, "%v", scope)
		q.Limit = 3
		require.Equal(t, addresses(got), addresses(drain(t, s, q)), "%v by pages", scope)
		n, err := s.Count(t.Context(), q, 0)
		require.NoError(t, err)
		require.Equal(t, want, n)
		from, to := Start().Add(-time.Hour), p.Now().Add(time.Hour)
		buckets, err := s.Histogram(t.Context(), q, from, to, 7)
		require.NoError(t, err)
		for _, b := range buckets {
			for _, n := range b.Counts {
				bars += n
			}
		}
		require.Equal(t, uint64(want), bars)
		list, err := s.StationHours(t.Context(), q, from, to)
		require.NoError(t, err)
		for _, h := range list {
			require.True(t, store.InScope(scope, h.Station))
			hours += h.Count
		}
		require.Equal(t, uint64(want), hours)
	}
}

func testRowFields(t *testing.T, s store.Store) {
	l := NewLog("a", event.Security).Register(t, s)
	e := l.Event(station, "user.login", func(e *event.Event) {
		e.Equipment, e.Signal, e.CorrelationID, e.UserID, e.SourceIP = "press", "press.door", "order-1", "p-1", "10.4.1.7"
		e.Context = json.RawMessage(`{"session":"s-1"}`)
		e.Severity = event.SeverityHigh
		e.CollectedAt = e.Timestamp.Add(1234567 * time.Nanosecond)
		e.Metadata.Problems = []event.Problem{{Field: "event_data.device", Reason: "missing"}}
	})
	bare := l.Event(station, "user.logout", func(e *event.Event) { e.Data = nil })
	a := l.Append(t, e, bare)
	require.Len(t, a.Rows, 2)
	Commit(t, s, a)
	for i := range a.Rows {
		got, err := s.EventAt(t.Context(), l.ID, uint64(i))
		require.NoError(t, err)
		SameRow(t, a.Rows[i], got)
	}
	_, err := s.EventAt(t.Context(), l.ID, 2)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.EventAt(t.Context(), "0000000000000000", 0)
	require.ErrorIs(t, err, store.ErrNotFound)
	page := drain(t, s, All(""))
	SameRow(t, a.Rows[1], page[0])
	SameRow(t, a.Rows[0], page[1])
}

// SameRow compares two rows, byte for byte.
func SameRow(t testing.TB, want, got store.Row) {
	t.Helper()
	require.Equal(t, string(want.Data), string(got.Data))
	require.Equal(t, string(want.Context), string(got.Context))
	want.Data, want.Context, got.Data, got.Context = nil, nil, nil, nil
	require.Equal(t, want, got)
}

func testSameID(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	e := l.Event(station, "quality.check")
	other := l.Event(station, "quality.check", func(o *event.Event) { o.ID = e.ID })
	far := l.Event(station, "quality.check", func(o *event.Event) {
		o.ID = e.ID
		o.Timestamp = o.Timestamp.Add(-20 * 24 * time.Hour) // another month than its id says
	})
	Commit(t, s, l.Append(t, e, other, far))
	rows, err := s.Event(t.Context(), e.ID)
	require.NoError(t, err)
	require.Equal(t, []Address{{l.ID, 0}, {l.ID, 1}, {l.ID, 2}}, addresses(rows))
	_, err = s.Event(t.Context(), event.NewID(Start()))
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Event(t.Context(), "no id")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func testAround(t *testing.T, s store.Store) {
	l, m := NewLog("a", event.Manufacturing).Register(t, s), NewLog("b", event.Security).Register(t, s)
	for range 20 {
		Commit(t, s, l.Append(t, l.Event(station, "quality.check")), m.Append(t, m.Event(station, "user.login")))
		Commit(t, s, l.Append(t, l.Event("hamburg/body/line3/st08", "quality.check")))
	}
	all := drain(t, s, All("station:/"+station))
	require.Len(t, all, 40)
	slices.Reverse(all)
	rows, err := s.Around(t.Context(), all[10], 5, 4)
	require.NoError(t, err)
	require.Equal(t, addresses(slices.Concat(all[5:10], all[11:15])), addresses(rows))
	rows, err = s.Around(t.Context(), all[1], 25, 0)
	require.NoError(t, err)
	require.Equal(t, addresses(all[:1]), addresses(rows))
}
