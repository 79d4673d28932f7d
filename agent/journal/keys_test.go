package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

func newKeys(t testing.TB, n int) []*seal.DataKey {
	t.Helper()
	vault, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	keys := make([]*seal.DataKey, n)
	for i := range keys {
		keys[i], err = seal.NewDataKey(vault.Public(), seal.Label{Subject: fmt.Sprintf("p-%032x", i), Month: "2026-11"})
		require.NoError(t, err)
	}
	return keys
}

// sealedLeaf is an event with a sealed field, and much beside it.
func sealedLeaf(t testing.TB, n int, key *seal.DataKey) Leaf {
	t.Helper()
	at := time.Date(2026, 11, 22, 5, 0, n, 0, time.UTC)
	e := event.Event{
		ID: event.NewID(at), Type: "user.login", Class: event.Security, Severity: event.SeverityInfo, Timestamp: at, CollectedAt: at,
		Station: "plant/line/st01", Salt: event.NewSalt(), Data: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, strings.Repeat("x", 200)),
	}
	e.Sealed = map[string]event.SealedField{"event_data.device": key.Seal(e.ID, "event_data.device", []byte(`"HMI"`))}
	text, err := e.Leaf()
	require.NoError(t, err)
	return Leaf{Class: event.Security, Bytes: text, Keys: []*seal.DataKey{key}}
}

// send reads a log from its begin as the forwarder would, and checks that each
// segment brings all keys that its leaves name, within what a header can carry.
func send(t testing.TB, j *Journal, log string) (leaves [][]byte, lost []string) {
	t.Helper()
	for at := uint64(0); ; {
		seg, err := j.Next(t.Context(), log, at, 64<<10)
		require.NoError(t, err)
		if seg == nil {
			return leaves, lost
		}
		require.LessOrEqual(t, len(seg.Keys), maxKeys)
		for _, leaf := range seg.Leaves {
			for _, id := range seal.KeyIDs(leaf) {
				blob, ok := seg.Keys[id]
				if !ok {
					lost = append(lost, id)
					continue
				}
				require.Equal(t, id, seal.KeyID(blob))
			}
		}
		_, err = wire.AppendSegment(nil, seg.Header, seg.Leaves)
		require.NoError(t, err)
		leaves, at = append(leaves, seg.Leaves...), at+seg.Header.Count
	}
}

func journalFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	require.NoError(t, err)
	return files
}

// holding lists the files that hold these bytes anywhere.
func holding(t testing.TB, files []string, blob []byte) (out []string) {
	t.Helper()
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if bytes.Contains(data, blob) {
			out = append(out, name)
		}
	}
	return out
}

func TestAWrappedKeyIsInEachFileWithALeafThatNamesItAndGoesWithEachSegment(t *testing.T) {
	o := options(t)
	j := open(t, o)
	keys := newKeys(t, 3)
	for n := range 6000 { // several files
		if n%500 == 0 {
			batch := make([]Leaf, 0, 500)
			for k := n; k < n+500; k++ {
				batch = append(batch, sealedLeaf(t, k, keys[k%3]))
			}
			mustAppend(t, j, batch)
		}
	}
	files := journalFiles(t, o.Dir)
	require.Greater(t, len(files), 2)
	for _, k := range keys {
		require.Equal(t, files, holding(t, files, k.Blob))
	}
	log := logOf(t, j, event.Security).ID
	fresh, lost := send(t, j, log)
	require.Empty(t, lost)
	require.NoError(t, j.Close())
	j = open(t, o)
	again, lost := send(t, j, log)
	require.Empty(t, lost)
	require.Equal(t, fresh, again[:len(fresh)])
	mustAppend(t, j, []Leaf{sealedLeaf(t, 7000, keys[0])})
	_, lost = send(t, j, log)
	require.Empty(t, lost)
}

func TestManyPeopleAtOnceBecomeSegmentsWithHeadersThatCanBeSent(t *testing.T) {
	j := open(t, options(t))
	keys := newKeys(t, 700)
	batch := make([]Leaf, len(keys))
	for i, k := range keys {
		batch[i] = sealedLeaf(t, i, k)
	}
	mustAppend(t, j, batch)
	leaves, lost := send(t, j, logOf(t, j, event.Security).ID)
	require.Empty(t, lost)
	require.GreaterOrEqual(t, len(leaves), 700)
}

