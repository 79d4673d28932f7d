package carry

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// PlaceError says where in a file of segments something is wrong.
type PlaceError struct {
	File   string
	Number int    // of the segment, from 1
	Offset int64  // at which it begins
	Index  uint64 // of the leaf that it should begin with
	Err    error
}

// Error names the place.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s: segment %d (byte %d, leaf %d): %v", e.File, e.Number, e.Offset, e.Index, e.Err)
}

// Unwrap returns what is wrong.
func (e *PlaceError) Unwrap() error { return e.Err }

// Reader reads the segments of one log in their order.
type Reader struct {
	Head *Head

	name   string
	file   io.Closer
	in     *counted
	number int
	begin  int64
	next   uint64
	err    error
}

// Open opens the segments of a log with what is said of it; close the reader.
func Open(fsys fs.FS, name string) (*Reader, error) {
	h, err := ReadHead(fsys, name)
	if err != nil {
		return nil, err
	}
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrExport, name)
	}
	if err != nil {
		return nil, err
	}
	return &Reader{Head: h, name: name, file: f, in: &counted{r: bufio.NewReaderSize(f, 256<<10)}, next: h.First}, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// Place names the segment read last: the file, its number and where it begins.
func (r *Reader) Place() string {
	return fmt.Sprintf("%s, segment %d (byte %d)", r.name, r.number, r.begin)
}

// Next returns the next segment, io.EOF behind the last one. It holds only the
// order together (log, indexes, the end that the head names, and that the first
// leaf of a log says the same as its registration); signatures and roots are for
// the caller. Any error but io.EOF is the end; one that wraps [ErrExport] is a
// fault of what is in the file, and a *PlaceError names the place.
func (r *Reader) Next() (*wire.Segment, error) {
	if r.err == nil {
		var s *wire.Segment
		if s, r.err = r.read(); r.err == nil {
			return s, nil
		}
	}
	return nil, r.err
}

func (r *Reader) read() (*wire.Segment, error) {
	r.begin, r.number = r.in.n, r.number+1
	s, err := wire.NewReader(r.in).Next()
	if err == io.EOF {
		r.number--
		if r.next != r.Head.Size {
			return nil, r.fault(fmt.Errorf("%w: the file ends here, the log has %d leaves", ErrExport, r.Head.Size))
		}
		return nil, io.EOF
	}
	if one, ok := errors.AsType[*wire.SegmentError](err); ok {
		err = one.Err
	}
	if _, sick := errors.AsType[*fs.PathError](err); sick {
		return nil, r.fault(err) // the stick, not what is on it
	}
	if err != nil {
		return nil, r.fault(fmt.Errorf("%w: %w", ErrExport, err))
	}
	if err := r.follows(s); err != nil {
		return nil, r.fault(fmt.Errorf("%w: %w", ErrExport, err))
	}
	r.next = s.End()
	return s, nil
}

func (r *Reader) fault(err error) error {
	return &PlaceError{File: r.name, Number: max(1, r.number), Offset: r.begin, Index: r.next, Err: err}
}

// follows says whether a segment goes on where the one before ended.
func (r *Reader) follows(s *wire.Segment) error {
	switch {
	case s.Origin != r.Head.Registration.Origin:
		return fmt.Errorf("it is of log %s", s.Origin)
	case s.First != r.next:
		return fmt.Errorf("it begins with leaf %d", s.First)
	case s.End() > r.Head.Size:
		return fmt.Errorf("it reaches to %d, the log has %d leaves", s.End(), r.Head.Size)
	case s.First == 0 && s.Kind == wire.KindLeaves:
		return r.Head.opened(s.Leaves[0])
	}
	return nil
}

// openedData is what log.opened shares with the registration of a log.
type openedData struct {
	Origin      string `json:"origin"`
	PublicKey   string `json:"publicKey"`
	Predecessor string `json:"predecessor"`
	Size        uint64 `json:"size"`
	Root        string `json:"root"`
	Reason      string `json:"reason"`
}

// opened compares the registration with the first leaf of its log: that one is
// signed. Otherwise a log could be made the successor of another one on the way.
func (h *Head) opened(leaf []byte) error {
	e, _, err := event.Parse(leaf)
	var d openedData
	if err != nil || e.Type != event.TypeLogOpened || wire.DecodeExact(e.Data, &d) != nil {
		return errors.New("the first leaf is no log.opened")
	}
	reg := h.Registration
	d.Reason = event.Clean(d.Reason)
	if d != (openedData{reg.Origin, reg.PublicKey, reg.Predecessor, reg.Size, reg.Root, event.Clean(reg.Reason)}) {
		return errors.New("the registration says something else than the first leaf, log.opened")
	}
	return nil
}

// DataKeys says whether the wrapped data keys that the leaves of a segment name are
// with it, and are what they are called. It returns how many are, and how many the
// station declares lost.
func DataKeys(s *wire.Segment) (present, lost int, err error) {
	declared := map[string]bool{}
	for _, id := range s.Lost {
		declared[id] = true
	}
	seen := map[string]bool{}
	for i, leaf := range s.Leaves {
		for _, id := range seal.KeyIDs(leaf) {
			if seen[id] {
				continue
			}
			seen[id] = true
			text, ok := s.Header.Keys[id]
			blob, bad := base64.StdEncoding.DecodeString(text)
			switch {
			case ok && (bad != nil || seal.KeyID(blob) != id):
				err = errors.Join(err, fmt.Errorf("%w: data key %s, which leaf %d names, is not what its id says", ErrExport, id, s.First+uint64(i)))
			case ok:
				present++
			case declared[id]:
				lost++
			default:
				err = errors.Join(err, fmt.Errorf("%w: data key %s, which leaf %d names, is missing", ErrExport, id, s.First+uint64(i)))
			}
		}
	}
	return present, lost, err
}

// Name returns the name of the file with the segments of a log.
func Name(dir, log string) string { return path.Join(dir, log+Segments) }

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
