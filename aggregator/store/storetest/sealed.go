package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/project"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

// sealedCases are the suite's part about sealed fields.
func sealedCases() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"wrapped keys are found by id and by whose data they protect": testWrappedKeys,
		"a destroyed key is gone and never comes back":                testDestroyedKeys,
		"the blind index finds events and goes with the key":          testBlind,
		"the blind index goes with what is dropped":                   testBlindDrop,
		"a rebuild makes the blind index anew without destroyed keys": testBlindRebuild,
	}
}

// dataKeys makes one wrapped key for each subject.
func dataKeys(t testing.TB, subjects ...string) []*seal.DataKey {
	t.Helper()
	private, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	keys := make([]*seal.DataKey, len(subjects))
	for i, s := range subjects {
		keys[i], err = seal.NewDataKey(private.Public(), seal.Label{Subject: s, Month: "2026-03"})
		require.NoError(t, err)
	}
	return keys
}

func person(digit string) string { return seal.Person("p-" + strings.Repeat(digit, 32)) }

func withKeys(a store.Append, keys ...*seal.DataKey) store.Append {
	a.Keys = map[string][]byte{}
	for _, k := range keys {
		a.Keys[k.ID] = k.Blob
	}
	return a
}

func testWrappedKeys(t *testing.T, s store.Store) {
	l := NewLog("sealed", event.Security).Register(t, s)
	k := dataKeys(t, person("a"), person("b"), seal.Set("secret"))
	a := withKeys(l.Append(t, l.Event(station, "user.login")), k[0], k[2])
	a.Keys[seal.KeyID([]byte("strange"))] = []byte("strange")
	Commit(t, s, a)
	Commit(t, s, withKeys(l.Append(t, l.Event(station, "user.login")), k[0], k[1]))
	blobs, err := s.WrappedKeys(t.Context(), []string{k[0].ID, k[1].ID, strings.Repeat("0", 64)})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{k[0].ID: k[0].Blob, k[1].ID: k[1].Blob}, blobs)
	missing, err := s.MissingKeys(t.Context(), []string{k[2].ID, strings.Repeat("0", 64), k[0].ID, strings.Repeat("0", 64)})
	require.NoError(t, err)
	require.Equal(t, []string{strings.Repeat("0", 64)}, missing)
	list, err := s.KeysOf(t.Context(), []string{person("a"), seal.Set("secret")})
	require.NoError(t, err)
	require.Len(t, list, 2)
	for _, w := range list {
		require.Equal(t, "2026-03", w.Month)
		require.Equal(t, l.ID, w.Log)
		require.Len(t, w.Recipient, 64)
		require.Equal(t, a.Received, w.Received)
	}
	counts, err := s.KeyCounts(t.Context())
	require.NoError(t, err)
	require.Len(t, counts, 4, "one of them is not understood, and kept")
	require.Equal(t, "", counts[0].Subject)
	require.Equal(t, uint64(1), counts[1].Keys)
}

func testDestroyedKeys(t *testing.T, s store.Store) {
	l := NewLog("sealed", event.Security).Register(t, s)
	k := dataKeys(t, person("a"), person("a"), person("b"))
	Commit(t, s, withKeys(l.Append(t, l.Event(station, "user.login")), k[0], k[2]))
	at := time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC)
	gone := []store.DestroyedKey{{ID: k[0].ID, List: 3, At: at}, {ID: k[1].ID, List: 3, At: at}}
	for range 2 {
		_, err := s.Commit(t.Context(), store.Change{Destroy: gone})
		require.NoError(t, err)
	}
	Commit(t, s, withKeys(l.Append(t, l.Event(station, "user.login")), k...))
	blobs, err := s.WrappedKeys(t.Context(), []string{k[0].ID, k[1].ID, k[2].ID})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{k[2].ID: k[2].Blob}, blobs, "neither the one that was here nor the one that came later")
	missing, err := s.MissingKeys(t.Context(), []string{k[0].ID, k[1].ID, k[2].ID})
	require.NoError(t, err)
	require.Empty(t, missing, "nobody is asked for a destroyed key")
	when, err := s.DestroyedKeys(t.Context(), []string{k[0].ID, k[2].ID})
	require.NoError(t, err)
	require.Equal(t, map[string]store.DestroyedKey{k[0].ID: gone[0]}, when)
}

