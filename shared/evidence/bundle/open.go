package bundle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
)

// opened is a checkpoint with its verdict.
type opened struct {
	c       evidence.Checkpoint
	verdict Verdict
	anchor  string
	at      time.Time // of a cosignature that the trust file knows
	hint    string    // what a person can do about one that is not anchored
	err     error
}

// ErrTwoHistories says that two signed checkpoints of one log and size have
// different roots, both by one key or both anchored: whoever signed them keeps two
// histories. (What anybody signs under the name of a log is no second history of it.)
var ErrTwoHistories = errors.New("two histories: this log has two signed checkpoints of one size with different roots")

// errLine says that a bundle carries a signature that nobody can check with it.
var errLine = errors.New("a signature line is not by a key that the bundle names")

// open verifies a note under its origin, once for equal notes.
func (v *Verifier) open(note []byte, origin string) opened {
	id := sha256.Sum256(note)
	if o, ok := v.notes[id]; ok && o.c.Origin == origin {
		return o
	}
	o := v.openNew(note, origin)
	if len(v.notes) >= maxNotes {
		clear(v.notes)
	}
	if o.err == nil {
		v.notes[id] = o
	}
	return o
}

// openNew looks for an anchor, the most certain kind first. A pinned key that
// signed wrongly, or a size that is not its own, makes the note bad even if a
// cosigner vouches for it.
func (v *Verifier) openNew(note []byte, origin string) opened {
	l := v.log(origin)
	if l == nil {
		return opened{err: errTooMuch}
	}
	o, err := evidence.ParseOrigin(origin)
	if err != nil {
		return opened{err: err}
	}
	s := signatures{}
	if s.c, s.lines, err = evidence.Lines(note, v.candidates(o, l), v.knownCosigners()); err != nil {
		return opened{err: err}
	}
	if s.c.Origin != origin {
		return opened{err: fmt.Errorf("%w: origin is %s", evidence.ErrCheckpoint, clip(s.c.Origin))}
	}
	out := v.anchor(o, l, s)
	if out.verdict == NotAnchored {
		out.hint = v.hint(o, s)
	}
	if out.err == nil && len(l.brought) > 0 {
		out.err = s.judge("the bundle's own keys", l.brought)
	}
	if out.err == nil {
		out.err = v.file.account(s)
	}
	if out.err == nil && s.known() {
		out.err = v.oneHistory(s, out.verdict)
	}
	return out
}

// anchor finds out whose word stands behind a note.
func (v *Verifier) anchor(o evidence.Origin, l *logState, s signatures) opened {
	out := opened{c: s.c, verdict: NotAnchored}
	_, own := o.Aggregator()
	for _, source := range v.pinned(o, l) {
		if len(source.keys) == 0 {
			continue
		}
		err := s.judge(source.name, source.keys)
		switch {
		case err == nil && own && !v.witnessed(s):
			// Signed by the aggregator, but too few witnesses saw it: another reader may
			// have been shown another ledger.
		case err == nil && out.verdict != Anchored:
			out.verdict, out.anchor = Anchored, source.name
		case err != nil && (source.only || !errors.Is(err, evidence.ErrSignature) || errors.Is(err, evidence.ErrForged)):
			return opened{err: fmt.Errorf("%s: %w", source.name, err)}
		}
		if out.verdict == Anchored {
			break
		}
	}
	for _, k := range v.trust.Cosigners {
		at, ok := s.cosigned(k)
		if !ok {
			continue
		}
		if out.at = at; out.verdict != Anchored && (!own || v.witnessed(s)) {
			out.verdict, out.anchor = Anchored, "cosigner "+k.Name
		}
		break
	}
	return out
}

// witnessed says whether enough of the trusted witnesses cosigned. One with two
// keys is one.
func (v *Verifier) witnessed(s signatures) bool {
	names := map[string]bool{}
	for _, w := range v.trust.Witnesses {
		if _, ok := s.cosigned(w); ok {
			names[w.Name] = true
		}
	}
	return len(names) >= v.trust.Quorum
}

// oneHistory remembers the root of a head for each key that signed it, and for the
// trust file if it is anchored, and refuses another one.
func (v *Verifier) oneHistory(s signatures, verdict Verdict) error {
	var heads []head
	for _, line := range s.lines {
		if line.State == evidence.LineGood {
			heads = append(heads, headOf(s.c, slices.Concat(line.Log, line.By.Key)))
		}
	}
	if verdict == Anchored {
		heads = append(heads, headOf(s.c, nil))
	}
	for _, h := range heads {
		root, seen := v.heads[h]
		if seen && root != s.c.Root {
			return fmt.Errorf("%w: size %d of %s has the roots %s and %s", ErrTwoHistories, s.c.Size, s.c.Origin, root, s.c.Root)
		}
		if !seen && len(v.heads) < maxHeads {
			v.heads[h] = s.c.Root
		}
	}
	return nil
}

