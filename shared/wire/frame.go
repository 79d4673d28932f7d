package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxLeaf is the largest leaf: its length travels as a 16-bit number.
const maxLeaf = 65535

// ErrFrame says that a packed frame is not what the format asks for.
var ErrFrame = errors.New("malformed frame")

// packer and unpacker are made at the first use and shared: EncodeAll and
// DecodeAll may be called by many goroutines at once and reuse their tables.
// (They are constants in all but name; making one costs megabytes.)
var (
	packer = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(512<<10), zstd.WithEncoderConcurrency(2))
	})
	unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxUnpacked),
			zstd.WithDecoderMaxWindow(MaxUnpacked), zstd.WithDecoderLowmem(true))
	})
	rawPool = sync.Pool{New: func() any { return new([]byte) }}
)

// PackLeaves returns the zstd frame of leaves: for each a big-endian 16-bit
// length and its bytes, as in a tlog-tiles entry bundle.
func PackLeaves(leaves [][]byte) ([]byte, error) {
	return appendFrame(nil, leaves)
}

func appendFrame(dst []byte, leaves [][]byte) ([]byte, error) {
	buf := rawPool.Get().(*[]byte)
	defer rawPool.Put(buf)
	raw := (*buf)[:0]
	for i, leaf := range leaves {
		if len(leaf) == 0 || len(leaf) > maxLeaf {
			return nil, fmt.Errorf("pack leaf %d of %d bytes: %w", i, len(leaf), ErrFrame)
		}
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(leaf)))
		raw = append(raw, leaf...)
		if len(raw) > MaxUnpacked {
			return nil, fmt.Errorf("pack %d leaves: %w: more than %d bytes", len(leaves), ErrFrame, MaxUnpacked)
		}
	}
	*buf = raw
	enc, err := packer()
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return enc.EncodeAll(raw, dst), nil
}

// UnpackLeaves returns the count leaves of a frame. It never makes more than
// MaxUnpacked bytes, whatever the frame says of itself. The leaves share one
// array; none can grow into the next.
func UnpackLeaves(frame []byte, count uint64) ([][]byte, error) {
	fail := func(why string) ([][]byte, error) {
		return nil, fmt.Errorf("unpack %d leaves: %w: %s", count, ErrFrame, why)
	}
	if count > MaxUnpacked/3 {
		return fail("too many leaves")
	}
	if !oneFrame(frame) {
		return fail("not one zstd frame")
	}
	dec, err := unpacker()
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	raw, err := dec.DecodeAll(frame, nil)
	if err != nil {
		return fail(err.Error())
	}
	if len(raw) > MaxUnpacked {
		return fail("too long")
	}
	leaves := make([][]byte, 0, min(count, uint64(len(raw)/3)))
	for len(raw) > 0 {
		if len(raw) < 2 {
			return fail("cut off")
		}
		n := int(binary.BigEndian.Uint16(raw))
		if n == 0 || len(raw)-2 < n || uint64(len(leaves)) == count {
			return fail("leaf lengths do not fit")
		}
		leaves = append(leaves, raw[2:2+n:2+n])
		raw = raw[2+n:]
	}
	if uint64(len(leaves)) != count {
		return fail(fmt.Sprintf("has %d", len(leaves)))
	}
	return leaves, nil
}

// oneFrame says whether data is exactly one zstd frame (RFC 8878 section 3.1.1),
// walking its block headers: the decoder would go on to further frames and skip
// skippable ones, so equal leaves could hide any bytes between them.
func oneFrame(data []byte) bool {
	var h zstd.Header
	if h.Decode(data) != nil || h.Skippable || h.DictionaryID != 0 {
		return false
	}
	if h.HasFCS && h.FrameContentSize > MaxUnpacked || !h.SingleSegment && h.WindowSize > MaxUnpacked {
		return false
	}
	p := h.HeaderSize
	for last := false; !last; {
		if len(data)-p < 3 {
			return false
		}
		head := uint32(data[p]) | uint32(data[p+1])<<8 | uint32(data[p+2])<<16
		last = head&1 == 1
		size := int(head >> 3)
		if head>>1&3 == 1 { // run length: one byte stands for size bytes
			size = 1
		}
		if p += 3 + size; p > len(data) {
			return false
		}
	}
	if h.HasCheckSum {
		p += 4
	}
	return p == len(data)
}
