package bundle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
)

// Verdict is the outcome for one piece of evidence.
type Verdict string

// The verdicts, worst last.
const (
	// Anchored: it holds, and a key that the trust file pins says so.
	Anchored Verdict = "anchored"
	// NotAnchored: it agrees with itself; whoever made it may have made up all.
	NotAnchored Verdict = "not_anchored"
	// Bad: it was changed, or it is not what it says it is.
	Bad Verdict = "bad"
)

// Finding is what was found out about one proof, segment or checkpoint.
type Finding struct {
	Verdict    Verdict
	Name       string // of the file, with the number of the entry
	Origin     string
	Index      uint64 // of a proof's leaf, of a segment's first leaf
	Count      uint64 // leaves that the finding is about
	Size       uint64 // of the checkpoint
	Leaf       []byte // of a proof
	Anchor     string // which pinned key: "station <id>", "log <origin>", "cosigner <name>", "ledger <origin>"
	CosignedAt time.Time
	Err        error // of a bad one
}

// Summary counts findings. Events are leaves under a proof or a segment.
type Summary struct {
	Events      uint64 `json:"events"`
	Anchored    uint64 `json:"anchored"`
	NotAnchored uint64 `json:"not_anchored"`
	Lost        uint64 `json:"lost"` // leaves in holes that the logs declare
	Bad         uint64 `json:"bad"`  // proofs, segments, checkpoints that do not hold
	Logs        int    `json:"logs"`
}

// Verdict returns the verdict over everything. Nothing at all is not anchored.
func (s Summary) Verdict() Verdict {
	switch {
	case s.Bad > 0:
		return Bad
	case s.NotAnchored > 0 || s.Anchored == 0:
		return NotAnchored
	}
	return Anchored
}

// Bounds of what a hostile bundle can make the verifier remember.
const (
	maxLogs    = 10_000
	maxLogKeys = 64
	maxNotes   = 4096
)

// Verifier verifies evidence against a trust file. It is not safe for concurrent
// use.
type Verifier struct {
	trust   Trust
	report  func(Finding)
	summary Summary
	logs    map[string]*logState
	notes   map[[32]byte]opened // checkpoints already verified
}

// logState is what is known of one log.
type logState struct {
	brought  []evidence.KeyRange // by the bundle: not trusted
	ledger   []evidence.KeyRange // by anchored leaves of an aggregator's log
	byLedger string              // origin of that log
	vouched  []evidence.KeyRange // by anchored leaves log.key of the log itself
	changed  uint64              // size of the first such key change, 0 for none
	walk     *walk               // of its segments
}

// opened is a checkpoint with its verdict.
type opened struct {
	c       evidence.Checkpoint
	verdict Verdict
	anchor  string
	at      time.Time
	err     error
}

// NewVerifier returns a verifier that calls report for each finding.
func NewVerifier(trust Trust, report func(Finding)) *Verifier {
	return &Verifier{trust: trust, report: report, logs: map[string]*logState{}, notes: map[[32]byte]opened{}}
}

// Summary returns the counts so far; call it after [Verifier.Close].
func (v *Verifier) Summary() Summary {
	s := v.summary
	s.Logs = len(v.logs)
	return s
}

func (v *Verifier) found(f Finding) {
	switch f.Verdict {
	case Bad:
		v.summary.Bad++
	case Anchored:
		v.summary.Anchored += f.Count
		v.summary.Events += f.Count
	case NotAnchored:
		v.summary.NotAnchored += f.Count
		v.summary.Events += f.Count
	}
	v.report(f)
}

// log returns the state of a log, nil when there are too many.
func (v *Verifier) log(origin string) *logState {
	l := v.logs[origin]
	if l == nil && len(v.logs) < maxLogs {
		l = &logState{}
		v.logs[origin] = l
	}
	return l
}

var errTooMuch = errors.New("more logs or keys than a bundle may have")