func headOf(c evidence.Checkpoint, by []byte) head {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%x", c.Origin, c.Size, by))
	return head(sum[:16])
}

// signatures are the judged lines of one note.
type signatures struct {
	c     evidence.Checkpoint
	lines []evidence.Line
}

// known says whether anybody whose key is known, trusted or not, put a name to it.
func (s signatures) known() bool {
	return slices.ContainsFunc(s.lines, func(l evidence.Line) bool { return l.State == evidence.LineGood })
}

// judge says whether one of these keys signed this size.
func (s signatures) judge(who string, keys []evidence.KeyRange) error {
	reason := fmt.Errorf("%s: %w (size %d)", who, evidence.ErrSignature, s.c.Size)
	good := false
	for _, line := range s.lines {
		for _, k := range keys {
			if line.Log == nil || !line.Log.Equal(k.Key) {
				continue
			}
			switch {
			case line.State == evidence.LineForged:
				return fmt.Errorf("%s: %w: %w", who, evidence.ErrSignature, evidence.ErrForged)
			case k.Covers(s.c.Size):
				good = true
			default:
				reason = fmt.Errorf("%s: %w (size %d)", who, evidence.ErrKeyRange, s.c.Size)
			}
		}
	}
	if good {
		return nil
	}
	return reason
}

// cosigned returns when this cosigner confirmed the note, by a line that counts.
func (s signatures) cosigned(k Cosigner) (time.Time, bool) {
	for _, line := range s.lines {
		if by(line, k) && k.counts(line.At) {
			return line.At, true
		}
	}
	return time.Time{}, false
}

// by says whether a line is a good cosignature of this key.
func by(line evidence.Line, k Cosigner) bool {
	return line.State == evidence.LineGood && line.By.Name == k.Name && k.Key.Equal(line.By.Key)
}

// source is a set of keys that may anchor a log.
type source struct {
	name string
	keys []evidence.KeyRange
	only bool // no other anchor counts
}

func (v *Verifier) pinned(o evidence.Origin, l *logState) []source {
	list := []source{{"log " + o.String(), v.trust.Logs[o.String()], true}}
	if instance, own := o.Aggregator(); own {
		return append(list, source{"ledger " + instance, v.ledgerKeys(instance, l), false})
	}
	return append(list,
		source{"station " + o.Agent, v.stationKeys(o.Agent, l), false},
		source{"ledger " + l.byLedger, append(slices.Clip(l.ledger), l.vouched...), false},
	)
}

// ledgerKeys returns the ranges of an aggregator's pinned keys; an anchored change
// in the log itself ends them.
func (v *Verifier) ledgerKeys(instance string, l *logState) []evidence.KeyRange {
	var out []evidence.KeyRange
	for _, k := range v.trust.Ledgers[instance] {
		out = append(out, evidence.KeyRange{Key: k})
	}
	if len(out) > 0 && l.changed > 0 {
		out = closed(out, l.changed)
	}
	return append(out, l.vouched...)
}

// candidates are all keys that a line of the log could be of. Their ranges are
// judged later, against each source for itself.
func (v *Verifier) candidates(o evidence.Origin, l *logState) []evidence.KeyRange {
	var out []evidence.KeyRange
	add := func(keys []evidence.KeyRange) {
		for _, k := range keys {
			if !slices.ContainsFunc(out, func(have evidence.KeyRange) bool { return have.Key.Equal(k.Key) }) {
				out = append(out, evidence.KeyRange{Key: k.Key})
			}
		}
	}
	add(l.brought)
	for _, source := range v.pinned(o, l) {
		add(source.keys)
	}
	return out
}

func (v *Verifier) knownCosigners() []evidence.CosignerKey {
	var list []evidence.CosignerKey
	for _, k := range slices.Concat(v.trust.Cosigners, v.trust.Witnesses) {
		list = append(list, k.CosignerKey)
	}
	if v.file != nil {
		list = append(list, v.file.cosigners...)
	}
	return list
}

// stationKeys returns the ranges of a pinned station's keys. A fingerprint needs
// the bundle's copy of the key. The range that the bundle gives it can only narrow
// what a pinned key may sign, and so does a key change that was anchored.
func (v *Verifier) stationKeys(agent string, l *logState) []evidence.KeyRange {
	pins := v.trust.Stations[agent]
	if len(pins) == 0 {
		return nil
	}
	var out []evidence.KeyRange
	for _, pin := range pins {
		i := slices.IndexFunc(l.brought, func(k evidence.KeyRange) bool { return evidence.Fingerprint(k.Key) == pin.Fingerprint })
		switch {
		case i >= 0:
			out = append(out, l.brought[i])
		case pin.Key != nil:
			out = append(out, evidence.KeyRange{Key: pin.Key})
		}
	}
	if l.changed > 0 {
		out = closed(out, l.changed)
	}
	return append(out, l.vouched...)
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
