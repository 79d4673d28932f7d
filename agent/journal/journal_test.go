package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// options are those of a small journal in a folder of its own.
func options(t testing.TB, change ...func(*Options)) Options {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	o := Options{
		Dir: filepath.Join(t.TempDir(), "journal"), MaxFile: 1 << 20, Quota: 1 << 30, Ballast: -1, ScrubRate: -1,
		Signer: key, AgentID: evidence.AgentID(key.Public().(ed25519.PublicKey)), Station: "plant/line/st01", Version: "test",
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func open(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return j
}

// leaf makes a small leaf that can be told from others.
func leaf(class event.Class, n int) Leaf {
	return Leaf{Class: class, Bytes: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, strings.Repeat("x", 180))}
}

func leaves(class event.Class, first, count int) []Leaf {
	out := make([]Leaf, count)
	for i := range out {
		out[i] = leaf(class, first+i)
	}
	return out
}

func mustAppend(t testing.TB, j *Journal, batch []Leaf, at ...source.Position) {
	t.Helper()
	out, err := j.Append(context.Background(), batch, at)
	require.NoError(t, err)
	require.Empty(t, out.Refused)
}

// logOf returns the active log of a class.
func logOf(t testing.TB, j *Journal, class event.Class) LogInfo {
	t.Helper()
	for _, l := range j.Logs() {
		if l.Class == class && l.State == stateActive {
			return l
		}
	}
	require.FailNow(t, "no log", "class %s", class)
	return LogInfo{}
}

// readBack walks a log by segments, verifies each checkpoint and returns the leaves.
func readBack(t testing.TB, j *Journal, log LogInfo, pub ed25519.PublicKey) []string {
	t.Helper()
	var out []string
	var front evidence.Range
	for at := log.Kept; at < log.Size; {
		seg, err := j.Next(t.Context(), log.ID, at, 64<<10)
		require.NoError(t, err)
		require.NotNil(t, seg, "at %d of %d", at, log.Size)
		require.Equal(t, at, seg.Header.First)
		require.NotZero(t, seg.Header.Count)
		if len(seg.Leaves) == 0 {
			r, err := seg.Header.HoleRange()
			require.NoError(t, err)
			require.NoError(t, front.Join(r))
		}
		for _, l := range seg.Leaves {
			require.NoError(t, front.Append(evidence.LeafHash(l)))
			out = append(out, string(l))
		}
		at += seg.Header.Count
		c, err := evidence.OpenCheckpoint([]byte(seg.Header.Checkpoint), log.Origin, []evidence.KeyRange{{Key: pub}})
		require.NoError(t, err)
		root, err := front.Root()
		require.NoError(t, err)
		require.Equal(t, c.Root, root, "root at %d", at)
	}
	return out
}

func public(o Options) ed25519.PublicKey { return o.Signer.Public().(ed25519.PublicKey) }

func TestWhatIsAppendedComesBackInOrderAfterReopening(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for n := 0; n < 6000; n += 60 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 40))
		mustAppend(t, j, leaves(event.Security, n+40, 20), source.Position{Source: "a", Set: map[string][]byte{"n": fmt.Append(nil, n)}})
	}
	require.Greater(t, len(j.files), 1, "the test must roll")
	require.NoError(t, j.Close())

	j = open(t, o)
	require.Equal(t, map[string][]byte{"n": []byte("5940")}, j.Positions("a"))
	got := readBack(t, j, logOf(t, j, event.Manufacturing), public(o))
	require.Len(t, got, 4001)
	require.Contains(t, got[0], `"log.opened"`)
	want := 0
	for i, g := range got[1:] {
		require.Contains(t, g, fmt.Sprintf(`{"n":%d,`, want+i%40))
		if i%40 == 39 {
			want += 60
		}
	}
	sec := readBack(t, j, logOf(t, j, event.Security), public(o))
	require.Len(t, sec, 2000+1+3, "opened, heartbeats at start, stop and start")
}

func TestFreshCommitsComeFromMemoryAndOldOnesFromFiles(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	l := logOf(t, j, event.Manufacturing)
	seg, err := j.Next(t.Context(), l.ID, 0, 1)
	require.NoError(t, err)
	require.EqualValues(t, 11, seg.Header.Count)
	seg, err = j.Next(t.Context(), l.ID, 5, 1)
	require.NoError(t, err)
	require.EqualValues(t, 6, seg.Header.Count, "from the middle of a commit, out of the file")
	seg, err = j.Next(t.Context(), l.ID, 11, 1)
	require.NoError(t, err)
	require.Nil(t, seg)
}

func TestPositionsWithoutEventsAreWrittenAfterTheDelay(t *testing.T) {
	o := options(t, func(o *Options) { o.PositionDelay = 20 * time.Millisecond })
	j := open(t, o)
	mustAppend(t, j, nil, source.Position{Source: "s", Set: map[string][]byte{"k": []byte("1")}})
	require.Eventually(t, func() bool { return len(j.Positions("s")) == 1 }, 5*time.Second, time.Millisecond)
	mustAppend(t, j, nil, source.Position{Source: "s", Set: map[string][]byte{"k": []byte("2")}, Urgent: true})
	require.Equal(t, []byte("2"), j.Positions("s")["k"])
	mustAppend(t, j, nil, source.Position{Source: "s", Delete: []string{"k"}, Urgent: true})
	require.NoError(t, j.Close())
	require.Empty(t, open(t, o).Positions("s"))
}
