package carry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/carry/carrytest"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
	"github.com/linewatch/linewatch/shared/wire/wiretest"
)

func station(t testing.TB) *wiretest.Agent { return wiretest.NewAgent(t, "st07", "", nil) }

// readAll reads a log to its end and returns how many leaves it has.
func readAll(fsys fs.FS, name string) (leaves uint64, err error) {
	r, err := carry.Open(fsys, name)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		s, err := r.Next()
		if err == io.EOF {
			return leaves, nil
		}
		if err != nil {
			return leaves, err
		}
		leaves += s.Count
	}
}

func TestAnExportIsReadAsItWasWritten(t *testing.T) {
	a := station(t)
	whole := carrytest.New(t, a, "security", "x").CommitN(3).CommitN(4)
	part := carrytest.New(t, a, "manufacturing", "x").CommitN(3).CommitN(4).Drop(2)
	dir := carrytest.Write(t, whole, part)
	x, err := carry.ReadIndex(os.DirFS(dir), ".")
	require.NoError(t, err)
	require.Len(t, x.Logs, 2)
	require.Equal(t, a.ID, x.Agent)
	n, err := readAll(os.DirFS(dir), carry.Name(".", whole.Head.Log))
	require.NoError(t, err)
	require.EqualValues(t, 8, n)
	n, err = readAll(os.DirFS(dir), carry.Name(".", part.Head.Log))
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
}

func TestEachMistakeInAnExportIsNamedWithItsPlace(t *testing.T) {
	other := func(t *testing.T) *carrytest.Log { return carrytest.New(t, station(t), "debug", "other") }
	head := func(change func(*carry.Head)) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			carrytest.ChangeHead(t, strings.TrimSuffix(file, carry.Segments)+carry.Heads, change)
		}
	}
	segments := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, file string) { carrytest.Change(t, file, change) }
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, file string)
		says  string
	}{
		"cut off in a segment":  {segments(func(b []byte) []byte { return b[:len(b)-5] }), "segment 3 (byte "},
		"cut off behind one":    {segments(func(b []byte) []byte { return b[:len(b)-len(lastSegment(t, b))] }), "the file ends here, the log has 8 leaves"},
		"empty":                 {segments(func([]byte) []byte { return nil }), "segment 1 (byte 0, leaf 0): not an export as it was written: the file ends here"},
		"something behind":      {segments(func(b []byte) []byte { return append(b, "more"...) }), "segment 4 (byte "},
		"a segment twice":       {segments(func(b []byte) []byte { return append(b, lastSegment(t, b)...) }), "it begins with leaf 4"},
		"a segment of another":  {segments(func(b []byte) []byte { return append(b, wiretest.Body(t, other(t).Segments...)...) }), "it is of log linewatch/"},
		"longer than it says":   {head(func(h *carry.Head) { h.Size = 5 }), "it reaches to 8, the log has 5 leaves"},
		"of another log":        {head(func(h *carry.Head) { h.Registration = other(t).Head.Registration }), "it speaks of log"},
		"under another key":     {head(func(h *carry.Head) { h.Keys[0].Key = bytes.Repeat([]byte{7}, 32) }), "not proved by the log's first key"},
		"no key":                {head(func(h *carry.Head) { h.Keys = nil }), "0 keys"},
		"keys with a gap":       {head(func(h *carry.Head) { h.Keys[0].After = 3 }), "do not follow one another"},
		"a frontier of its own": {head(func(h *carry.Head) { h.First, h.Frontier = 1, []byte{1} }), "frontier"},
		"a wrong predecessor":   {head(func(h *carry.Head) { h.Registration.Predecessor = h.Registration.Origin }), "says something else than the first leaf"},
		"a wrong reason":        {head(func(h *carry.Head) { h.Registration.Reason = "stolen" }), "says something else than the first leaf"},
		"first behind the end":  {head(func(h *carry.Head) { h.First = 9 }), "leaves from 9 to 8"},
		"no head": {func(t *testing.T, file string) {
			require.NoError(t, os.Remove(strings.TrimSuffix(file, carry.Segments)+carry.Heads))
		}, "belongs to it and is not beside it"},
		"no segments": {func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }, "is missing"},
		"a head that is no JSON": {func(t *testing.T, file string) {
			carrytest.Change(t, strings.TrimSuffix(file, carry.Segments)+carry.Heads, func([]byte) []byte { return []byte("<html>") })
		}, "not an export"},
		"a head twice as said": {func(t *testing.T, file string) {
			carrytest.Change(t, strings.TrimSuffix(file, carry.Segments)+carry.Heads, func(b []byte) []byte { return append([]byte(`{"SIZE":1,`), b[1:]...) })
		}, "ambiguous"},
	} {
		t.Run(name, func(t *testing.T) {
			l := carrytest.New(t, station(t), "security", "x").CommitN(3).CommitN(4)
			dir := carrytest.Write(t, l)
			c.spoil(t, filepath.Join(dir, carry.Name(".", l.Head.Log)))
			_, err := readAll(os.DirFS(dir), carry.Name(".", l.Head.Log))
			require.ErrorIs(t, err, carry.ErrExport)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, l.Head.Log, "the file is named")
		})
	}
}

// lastSegment is the last segment of a file of them.
func lastSegment(t *testing.T, body []byte) []byte {
	t.Helper()
	in := bytes.NewReader(body)
	for begin := 0; ; {
		_, err := wire.NewReader(in).Next()
		require.NoError(t, err)
		end := len(body) - in.Len()
		if end == len(body) {
			return bytes.Clone(body[begin:])
		}
		begin = end
	}
}

