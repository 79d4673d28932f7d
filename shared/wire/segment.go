package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/linewatch/linewatch/shared/evidence"
)

// Segment is one segment as it travels: a run of leaves of one log that ends at a
// signed checkpoint.
type Segment struct {
	Header
	Frame  []byte   // zstd frame, as on the wire; empty for a hole
	Leaves [][]byte // unpacked; none for a hole
}

// SegmentError is a fault of one segment whose bounds are known: the segments
// after it can still be read. Any other error of [Reader.Next] ends the request.
type SegmentError struct {
	Index  int    // of the segment in the request, from 0
	Origin string // as the header says, may be anything
	Err    error
}

// Error names the segment.
func (e *SegmentError) Error() string {
	return fmt.Sprintf("segment %d of log %q: %v", e.Index, clip(e.Origin), e.Err)
}

// Unwrap returns the fault.
func (e *SegmentError) Unwrap() error { return e.Err }

// ErrHeader says that a segment's header is not what the format asks for.
var ErrHeader = errors.New("malformed segment header")

// End returns the size of the log after the segment: First + Count.
func (h Header) End() uint64 { return h.First + h.Count }

// Check refuses a header that no segment can have. It looks at no signature.
func (h Header) Check() error {
	fail := func(why string) error { return fmt.Errorf("%w: %s", ErrHeader, why) }
	if _, err := evidence.ParseOrigin(h.Origin); err != nil {
		return fail(err.Error())
	}
	if h.Count == 0 || h.First > evidence.MaxSize || h.Count > evidence.MaxSize-h.First {
		return fail("first and count")
	}
	if h.Checkpoint == "" || len(h.Checkpoint) > evidence.MaxNote {
		return fail("checkpoint")
	}
	switch h.Kind {
	case KindLeaves:
		if len(h.Range) != 0 {
			return fail("leaves with a range")
		}
		return nil
	case KindHole:
		_, err := h.HoleRange()
		return err
	}
	return fail("unknown kind " + clip(h.Kind))
}

// HoleRange returns the compact range of the lost leaves [First, First+Count).
func (h Header) HoleRange() (evidence.Range, error) {
	r := evidence.Range{Begin: h.First, End: h.End()}
	if h.Kind != KindHole || len(h.Range) > 2*64 {
		return r, fmt.Errorf("%w: not a hole", ErrHeader)
	}
	for _, text := range h.Range {
		hash, err := evidence.ParseHash(text)
		if err != nil {
			return r, fmt.Errorf("%w: range: %w", ErrHeader, err)
		}
		r.Hashes = append(r.Hashes, hash)
	}
	if _, err := r.MarshalBinary(); err != nil {
		return r, fmt.Errorf("%w: range: %w", ErrHeader, err)
	}
	return r, nil
}

// HoleHeader returns the header of a hole: the segment that stands for the lost
// leaves of r. The note is the checkpoint of size r.End.
func HoleHeader(origin string, r evidence.Range, note []byte) Header {
	h := Header{Origin: origin, First: r.Begin, Count: r.End - r.Begin, Kind: KindHole, Checkpoint: string(note)}
	for _, hash := range r.Hashes {
		h.Range = append(h.Range, hash.String())
	}
	return h
}

// WrappedKeys returns the wrapped data keys by hex key id, decoded.
func (h Header) WrappedKeys() (map[string][]byte, error) {
	if len(h.Keys) == 0 {
		return nil, nil
	}
	keys := make(map[string][]byte, len(h.Keys))
	for id, text := range h.Keys {
		blob, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%w: key %s: not base64", ErrHeader, clip(id))
		}
		keys[id] = blob
	}
	return keys, nil
}

