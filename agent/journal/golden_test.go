package journal

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

var writeGolden = flag.Bool("write-golden", false, "write testdata/v1 anew (only for a new format version)")

// TestAJournalOfFormatVersionOneStaysReadable opens a copy of a folder that the
// first version wrote; it must stay readable for ever.
func TestAJournalOfFormatVersionOneStaysReadable(t *testing.T) {
	golden := filepath.Join("testdata", "v1")
	o := helperOptions(filepath.Join(t.TempDir(), "journal"))
	if *writeGolden {
		o.Dir = golden
		require.NoError(t, os.RemoveAll(golden))
		j, err := Open(t.Context(), o)
		require.NoError(t, err)
		mustAppend(t, j, leaves(event.Manufacturing, 0, 20), source.Position{Source: "uns", Set: map[string][]byte{"seq": []byte("20")}})
		mustAppend(t, j, leaves(event.Security, 0, 5))
		require.NoError(t, j.do(t.Context(), func() error { return j.startFile(j.files[0].seq + j.leavesIn(j.files[0])) }))
		mustAppend(t, j, leaves(event.Manufacturing, 20, 5))
		require.NoError(t, j.Close())
		shrink(t, golden)
		return
	}
	require.NoError(t, os.CopyFS(o.Dir, os.DirFS(golden)))
	j := open(t, o)
	require.Len(t, j.files, 2)
	require.Equal(t, []byte("20"), j.Positions("uns")["seq"])
	l := logOf(t, j, event.Manufacturing)
	require.EqualValues(t, 26, l.Size)
	got := readBack(t, j, l, public(o))
	require.True(t, strings.Contains(got[0], `"log.opened"`))
	require.Equal(t, string(leaf(event.Manufacturing, 24).Bytes), got[25])
	reports, err := j.Verify(t.Context(), nil)
	require.NoError(t, err)
	for _, r := range reports {
		require.Empty(t, r.Error, r.Name)
	}
}

// shrink cuts the unused end of the files, which no page points to.
func shrink(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	require.NoError(t, err)
	for _, f := range files {
		var used int64
		require.NoError(t, withPages(f, func(p *pages) error { used = int64(p.high) * p.pageSize; return nil }))
		require.NoError(t, os.Truncate(f, used))
	}
}
