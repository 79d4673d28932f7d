package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// go test ./shared/wire -update writes the golden file anew. That of a version
// that was ever shipped must not change.
var update = flag.Bool("update", false, "write testdata anew")

// goldenSegments are two segments of version 1: leaves, then a hole.
func goldenSegments(t *testing.T) []byte {
	t.Helper()
	h := header(3, 4)
	h.Keys = map[string]string{"00ff": "a2V5"}
	body, err := wire.AppendSegment(nil, h, leaves(4))
	require.NoError(t, err)
	hole := evidence.RangeOf(7, []evidence.Hash{{1}, {2}, {3}})
	body, err = wire.AppendSegment(body, wire.HoleHeader(origin, hole, []byte("note\n\n— x AAAAAAA=\n")), nil)
	require.NoError(t, err)
	return body
}

// The frame's bytes may differ with the packer's version; what it holds may not.
func TestVersion1OfTheSegmentIsReadForEver(t *testing.T) {
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile("testdata/segments_v1.bin", goldenSegments(t), 0o644))
	}
	data, err := os.ReadFile("testdata/segments_v1.bin")
	require.NoError(t, err)
	r := wire.NewReader(bytes.NewReader(data))
	s, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, leaves(4), s.Leaves)
	require.Equal(t, uint64(3), s.First)
	keys, err := s.WrappedKeys()
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"00ff": []byte("key")}, keys)
	s, err = r.Next()
	require.NoError(t, err)
	hole, err := s.HoleRange()
	require.NoError(t, err)
	require.Equal(t, evidence.RangeOf(7, []evidence.Hash{{1}, {2}, {3}}), hole)
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
}

// A packer of another make may cut its blocks otherwise and leave the size out.
func TestFramesOfOtherPackersAreRead(t *testing.T) {
	var raw bytes.Buffer
	for _, l := range leaves(3000) {
		raw.Write([]byte{byte(len(l) >> 8), byte(len(l))})
		raw.Write(l)
	}
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBestCompression} {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(level != zstd.SpeedDefault), zstd.WithWindowSize(128<<10))
		require.NoError(t, err)
		_, err = w.Write(raw.Bytes()) // a stream: no content size
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		require.NoError(t, w.Close())
		got, err := wire.UnpackLeaves(out.Bytes(), 3000)
		require.NoError(t, err, "level %v", level)
		require.Equal(t, leaves(3000), got)
	}
}

func TestTheLargestBatchFitsAndOneMoreDoesNot(t *testing.T) {
	big := make([][]byte, wire.MaxUnpacked/65537)
	for i := range big {
		big[i] = bytes.Repeat([]byte{byte(i)}, 65535)
	}
	frame, err := wire.PackLeaves(big)
	require.NoError(t, err)
	got, err := wire.UnpackLeaves(frame, uint64(len(big)))
	require.NoError(t, err)
	require.Equal(t, big, got)
	_, err = wire.PackLeaves(append(big, big[0], big[0]))
	require.ErrorIs(t, err, wire.ErrFrame)
	_, err = wire.PackLeaves([][]byte{make([]byte, 65536)})
	require.ErrorIs(t, err, wire.ErrFrame)
	_, err = wire.PackLeaves([][]byte{nil})
	require.ErrorIs(t, err, wire.ErrFrame)
}

func TestALeafCantGrowIntoTheNext(t *testing.T) {
	frame, err := wire.PackLeaves(leaves(2))
	require.NoError(t, err)
	got, err := wire.UnpackLeaves(frame, 2)
	require.NoError(t, err)
	_ = append(got[0], "overwritten"...)
	require.Equal(t, leaves(2)[1], got[1])
}

