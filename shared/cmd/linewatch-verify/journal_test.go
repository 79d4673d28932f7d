package main

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/carry/carrytest"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func exportOf(t *testing.T) (a *wiretest.Agent, dir string, logs []*carrytest.Log) {
	t.Helper()
	a = wiretest.NewAgent(t, "st07", "", nil)
	logs = []*carrytest.Log{
		carrytest.New(t, a, "security", "x").CommitN(3).Receive("aggregator.plant", key("aggregator")).CommitN(4),
		carrytest.New(t, a, "manufacturing", "x").CommitN(3).CommitN(4).Drop(2),
	}
	return a, carrytest.Write(t, logs...), logs
}

func TestAnExportedJournalIsVerifiedOffline(t *testing.T) {
	a, dir, logs := exportOf(t)
	code, out, errOut := verifyArgs(dir)
	require.Equal(t, 2, code, out+errOut)
	require.Contains(t, out, "AGREES WITH ITSELF, NOT ANCHORED")
	require.Contains(t, out, "12 events of 2 logs")
	for _, pin := range []string{public("none"), evidence.Fingerprint(a.Public())} {
		trust := write(t, "trust", []byte("station "+a.ID+" "+pin))
		code, out, errOut = verifyArgs("--trust", trust, dir)
		if pin == public("none") {
			require.Equal(t, 2, code, out+errOut)
			continue
		}
		require.Equal(t, 0, code, out+errOut)
		require.Contains(t, out, "leaves 0 to 8, active, confirmed by the aggregator up to 4; 0 wrapped data keys, 0 declared lost")
		require.Contains(t, out, "leaves 4 to 8")
	}
	code, out, _ = verifyArgs("--json", filepath.Join(dir, carry.Name(".", logs[1].Head.Log)))
	require.Equal(t, 2, code)
	var said struct{ Journals []journalLog }
	require.NoError(t, json.Unmarshal([]byte(out), &said))
	require.EqualValues(t, 4, said.Journals[0].First)
	require.EqualValues(t, 8, said.Journals[0].Size)
}

func TestAReceiptInAnExportAnchorsWhatItCovers(t *testing.T) {
	_, dir, _ := exportOf(t)
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	code, out, _ := verifyArgs("--trust", trust, dir)
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "4 anchored, 8 not anchored")
}

func TestAReceiptWithinASegmentAnchorsTheLeavesBeforeIt(t *testing.T) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := carrytest.New(t, a, "security", "x").CommitN(3).Receive("aggregator.plant", key("aggregator")).CommitN(4)
	joined := l.Segments[2] // the forwarder asks for as much as fits: commits are joined
	joined.Leaves = append(l.Segments[1].Leaves, joined.Leaves...)
	joined.First, joined.Count = l.Segments[1].First, uint64(len(joined.Leaves))
	l.Segments = []wiretest.Segment{l.Segments[0], joined}
	trust := write(t, "trust", []byte("cosigner aggregator.plant "+public("aggregator")))
	code, out, errOut := verifyArgs("--trust", trust, carrytest.Write(t, l))
	require.Equal(t, 2, code, out+errOut)
	require.Contains(t, out, "4 anchored, 4 not anchored")
}

func TestEachChangedByteOfAnExportedLogIsFound(t *testing.T) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := carrytest.New(t, a, "security", "x").CommitN(2)
	dir := carrytest.Write(t, l)
	name := filepath.Join(dir, carry.Name(".", l.Head.Log))
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	trust := write(t, "trust", []byte("station "+a.ID+" "+evidence.Fingerprint(a.Public())))
	code, out, _ := verifyArgs("--trust", trust, name)
	require.Equal(t, 0, code, out)
	same := 0
	for i := range whole {
		changed := append([]byte(nil), whole...)
		changed[i] ^= 1
		require.NoError(t, os.WriteFile(name, changed, 0o600))
		if code, _, _ := verifyArgs("--trust", trust, name); code == 0 {
			same++ // how leaves are packed, and names that readers ignore, are not signed
			r, err := carry.Open(os.DirFS(dir), carry.Name(".", l.Head.Log))
			require.NoError(t, err)
			for _, want := range l.Segments {
				s, err := r.Next()
				require.NoError(t, err)
				require.Equal(t, want.Leaves, s.Leaves, "byte %d", i)
			}
			require.NoError(t, r.Close())
		}
	}
	require.Less(t, same, len(whole)/10)
}

func TestWhatIsWrongWithAnExportIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir, id string)
		code  int
		says  string
	}{
		"no index": {func(t *testing.T, dir, _ string) { require.NoError(t, os.Remove(filepath.Join(dir, carry.IndexName))) }, 1, "export.json is missing"},
		"a log is away": {func(t *testing.T, dir, id string) {
			require.NoError(t, os.Remove(filepath.Join(dir, id+carry.Segments)))
		}, 1, ".segments is missing"},
		"a head is away": {func(t *testing.T, dir, id string) { require.NoError(t, os.Remove(filepath.Join(dir, id+carry.Heads))) }, 1, ".json belongs to it and is not beside it"},
		"half copied": {func(t *testing.T, dir, id string) {
			carrytest.Change(t, filepath.Join(dir, id+carry.Segments), func(b []byte) []byte { return b[:len(b)*2/3] })
		}, 1, ".segments: segment 3 (byte "},
		"a leaf changed": {func(t *testing.T, dir, id string) {
			carrytest.Change(t, filepath.Join(dir, id+carry.Segments), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		}, 1, ".segments"},
		"index of another time": {func(t *testing.T, dir, id string) {
			carrytest.Change(t, filepath.Join(dir, carry.IndexName), func(b []byte) []byte {
				var x carry.Index
				require.NoError(t, json.Unmarshal(b, &x))
				x.Logs[0].Size++
				out, err := json.Marshal(x)
				require.NoError(t, err)
				return out
			})
		}, 1, "is not the one that export.json names"},
	} {
		t.Run(name, func(t *testing.T) {
			_, dir, logs := exportOf(t)
			c.spoil(t, dir, logs[0].Head.Log)
			code, out, errOut := verifyArgs(dir)
			require.Equal(t, c.code, code, out+errOut)
			require.Contains(t, errOut+out, c.says)
			require.Contains(t, errOut+out, dir, "the folder is named")
			if name != "no index" {
				require.Contains(t, errOut+out, logs[0].Head.Log, "the log is named")
			}
			require.Contains(t, out, "DOES NOT HOLD")
		})
	}
}

func TestAnExportThatEndsEarlySaysWhy(t *testing.T) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := carrytest.New(t, a, "security", "x").CommitN(3)
	l.Head.Problem = "leaf 4 is not kept"
	code, out, errOut := verifyArgs(carrytest.Write(t, l))
	require.Equal(t, 2, code, out+errOut)
	require.Contains(t, out, "INCOMPLETE: the station could not read on: leaf 4 is not kept")
}

func TestSegmentsUnderAKeyChangeAreVerifiedByBothKeys(t *testing.T) {
	a := wiretest.NewAgent(t, "st07", "", nil)
	l := carrytest.New(t, a, "security", "x").CommitN(3)
	l.Commit(wiretest.Leaf("st07", 9)) // signed by a key that signs no such size
	l.Segments[2].Checkpoint = l.Log.Sign(key("new"))
	code, out, errOut := verifyArgs(carrytest.Write(t, l))
	require.Equal(t, 1, code, out+errOut)
	l.Head.Keys = []carry.Key{{Key: a.Public(), Last: 4}, {Key: key("new").Public().(ed25519.PublicKey), After: 4}}
	code, out, errOut = verifyArgs(carrytest.Write(t, l))
	require.Equal(t, 2, code, out+errOut)
	trust := write(t, "trust", []byte("station "+a.ID+" "+evidence.Fingerprint(a.Public())))
	code, out, errOut = verifyArgs("--trust", trust, carrytest.Write(t, l))
	require.Equal(t, 2, code, out+errOut)
	require.Contains(t, out, "4 anchored, 1 not anchored", "nothing that is signed by the pinned key names the other one")
}
