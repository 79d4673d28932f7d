package journal

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// filled is a closed journal of several files with count numbered leaves.
func filled(t *testing.T, count int) (Options, []string) {
	t.Helper()
	o := options(t)
	j := open(t, o)
	for n := 0; n < count; n += 50 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 50))
	}
	require.NoError(t, j.Close())
	names, err := filepath.Glob(filepath.Join(o.Dir, "*.db"))
	require.NoError(t, err)
	require.Greater(t, len(names), 1)
	slices.Sort(names)
	return o, names
}

func flip(t *testing.T, path string, at int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= bit
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// find returns the place of a text in a file.
func find(t *testing.T, path, text string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	i := strings.LastIndex(string(b), text)
	require.Positive(t, i)
	return int64(i)
}

// gaps returns the event_data of all audit.gap leaves.
func gaps(t *testing.T, j *Journal, o Options) (out []map[string]any) {
	t.Helper()
	list, err := j.lastLeaves(t.Context(), logOf(t, j, event.Security), 1<<20)
	require.NoError(t, err)
	for _, entry := range list {
		if text := string(entry.Leaf); strings.Contains(text, `"event_type":"audit.gap"`) {
			var e struct {
				Data map[string]any `json:"event_data"`
			}
			require.NoError(t, json.Unmarshal([]byte(text), &e))
			out = append(out, e.Data)
		}
	}
	return out
}

// numbersOf reads a log and counts each numbered leaf.
func numbersOf(t *testing.T, j *Journal, log LogInfo, o Options) map[int]int {
	t.Helper()
	out := map[int]int{}
	for _, text := range readBack(t, j, log, public(o)) {
		var got struct{ N *int }
		if json.Unmarshal([]byte(text), &got) == nil && got.N != nil {
			out[*got.N]++
		}
	}
	return out
}

func TestABitFlippedInAClosedFileIsBridgedByAHoleAndDeclared(t *testing.T) {
	o, names := filled(t, 12000)
	flip(t, names[1], find(t, names[1], `{"n":4100,`)+40, 1)
	j := open(t, o)
	l := logOf(t, j, event.Manufacturing)
	numbersOf(t, j, l, o) // finds the damage by reading, then reads on
	l = logOf(t, j, event.Manufacturing)
	got := numbersOf(t, j, l, o)
	require.Equal(t, stateActive, l.State)
	require.NotContains(t, got, 4100)
	missing := 0
	for n := range 12000 {
		if got[n] == 0 {
			missing++
		}
		require.LessOrEqual(t, got[n], 1, "number %d", n)
	}
	require.Less(t, missing, 50, "only the neighbours below one node of one commit are lost")
	require.FileExists(t, names[1]+".bad")
	g := gaps(t, j, o)
	require.Len(t, g, 1)
	require.Equal(t, "damaged_file", g[0]["cause"])
	entry := g[0]["logs"].([]any)[0].(map[string]any)
	require.Equal(t, float64(missing), entry["lost"])
	require.NotEmpty(t, entry["moved"])

	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 12000-missing, "the same after reopening")
	require.Len(t, gaps(t, j, o), 1, "declared once")
}

func TestAWholeClosedFileGoneIsBridgedAndDeclared(t *testing.T) {
	for _, which := range []int{0, 1} {
		t.Run(fmt.Sprint("file ", which), func(t *testing.T) {
			o, names := filled(t, 12000)
			require.NoError(t, os.Remove(names[which]))
			j := open(t, o)
			l := logOf(t, j, event.Manufacturing)
			l.Kept = 0 // the hole stands for what is gone
			if which == 0 {
				seg, err := j.Next(t.Context(), l.ID, 0, 1<<20)
				require.NoError(t, err)
				require.Equal(t, "hole", seg.Header.Kind)
			}
			got := numbersOf(t, j, l, o)
			require.Greater(t, len(got), 5000)
			require.Less(t, len(got), 12000)
			require.Contains(t, got, 11999)
			g := gaps(t, j, o)
			require.Len(t, g, 1)
			require.Equal(t, "missing_file", g[0]["cause"])
		})
	}
}

func TestAnyBitFlippedAnywhereNeverCrashesAndNeverGoesUnnoticed(t *testing.T) {
	o, names := filled(t, 6000)
	rng := rand.New(rand.NewPCG(1, 2))
	for range soak(25, 600) {
		dir := filepath.Join(t.TempDir(), "copy")
		require.NoError(t, os.CopyFS(dir, os.DirFS(o.Dir)))
		c := o
		c.Dir = dir
		path := filepath.Join(dir, filepath.Base(names[rng.IntN(len(names)-1)]))
		st, err := os.Stat(path)
		require.NoError(t, err)
		flip(t, path, rng.Int64N(st.Size()), 1<<rng.IntN(8))
		j := open(t, c)
		requireLostDeclared(t, j, c)
		require.NoError(t, j.Close())
		require.NoError(t, os.RemoveAll(dir))
	}
}

