package storetest

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

const station = "hamburg/body/line3/st07"

func testLogs(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Log(ctx, "0000000000000000")
	require.ErrorIs(t, err, store.ErrNotFound)
	l := NewLog("a", event.Security)
	l.Keys = []evidence.KeyRange{{Key: make([]byte, 32), After: 0, Last: 0}}
	l.Predecessor, l.Copies, l.Reason = "linewatch/x/security/y", 7, "state lost"
	l.Register(t, s)
	got, err := s.Log(ctx, l.ID)
	require.NoError(t, err)
	require.Equal(t, l.Log, got)

	changed := l.Log
	changed.Keys = append(changed.Keys, evidence.KeyRange{Key: make([]byte, 32), After: 9})
	changed.Size = 99
	_, err = s.Commit(ctx, store.Change{Logs: []store.Log{changed}, LogStates: map[string]store.LogState{l.ID: store.LogForked}})
	require.NoError(t, err)
	got, err = s.Log(ctx, l.ID)
	require.NoError(t, err)
	require.Zero(t, got.Size, "registering again never moves the head")
	require.Len(t, got.Keys, 2)
	require.Equal(t, store.LogForked, got.State)

	other := l.Log
	other.Origin = "linewatch/else/security/" + l.ID
	_, err = s.Commit(ctx, store.Change{Logs: []store.Log{other}})
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = s.Commit(ctx, store.Change{LogStates: map[string]store.LogState{"0000000000000000": store.LogClosed}})
	require.ErrorIs(t, err, store.ErrNotFound)
	NewLog("b", event.Debug).Register(t, s)
	logs, err := s.Logs(ctx)
	require.NoError(t, err)
	require.Len(t, logs, 2)
	require.Equal(t, l.ID, logs[0].ID)
	require.NoError(t, s.Ping(ctx))
}

// testStates: whoever remembers a log as it was can't make it grow again, nor
// give it back its old state.
func testStates(t *testing.T, s store.Store) {
	ctx := t.Context()
	l := NewLog("a", event.Security).Register(t, s)
	Commit(t, s, l.Append(t, l.Event(station, "user.login")))
	was := l.Log
	// What comes before the fork in the same change is still appended.
	a := l.Append(t, l.Event(station, "user.login"))
	_, err := s.Commit(ctx, store.Change{Segments: []store.Append{a}, LogStates: map[string]store.LogState{l.ID: store.LogForked}})
	require.NoError(t, err)
	late := l.Append(t, l.Event(station, "user.login"))
	_, err = s.Commit(ctx, store.Change{Segments: []store.Append{late}})
	require.ErrorIs(t, err, store.ErrConflict, "a forked log does not grow")
	_, err = s.Commit(ctx, store.Change{Logs: []store.Log{was}, Segments: []store.Append{late}})
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = s.Commit(ctx, store.Change{Logs: []store.Log{was}})
	require.NoError(t, err)
	got, err := s.Log(ctx, l.ID)
	require.NoError(t, err)
	require.Equal(t, store.LogForked, got.State)
	require.EqualValues(t, 2, got.Size)
}

