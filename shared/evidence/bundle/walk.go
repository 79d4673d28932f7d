package bundle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// walk follows the segments of one log from its beginning, or from a frontier.
type walk struct {
	tree     evidence.Range
	begin    uint64 // first leaf that a segment showed
	pending  uint64 // leaves after the newest anchored size: not anchored yet
	lost     uint64
	name     string // where the newest segment was
	bad      bool   // nothing after a bad segment can be judged
	finished bool
}

var (
	errWalk     = errors.New("log does not hold")
	errAfterBad = fmt.Errorf("%w: follows a segment that does not hold", errWalk)
)

// frontier begins a log that is exported in part. It needs no trust: a wrong one
// can't lead to the root of a signed checkpoint.
func (v *Verifier) frontier(name string, body []byte) {
	origin, data, _ := bytes.Cut(body, []byte("\n"))
	f := Finding{Verdict: Bad, Name: name, Origin: clip(string(origin))}
	var r evidence.Range
	l := v.log(string(origin))
	switch err := r.UnmarshalBinary(data); {
	case err != nil:
		f.Err = err
	case l == nil:
		f.Err = errTooMuch
	case l.walk != nil || r.Begin != 0:
		f.Err = fmt.Errorf("%w: frontier is not at the log's beginning", errWalk)
	default:
		l.walk = &walk{tree: r, begin: r.End}
		return
	}
	v.found(f)
}

// segment verifies one segment and extends its log.
func (v *Verifier) segment(name string, body []byte) {
	s, err := wire.NewReader(bytes.NewReader(body)).Next()
	f := Finding{Verdict: Bad, Name: name}
	if s != nil {
		f.Origin, f.Index, f.Size = clip(s.Origin), s.First, s.End()
	}
	if err != nil {
		v.spoil(f, fmt.Errorf("%w: %w", errWalk, err))
		return
	}
	l := v.log(s.Origin)
	if l == nil {
		v.spoil(f, errTooMuch)
		return
	}
	if l.walk == nil {
		l.walk = &walk{}
	}
	w := l.walk
	w.name = name
	if w.bad {
		v.spoil(f, errAfterBad)
		return
	}
	if err := w.extend(s); err != nil {
		v.spoil(f, err)
		return
	}
	if s.Kind == wire.KindHole {
		w.lost += s.Count
		v.summary.Lost += s.Count
	} else {
		w.pending += s.Count
	}
	verdict := v.settle(f, l, []byte(s.Checkpoint))
	if verdict == Bad {
		return
	}
	v.keyChange(s, l, verdict)
	if verdict == Anchored {
		for _, leaf := range s.Leaves {
			v.learn(s.Origin, leaf)
		}
	}
}

// extend puts the segment's leaves, or its hole, after what came before.
func (w *walk) extend(s *wire.Segment) error {
	if s.First != w.tree.End {
		return fmt.Errorf("%w: segment begins at %d, log stands at %d", errWalk, s.First, w.tree.End)
	}
	if s.Kind == wire.KindHole {
		hole, err := s.HoleRange()
		if err != nil {
			return err
		}
		return w.tree.Join(hole)
	}
	for _, leaf := range s.Leaves {
		if err := w.tree.Append(evidence.LeafHash(leaf)); err != nil {
			return err
		}
	}
	return nil
}

// settle checks a checkpoint against the tree as it stands. When it is anchored,
// everything before it is.
func (v *Verifier) settle(f Finding, l *logState, note []byte) Verdict {
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
		return Bad
	}
	if o.verdict == Anchored && w.pending > 0 {
		v.found(Finding{
			Verdict: Anchored, Name: f.Name, Origin: f.Origin, Index: w.tree.End - w.pending, Count: w.pending,
			Size: w.tree.End, Anchor: o.anchor, CosignedAt: o.at,
		})
		w.pending = 0
	}
	return o.verdict
}

// spoil reports a bad part and stops judging its log.
func (v *Verifier) spoil(f Finding, err error) {
	f.Verdict, f.Err = Bad, err
	if l := v.logs[f.Origin]; l != nil && l.walk != nil {
		l.walk.bad = true
	}
	v.found(f)
}

