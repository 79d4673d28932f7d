package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Writer writes the entries of a bundle to a spool; [Writer.Finish] then puts the
// whole file together, because its summary comes first and is made last.
type Writer struct {
	w   io.Writer
	sum *summarizer
	err error
}

// NewWriter begins a bundle whose entries go to the spool.
func NewWriter(spool io.Writer) *Writer { return &Writer{w: spool, sum: newSummarizer()} }

// Build returns the bundle whose entries fill writes; for bundles that fit into memory.
func Build(fill func(*Writer) error) ([]byte, error) {
	var spool, out bytes.Buffer
	w := NewWriter(&spool)
	if err := fill(w); err != nil {
		return nil, err
	}
	if err := w.Finish(&out, &spool); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Finish writes the whole bundle: first line, summary, the entries as the spool
// now gives them back from its beginning, and the hash of all that.
func (b *Writer) Finish(out io.Writer, spool io.Reader) error {
	if b.err != nil {
		return b.err
	}
	text := b.sum.text()
	digest := sha256.New()
	both := io.MultiWriter(out, digest)
	if _, err := fmt.Fprintf(both, "%s\n%s %d\n%s\n", Header, kindSummary, len(text), text); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := io.Copy(both, spool); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s %s%s\n", kindEnd, digestPrefix, hex.EncodeToString(digest.Sum(nil))); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

func (b *Writer) write(data []byte) {
	if b.err == nil {
		_, b.err = b.w.Write(data)
	}
}

func (b *Writer) entry(kind string, body []byte) error {
	if len(body) > maxEntry {
		return fmt.Errorf("write %s: %d bytes are more than an entry may have", kind, len(body))
	}
	b.write(fmt.Appendf(nil, "%s %d\n", kind, len(body)))
	b.write(body)
	b.write([]byte{'\n'})
	return b.err
}

// Key writes a key of a log. The reader does not trust it, but it must have signed
// what the bundle shows of the log, and only the sizes that are named here.
func (b *Writer) Key(origin string, k evidence.KeyRange) error {
	b.sum.key(origin, k)
	b.write(fmt.Appendf(nil, "%s %s %s %d %d\n", kindKey, origin, base64.StdEncoding.EncodeToString(k.Key), k.After, k.Last))
	return b.err
}

// Cosigner names the key of an aggregator or witness whose lines the notes of the
// bundle carry. The reader does not trust it either.
func (b *Writer) Cosigner(k evidence.CosignerKey) error {
	b.sum.cosigner(k)
	b.write(fmt.Appendf(nil, "%s %s %s\n", kindCosigner, k.Name, base64.StdEncoding.EncodeToString(ed25519.PublicKey(k.Key))))
	return b.err
}

// Proof writes the proof of one event.
func (b *Writer) Proof(p evidence.Proof) error { return b.proof(kindProof, p) }

// Basis writes the proof of a leaf that bears out a key: log.registered and
// agent.enrolled of an aggregator's own log, log.key of the log itself. It goes
// before what it anchors, and is not counted as an event.
func (b *Writer) Basis(p evidence.Proof) error { return b.proof(kindBasis, p) }

func (b *Writer) proof(kind string, p evidence.Proof) error {
	c, err := evidence.PeekCheckpoint(p.Checkpoint)
	if err != nil {
		return fmt.Errorf("write %s: %w", kind, err)
	}
	b.sum.proof(kind, c, p)
	return b.entry(kind, p.Text())
}

// Frontier writes the compact range of the leaves before the first run or segment
// of a log that is exported in part.
func (b *Writer) Frontier(origin string, r evidence.Range) error {
	b.sum.frontier(origin, r)
	return b.entry(kindFrontier, appendRange(origin, r))
}

// Hole writes the compact range of leaves that nobody has any more.
func (b *Writer) Hole(origin string, r evidence.Range) error {
	b.sum.lost(origin, r.Begin, r.End-r.Begin)
	return b.entry(kindHole, appendRange(origin, r))
}

// runBytes is about how long a run gets before another entry begins.
const runBytes = 256 << 10

// Run writes leaves that follow one another, the first of them at index first. A
// leaf log.key must be the last of its run, and a checkpoint of this size follow.
func (b *Writer) Run(origin string, first uint64, items []Item) error {
	for len(items) > 0 {
		body := fmt.Appendf(nil, "%s\n%d\n", origin, first)
		for len(items) > 0 && len(body) < runBytes {
			if items[0].Leaf == nil {
				b.sum.withheld(origin, first, 1)
			} else {
				b.sum.leaf(origin, first, items[0].Leaf)
			}
			body = appendItem(body, items[0])
			items, first = items[1:], first+1
		}
		if err := b.entry(kindRun, body); err != nil {
			return err
		}
	}
	return b.err
}

// Segment writes one segment packed, as it came; the segments of a log follow one
// another. One that is not [Packable] is written as a [Writer.Run].
func (b *Writer) Segment(h wire.Header, frame []byte) error {
	if h.Kind != wire.KindHole && !Packable(h.Count, frame) {
		return fmt.Errorf("write segment: %d leaves in %d bytes may not be packed", h.Count, len(frame))
	}
	body, err := wire.AppendFrame(nil, h, frame)
	if err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	s, err := wire.NewReader(bytes.NewReader(body)).Next()
	if err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	if err := b.sum.segment(s); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	return b.entry(kindSegment, body)
}

// Checkpoint writes a note, usually a receipt with cosignatures, of the size that
// the log's runs and segments have reached here.
func (b *Writer) Checkpoint(note []byte) error {
	c, err := evidence.PeekCheckpoint(note)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	b.sum.note(c, note)
	return b.entry(kindCheckpoint, note)
}
