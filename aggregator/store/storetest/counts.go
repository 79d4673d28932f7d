package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

func testHistogram(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 4)
	p.Fill(t, s, 3000, 25, 11*time.Second) // some nine hours
	for _, text := range []string{"", "station:st01", "type:equipment.status", "severity>=high", "-pass", `"hydraulic pressure"`} {
		for _, span := range [][2]time.Time{
			{Start(), Start().Add(12 * time.Hour)}, // whole hours
			{Start().Add(17 * time.Minute), Start().Add(5*time.Hour + 3*time.Second)},
		} {
			const buckets = 12
			from, to := span[0], span[1]
			got, err := s.Histogram(t.Context(), All(text), from, to, buckets)
			require.NoError(t, err)
			require.Len(t, got, buckets)
			require.Equal(t, from, got[0].At)
			step := got[1].At.Sub(got[0].At)
			var want [buckets][6]uint64
			for _, r := range drain(t, s, All(text)) {
				if !r.At.Before(from) && r.At.Before(to) {
					want[r.At.Sub(from)/step][r.Severity]++
				}
			}
			for i, b := range got {
				require.Equal(t, want[i], b.Counts, "%q bucket %d", text, i)
			}
		}
	}
	_, err := s.Histogram(t.Context(), All(""), Start(), Start(), 10)
	require.Error(t, err)
	_, err = s.Histogram(t.Context(), All(""), Start(), Start().Add(time.Hour), 0)
	require.Error(t, err)
}

func testStationHours(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 4)
	p.Fill(t, s, 3000, 25, 11*time.Second)
	for _, text := range []string{"", "station:st01", "severity>=low", "type:equipment.status", "pass", `"hydraulic pressure"`} {
		from, to := Start().Add(17*time.Minute), p.Now().Add(-23*time.Minute)
		got, err := s.StationHours(t.Context(), All(text), from, to)
		require.NoError(t, err)
		want := map[store.StationHour]uint64{}
		for _, r := range drain(t, s, All(text)) {
			if !r.At.Before(from) && r.At.Before(to) {
				want[store.StationHour{Station: r.Station, Hour: r.At.Truncate(time.Hour)}]++
			}
		}
		require.Len(t, got, len(want), text)
		for i, h := range got {
			require.Equal(t, want[store.StationHour{Station: h.Station, Hour: h.Hour}], h.Count, "%q %v", text, h)
			require.True(t, i == 0 || got[i-1].Station < h.Station || got[i-1].Hour.Before(h.Hour), "in order")
		}
	}
}

func testStations(t *testing.T, s store.Store) {
	l, m := NewLog("a", event.Manufacturing).Register(t, s), NewLog("b", event.Manufacturing).Register(t, s)
	first := l.Event("hamburg/st01", "quality.check")
	last := l.Event("hamburg/st01", "quality.check")
	Commit(t, s, l.Append(t, last))
	Commit(t, s, l.Append(t, first), m.Append(t, m.Event("hamburg/st02", "quality.check")))
	Commit(t, s, m.AppendLeaves(t, []byte("not a leaf")))
	got, err := s.Stations(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, store.Station{Station: "hamburg/st01", First: first.Timestamp, Last: last.Timestamp, Events: 2, AgentID: l.AgentID}, got[0])
	require.Equal(t, "hamburg/st02", got[1].Station)
}

// Documented are the ten documented queries; the newest event is at now.
func Documented(s store.Store, now time.Time) []Query {
	one := func(text string, limit int, from time.Time) store.EventQuery {
		q := All(text)
		q.Limit, q.From = limit, from
		return q
	}
	day, week, month := now.Add(-24*time.Hour), now.Add(-7*24*time.Hour), now.Add(-30*24*time.Hour)
	return []Query{
		{"newest 100", list(s, one("", 100, time.Time{}))},
		{"a station's day", list(s, one("station:/hamburg/body/line1/st01", 100, day))},
		{"a type prefix in a week", list(s, one("type:access.*", 100, week))},
		{"severity >= high in a month", list(s, one("severity>=high", 100, month))},
		{"one user's month", list(s, one("user:p-00000000000000000000000000000007", 100, month))},
		{"one correlation id", list(s, one("correlation:order-42", 100, time.Time{}))},
		{"a field of the data", list(s, one("data.panel:1234", 100, time.Time{}))},
		{"free words in a day", list(s, one(`"hydraulic pressure"`, 100, day))},
		{"counts by station and hour of a week", func(t testing.TB) int {
			rows, err := s.StationHours(t.Context(), All(""), week, now)
			require.NoError(t, err)
			return len(rows)
		}},
		{"one event with 50 neighbours", func(t testing.TB) int {
			page, err := s.Events(t.Context(), one("station:/hamburg/body/line1/st01", 40, time.Time{}))
			require.NoError(t, err)
			if len(page.Rows) == 0 {
				return 0
			}
			rows, err := s.Event(t.Context(), page.Rows[len(page.Rows)-1].ID)
			require.NoError(t, err)
			around, err := s.Around(t.Context(), rows[0], 25, 25)
			require.NoError(t, err)
			return len(around)
		}},
	}
}

// Query is one documented query; Run returns how many rows it found.
type Query struct {
	Name string
	Run  func(t testing.TB) int
}

func list(s store.Store, q store.EventQuery) func(testing.TB) int {
	return func(t testing.TB) int {
		page, err := s.Events(t.Context(), q)
		require.NoError(t, err)
		return len(page.Rows)
	}
}

func testDocumented(t *testing.T, s store.Store) {
	p := NewPlant(t, s, 4)
	p.Fill(t, s, 4000, 200, time.Second)
	rare := map[string]bool{"one correlation id": true, "one user's month": true}
	for _, q := range Documented(s, p.Now()) {
		if n := q.Run(t); !rare[q.Name] {
			require.NotZero(t, n, q.Name)
		}
	}
}