func testSegments(t *testing.T, s store.Store) {
	ctx := t.Context()
	l := NewLog("a", event.Manufacturing).Register(t, s)
	var sent []store.Append
	for i := range 70 {
		a := l.Append(t, l.Event(station, "quality.check"), l.Event(station, "quality.check"), l.Event(station, "quality.check"))
		a.Note = fmt.Appendf(nil, "note %d\n", i)
		sent = append(sent, a)
	}
	Commit(t, s, sent...)
	i := 0
	for g, err := range s.Segments(ctx, l.ID, 0) {
		require.NoError(t, err)
		a := sent[i]
		require.Equal(t, store.StoredSegment{
			Log: l.ID, First: a.First, Count: a.Count, Kind: a.Kind, Frame: a.Frame,
			Note: a.Note, Receipt: a.Receipt, Received: a.Received, Offset: a.Offset,
		}, g)
		i++
	}
	require.Equal(t, len(sent), i)
	for g, err := range s.Segments(ctx, l.ID, 100) {
		require.NoError(t, err)
		require.Equal(t, uint64(99), g.First, "the segment that holds leaf 100")
		break
	}
	for range s.Segments(ctx, l.ID, math.MaxUint64) {
		require.Fail(t, "nothing is behind the largest index")
	}
	for range s.Segments(ctx, l.ID, l.Size) {
		require.Fail(t, "there is no segment behind the end")
	}
	for index, want := range l.Leaves {
		got, err := s.Leaf(ctx, l.ID, uint64(index))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	rows, err := s.Rows(ctx, l.ID, 4, 100)
	require.NoError(t, err)
	require.Len(t, rows, 96)
	for i, row := range rows {
		require.EqualValues(t, 4+i, row.Index)
		require.Equal(t, l.Leaves[row.Index], row.Leaf)
	}
	_, err = s.Leaf(ctx, l.ID, l.Size)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Leaf(ctx, "0000000000000000", 0)
	require.ErrorIs(t, err, store.ErrNotFound)
	head, err := s.Log(ctx, l.ID)
	require.NoError(t, err)
	require.Equal(t, l.Size, head.Size)
	require.Equal(t, l.Frontier, head.Frontier)
	require.Equal(t, sent[69].Receipt, head.Receipt)
}

func testConflict(t *testing.T, s store.Store) {
	ctx := t.Context()
	l, m := NewLog("a", event.Manufacturing).Register(t, s), NewLog("b", event.Manufacturing).Register(t, s)
	first := l.Append(t, l.Event(station, "quality.check"))
	Commit(t, s, first)
	good := m.Append(t, m.Event(station, "quality.check"))
	_, err := s.Commit(ctx, store.Change{Segments: []store.Append{good, first}, Settings: map[string][]byte{"k": []byte("v")}})
	require.ErrorIs(t, err, store.ErrConflict)
	head, err := s.Log(ctx, m.ID)
	require.NoError(t, err)
	require.Zero(t, head.Size)
	_, err = s.Setting(ctx, "k")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Len(t, drain(t, s, All("")), 1)

	unknown := NewLog("never registered", event.Manufacturing)
	_, err = s.Commit(ctx, store.Change{Segments: []store.Append{unknown.Append(t, unknown.Event(station, "quality.check"))}})
	require.ErrorIs(t, err, store.ErrNotFound)
	bad := good
	bad.Hashes = nil
	bad.Frontier = evidence.Range{}
	_, err = s.Commit(ctx, store.Change{Segments: []store.Append{bad}})
	require.Error(t, err)
	Commit(t, s, good)
}

func testManySegments(t *testing.T, s store.Store) {
	const logs, writers = 20, 4
	var all []*Log
	var c store.Change
	for i := range logs {
		l := NewLog(fmt.Sprint(i), event.Manufacturing)
		c.Logs = append(c.Logs, l.Log)
		all = append(all, l)
		c.Segments = append(c.Segments, l.Append(t, l.Event(station, "quality.check")))
	}
	_, err := s.Commit(t.Context(), c)
	require.NoError(t, err)
	// Several at once, each with some of the logs.
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range 10 {
				var segments []store.Append
				for i := w; i < logs; i += writers {
					segments = append(segments, all[i].Append(t, all[i].Event(fmt.Sprintf("hamburg/st%02d", i%3), "quality.check")))
				}
				_, err := s.Commit(t.Context(), store.Change{Segments: segments})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, l := range all {
		head, err := s.Log(t.Context(), l.ID)
		require.NoError(t, err)
		require.Equal(t, uint64(11), head.Size)
	}
	require.Len(t, drain(t, s, All("")), logs*11)
}

func checkProof(t testing.TB, s store.Store, l *Log, index, size uint64) {
	t.Helper()
	hashes := make([]evidence.Hash, size)
	for i := range hashes {
		hashes[i] = evidence.LeafHash(l.Leaves[i])
	}
	frontier := evidence.RangeOf(0, hashes)
	root, err := frontier.Root()
	require.NoError(t, err)
	proof, err := s.Proof(t.Context(), l.ID, index, size)
	require.NoError(t, err)
	require.NoError(t, evidence.VerifyInclusion(hashes[index], index, size, proof, root))
}

func testProofs(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	for _, n := range []int{1, 2, 3, 250, 1, 260, 7, 512, 1} {
		leaves := make([][]byte, n)
		for i := range leaves {
			leaves[i] = fmt.Appendf(nil, `{"leaf":%d}`, len(l.Leaves)+i)
		}
		a := l.AppendLeaves(t, leaves...)
		a.Rows = nil
		Commit(t, s, a)
		for _, index := range []uint64{0, l.Size / 2, l.Size - 1} {
			checkProof(t, s, l, index, l.Size)
			checkProof(t, s, l, index/2, l.Size/2+1)
		}
	}
	got, err := s.LeafHashes(t.Context(), l.ID, 200, 700)
	require.NoError(t, err)
	require.Len(t, got, 500)
	for i, h := range got {
		require.Equal(t, evidence.LeafHash(l.Leaves[200+i]), h)
	}
	_, err = s.LeafHashes(t.Context(), l.ID, 0, l.Size+1)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.Proof(t.Context(), l.ID, 0, l.Size+1)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// testDeepProofs passes a tile of the second level: 65,536 leaves and some more.
func testDeepProofs(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	for l.Size < 67_000 {
		leaves := make([][]byte, 5000)
		for i := range leaves {
			leaves[i] = fmt.Appendf(nil, `{"leaf":%d}`, len(l.Leaves)+i)
		}
		a := l.AppendLeaves(t, leaves...)
		a.Rows = nil
		Commit(t, s, a)
	}
	for _, index := range []uint64{0, 255, 256, 40_000, 65_535, 65_536, l.Size - 1} {
		checkProof(t, s, l, index, l.Size)
	}
	checkProof(t, s, l, 65_535, 65_536)
}

func testHole(t *testing.T, s store.Store) {
	l := NewLog("a", event.Manufacturing).Register(t, s)
	leaf := func(n int) [][]byte {
		leaves := make([][]byte, n)
		for i := range leaves {
			leaves[i] = fmt.Appendf(nil, `{"leaf":%d}`, len(l.Leaves)+i)
		}
		return leaves
	}
	var known []bool
	add := func(n int, hole bool) {
		leaves := leaf(n)
		if hole {
			a := l.AppendHole(t, leaves...)
			copy(l.Leaves[a.First:], leaves) // the test knows what was lost
			Commit(t, s, a)
		} else {
			a := l.AppendLeaves(t, leaves...)
			a.Rows = nil
			Commit(t, s, a)
		}
		for range n {
			known = append(known, !hole)
		}
	}
	for i, n := range []int{100, 3, 200, 700, 90, 1, 600} {
		add(n, i%2 == 1)
	}
	head, err := s.Log(t.Context(), l.ID)
	require.NoError(t, err)
	require.Equal(t, l.Frontier, head.Frontier)
	for index := uint64(0); index < l.Size; index++ {
		if index%37 != 0 && index != 99 && index != 103 && index != l.Size-1 {
			continue
		}
		if known[index] {
			checkProof(t, s, l, index, l.Size)
		} else {
			_, err := s.Leaf(t.Context(), l.ID, index)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
	}
	_, err = s.LeafHashes(t.Context(), l.ID, 95, 105)
	require.ErrorIs(t, err, store.ErrNotFound)
	var kinds []string
	for g, err := range s.Segments(t.Context(), l.ID, 0) {
		require.NoError(t, err)
		kinds = append(kinds, g.Kind)
	}
	require.Equal(t, []string{wire.KindLeaves, wire.KindHole, wire.KindLeaves, wire.KindHole, wire.KindLeaves, wire.KindHole, wire.KindLeaves}, kinds)
}

func testRootLists(t *testing.T, s store.Store) {
	l := NewLog("ledger", event.Security).Register(t, s)
	var want []store.RootList
	for i := range 70 {
		r := store.RootList{Log: l.ID, Index: uint64(3 * i), Lines: fmt.Appendf(nil, "origin\n%d\nroot\n\n", i)}
		want = append(want, r)
		_, err := s.Commit(t.Context(), store.Change{Roots: []store.RootList{r}})
		require.NoError(t, err)
	}
	var got []store.RootList
	for r, err := range s.RootLists(t.Context(), l.ID, 4) {
		require.NoError(t, err)
		got = append(got, r)
	}
	require.Equal(t, want[2:], got)
}

func testKeys(t *testing.T, s store.Store) {
	l := NewLog("a", event.Security).Register(t, s)
	a := l.Append(t, l.Event(station, "user.login"))
	a.Keys = map[string][]byte{"aa": []byte("wrapped"), "bb": []byte("wrapped too")}
	Commit(t, s, a)
	b := l.Append(t, l.Event(station, "user.login"))
	b.Keys = map[string][]byte{"aa": []byte("wrapped"), "cc": []byte("third")} // repeated in each journal file
	Commit(t, s, b)
	require.Len(t, drain(t, s, All("")), 2)
}
