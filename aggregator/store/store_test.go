package store_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

func TestACursorReadsBackOnlyWhatWasWrittenForTheSameList(t *testing.T) {
	want := []int64{-1, 0, math.MaxInt64}
	text := store.EncodeCursor(store.CursorTime, "filter", want...)
	got, err := store.DecodeCursor(text, store.CursorTime, "filter", 3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for i := range len(text) {
		for _, c := range []byte("A9-") {
			bad := []byte(text)
			if bad[i] == c {
				continue
			}
			bad[i] = c
			_, err := store.DecodeCursor(string(bad), store.CursorTime, "filter", 3)
			require.ErrorIs(t, err, store.ErrCursor, "byte %d", i)
		}
	}
	_, err = store.DecodeCursor(text, store.CursorArrival, "filter", 3)
	require.ErrorIs(t, err, store.ErrCursor)
	_, err = store.DecodeCursor(text, store.CursorTime, "other", 3)
	require.ErrorIs(t, err, store.ErrCursor)
	_, err = store.DecodeCursor(text, store.CursorTime, "filter", 2)
	require.ErrorIs(t, err, store.ErrCursor)
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(store.EncodeCursor(store.CursorFeed, "feed", 1, 2, 3))
	f.Add("")
	f.Add("!!")
	f.Fuzz(func(t *testing.T, text string) {
		numbers, err := store.DecodeCursor(text, store.CursorFeed, "feed", 3)
		if err != nil {
			require.ErrorIs(t, err, store.ErrCursor)
			return
		}
		require.Len(t, numbers, 3)
	})
}

func TestFilterKeyTellsFiltersApart(t *testing.T) {
	now := time.Now()
	q := store.EventQuery{Filter: query.Must("type:a.b", now), Scope: []string{"b/**", "a/**"}, Limit: 7}
	same := store.EventQuery{Filter: query.Must("type:a.b", now), Scope: []string{"a/**", "b/**"}, Limit: 9}
	require.Equal(t, q.FilterKey(), same.FilterKey())
	same.To = now
	require.NotEqual(t, q.FilterKey(), same.FilterKey())
}

// TestWordsOfDataMeanTheSameAsTheMatcher: a value is found by its word exactly
// when the search language says that it fits.
func TestWordsOfDataMeanTheSameAsTheMatcher(t *testing.T) {
	data := []byte(`{"panel":"4711","n":4711,"f":7.0,"e":1e2,"deep":{"er":"x\"y","list":[1,"two"]},"t":true,"nil":null,"":"empty","odd key":"ä","o":{}}`)
	have := map[string]bool{}
	for _, w := range store.DataWords(data) {
		have[w] = true
	}
	for _, text := range []string{
		"data.panel:4711", "data.n:4711", "data.n:4711.0", "data.f:7", "data.e:100", "data.panel:4712", "data.deep.er:x", `data.deep.er:"x\"y"`,
		"data.deep.list:1", "data.t:true", "data.t:false", "data.nil:null", `data."odd key":ä`, "data.o:{}", "data.missing:1", "data.deep:x",
	} {
		q := query.Must(text, time.Now())
		found := false
		for _, w := range store.DataTermWords(q.Terms[0], q.Terms[0].Values[0]) {
			found = found || have[w]
		}
		require.Equal(t, q.Match(query.Event{Data: data}), found, text)
	}
}

func FuzzDataWords(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":2}],"d":"\u00e4\""},"e":-1.5e3}`))
	f.Add([]byte(`{"a"`))
	f.Add([]byte(`{"a":}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, w := range store.DataWords(data) {
			require.Len(t, w, 17)
		}
	})
}

func TestQuarantineWithoutAStationIsSeenByThoseWhoSeeEverything(t *testing.T) {
	require.True(t, store.InScope([]string{"**"}, ""))
	require.False(t, store.InScope([]string{"hamburg/**"}, ""))
	require.True(t, store.InScope([]string{"hamburg/**"}, "hamburg/st01"))
	require.False(t, store.InScope(nil, "hamburg/st01"))
}

func TestABareRowKeepsTheLeafAndItsPlace(t *testing.T) {
	r := store.Row{Log: "l", Index: 3, Leaf: []byte("x"), Station: "no station!", Class: event.Debug, Words: "w", Data: []byte("{")}
	b := store.Bare(r, "why")
	require.Equal(t, r.Leaf, b.Leaf)
	require.Equal(t, uint64(3), b.Index)
	require.Empty(t, b.Station)
	require.Empty(t, b.Words)
	require.Nil(t, b.Data)
	require.True(t, b.Quarantined)
	require.Contains(t, b.Problems[0].Reason, "why")
}

func TestChangesWakeEverybodyWhoWaits(t *testing.T) {
	var c store.Changes
	a, b := c.Wait(), c.Wait()
	c.Signal()
	<-a
	<-b
	select {
	case <-c.Wait():
		require.Fail(t, "a new wait begins after the signal")
	default:
	}
}