func TestALogThatDoesNotBeginWithItsOpeningIsNotBroughtAnywhere(t *testing.T) {
	a := station(t)
	l := carrytest.New(t, a, "security", "x")
	bare := a.Log("security", "bare")
	l.Log, l.Segments = bare, []wiretest.Segment{bare.CommitN(2)}
	l.Head.Registration = bare.Registration("", "test")
	l.Head.Log, l.Head.Size = l.Head.Registration.Origin[len(l.Head.Registration.Origin)-16:], 2
	_, err := readAll(os.DirFS(carrytest.Write(t, l)), carry.Name(".", l.Head.Log))
	require.ErrorContains(t, err, "the first leaf is no log.opened")
}

func TestADamagedStickIsNotAFaultOfWhatIsOnIt(t *testing.T) {
	l := carrytest.New(t, station(t), "security", "x").CommitN(3)
	_, err := readAll(sick{os.DirFS(carrytest.Write(t, l))}, carry.Name(".", l.Head.Log))
	require.ErrorContains(t, err, "input/output error")
	require.NotErrorIs(t, err, carry.ErrExport)
}

// sick is a disk whose files of segments can be opened and not read.
type sick struct{ fs.FS }

func (s sick) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if strings.HasSuffix(name, carry.Segments) && err == nil {
		return unreadable{f}, nil
	}
	return f, err
}

type unreadable struct{ fs.File }

func (unreadable) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: "stick", Err: errors.New("input/output error")}
}

func TestDataKeysAreThereAndAreWhatTheyAreCalled(t *testing.T) {
	blob := []byte("a wrapped key")
	id, lostID := seal.KeyID(blob), seal.KeyID([]byte("lost"))
	leaf := []byte(`{"sealed":{"event_data.a":{"key":"` + id + `","text":"x"},"event_data.b":{"key":"` + lostID + `","text":"x"}}}`)
	s := &wire.Segment{Leaves: [][]byte{leaf, leaf}}
	_, _, err := carry.DataKeys(s)
	require.ErrorIs(t, err, carry.ErrExport)
	require.ErrorContains(t, err, id+", which leaf 0 names, is missing")
	s.Header.Keys, s.Lost = map[string]string{id: "bm90IGl0"}, []string{lostID}
	_, _, err = carry.DataKeys(s)
	require.ErrorContains(t, err, "is not what its id says")
	s.Header.Keys[id] = "YSB3cmFwcGVkIGtleQ=="
	present, lost, err := carry.DataKeys(s)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{present, lost})
}

func TestAnIndexOfAnotherFormatOrWithALogTwiceIsRefused(t *testing.T) {
	l := carrytest.New(t, station(t), "security", "x")
	for says, change := range map[string]func(*carry.Index){
		"this program reads " + carry.Format: func(x *carry.Index) { x.Format = "linewatch-export@v2" },
		"named wrongly, or twice":            func(x *carry.Index) { x.Logs = append(x.Logs, x.Logs[0]) },
		"named wrongly":                      func(x *carry.Index) { x.Logs[0].Log = "0000000000000000" },
	} {
		dir := carrytest.Write(t, l)
		carrytest.Change(t, filepath.Join(dir, carry.IndexName), func(b []byte) []byte {
			var x carry.Index
			require.NoError(t, json.Unmarshal(b, &x))
			change(&x)
			out, err := json.Marshal(x)
			require.NoError(t, err)
			return out
		})
		_, err := carry.ReadIndex(os.DirFS(dir), ".")
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, carry.IndexName)
	}
}

func FuzzReadingAnExport(f *testing.F) {
	l := carrytest.New(f, station(f), "security", "x").Commit(carrytest.Event(f, event.TypeAuditStarted, event.Security, map[string]any{"component": "agent"})).CommitN(3)
	dir := carrytest.Write(f, l)
	id := l.Head.Log
	head, err := os.ReadFile(filepath.Join(dir, id+carry.Heads))
	require.NoError(f, err)
	index, err := os.ReadFile(filepath.Join(dir, carry.IndexName))
	require.NoError(f, err)
	body, err := os.ReadFile(filepath.Join(dir, id+carry.Segments))
	require.NoError(f, err)
	f.Add(index, head, body)
	f.Add([]byte(`{}`), []byte(`{}`), body[:len(body)/2])
	f.Add(index, bytes.Replace(head, []byte(`"first": 0`), []byte(`"first": 1`), 1), body)
	f.Fuzz(func(t *testing.T, index, head, body []byte) {
		fsys := fstest.MapFS{
			carry.IndexName: {Data: index}, id + carry.Heads: {Data: head}, id + carry.Segments: {Data: body},
		}
		if x, err := carry.ReadIndex(fsys, "."); err == nil {
			require.Equal(t, carry.Format, x.Format)
		}
		r, err := carry.Open(fsys, carry.Name(".", id))
		if err != nil {
			return
		}
		defer r.Close()
		at := r.Head.First
		for {
			s, err := r.Next()
			if err != nil {
				_, again := r.Next()
				require.Equal(t, err, again, "the end is the end")
				require.True(t, err != io.EOF || at == r.Head.Size, "an end before the end")
				return
			}
			require.Equal(t, at, s.First)
			_, _, _ = carry.DataKeys(s)
			at = s.End()
		}
	})
}
