package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// FuzzPages feeds damaged files to the page reader: it may find damage, it may
// not crash, hang, or hand out a log whose roots are not right.
func FuzzPages(f *testing.F) {
	o := options(f)
	j := open(f, o)
	mustAppend(f, j, leaves(event.Manufacturing, 0, 300))
	require.NoError(f, j.Close())
	whole, err := os.ReadFile(filepath.Join(o.Dir, fileName(1)))
	require.NoError(f, err)
	whole = whole[:min(len(whole), 40*4096)]
	f.Add(uint32(0), []byte{})
	f.Add(uint32(4096), []byte{0xFF})
	f.Add(uint32(2*4096+8), []byte{1, 0, 0xFF, 0xFF})
	f.Add(uint32(3*4096+12), []byte{0xFF, 0xFF, 0xFF, 0x7F})
	f.Add(uint32(5*4096+16), []byte{0, 0, 0, 0, 0, 0, 0, 0xFF})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		file := bytes.Clone(whole)
		copy(file[int(at)%len(file):], change)
		p, err := openPages(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		st, err := readState(p)
		if err != nil {
			return
		}
		if err := st.readTails(p); err != nil {
			return
		}
		for id, rec := range st.logs {
			_, _ = verifyLog(p, id, rec)
			w := walker{p: p, left: p.high + 1, lenient: true, fn: func(uint32, []byte, []byte) (bool, error) { return true, nil }}
			if bucket, err := p.bucket(leafPrefix + id); err == nil {
				_, err = w.tree(bucket)
				require.True(t, err == nil || errors.Is(err, errDamaged), "%v", err)
			}
		}
	})
}

// FuzzRanges reads packed commit ranges; what is read packs to the same bytes.
func FuzzRanges(f *testing.F) {
	var p packer
	for begin, n := uint64(0), uint64(1); n < 20; begin, n = begin+n, n+1 {
		p.add(evidence.RangeOf(begin, make([]evidence.Hash, n)))
	}
	f.Add(uint64(0), p.values[0])
	f.Add(uint64(5), []byte{1})
	f.Add(uint64(1<<63), []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01})
	f.Fuzz(func(t *testing.T, first uint64, value []byte) {
		list, err := unpackRanges(first, value)
		if err != nil {
			return
		}
		for _, r := range list {
			require.Len(t, r.Hashes, rangeHashes(r.Begin, r.End))
		}
	})
}

func TestRangeHashesAgreesWithTheTree(t *testing.T) {
	for begin := range uint64(40) {
		for n := range 40 {
			r := evidence.RangeOf(begin, make([]evidence.Hash, n))
			require.Equal(t, len(r.Hashes), rangeHashes(r.Begin, r.End), "[%d, %d)", r.Begin, r.End)
		}
	}
}