func TestPackersAreSharedByManyGoroutines(t *testing.T) {
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				in := leaves(g*7 + i + 1)
				frame, err := wire.PackLeaves(in)
				if err == nil {
					var out [][]byte
					out, err = wire.UnpackLeaves(frame, uint64(len(in)))
					if err == nil && !bytes.Equal(out[len(out)-1], in[len(in)-1]) {
						err = errors.New("leaves mixed up")
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestHeadersThatNoSegmentCanHaveAreRefused(t *testing.T) {
	good := header(0, 2)
	good.Kind = wire.KindLeaves
	require.NoError(t, good.Check())
	for name, change := range map[string]func(h *wire.Header){
		"origin":             func(h *wire.Header) { h.Origin = "other/log" },
		"no leaves":          func(h *wire.Header) { h.Count = 0 },
		"overflow":           func(h *wire.Header) { h.First = 1<<64 - 1 },
		"beyond the largest": func(h *wire.Header) { h.First, h.Count = evidence.MaxSize, 1 },
		"no checkpoint":      func(h *wire.Header) { h.Checkpoint = "" },
		"long checkpoint":    func(h *wire.Header) { h.Checkpoint = string(make([]byte, evidence.MaxNote+1)) },
		"kind":               func(h *wire.Header) { h.Kind = "x" },
		"range beside":       func(h *wire.Header) { h.Range = []string{"x"} },
		"hole without range": func(h *wire.Header) { h.Kind = wire.KindHole },
		"hole, bad hash":     func(h *wire.Header) { h.Kind, h.Range = wire.KindHole, []string{"x"} },
	} {
		h := good
		change(&h)
		require.ErrorIs(t, h.Check(), wire.ErrHeader, name)
		_, err := wire.AppendFrame(nil, h, nil)
		require.ErrorIs(t, err, wire.ErrHeader, name)
	}
	_, err := wire.AppendSegment(nil, good, leaves(3))
	require.ErrorIs(t, err, wire.ErrHeader, "count")
	_, err = wire.AppendSegment(nil, wire.HoleHeader(origin, evidence.RangeOf(0, []evidence.Hash{{}}), []byte("n")), leaves(1))
	require.ErrorIs(t, err, wire.ErrHeader, "hole with leaves")
}

func TestARequestHasABoundedNumberOfSegments(t *testing.T) {
	one, err := wire.AppendSegment(nil, header(0, 1), leaves(1))
	require.NoError(t, err)
	r := wire.NewReader(bytes.NewReader(bytes.Repeat(one, wire.MaxSegments+1)))
	for range wire.MaxSegments {
		_, err := r.Next()
		require.NoError(t, err)
	}
	_, err = r.Next()
	require.ErrorContains(t, err, "more than 256")
	_, again := r.Next()
	require.Equal(t, err, again)
}

func FuzzReader(f *testing.F) {
	body, err := wire.AppendSegment(nil, header(3, 4), leaves(4))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	hole, err := wire.AppendSegment(nil, wire.HoleHeader(origin, evidence.RangeOf(7, []evidence.Hash{{1}, {2}}), []byte("n")), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(hole, body...))
	f.Add([]byte{0, 0, 0, 2, '{', '}', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := wire.NewReader(bytes.NewReader(data))
		for {
			s, err := r.Next()
			if _, one := errors.AsType[*wire.SegmentError](err); one {
				continue
			}
			if err != nil {
				return
			}
			if s.Kind == wire.KindLeaves && uint64(len(s.Leaves)) != s.Count {
				t.Fatalf("%d leaves, count %d", len(s.Leaves), s.Count)
			}
			again, err := wire.AppendFrame(nil, s.Header, s.Frame)
			if err != nil {
				t.Fatalf("a relay can't pass on what we accept: %v", err)
			}
			next, err := wire.NewReader(bytes.NewReader(again)).Next()
			if err != nil || !sameHeader(next.Header, s.Header) {
				t.Fatalf("a relay changes it: %v", err)
			}
		}
	})
}

func sameHeader(a, b wire.Header) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func FuzzUnpackLeaves(f *testing.F) {
	for _, n := range []int{1, 3, 200} {
		frame, err := wire.PackLeaves(leaves(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame, uint64(n))
	}
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, frame []byte, count uint64) {
		got, err := wire.UnpackLeaves(frame, count)
		if err != nil {
			return
		}
		total := 0
		for _, l := range got {
			if len(l) == 0 {
				t.Fatal("empty leaf")
			}
			total += len(l) + 2
		}
		if uint64(len(got)) != count || total > wire.MaxUnpacked {
			t.Fatalf("%d leaves of %d bytes, count %d", len(got), total, count)
		}
	})
}