// commitCount is the number of transactions so far.
func commitCount(j *Journal) uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.commits
}

// What one message or notification causes must not be cut in two by a crash.
func TestManyEventsOfFewPeopleAreOneTransaction(t *testing.T) {
	j := open(t, options(t, func(o *Options) { o.MaxFile = 16 << 20 }))
	keys := newKeys(t, 200)
	batch := make([]Leaf, 4000)
	for i := range batch {
		batch[i] = sealedLeaf(t, i, keys[i%200])
	}
	mustAppend(t, j, batch[:1]) // opens the log
	before := commitCount(j)
	mustAppend(t, j, batch)
	require.Equal(t, before+1, commitCount(j))
	_, lost := send(t, j, logOf(t, j, event.Security).ID)
	require.Empty(t, lost)
}

func TestAnAppendThatFailsInTheMiddleSaysHowFarItCame(t *testing.T) {
	j := open(t, options(t, func(o *Options) { o.MaxFile = 16 << 20 }))
	batch := make([]Leaf, MaxAppendLeaves+2)
	for i := range batch {
		batch[i] = Leaf{Class: event.Security, Bytes: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	batch[len(batch)-1].Bytes = nil // can't be written
	out, err := j.Append(t.Context(), batch, nil)
	require.Error(t, err)
	require.Equal(t, MaxAppendLeaves, out.Taken)
	out, err = j.Append(t.Context(), batch[out.Taken:len(batch)-1], nil)
	require.NoError(t, err)
	require.Equal(t, 1, out.Taken)
	leaves, _ := send(t, j, logOf(t, j, event.Security).ID)
	seen := map[string]int{}
	for _, l := range leaves {
		seen[string(l)]++
	}
	for _, l := range batch[:len(batch)-1] {
		require.Equal(t, 1, seen[string(l.Bytes)])
	}
}

func TestASuccessorCarriesTheKeysOfTheLeavesThatItCopies(t *testing.T) {
	o := options(t)
	j := open(t, o)
	keys := newKeys(t, 2)
	for n := 0; n < 6000; n += 500 {
		batch := make([]Leaf, 500)
		for i := range batch {
			batch[i] = sealedLeaf(t, n+i, keys[(n+i)%2])
		}
		mustAppend(t, j, batch)
	}
	old := logOf(t, j, event.Security)
	require.NoError(t, j.Succeed(t.Context(), old.ID, "test"))
	mustAppend(t, j, []Leaf{sealedLeaf(t, 9000, keys[0])})
	l := logOf(t, j, event.Security)
	require.NotEqual(t, old.ID, l.ID)
	leaves, lost := send(t, j, l.ID)
	require.Empty(t, lost)
	require.Greater(t, len(leaves), 6000)
}

func TestADestroyedKeyIsWipedFromEveryFileAndTheLeavesStay(t *testing.T) {
	o := options(t)
	j := open(t, o)
	keys := newKeys(t, 2)
	for n := 0; n < 6000; n += 100 {
		batch := make([]Leaf, 100)
		for i := range batch {
			batch[i] = sealedLeaf(t, n+i, keys[(n+i)%2])
		}
		mustAppend(t, j, batch)
	}
	log := logOf(t, j, event.Security).ID
	before, _ := send(t, j, log)
	require.NotEmpty(t, holding(t, journalFiles(t, o.Dir), keys[0].Blob))
	require.NoError(t, j.Destroy(t.Context(), []string{keys[0].ID}))
	files := journalFiles(t, o.Dir)
	require.Empty(t, holding(t, files, keys[0].Blob))
	require.NotEmpty(t, holding(t, files, keys[1].Blob))
	mustAppend(t, j, []Leaf{sealedLeaf(t, 7000, keys[0]), sealedLeaf(t, 7001, keys[1])}) // was under way
	require.Empty(t, holding(t, journalFiles(t, o.Dir), keys[0].Blob))
	after, lost := send(t, j, log)
	require.Equal(t, before, after[:len(before)], "not one byte of a leaf is another")
	for _, id := range lost {
		require.Equal(t, keys[0].ID, id)
	}
	require.NotEmpty(t, lost)
	require.NoError(t, j.Close())
	j = open(t, o)
	again, _ := send(t, j, log)
	require.Equal(t, after, again[:len(after)], "the wiped files are whole")
}