// Proof verifies the text of one proof.
func (v *Verifier) Proof(name string, text []byte) {
	f := Finding{Name: name, Verdict: Bad, Count: 1}
	p, err := evidence.ParseProof(text)
	if err != nil {
		f.Err = err
		v.found(f)
		return
	}
	f.Index, f.Leaf = p.Index, p.Leaf
	peek, err := evidence.PeekCheckpoint(p.Checkpoint)
	if err != nil {
		f.Err = err
		v.found(f)
		return
	}
	f.Origin, f.Size = peek.Origin, peek.Size
	o := v.open(p.Checkpoint, peek.Origin)
	if f.Err = o.err; f.Err == nil {
		f.Err = p.Included(o.c)
	}
	if f.Err == nil {
		f.Verdict, f.Anchor, f.CosignedAt = o.verdict, o.anchor, o.at
		if f.Verdict == Anchored {
			v.learn(f.Origin, f.Leaf)
		}
	}
	v.found(f)
}

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
	if _, err := evidence.ParseOrigin(origin); err != nil {
		return opened{err: err}
	}
	for _, source := range v.pinned(origin, l) {
		if len(source.keys) == 0 {
			continue
		}
		c, err := evidence.OpenCheckpoint(note, origin, source.keys)
		if err == nil {
			return opened{c: c, verdict: Anchored, anchor: source.name}
		}
		if source.only || !unknownKey(err) {
			return opened{err: fmt.Errorf("%s: %w", source.name, err)}
		}
	}
	if c, k, at, err := evidence.VerifyCosigned(note, origin, v.trust.Cosigners); err == nil {
		return opened{c: c, verdict: Anchored, anchor: "cosigner " + k.Name, at: at}
	}
	c, err := evidence.PeekCheckpoint(note)
	if len(l.brought) > 0 {
		c, err = evidence.OpenCheckpoint(note, origin, l.brought)
	}
	return opened{c: c, verdict: NotAnchored, err: err}
}

// unknownKey says that no key signed, rather than that one signed wrongly.
func unknownKey(err error) bool {
	return errors.Is(err, evidence.ErrSignature) && !errors.Is(err, evidence.ErrForged)
}

// source is a set of keys that may anchor a log.
type source struct {
	name string
	keys []evidence.KeyRange
	only bool // no other anchor counts
}

func (v *Verifier) pinned(origin string, l *logState) []source {
	o, err := evidence.ParseOrigin(origin)
	if err != nil {
		return nil
	}
	return []source{
		{"log " + origin, v.trust.Logs[origin], true},
		{"station " + o.Agent, v.stationKeys(o.Agent, l), false},
		{"ledger " + l.byLedger, append(slices.Clip(l.ledger), l.vouched...), false},
	}
}

// stationKeys returns the ranges of a pinned station's keys. A fingerprint needs
// the bundle's copy of the key. The range that the bundle gives it can only narrow
// what a pinned key may sign, and so does a key change that was anchored.
func (v *Verifier) stationKeys(agent string, l *logState) []evidence.KeyRange {
	var out []evidence.KeyRange
	for _, pin := range v.trust.Stations[agent] {
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

// Bundle verifies a bundle, entry by entry. An error means that it could not be
// read to its end; findings so far stand.
func (v *Verifier) Bundle(name string, r io.Reader) error {
	b, err := newReader(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for {
		e, err := b.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.entry(fmt.Sprintf("%s, entry %d", name, b.n), e)
	}
}

func (v *Verifier) entry(name string, e entry) {
	switch e.kind {
	case kindKey:
		v.key(name, e.words)
	case kindProof:
		v.Proof(name, e.body)
	case kindFrontier:
		v.frontier(name, e.body)
	case kindSegment:
		v.segment(name, e.body)
	case kindCheckpoint:
		v.checkpoint(name, e.body)
	}
}

// key remembers a key that the bundle brings.
func (v *Verifier) key(name string, words []string) {
	k, err := parseKeyRange(words[1:])
	l := v.log(words[0])
	if err == nil && (l == nil || len(l.brought) >= maxLogKeys) {
		err = errTooMuch
	}
	if err != nil {
		v.found(Finding{Verdict: Bad, Name: name, Origin: clip(words[0]), Err: err})
		return
	}
	l.brought = append(l.brought, k)
	clear(v.notes) // verdicts may change
}