// AppendSegment appends one segment to a request's body and packs its leaves. An
// empty Kind means KindLeaves; a hole has no leaves.
func AppendSegment(dst []byte, h Header, leaves [][]byte) ([]byte, error) {
	if h.Kind == KindHole {
		if len(leaves) != 0 {
			return nil, fmt.Errorf("append segment of %s: %w: hole with leaves", h.Origin, ErrHeader)
		}
		return AppendFrame(dst, h, nil)
	}
	if uint64(len(leaves)) != h.Count {
		return nil, fmt.Errorf("append segment of %s: %w: %d leaves, count %d", h.Origin, ErrHeader, len(leaves), h.Count)
	}
	frame, err := PackLeaves(leaves)
	if err != nil {
		return nil, fmt.Errorf("append segment of %s at %d: %w", h.Origin, h.First, err)
	}
	return AppendFrame(dst, h, frame)
}

// AppendFrame appends one segment whose leaves are packed already, as a relay
// passes it on.
func AppendFrame(dst []byte, h Header, frame []byte) ([]byte, error) {
	if h.Kind == "" {
		h.Kind = KindLeaves
	}
	if err := h.Check(); err != nil {
		return nil, fmt.Errorf("append segment of %s at %d: %w", h.Origin, h.First, err)
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("append segment of %s at %d: %w", h.Origin, h.First, err)
	}
	if len(head) > MaxHeader || len(frame) > MaxFrame {
		return nil, fmt.Errorf("append segment of %s at %d: %w: too long", h.Origin, h.First, ErrHeader)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(head)))
	dst = append(dst, head...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(frame)))
	return append(dst, frame...), nil
}

// Reader reads the segments of a request, with bounded memory for each.
type Reader struct {
	r     io.Reader
	index int
	err   error
}

// NewReader returns a reader of the body r. The caller bounds the body as a whole
// (MaxBody).
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next segment, io.EOF after the last one. A [*SegmentError]
// concerns this segment alone: it comes with what could be read of it, and Next
// can be called again. After any other error Next returns that error for ever.
func (r *Reader) Next() (*Segment, error) {
	if r.err != nil {
		return nil, r.err
	}
	s, err := r.next()
	if _, one := errors.AsType[*SegmentError](err); err != nil && !one {
		r.err = err
	}
	r.index++
	return s, err
}

func (r *Reader) next() (*Segment, error) {
	head, err := r.part(MaxHeader, "header")
	if err != nil {
		return nil, err
	}
	if r.index == MaxSegments {
		return nil, fmt.Errorf("segment %d: more than %d in a request", r.index, MaxSegments)
	}
	frame, err := r.part(MaxFrame, "frame")
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("segment %d: frame: %w", r.index, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, err
	}
	s := &Segment{Frame: frame}
	fail := func(err error) (*Segment, error) {
		return s, &SegmentError{Index: r.index, Origin: s.Origin, Err: err}
	}
	if err := DecodeExact(head, &s.Header); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrHeader, err))
	}
	if err := s.Check(); err != nil {
		return fail(err)
	}
	if s.Kind == KindHole {
		if len(frame) != 0 {
			return fail(fmt.Errorf("%w: hole with a frame", ErrFrame))
		}
		return s, nil
	}
	if s.Leaves, err = UnpackLeaves(frame, s.Count); err != nil {
		return fail(err)
	}
	return s, nil
}

// part reads a length and that many bytes. Memory grows with what really came,
// not with what the length promises. io.EOF only where a body may end.
func (r *Reader) part(limit uint32, name string) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.r, length[:]); err != nil {
		if err == io.EOF {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("segment %d: length of %s: %w", r.index, name, err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > limit {
		return nil, fmt.Errorf("segment %d: %s of %d bytes, limit %d", r.index, name, n, limit)
	}
	var buf bytes.Buffer
	buf.Grow(int(min(n, 64<<10)))
	if _, err := io.CopyN(&buf, r.r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("segment %d: %s: %w", r.index, name, err)
	}
	return buf.Bytes(), nil
}

// clip bounds foreign text in an error.
func clip(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}
