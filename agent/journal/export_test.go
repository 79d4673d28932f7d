package journal

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// exported writes the journal into a folder and verifies it as anybody would,
// with the station's key pinned.
func exported(t *testing.T, j *Journal, o Options) (dir string, sum bundle.Summary) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "stick")
	_, err := Export(t.Context(), j, o.Station, dir, nil)
	require.NoError(t, err)
	return dir, verified(t, dir, o)
}

func verified(t *testing.T, dir string, o Options) bundle.Summary {
	t.Helper()
	trust := bundle.Trust{Stations: map[string][]bundle.Pin{o.AgentID: {{Key: public(o), Fingerprint: KeyIDOf(public(o))}}}}
	v := bundle.NewVerifier(trust, func(f bundle.Finding) { require.NoError(t, f.Err, f.Name) })
	fsys := os.DirFS(dir)
	x, err := carry.ReadIndex(fsys, ".")
	require.NoError(t, err)
	require.Equal(t, o.AgentID, x.Agent)
	for _, e := range x.Logs {
		r, err := carry.Open(fsys, carry.Name(".", e.Log))
		require.NoError(t, err)
		start, err := r.Head.Start()
		require.NoError(t, err)
		require.NoError(t, v.Segments(bundle.Segments{
			Origin: e.Origin, Keys: r.Head.KeyRanges(), Start: start, Receipt: []byte(r.Head.Receipt), Next: r.Next, Place: r.Place,
			Judge: func(s *wire.Segment) error { _, _, err := carry.DataKeys(s); return err },
		}))
		require.NoError(t, r.Close())
	}
	v.Close()
	return v.Summary()
}

func TestWhatIsExportedIsVerifiedByWhoHasNothingElse(t *testing.T) {
	o, _ := filled(t, 12000)
	j := open(t, o)
	_, sum := exported(t, j, o)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
	var leaves uint64
	for _, l := range j.Logs() {
		leaves += l.Size
	}
	require.Equal(t, leaves, sum.Anchored)
}

func TestAnExportThatBeginsInTheMiddleOfALogIsVerifiedToo(t *testing.T) {
	o, _ := filled(t, 12000)
	o.Refill = -1
	j := open(t, o)
	for _, l := range j.Logs() {
		require.NoError(t, j.SetReceipt(l.ID, j.logs[l.ID].note))
	}
	mustAppend(t, j, leaves(event.Manufacturing, 12000, 1)) // the receipts are on disk with it
	require.NoError(t, j.do(t.Context(), func() error { j.removeReceipted(0, true); return nil }))
	require.NotZero(t, logOf(t, j, event.Manufacturing).Kept)
	_, sum := exported(t, j, o)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
}

func TestTheKeysOfSealedFieldsTravelWithTheExport(t *testing.T) {
	o := options(t)
	j := open(t, o)
	keys := newKeys(t, 3)
	for n := range 30 {
		mustAppend(t, j, []Leaf{sealedLeaf(t, n, keys[n%3])})
	}
	dir, sum := exported(t, j, o)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "%+v", sum)
	r, err := carry.Open(os.DirFS(dir), carry.Name(".", logOf(t, j, event.Security).ID))
	require.NoError(t, err)
	defer r.Close()
	s, err := r.Next()
	require.NoError(t, err)
	for _, k := range keys {
		require.Equal(t, base64.StdEncoding.EncodeToString(k.Blob), s.Header.Keys[k.ID])
	}
}

// half is a journal of which one log can't be read to its end.
type half struct {
	*Journal
	log string
}

func (h half) Packed(ctx context.Context, log string, from uint64) (*Packed, error) {
	if log == h.log && from > 0 {
		return nil, errors.New("the disk is sick")
	}
	return h.Journal.Packed(ctx, log, from)
}

func TestOneLogThatCantBeReadLeavesTheOthersInTheExport(t *testing.T) {
	o, _ := filled(t, 12000)
	j := open(t, o)
	bad := logOf(t, j, event.Manufacturing)
	dir := t.TempDir()
	_, err := Export(t.Context(), half{j, bad.ID}, o.Station, dir, nil)
	require.ErrorIs(t, err, ErrIncomplete)
	require.ErrorContains(t, err, bad.Origin)
	require.ErrorContains(t, err, "the disk is sick")
	sum := verified(t, dir, o)
	require.Equal(t, bundle.Anchored, sum.Verdict(), "what is there is good: %+v", sum)
	h, err := carry.ReadHead(os.DirFS(dir), carry.Name(".", bad.ID))
	require.NoError(t, err)
	require.Contains(t, h.Problem, "the disk is sick")
	require.Less(t, h.Size, bad.Size)
	require.NotZero(t, h.Size)
}

func TestAnExportIsNeverMixedWithAnother(t *testing.T) {
	o := options(t)
	j := open(t, o)
	mustAppend(t, j, leaves(event.Security, 0, 3))
	dir, _ := exported(t, j, o)
	other := open(t, options(t))
	_, err := Export(t.Context(), other, "s", dir, nil)
	require.ErrorContains(t, err, "is there already; choose an empty folder")
	_, err = Export(t.Context(), other, "s", "/dev/null/x", nil)
	require.ErrorContains(t, err, "/dev/null")
}
