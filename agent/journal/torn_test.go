package journal

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/linewatch/linewatch/shared/event"
)

// newestMeta is the offset of the meta page of the last transaction.
func newestMeta(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	page := int64(os.Getpagesize())
	var txid [2]uint64
	for i := range txid {
		m, err := readMeta(f, 2*page, int64(i)*page)
		require.NoError(t, err)
		txid[i] = m.txid
	}
	if txid[1] > txid[0] {
		return page
	}
	return 0
}

func TestADamagedMetaPageOfTheNewestFileIsDeclaredAndTheLogsGoOn(t *testing.T) {
	o, names := filled(t, 12000)
	last := names[len(names)-1]
	flip(t, last, newestMeta(t, last)+pageHeader+40, 1)
	j := open(t, o)
	g := gaps(t, j, o)
	require.Len(t, g, 1)
	require.Equal(t, "damaged_meta_page", g[0]["cause"])
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 12000)
	mustAppend(t, j, leaves(event.Manufacturing, 12000, 10))
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, gaps(t, j, o), 1, "declared once")
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 12010)
}

// bbolt falls back to the meta page before without a word: the file is then
// shorter than the next one says, although every root in it is right.
func TestADamagedMetaPageOfAClosedFileIsFoundByTheScrub(t *testing.T) {
	o, names := filled(t, 12000)
	flip(t, names[1], newestMeta(t, names[1])+pageHeader+40, 1)
	o.ScrubRate = 1 << 30
	j := open(t, o)
	require.Eventually(t, func() bool {
		st, err := j.Stat(t.Context())
		return err == nil && st.Damaged == 1 && !st.Scrubbed.IsZero()
	}, 20*time.Second, time.Second/100)
	g := gaps(t, j, o)
	require.Len(t, g, 1)
	require.Equal(t, "damaged_file", g[0]["cause"])
	got := numbersOf(t, j, logOf(t, j, event.Manufacturing), o)
	require.Contains(t, got, 11999)
	require.Greater(t, len(got), 11000)
}

// A power cut tears the pages of a commit that was never acknowledged; a disk that
// lied about a sync also tears those of one that was.
func TestTornLastPagesLoseNothingSilently(t *testing.T) {
	o, names := filled(t, 6000)
	last := filepath.Base(names[len(names)-1])
	rng := rand.New(rand.NewPCG(3, 4))
	page := int64(os.Getpagesize())
	for round := range soak(16, 300) {
		c := o
		c.Dir = filepath.Join(t.TempDir(), "copy")
		require.NoError(t, os.CopyFS(c.Dir, os.DirFS(o.Dir)))
		path := filepath.Join(c.Dir, last)
		used := usedPages(t, path)
		at := used - 1 - rng.Int64N(min(used-2, 8)) // one of the last pages
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		if round%4 == 3 {
			err = f.Truncate(at*page + page/2)
		} else {
			_, err = f.WriteAt(make([]byte, page/2), at*page+page/2)
		}
		require.NoError(t, err)
		require.NoError(t, f.Close())
		j := open(t, c)
		_, err = j.Verify(t.Context(), nil)
		require.NoError(t, err)
		seen := map[int]int{}
		for range 2 {
			for n, times := range numbersOf(t, j, logOf(t, j, event.Manufacturing), c) {
				seen[n] = times
				require.Equal(t, 1, times, "number %d", n)
			}
		}
		if len(seen) < 6000 {
			require.NotEmpty(t, gaps(t, j, c), "round %d: %d lost and not declared", round, 6000-len(seen))
		}
		mustAppend(t, j, leaves(event.Manufacturing, 7000, 5))
		require.NoError(t, j.Close())
		j = open(t, c)
		require.Contains(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), c), 7004)
		require.NoError(t, j.Close())
		require.NoError(t, os.RemoveAll(c.Dir))
	}
}

// usedPages is the number of pages of a file that were ever used.
func usedPages(t *testing.T, path string) (n int64) {
	t.Helper()
	require.NoError(t, withPages(path, func(p *pages) error { n = int64(p.high); return nil }))
	return n
}

func TestAnyBitFlippedInTheNewestFileNeverCrashesAndNeverGoesUnnoticed(t *testing.T) {
	o, names := filled(t, 6000)
	last := filepath.Base(names[len(names)-1])
	rng := rand.New(rand.NewPCG(5, 6))
	for range soak(25, 600) {
		c := o
		c.Dir = filepath.Join(t.TempDir(), "copy")
		require.NoError(t, os.CopyFS(c.Dir, os.DirFS(o.Dir)))
		path := filepath.Join(c.Dir, last)
		flip(t, path, rng.Int64N(usedPages(t, path)*int64(os.Getpagesize())), 1<<rng.IntN(8))
		j := open(t, c)
		requireLostDeclared(t, j, c)
		require.NoError(t, j.Close())
		require.NoError(t, os.RemoveAll(c.Dir))
	}
}

// The roll fails behind the rename and what it made can't be removed either.
func TestAFileThatWasMadeAndGivenUpIsNeverTakenForTheNewest(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 100))
	stray := func() {
		require.NoError(t, j.do(t.Context(), func() error {
			live := j.files[len(j.files)-1]
			info := &fileInfo{seq: live.seq + j.leavesIn(live), prev: live.seq, created: time.Now(), logs: map[string]logRecord{}}
			for id, l := range j.logs {
				rec := l.rec
				rec.Start, rec.Note = l.size, string(l.note)
				rec.Frontier, _ = l.front.MarshalBinary()
				info.logs[id] = rec
			}
			return createFile(filepath.Join(o.Dir, fileName(info.seq)), o.MaxFile, func(tx *bolt.Tx) error { return j.fill(tx, info) })
		}))
	}
	stray()
	mustAppend(t, j, leaves(event.Manufacturing, 100, 100))
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 200)

	stray() // and one that is overtaken by the next file
	for n := 200; n < 6000; n += 50 {
		mustAppend(t, j, leaves(event.Manufacturing, n, 50))
	}
	require.Greater(t, len(j.files), 1)
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Len(t, numbersOf(t, j, logOf(t, j, event.Manufacturing), o), 6000)
	require.Empty(t, gaps(t, j, o))
	reports, err := j.Verify(t.Context(), nil)
	require.NoError(t, err)
	for _, r := range reports {
		require.Empty(t, r.Error, r.Name)
	}
}

func TestTheMetaPageOfATransactionIsFound(t *testing.T) {
	_, names := filled(t, 6000)
	f, err := os.Open(names[0])
	require.NoError(t, err)
	defer f.Close()
	p, err := openPages(f, 1<<30)
	require.NoError(t, err)
	require.False(t, p.halved)
	var txid [8]byte
	_, err = f.ReadAt(txid[:], newestMeta(t, names[0])+pageHeader+48)
	require.NoError(t, err)
	require.Equal(t, binary.LittleEndian.Uint64(txid[:]), p.txid)
	_, err = openPagesAt(f, 1<<30, p.txid-2)
	require.ErrorIs(t, err, errOvertaken)
}