func blindAppend(t testing.TB, l *Log, user string, key *seal.DataKey, tokens ...string) store.Append {
	a := l.Append(t, l.Event(station, "user.login", func(e *event.Event) { e.UserID = user }))
	for _, token := range tokens {
		a.Rows[0].Blind = append(a.Rows[0].Blind, store.Blind{Token: token, Key: key.ID})
	}
	return withKeys(a, key)
}

func testBlind(t *testing.T, s store.Store) {
	l := NewLog("sealed", event.Security).Register(t, s)
	k := dataKeys(t, person("a"), person("b"))
	Commit(t, s, blindAppend(t, l, person("a"), k[0], "t1", "t2"))
	Commit(t, s, blindAppend(t, l, person("b"), k[1], "t1"))
	Commit(t, s, blindAppend(t, l, person("b"), k[1]))
	find := func(tokens ...[]string) []uint64 {
		q := All("type:user.login")
		q.Blind, q.Limit = tokens, 1
		var at []uint64
		for _, r := range drain(t, s, q) {
			at = append(at, r.Index)
		}
		n, err := s.Count(t.Context(), q, 100)
		require.NoError(t, err)
		require.Len(t, at, n)
		return at
	}
	require.Equal(t, []uint64{1, 0}, find([]string{"t1"}))
	require.Equal(t, []uint64{1, 0}, find([]string{"t2", "t1"}))
	require.Equal(t, []uint64{0}, find([]string{"t1"}, []string{"t2"}))
	require.Empty(t, find([]string{"t3"}))
	require.Empty(t, find([]string{}))
	people, err := s.BlindPeople(t.Context(), []string{"t1", "t9"})
	require.NoError(t, err)
	require.Equal(t, []string{person("a"), person("b")}, people)
	_, err = s.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: k[0].ID, List: 1, At: Start()}}})
	require.NoError(t, err)
	require.Equal(t, []uint64{1}, find([]string{"t1"}))
	Commit(t, s, blindAppend(t, l, person("a"), k[0], "t1"))
	require.Equal(t, []uint64{1}, find([]string{"t1"}), "an event that comes after the erasure is not indexed by that key")
}

func testBlindDrop(t *testing.T, s store.Store) {
	l := NewLog("sealed", event.Security).Register(t, s)
	k := dataKeys(t, person("a"), person("b"))
	Commit(t, s, blindAppend(t, l, person("a"), k[0], "t1", "t2"))
	Commit(t, s, blindAppend(t, l, person("b"), k[1], "t1"))
	drop := func(first, end uint64) {
		_, err := s.Commit(t.Context(), store.Change{Drops: []store.Drop{{Log: l.ID, First: first, End: end}}})
		require.NoError(t, err)
	}
	drop(0, 1)
	people, err := s.BlindPeople(t.Context(), []string{"t1", "t2"})
	require.NoError(t, err)
	require.Equal(t, []string{person("b")}, people)
	drop(1, 2)
	Commit(t, s, blindAppend(t, l, person("b"), k[1])) // may get the row's number of what is gone
	q := All("type:user.login")
	require.Len(t, drain(t, s, q), 1)
	q.Blind = [][]string{{"t1", "t2"}}
	require.Empty(t, drain(t, s, q))
}

func testBlindRebuild(t *testing.T, s store.Store) {
	l := NewLog("sealed", event.Security).Register(t, s)
	k := dataKeys(t, person("a"), person("b"))
	Commit(t, s, blindAppend(t, l, person("a"), k[0], "t1"))
	Commit(t, s, blindAppend(t, l, person("b"), k[1], "t1"))
	_, err := s.Commit(t.Context(), store.Change{Destroy: []store.DestroyedKey{{ID: k[0].ID, List: 1, At: Start()}}})
	require.NoError(t, err)
	rows := func(leaf []byte, at store.LeafAt) (store.Row, bool) {
		row, ok := project.Project(leaf, at)
		row.Blind = []store.Blind{{Token: "t1", Key: k[at.Index].ID}}
		return row, ok
	}
	require.NoError(t, s.Rebuild(t.Context(), rows, nil))
	q := All("")
	q.Blind = [][]string{{"t1"}}
	found := drain(t, s, q)
	require.Len(t, found, 1)
	require.Equal(t, uint64(1), found[0].Index)
}
