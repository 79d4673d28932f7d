package bundle

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// walk follows the leaves of one log from its beginning, or from a frontier.
type walk struct {
	tree     evidence.Range
	settled  uint64   // size of the newest checkpoint that fits
	pending  uint64   // shown leaves after the newest anchored size: not anchored yet
	hidden   uint64   // withheld leaves after the newest checkpoint
	gone     uint64   // lost leaves after the newest checkpoint
	speaking []spoken // leaves about keys after the newest checkpoint
	waiting  *int     // such leaves of all logs
	origin   string
	name     string // where the newest part was
	hint     string // of the newest checkpoint that is not anchored
	bad      bool   // nothing after a bad part can be judged
	finished bool
}

// spoken is what a leaf says of keys.
type spoken struct {
	index uint64
	statement
}

var (
	errWalk     = errors.New("log does not hold")
	errAfterBad = fmt.Errorf("%w: follows a part that does not hold", errWalk)
)

// frontier begins a log that is exported in part. It needs no trust: a wrong one
// can't lead to the root of a signed checkpoint.
func (v *Verifier) frontier(name string, body []byte) {
	origin, r, err := parseRange(body)
	f := Finding{Verdict: Bad, Name: name, Origin: clipLong(origin)}
	if err == nil && (r.Begin != 0 || r.End == 0) {
		err = fmt.Errorf("%w: frontier is not at the log's beginning", errWalk)
	}
	l, err := v.walked(origin, err)
	if err == nil && (l.walk.tree.End != 0 || l.walk.bad) {
		err = fmt.Errorf("%w: frontier is not at the log's beginning", errWalk)
	}
	if err != nil {
		v.spoil(f, err)
		return
	}
	v.file.sum.frontier(origin, r)
	l.walk.tree = r
}

// walked returns the log with its walk, begun if need be.
func (v *Verifier) walked(origin string, err error) (*logState, error) {
	if err != nil {
		return nil, err
	}
	if _, err := evidence.ParseOrigin(origin); err != nil {
		return nil, err
	}
	l := v.log(origin)
	if l == nil {
		return nil, errTooMuch
	}
	if l.walk == nil {
		l.walk = &walk{waiting: &v.waiting, origin: strings.Clone(origin)}
	}
	return l, nil
}

// run extends a log by leaves, or by the hashes of leaves that are withheld.
func (v *Verifier) run(name string, body []byte) {
	origin, first, _, err := runHead(body)
	f := Finding{Verdict: Bad, Name: name, Origin: clipLong(origin), Index: first}
	l, err := v.walked(origin, err)
	if err == nil {
		err = l.walk.ready(name, first)
	}
	if err != nil {
		v.spoil(f, err)
		return
	}
	w := l.walk
	_, _, err = parseRun(body, func(it Item) error {
		if it.Leaf == nil {
			v.file.sum.withheld(origin, w.tree.End, 1)
			w.hidden++
			return w.tree.Append(it.Hash)
		}
		v.file.sum.leaf(origin, w.tree.End, it.Leaf)
		if err := w.remember(it.Leaf); err != nil {
			return err
		}
		w.pending++
		return w.tree.Append(evidence.LeafHash(it.Leaf))
	})
	if err != nil {
		v.spoil(f, err)
	}
}

// hole extends a log by the range of leaves that are lost.
func (v *Verifier) hole(name string, body []byte) {
	origin, r, err := parseRange(body)
	f := Finding{Verdict: Bad, Name: name, Origin: clipLong(origin), Index: r.Begin}
	l, err := v.walked(origin, err)
	if err == nil {
		err = l.walk.ready(name, r.Begin)
	}
	if err == nil && r.End == r.Begin {
		err = fmt.Errorf("%w: empty hole", errEntry)
	}
	if err == nil {
		err = l.walk.tree.Join(r)
	}
	if err != nil {
		v.spoil(f, err)
		return
	}
	v.file.sum.lost(origin, r.Begin, r.End-r.Begin)
	l.walk.gone += r.End - r.Begin
}

// segment verifies one packed segment and extends its log.
func (v *Verifier) segment(name string, body []byte) {
	s, err := unpack(body)
	f := Finding{Verdict: Bad, Name: name}
	if s != nil {
		f.Origin, f.Index, f.Size = clipLong(s.Origin), s.First, s.End()
	}
	if err == nil {
		err = canonicalHeader(s, body)
	}
	if err != nil {
		v.spoil(f, fmt.Errorf("%w: %w", errWalk, err))
		return
	}
	l, err := v.walked(s.Origin, nil)
	if err == nil {
		err = l.walk.ready(name, s.First)
	}
	if err == nil {
		err = l.walk.extend(s)
	}
	if err == nil {
		err = v.file.sum.segment(s)
	}
	if err != nil {
		v.spoil(f, err)
		return
	}
	v.settle(f, l, []byte(s.Checkpoint))
}

// A packed segment has at most [MaxPacked] leaves, and beyond the first freePacked
// no more than one for each packedBytes bytes of its frame.
const (
	MaxPacked   = 32_768
	freePacked  = 256
	packedBytes = 8
)

// Packable says whether a segment of so many leaves may stand in a bundle packed. A
// few bytes can unpack to many leaves of one byte, and each costs a hash; a leaf
// with its random salt never packs to fewer bytes than that.
func Packable(count uint64, frame []byte) bool {
	return count <= MaxPacked && count <= freePacked+uint64(len(frame))/packedBytes
}

