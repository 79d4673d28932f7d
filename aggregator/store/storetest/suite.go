package storetest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/query"
)

// Open opens an empty store; the test that asked for it closes it.
type Open func(t testing.TB) store.Store

// Run is the whole suite.
func Run(t *testing.T, open Open) {
	all := cases()
	maps.Copy(all, sealedCases())
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			test(t, s)
		})
	}
}

func cases() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"a log is registered and read back":                            testLogs,
		"a log that is closed or forked does not grow":                 testStates,
		"a segment comes back byte for byte":                           testSegments,
		"an append at another size is a conflict and stores nothing":   testConflict,
		"many segments of many agents are one transaction":             testManySegments,
		"proofs verify at every size":                                  testProofs,
		"proofs verify across tiles and levels":                        testDeepProofs,
		"proofs verify around a hole":                                  testHole,
		"dropped leaves go with their rows, proofs stay":               testDrop,
		"a dropped leaf that was copied is shown by its copy":          testDropCopies,
		"a root list is kept":                                          testRootLists,
		"lists page through everything once":                           testPaging,
		"lists by arrival page in commit order":                        testArrival,
		"lists by arrival of many events bring each once":              testManyArrivals,
		"a cursor belongs to its filter":                               testCursor,
		"the search language finds what matches":                       testSearch,
		"a scope hides other stations in lists, counts and histograms": testScope,
		"a row gives back all of its fields":                           testRowFields,
		"two events with one id are both found":                        testSameID,
		"neighbours of an event are those of its station":              testAround,
		"a histogram counts by severity":                               testHistogram,
		"events are counted by station and hour":                       testStationHours,
		"stations are listed with first and last event":                testStations,
		"a refused row is set apart and its neighbours are stored":     testRefused,
		"a leaf outside the profile is seen in quarantine":             testQuarantine,
		"a copied leaf adds an address and no row":                     testCopies,
		"times far away from arrival keep the partitions sane":         testTimes,
		"the feed goes in commit order and resumes":                    testFeed,
		"the feed loses nothing under many writers":                    testFeedWriters,
		"a rebuild gives an equal read model":                          testRebuild,
		"commits go on during a rebuild":                               testRebuildBusy,
		"an epoch moves the feed on":                                   testEpoch,
		"agents, tokens, users and settings are kept":                  testRegistry,
		"an agent's record is not written over one that is newer":      testAgentRevisions,
		"a token is used as often as it allows":                        testTokenUses,
		"sessions end":                                                 testSessions,
		"the ten documented queries answer":                            testDocumented,
		"wrapped keys are kept with their segment":                     testKeys,
		"a cancelled call returns":                                     testCancelled,
	}
}

// All is a query for everything that matches a text.
func All(text string) store.EventQuery {
	return store.EventQuery{Filter: query.Must(text, Start()), Scope: Everything(), Limit: 1000}
}

// drain reads all pages of a query.
func drain(t testing.TB, s store.Store, q store.EventQuery) []store.Row {
	t.Helper()
	var rows []store.Row
	for range 10_000 {
		page, err := s.Events(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Rows), q.Limit)
		rows = append(rows, page.Rows...)
		if page.Next == "" {
			return rows
		}
		q.After = page.Next
	}
	require.Fail(t, "the list has no end")
	return nil
}

// readFeed reads the feed to its end as it is now.
func readFeed(t testing.TB, s store.Store, cursor string, limit int) ([]store.Row, string) {
	t.Helper()
	var rows []store.Row
	for {
		page, err := s.Feed(t.Context(), cursor, limit)
		require.NoError(t, err)
		if len(page.Rows) == 0 {
			return rows, page.Cursor
		}
		rows, cursor = append(rows, page.Rows...), page.Cursor
	}
}

// Address is where a row's leaf is.
type Address struct {
	Log   string
	Index uint64
}

func addresses(rows []store.Row) []Address {
	out := make([]Address, len(rows))
	for i, r := range rows {
		out[i] = Address{r.Log, r.Index}
	}
	return out
}

func testCancelled(t *testing.T, s store.Store) {
	l := NewLog("cancel", "manufacturing").Register(t, s)
	a := l.Append(t, l.Event("hamburg/body/line1/st01", "quality.check"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Commit(ctx, store.Change{Segments: []store.Append{a}})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Events(ctx, All(""))
	require.ErrorIs(t, err, context.Canceled)
	Commit(t, s, a)
	require.Len(t, drain(t, s, All("")), 1)
}

func testSessions(t *testing.T, s store.Store) {
	ctx := t.Context()
	require.NoError(t, s.SaveSession(ctx, "a", []byte("one"), time.Now().Add(time.Hour)))
	require.NoError(t, s.SaveSession(ctx, "a", []byte("two"), time.Now().Add(time.Hour)))
	require.NoError(t, s.SaveSession(ctx, "b", []byte("over"), time.Now().Add(-time.Second)))
	data, found, err := s.FindSession(ctx, "a")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []byte("two"), data)
	_, found, err = s.FindSession(ctx, "b")
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, s.DeleteSession(ctx, "a"))
	require.NoError(t, s.DeleteSession(ctx, "a"))
	_, found, err = s.FindSession(ctx, "a")
	require.NoError(t, err)
	require.False(t, found)
}
