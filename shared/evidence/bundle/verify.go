package bundle

import (
	"errors"
	"fmt"
	"io"
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
	Hint       string // of one that is not anchored: why, and what a person can do; often ""
	Err        error  // of a bad one
}

// Summary counts findings. Events are leaves under a proof or a segment.
type Summary struct {
	Events      uint64 `json:"events"`
	Anchored    uint64 `json:"anchored"`
	NotAnchored uint64 `json:"not_anchored"`
	Withheld    uint64 `json:"withheld"` // leaves of which only the hash is there
	Lost        uint64 `json:"lost"`     // leaves in holes; that the station lost them, only an audit.gap says
	Bad         uint64 `json:"bad"`      // proofs, segments, checkpoints that do not hold
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
	maxLogs      = 10_000
	maxLogKeys   = 64
	maxKeys      = 50_000 // of all logs of one bundle
	maxNotes     = 4096
	maxHeads     = 100_000 // signatures of heads
	maxCosigners = 1000
	maxBad       = 1000 // parts of one bundle that do not hold, until it is given up
)

// Verifier verifies evidence against a trust file. What an anchored ledger says of
// keys counts for everything that is verified after it. It is not safe for
// concurrent use.
type Verifier struct {
	trust   Trust
	report  func(Finding)
	summary Summary
	logs    map[string]*logState
	notes   map[[32]byte]opened    // checkpoints already verified
	heads   map[head]evidence.Hash // roots
	waiting int                    // leaves about keys that no checkpoint covers yet
	heirs   map[heir]string        // by which anchored leaf a station's key was named
	file    *file                  // the bundle that is being read, nil for a proof alone
}

// logState is what is known of one log.
type logState struct {
	brought  []evidence.KeyRange // by this bundle: not trusted
	ledger   []evidence.KeyRange // by anchored leaves of an aggregator's log
	byLedger string              // origin of that log
	vouched  []evidence.KeyRange // by anchored leaves log.key of the log itself
	changed  uint64              // size of the first such key change, 0 for none
	walk     *walk               // of its runs and segments
}

// head is the hash of a log, a size of it, and who says so (a key, or the trust
// file): two roots for one head are two histories.
type head [16]byte

// NewVerifier returns a verifier that calls report for each finding.
func NewVerifier(trust Trust, report func(Finding)) *Verifier {
	return &Verifier{
		trust: trust, report: report, logs: map[string]*logState{}, notes: map[[32]byte]opened{}, heads: map[head]evidence.Hash{}, heirs: map[heir]string{},
	}
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
func (v *Verifier) Proof(name string, text []byte) { v.proof(name, kindProof, text) }

// proof verifies one proof; one of kind basis teaches keys and is found only when
// it does not hold.
func (v *Verifier) proof(name, kind string, text []byte) {
	f := Finding{Name: name, Verdict: Bad, Count: 1}
	p, err := evidence.ParseProof(text)
	var peek evidence.Checkpoint
	if err == nil {
		f.Index, f.Leaf = p.Index, p.Leaf
		peek, err = evidence.PeekCheckpoint(p.Checkpoint)
	}
	if err != nil {
		f.Err = err
		v.found(f)
		return
	}
	f.Origin, f.Size = clipLong(peek.Origin), peek.Size
	o := v.open(p.Checkpoint, peek.Origin)
	if f.Err = o.err; f.Err == nil {
		f.Err = p.Included(o.c)
	}
	if f.Err == nil {
		f.Verdict, f.Anchor, f.CosignedAt, f.Hint = o.verdict, o.anchor, o.at, o.hint
		v.file.proof(kind, peek, p)
		v.learn(f.Verdict, peek.Origin, p.Index, p.Leaf)
	}
	if kind == kindProof || f.Err != nil {
		v.found(f)
	}
}

// Bundle verifies a bundle, entry by entry. An error means that it could not be
// read to its end; findings so far stand.
func (v *Verifier) Bundle(name string, r io.Reader) error {
	b, err := newReader(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	v.begin(name)
	defer v.end()
	bad := v.summary.Bad
	for {
		e, err := b.next()
		if err == io.EOF {
			v.settleClaims()
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.entry(fmt.Sprintf("%s, entry %d", name, b.n), e, b.n == 1)
		if v.summary.Bad-bad > maxBad {
			return fmt.Errorf("%s: %w: more than %d parts do not hold, the rest was not looked at", name, ErrBundle, maxBad)
		}
	}
}

// begin forgets what another bundle brought: its keys and where its logs stood.
func (v *Verifier) begin(name string) {
	v.file = newFile(name)
	for _, l := range v.logs {
		l.brought, l.walk = nil, nil
	}
	v.waiting = 0
	clear(v.notes)
}

func (v *Verifier) end() {
	v.closeWalks()
	v.begin("")
	v.file = nil
}

// Close ends the verification; findings are complete then.
func (v *Verifier) Close() { v.closeWalks() }

func (v *Verifier) entry(name string, e entry, first bool) {
	if first != (e.kind == kindSummary) {
		v.found(Finding{Verdict: Bad, Name: name, Err: fmt.Errorf("%w: the summary is the first entry, and only that", errEntry)})
		return
	}
	switch e.kind {
	case kindSummary:
		v.file.summary = e.body
	case kindKey:
		v.key(name, e.words)
	case kindCosigner:
		v.cosigner(name, e.words)
	case kindProof, kindBasis:
		v.proof(name, e.kind, e.body)
	case kindFrontier:
		v.frontier(name, e.body)
	case kindRun:
		v.run(name, e.body)
	case kindHole:
		v.hole(name, e.body)
	case kindSegment:
		v.segment(name, e.body)
	case kindCheckpoint:
		v.checkpoint(name, e.body)
	}
}