// unpack reads a segment, after a look at how many leaves it promises.
func unpack(body []byte) (*wire.Segment, error) {
	var h wire.Header
	if len(body) >= 4 {
		n := uint64(binary.BigEndian.Uint32(body))
		if n <= min(uint64(len(body)-4), wire.MaxHeader) && json.Unmarshal(body[4:4+n], &h) == nil &&
			h.Kind != wire.KindHole && !Packable(h.Count, body[4+n:]) {
			return nil, fmt.Errorf("%w: a packed segment of %d leaves in %d bytes", errEntry, h.Count, len(body))
		}
	}
	return wire.NewReader(bytes.NewReader(body)).Next()
}

// canonicalHeader demands that a packed segment is written as we write it: its
// header is not signed.
func canonicalHeader(s *wire.Segment, body []byte) error {
	if len(s.Header.Keys) > 0 || len(s.Lost) > 0 {
		return fmt.Errorf("%w: a segment with data keys, which nothing here judges", errEntry)
	}
	again, err := wire.AppendFrame(nil, s.Header, s.Frame)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, body) {
		return fmt.Errorf("%w: header of a segment is spelt otherwise", errEntry)
	}
	return nil
}

// ready says whether a log goes on at this index.
func (w *walk) ready(name string, first uint64) error {
	w.name = name
	if w.bad {
		return errAfterBad
	}
	if first != w.tree.End {
		return fmt.Errorf("%w: leaves begin at %d, log stands at %d", errWalk, first, w.tree.End)
	}
	return nil
}

// extend puts the segment's leaves, or its hole, after what came before.
func (w *walk) extend(s *wire.Segment) error {
	if s.Kind == wire.KindHole {
		hole, err := s.HoleRange()
		if err != nil {
			return err
		}
		w.gone += s.Count
		return w.tree.Join(hole)
	}
	for _, leaf := range s.Leaves {
		if err := w.remember(leaf); err != nil {
			return err
		}
		w.pending++
		if err := w.tree.Append(evidence.LeafHash(leaf)); err != nil {
			return err
		}
	}
	return nil
}

// maxSpeaking bounds the leaves about keys that wait for a checkpoint, of all logs.
const maxSpeaking = 10_000

// remember keeps what a leaf says of keys until a checkpoint covers it.
func (w *walk) remember(leaf []byte) error {
	s, ok := stated(w.origin, leaf)
	if !ok {
		return nil
	}
	if *w.waiting >= maxSpeaking {
		return fmt.Errorf("%w: more than %d leaves about keys without a checkpoint", errTooMuch, maxSpeaking)
	}
	*w.waiting++
	w.speaking = append(w.speaking, spoken{w.tree.End, s})
	return nil
}

// settle checks a checkpoint against the tree as it stands. When it is anchored,
// everything before it is.
func (v *Verifier) settle(f Finding, l *logState, note []byte) {
	w := l.walk
	o := v.open(note, f.Origin)
	err := o.err
	if err == nil {
		root, rootErr := w.tree.Root()
		switch {
		case rootErr != nil:
			err = rootErr
		case o.c.Size != w.tree.End:
			err = fmt.Errorf("%w: checkpoint of size %d, log stands at %d", errWalk, o.c.Size, w.tree.End)
		case o.c.Root != root:
			err = fmt.Errorf("%w: root differs from the checkpoint", errWalk)
		}
	}
	if err != nil {
		v.spoil(f, err)
		return
	}
	w.settled = w.tree.End
	v.summary.Withheld += w.hidden
	v.summary.Lost += w.gone
	w.hidden, w.gone, w.hint = 0, 0, o.hint
	if o.verdict == Anchored && w.pending > 0 {
		v.found(Finding{
			Verdict: Anchored, Name: f.Name, Origin: f.Origin, Index: w.tree.End - w.pending, Count: w.pending,
			Size: w.tree.End, Anchor: o.anchor, CosignedAt: o.at,
		})
		w.pending = 0
	}
	for _, s := range w.speaking {
		v.obey(o.verdict, f.Origin, s.index, s.statement)
	}
	v.waiting -= len(w.speaking)
	w.speaking = nil
}

// spoil reports a bad part and stops judging its log.
func (v *Verifier) spoil(f Finding, err error) {
	f.Verdict, f.Err = Bad, err
	if l := v.logs[f.Origin]; l != nil && l.walk != nil {
		l.walk.bad = true
	}
	v.found(f)
}

// checkpoint takes a note over the leaves so far, with which a station or a
// cosigner anchors them.
func (v *Verifier) checkpoint(name string, note []byte) {
	c, err := evidence.PeekCheckpoint(note)
	f := Finding{Verdict: Bad, Name: name, Origin: clipLong(c.Origin), Size: c.Size}
	l := v.logs[c.Origin]
	switch {
	case err != nil:
		v.spoil(f, err)
	case l == nil || l.walk == nil:
		v.spoil(f, fmt.Errorf("%w: checkpoint without leaves", errWalk))
	case l.walk.bad:
		v.spoil(f, errAfterBad)
	default:
		v.file.sum.note(c, note)
		v.settle(f, l, note)
	}
}

// closeWalks reports what no anchored checkpoint covered, and leaves that no
// checkpoint covers at all: those prove nothing.
func (v *Verifier) closeWalks() {
	for origin, l := range v.logs {
		w := l.walk
		if w == nil || w.finished {
			continue
		}
		w.finished = true
		f := Finding{Verdict: NotAnchored, Name: w.name, Origin: origin, Index: w.tree.End - w.pending, Count: w.pending, Size: w.tree.End, Hint: w.hint}
		switch {
		case w.bad:
			if w.pending > 0 {
				v.found(f)
			}
		case w.settled != w.tree.End:
			f.Verdict, f.Hint, f.Err = Bad, "", fmt.Errorf("%w: leaves from %d on are under no checkpoint", errWalk, w.settled)
			v.found(f)
		case w.pending > 0:
			v.found(f)
		}
	}
}
