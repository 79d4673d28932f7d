// Package bundle reads, writes and verifies collections of evidence offline: a
// single proof, or a bundle of proofs, whole logs and the keys they name. What a
// bundle says of itself is never believed; anchors come from a [Trust] file.
//
// A bundle is a text file with binary parts, see docs/formats/proof.md:
//
//	linewatch-bundle@v1
//	key <origin> <base64> <after> <last>
//	proof <length>          then a tlog-proof of so many bytes
//	frontier <length>       then origin, newline and the range of what comes before
//	segment <length>        then one segment as on the wire
//	checkpoint <length>     then a signed note of the size reached
package bundle

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Header is the first line of a bundle.
const Header = "linewatch-bundle@v1"

// Kinds of a bundle's entries.
const (
	kindKey        = "key"
	kindProof      = "proof"
	kindFrontier   = "frontier"
	kindSegment    = "segment"
	kindCheckpoint = "checkpoint"
)

// maxLine bounds an entry's line, maxEntry the bytes after it.
const (
	maxLine  = 1024
	maxEntry = wire.MaxHeader + wire.MaxFrame + 8
)

// ErrBundle says that a file is not a bundle, or is cut off.
var ErrBundle = errors.New("malformed bundle")

// Writer writes a bundle.
type Writer struct {
	w   io.Writer
	err error
}

// NewWriter begins a bundle.
func NewWriter(w io.Writer) *Writer {
	b := &Writer{w: w}
	b.write([]byte(Header + "\n"))
	return b
}

func (b *Writer) write(data []byte) {
	if b.err == nil {
		_, b.err = b.w.Write(data)
	}
}

func (b *Writer) entry(kind string, body []byte) error {
	b.write(fmt.Appendf(nil, "%s %d\n", kind, len(body)))
	b.write(body)
	b.write([]byte{'\n'})
	return b.err
}

// Key writes a key of a log. The reader does not trust it, but can say whether
// the log agrees with itself, and compares it with a pinned fingerprint.
func (b *Writer) Key(origin string, k evidence.KeyRange) error {
	b.write(fmt.Appendf(nil, "%s %s %s %d %d\n", kindKey, origin, base64.StdEncoding.EncodeToString(k.Key), k.After, k.Last))
	return b.err
}

// Proof writes the proof of one event. Proofs of an aggregator's log.registered
// and agent.enrolled leaves go before what they anchor.
func (b *Writer) Proof(p evidence.Proof) error { return b.entry(kindProof, p.Text()) }

// Frontier writes the compact range of the leaves before the first segment of a
// log that is exported in part.
func (b *Writer) Frontier(origin string, r evidence.Range) error {
	data, err := r.MarshalBinary()
	if err != nil {
		return fmt.Errorf("write frontier of %s: %w", origin, err)
	}
	return b.entry(kindFrontier, append([]byte(origin+"\n"), data...))
}

// Segment writes one segment; the segments of a log follow one another.
func (b *Writer) Segment(h wire.Header, frame []byte) error {
	body, err := wire.AppendFrame(nil, h, frame)
	if err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	return b.entry(kindSegment, body)
}

// Checkpoint writes a note, usually a receipt with cosignatures, of the size that
// the log's segments have reached here.
func (b *Writer) Checkpoint(note []byte) error { return b.entry(kindCheckpoint, note) }

// entry is one entry of a bundle.
type entry struct {
	kind  string
	words []string // of the line, after the kind
	body  []byte
}

// reader reads the entries of a bundle with bounded memory.
type reader struct {
	r *bufio.Reader
	n int // entries read
}

func newReader(r io.Reader) (*reader, error) {
	b := &reader{r: bufio.NewReaderSize(r, maxLine)}
	line, err := b.line()
	if err != nil || line != Header {
		return nil, fmt.Errorf("%w: not %s", ErrBundle, Header)
	}
	return b, nil
}

func (b *reader) line() (string, error) {
	line, err := b.r.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return "", io.EOF
	}
	if err != nil {
		return "", fmt.Errorf("%w: entry %d: line", ErrBundle, b.n)
	}
	return string(line[:len(line)-1]), nil
}

// next returns the next entry, io.EOF after the last. An error ends the bundle.
func (b *reader) next() (entry, error) {
	b.n++
	line, err := b.line()
	if err != nil {
		return entry{}, err
	}
	fail := func(why string) (entry, error) {
		return entry{}, fmt.Errorf("%w: entry %d: %s", ErrBundle, b.n, why)
	}
	words := strings.Split(line, " ")
	e := entry{kind: words[0], words: words[1:]}
	switch e.kind {
	case kindKey:
		if len(e.words) != 4 {
			return fail("key with other than four words")
		}
		return e, nil
	case kindProof, kindFrontier, kindSegment, kindCheckpoint:
	default:
		return fail("unknown kind " + strconv.Quote(clip(e.kind)))
	}
	if len(e.words) != 1 {
		return fail("no length")
	}
	length, err := strconv.ParseUint(e.words[0], 10, 32)
	if err != nil || length > maxEntry {
		return fail("length")
	}
	var body bytes.Buffer // grows with what really comes
	if _, err := io.CopyN(&body, b.r, int64(length)); err != nil {
		return fail("cut off")
	}
	if c, err := b.r.ReadByte(); err != nil || c != '\n' {
		return fail("no newline after it")
	}
	e.body = body.Bytes()
	return e, nil
}
