package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

const origin = "linewatch/a0123456789abcde/security/0011223344556677"

func leaves(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, `{"id":"%d","event_type":"signal.summary","station":"hamburg/body/line3/st07"}`, i)
	}
	return out
}

func header(first uint64, count int) wire.Header {
	return wire.Header{Origin: origin, First: first, Count: uint64(count), Checkpoint: "note\n\n— x AAAAAAA=\n"}
}

func TestWhatIsPackedIsReadBack(t *testing.T) {
	hole := evidence.RangeOf(7, []evidence.Hash{{1}, {2}, {3}})
	body, err := wire.AppendSegment(nil, header(3, 4), leaves(4))
	require.NoError(t, err)
	body, err = wire.AppendSegment(body, wire.HoleHeader(origin, hole, []byte("n")), nil)
	require.NoError(t, err)
	body, err = wire.AppendSegment(body, header(10, 1000), leaves(1000))
	require.NoError(t, err)

	r := wire.NewReader(bytes.NewReader(body))
	s, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, leaves(4), s.Leaves)
	require.Equal(t, uint64(7), s.End())
	s, err = r.Next()
	require.NoError(t, err)
	require.Empty(t, s.Leaves)
	got, err := s.HoleRange()
	require.NoError(t, err)
	require.Equal(t, hole, got)
	s, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, leaves(1000), s.Leaves)

	again, err := wire.AppendFrame(nil, s.Header, s.Frame)
	require.NoError(t, err)
	require.True(t, bytes.HasSuffix(body, again), "a relay passes on the same bytes")
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
}

func TestABodyCutAnywhereIsNeverTakenForAWholeOne(t *testing.T) {
	body, err := wire.AppendSegment(nil, header(0, 3), leaves(3))
	require.NoError(t, err)
	for n := 1; n < len(body); n++ {
		_, err := wire.NewReader(bytes.NewReader(body[:n])).Next()
		require.Error(t, err, "cut at %d", n)
		require.NotEqual(t, io.EOF, err, "cut at %d", n)
	}
}

func TestABadSegmentDoesNotHideTheNext(t *testing.T) {
	frame, err := wire.PackLeaves(leaves(2))
	require.NoError(t, err)
	body, err := wire.AppendFrame(nil, header(0, 3), frame) // count 3, two leaves
	require.NoError(t, err)
	body, err = wire.AppendSegment(body, header(3, 1), leaves(1))
	require.NoError(t, err)
	r := wire.NewReader(bytes.NewReader(body))
	s, err := r.Next()
	bad, ok := errors.AsType[*wire.SegmentError](err)
	require.True(t, ok)
	require.Equal(t, 0, bad.Index)
	require.Equal(t, origin, bad.Origin)
	require.Equal(t, uint64(3), s.Count)
	s, err = r.Next()
	require.NoError(t, err)
	require.Len(t, s.Leaves, 1)
}

func TestABombIsStoppedAtTheLimit(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	zeros := make([]byte, 64<<20)
	one := enc.EncodeAll(zeros[:wire.MaxUnpacked], nil)
	for name, frame := range map[string][]byte{
		"64 MiB in one frame":          enc.EncodeAll(zeros, nil),
		"a thousand frames":            bytes.Repeat(one, 1000),
		"two frames":                   append(enc.EncodeAll([]byte("\x00\x01a"), nil), enc.EncodeAll([]byte("\x00\x01b"), nil)...),
		"skippable frame":              append([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, enc.EncodeAll([]byte("\x00\x01a"), nil)...),
		"bytes after the frame":        append(enc.EncodeAll([]byte("\x00\x01a"), nil), 0),
		"not zstd":                     []byte("hello"),
		"nothing":                      nil,
		"a leaf of no bytes":           enc.EncodeAll([]byte{0, 0}, nil),
		"a leaf longer than the frame": enc.EncodeAll([]byte{0, 9, 1}, nil),
	} {
		_, err := wire.UnpackLeaves(frame, 2) // the first call makes the decoder
		require.ErrorIs(t, err, wire.ErrFrame, name)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = wire.UnpackLeaves(frame, 2)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, wire.ErrFrame, name)
		allocated := after.TotalAlloc - before.TotalAlloc
		require.Less(t, allocated, uint64(3*wire.MaxUnpacked), name)
	}
	_, err = wire.UnpackLeaves(one, 1<<40)
	require.ErrorIs(t, err, wire.ErrFrame)
}

func TestALengthThatLiesCostsNoMemory(t *testing.T) {
	body := binary.BigEndian.AppendUint32(nil, wire.MaxHeader)
	got := testing.AllocsPerRun(1, func() {
		_, err := wire.NewReader(bytes.NewReader(body)).Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	require.Less(t, got, 100.0)
	body = binary.BigEndian.AppendUint32(nil, wire.MaxHeader+1)
	_, err := wire.NewReader(bytes.NewReader(body)).Next()
	require.ErrorContains(t, err, "segment 0")
}

func BenchmarkPack100(b *testing.B)   { benchmarkPack(b, 100) }
func BenchmarkPack1000(b *testing.B)  { benchmarkPack(b, 1000) }
func BenchmarkUnpack100(b *testing.B) { benchmarkUnpack(b, 100) }

func benchmarkPack(b *testing.B, n int) {
	l := leaves(n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.PackLeaves(l); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/leaf")
}

func benchmarkUnpack(b *testing.B, n int) {
	frame, err := wire.PackLeaves(leaves(n))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.UnpackLeaves(frame, uint64(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/leaf")
}