// checkpoint takes a note over the segments so far, with which a cosigner anchors
// them.
func (v *Verifier) checkpoint(name string, note []byte) {
	c, err := evidence.PeekCheckpoint(note)
	f := Finding{Verdict: Bad, Name: name, Origin: clip(c.Origin), Size: c.Size}
	l := v.logs[c.Origin]
	switch {
	case err != nil:
		v.spoil(f, err)
	case l == nil || l.walk == nil:
		v.spoil(f, fmt.Errorf("%w: checkpoint without segments", errWalk))
	case l.walk.bad:
		v.spoil(f, errAfterBad)
	default:
		v.settle(f, l, note)
	}
}

// Close reports what no anchored checkpoint covered; findings are complete then.
func (v *Verifier) Close() {
	for origin, l := range v.logs {
		w := l.walk
		if w == nil || w.finished {
			continue
		}
		w.finished = true
		if w.pending > 0 {
			v.found(Finding{
				Verdict: NotAnchored, Name: w.name, Origin: origin, Index: w.tree.End - w.pending, Count: w.pending, Size: w.tree.End,
			})
		}
	}
}

// keyChange obeys a leaf log.key, which is always the last of its segment: sizes
// up to this one belong to the keys so far, larger ones to the new key. Under an
// anchored checkpoint the leaf anchors the new key as well.
func (v *Verifier) keyChange(s *wire.Segment, l *logState, verdict Verdict) {
	if len(s.Leaves) == 0 {
		return
	}
	key, ok := keyLeaf(s.Leaves[len(s.Leaves)-1], event.TypeLogKey, s.Origin)
	if !ok || len(l.brought)+len(l.vouched) >= maxLogKeys {
		return
	}
	next := evidence.KeyRange{Key: key, After: s.End()}
	if len(l.brought) > 0 {
		l.brought = append(closed(l.brought, s.End()), next)
	}
	if verdict == Anchored {
		l.ledger = closed(l.ledger, s.End())
		l.vouched = append(closed(l.vouched, s.End()), next)
		if l.changed == 0 {
			l.changed = s.End()
		}
	}
	clear(v.notes)
}

// closed ends the open ranges at a size.
func closed(keys []evidence.KeyRange, last uint64) []evidence.KeyRange {
	var out []evidence.KeyRange
	for _, k := range keys {
		if k.After >= last {
			continue
		}
		if k.Last == 0 || k.Last > last {
			k.Last = last
		}
		out = append(out, k)
	}
	return out
}

// learn takes the key of a station's log from a leaf of an aggregator's own log
// that the caller found anchored. The ledger's keys come from the trust file or
// from a witness.
func (v *Verifier) learn(ledger string, leaf []byte) {
	o, err := evidence.ParseOrigin(ledger)
	if err != nil {
		return
	}
	if _, own := o.Aggregator(); !own {
		return
	}
	origin, ok := registeredOrigin(leaf)
	if !ok {
		return
	}
	key, ok := keyLeaf(leaf, event.TypeLogRegistered, origin)
	l := v.log(origin)
	if !ok || l == nil || len(l.ledger) > 0 {
		return // the first registration counts: a log is registered once
	}
	l.ledger, l.byLedger = []evidence.KeyRange{{Key: key}}, ledger
	clear(v.notes)
}

// keyData is what log.registered and log.key have in common.
type keyData struct {
	Origin    string `json:"origin"`
	PublicKey string `json:"publicKey"`
}

func registeredOrigin(leaf []byte) (string, bool) {
	d, ok := parseKeyData(leaf, event.TypeLogRegistered)
	return d.Origin, ok
}

// keyLeaf returns the key that a leaf of this type names for a log.
func keyLeaf(leaf []byte, typ, origin string) (ed25519.PublicKey, bool) {
	d, ok := parseKeyData(leaf, typ)
	if !ok || d.Origin != origin {
		return nil, false
	}
	key, err := base64.StdEncoding.Strict().DecodeString(d.PublicKey)
	return key, err == nil && len(key) == ed25519.PublicKeySize
}

func parseKeyData(leaf []byte, typ string) (keyData, bool) {
	var d keyData
	if !bytes.Contains(leaf, []byte(`"`+typ+`"`)) {
		return d, false
	}
	e, _, err := event.Parse(leaf)
	if err != nil || e.Type != typ || wire.DecodeExact(e.Data, &d) != nil {
		return d, false
	}
	_, err = evidence.ParseOrigin(d.Origin)
	return d, err == nil
}
