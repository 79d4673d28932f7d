// Package bundle reads, writes and verifies collections of evidence offline: a
// single proof, or a bundle of proofs, logs and the keys they name. What a bundle
// says of itself is never believed; anchors come from a [Trust] file.
//
// A bundle is a text file, see docs/formats/proof.md. After the first line come
// entries, and at the end the hash of everything before:
//
//	linewatch-bundle@v1
//	summary <length>        then a text for people, made of all that follows
//	key <origin> <base64> <after> <last>
//	cosigner <name> <base64>
//	proof <length>          then a tlog-proof of so many bytes
//	basis <length>          then a tlog-proof that bears out a key, no event itself
//	frontier <length>       then origin and compact range of what comes before
//	run <length>            then origin, first index, and one line for each leaf
//	hole <length>           then origin and compact range of leaves that are lost
//	segment <length>        then one segment as on the wire, packed
//	checkpoint <length>     then a signed note of the size reached
//	end sha256:<hex>
package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/wire"
)

// Header is the first line of a bundle.
const Header = "linewatch-bundle@v1"

// Kinds of a bundle's entries.
const (
	kindSummary    = "summary"
	kindKey        = "key"
	kindCosigner   = "cosigner"
	kindProof      = "proof"
	kindBasis      = "basis"
	kindFrontier   = "frontier"
	kindRun        = "run"
	kindHole       = "hole"
	kindSegment    = "segment"
	kindCheckpoint = "checkpoint"
	kindEnd        = "end"
)

// maxLine bounds an entry's line with its newline, maxEntry the bytes after it.
const (
	maxLine  = 1024
	maxEntry = wire.MaxHeader + wire.MaxFrame + 8
)

// digestPrefix stands before the hash in the last line.
const digestPrefix = "sha256:"

// ErrBundle says that a file is not a bundle, or is cut off, or was damaged.
var ErrBundle = errors.New("malformed bundle")

// entry is one entry of a bundle.
type entry struct {
	kind  string
	words []string // of the line, after the kind
	body  []byte
}

// reader reads the entries of a bundle with bounded memory.
type reader struct {
	r      *bufio.Reader
	digest hash.Hash
	n      int // entries read
}

func newReader(r io.Reader) (*reader, error) {
	b := &reader{r: bufio.NewReaderSize(r, maxLine), digest: sha256.New()}
	line, err := b.line()
	if err != nil || line != Header {
		return nil, fmt.Errorf("%w: not %s", ErrBundle, Header)
	}
	b.count(line)
	return b, nil
}

// line returns the next line without its newline.
func (b *reader) line() (string, error) {
	line, err := b.r.ReadSlice('\n')
	if err != nil || len(line) > maxLine { // the reader given may have a larger buffer than ours
		return "", fmt.Errorf("%w: entry %d: line is cut off or too long", ErrBundle, b.n)
	}
	return string(line[:len(line)-1]), nil
}

// count takes a line into the digest.
func (b *reader) count(line string) {
	_, _ = io.WriteString(b.digest, line)
	b.digest.Write([]byte{'\n'})
}

// next returns the next entry, io.EOF after the last. An error ends the bundle.
func (b *reader) next() (entry, error) {
	b.n++
	line, err := b.line()
	if err != nil {
		return entry{}, err
	}
	words := strings.Split(line, " ")
	e := entry{kind: words[0], words: words[1:]}
	want := 1
	switch e.kind {
	case kindKey:
		want = 4
	case kindCosigner:
		want = 2
	case kindEnd, kindSummary, kindProof, kindBasis, kindFrontier, kindRun, kindHole, kindSegment, kindCheckpoint:
	default:
		return b.fail("unknown kind " + strconv.Quote(clip(e.kind)))
	}
	if len(e.words) != want {
		return b.fail(fmt.Sprintf("%s with %d words after it, want %d", e.kind, len(e.words), want))
	}
	if e.kind == kindEnd {
		return b.end(e.words[0])
	}
	b.count(line)
	if e.kind != kindKey && e.kind != kindCosigner {
		return b.body(e)
	}
	return e, nil
}

func (b *reader) fail(why string) (entry, error) {
	return entry{}, fmt.Errorf("%w: entry %d: %s", ErrBundle, b.n, why)
}

// body reads the bytes after an entry's line; memory grows with what really comes.
func (b *reader) body(e entry) (entry, error) {
	length, err := strconv.ParseUint(e.words[0], 10, 32)
	if err != nil || length > maxEntry || strconv.FormatUint(length, 10) != e.words[0] {
		return b.fail("length")
	}
	var body bytes.Buffer
	if _, err := io.CopyN(io.MultiWriter(&body, b.digest), b.r, int64(length)); err != nil {
		return b.fail("cut off")
	}
	if c, err := b.r.ReadByte(); err != nil || c != '\n' {
		return b.fail("no newline after it")
	}
	b.digest.Write([]byte{'\n'})
	e.body = body.Bytes()
	return e, nil
}

// end compares the hash of everything before with that of the last line. Anybody
// can compute it: it finds damage, the signatures find intent.
func (b *reader) end(word string) (entry, error) {
	if word != digestPrefix+hex.EncodeToString(b.digest.Sum(nil)) {
		return b.fail("the file does not have the hash that its last line names: it was damaged or changed")
	}
	if _, err := b.r.ReadByte(); err != io.EOF {
		return b.fail("something follows the last line")
	}
	return entry{}, io.EOF
}

// clip bounds foreign text in an error.
func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}