func TestADamagedNewestFileIsSucceededWithCopiesOfAllThatIsLeft(t *testing.T) {
	for name, hurt := range map[string]func(t *testing.T, path string){
		"leaf":      func(t *testing.T, path string) { flip(t, path, find(t, path, `{"n":11990,`)+30, 4) },
		"removed":   func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
		"zeroed":    func(t *testing.T, path string) { zero(t, path) },
		"truncated": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 3*4096)) },
	} {
		t.Run(name, func(t *testing.T) {
			o, names := filled(t, 12000)
			hurt(t, names[len(names)-1])
			j := open(t, o)
			l := logOf(t, j, event.Manufacturing)
			texts := readBack(t, j, l, public(o))
			require.Contains(t, texts[0], `"predecessor"`)
			got := numbersOf(t, j, l, o)
			for n := range 9000 {
				require.Equal(t, 1, got[n], "number %d was in a closed file", n)
			}
			require.NotEmpty(t, gaps(t, j, o))
			reg, err := j.Registration(l.ID)
			require.NoError(t, err)
			require.NotEmpty(t, reg.Predecessor)
			mustAppend(t, j, leaves(event.Manufacturing, 20000, 10))
			require.NoError(t, j.Close())
			j = open(t, o)
			require.Equal(t, l.ID, logOf(t, j, event.Manufacturing).ID, "one succession, not one at each start")
			require.Contains(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 20009)
		})
	}
}

func zero(t *testing.T, path string) {
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, make([]byte, st.Size()), 0o600))
}

func TestScrubFindsDamageInTheBackground(t *testing.T) {
	o, names := filled(t, 12000)
	flip(t, names[2], find(t, names[2], `{"n":7000,`)+40, 1)
	o.ScrubRate = 1 << 30
	j := open(t, o)
	require.Eventually(t, func() bool {
		st, err := j.Stat(t.Context())
		return err == nil && st.Damaged == 1 && !st.Scrubbed.IsZero()
	}, 10*time.Second, time.Second/100)
	require.Len(t, gaps(t, j, o), 1)
}

func TestDamageOfWhatIsReceiptedLosesNothing(t *testing.T) {
	o, names := filled(t, 12000)
	j := open(t, o)
	for _, l := range j.Logs() {
		note := j.logs[l.ID].note
		require.NoError(t, j.SetReceipt(l.ID, note))
	}
	mustAppend(t, j, leaves(event.Manufacturing, 12000, 1)) // carries the receipts
	require.NoError(t, j.Close())
	flip(t, names[1], find(t, names[1], `{"n":4100,`)+40, 1)
	o.ScrubRate = 1 << 30
	j = open(t, o)
	require.Eventually(t, func() bool {
		st, err := j.Stat(t.Context())
		return err == nil && !st.Scrubbed.IsZero()
	}, 10*time.Second, time.Second/100)
	require.Empty(t, gaps(t, j, o))
	require.EqualValues(t, 12001, logOf(t, j, event.Manufacturing).Receipted)
}

func TestKeyChangeIsCutAtItsLeaf(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 10))
	next := options(t)
	require.NoError(t, j.ChangeKey(t.Context(), next.Signer, "test"))
	mustAppend(t, j, leaves(event.Manufacturing, 10, 10))
	l := logOf(t, j, event.Manufacturing)
	require.NoError(t, j.Close())
	o.Signer = next.Signer
	j = open(t, o)
	require.Equal(t, l.ID, logOf(t, j, event.Manufacturing).ID, "the same log goes on")

	keys := j.logs[l.ID].keyRanges()
	require.Len(t, keys, 2)
	require.EqualValues(t, 12, keys[0].Last, "opened, ten, log.key")
	first, err := j.Next(t.Context(), l.ID, 0, 1<<20)
	require.NoError(t, err)
	require.EqualValues(t, 12, first.Header.Count, "a segment never goes past log.key")
	require.Contains(t, string(first.Leaves[11]), `"log.key"`)
	second, err := j.Next(t.Context(), l.ID, 12, 1<<20)
	require.NoError(t, err)
	for i, seg := range []*Segment{first, second} {
		_, err := evidence.OpenCheckpoint([]byte(seg.Header.Checkpoint), l.Origin, keys)
		require.NoError(t, err)
		_, err = evidence.OpenCheckpoint([]byte(seg.Header.Checkpoint), l.Origin, []evidence.KeyRange{{Key: keys[1-i].Key}})
		require.Error(t, err, "the other key did not sign it")
	}
	reports, err := j.Verify(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, reports[0].Error)
}

func TestAClosedLogIsFollowedByOneThatNamesIt(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 3))
	old := logOf(t, j, event.Manufacturing)
	require.NoError(t, j.CloseLogs(t.Context(), "decommissioned"))
	mustAppend(t, j, leaves(event.Manufacturing, 3, 1))
	l := logOf(t, j, event.Manufacturing)
	require.NotEqual(t, old.ID, l.ID)
	reg, err := j.Registration(l.ID)
	require.NoError(t, err)
	require.Equal(t, old.Origin, reg.Predecessor)
	require.NotZero(t, j.Backlog(), "the closed log is still forwarded")
}

// requireLostDeclared checks that what of the first 6,000 events can't be read back
// is a gap in the record.
func requireLostDeclared(t *testing.T, j *Journal, c Options) {
	t.Helper()
	seen := map[string]bool{}
	for range 2 { // the first reading may find the damage
		for _, l := range j.Logs() {
			if l.State == stateActive {
				l.Kept = 0
				for _, text := range readBack(t, j, l, public(c)) {
					seen[text] = true
				}
			}
		}
	}
	lost := 0
	for n := range 6000 {
		if !seen[string(leaf(event.Manufacturing, n).Bytes)] {
			lost++
		}
	}
	if lost > 0 {
		require.NotEmpty(t, gaps(t, j, c), "%d lost and not declared", lost)
	}
}
