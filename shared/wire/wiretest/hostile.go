package wiretest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Attack is one way to cheat with a segment.
type Attack struct {
	Name string
	// Make returns the hostile segment for a log that has at least one commit, all
	// of it stored. The log itself is not changed: its honest next commit must be
	// stored after the attack, but after a fork.
	Make func(l *Log) Segment
	Want string // result, one of wire.Result…
}

// Attacks returns what a hostile agent or relay can try with one segment.
func Attacks() []Attack {
	refused := wire.ResultRefused
	return []Attack{
		{"signed by another key", wrongKey, refused},
		{"one bit of a leaf changed", changed(func(l [][]byte) [][]byte {
			l[1] = slices.Clone(l[1])
			l[1][3] ^= 1
			return l
		}), refused},
		{"leaf dropped", changed(func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }), refused},
		{"leaf inserted", changed(func(l [][]byte) [][]byte { return slices.Insert(l, 1, []byte(`{}`)) }), refused},
		{"leaves reordered", changed(func(l [][]byte) [][]byte { l[0], l[1] = l[1], l[0]; return l }), refused},
		{"count says less than the frame has", header(func(h *wire.Header) { h.Count-- }), refused},
		{"first is later", header(func(h *wire.Header) { h.First++; h.Count-- }), refused},
		{"signature changed", header(func(h *wire.Header) { h.Checkpoint = flip(h.Checkpoint, len(h.Checkpoint)-30) }), refused},
		{"root changed", header(func(h *wire.Header) { h.Checkpoint = flip(h.Checkpoint, strings.Index(h.Checkpoint, "\n\n")-20) }), refused},
		{"checkpoint is not a note", header(func(h *wire.Header) { h.Checkpoint = "hello" }), refused},
		{"unknown kind", header(func(h *wire.Header) { h.Kind = "both" }), refused},
		{"frame is not zstd", func(l *Log) Segment {
			s := l.Clone().CommitN(3)
			s.Frame = []byte("not a frame")
			return s
		}, refused},
		{"a batch left out", func(l *Log) Segment {
			c := l.Clone()
			c.CommitN(2)
			return c.CommitN(2)
		}, wire.ResultGap},
		{"sent again", func(l *Log) Segment {
			s := l.Clone()
			return Segment{Header: wire.Header{
				Origin: l.Origin, Count: l.Tree.End, Kind: wire.KindLeaves, Checkpoint: s.Sign(l.agent.Key),
			}, Leaves: l.Leaves}
		}, wire.ResultStored},
		{"hole with a wrong range", func(l *Log) Segment {
			c := l.Clone()
			c.CommitN(4)
			hole := evidence.RangeOf(l.Tree.End, []evidence.Hash{{1}, {2}, {3}, {4}})
			return Segment{Header: wire.HoleHeader(l.Origin, hole, []byte(c.Sign(l.agent.Key)))}
		}, refused},
	}
}

// Fork returns a segment of a second history: the last leaf of the log is another
// one, and the agent's own key signed it. The log is quarantined after it.
func Fork(l *Log) Segment {
	last := len(l.Leaves) - 1
	c := &Log{Origin: l.Origin, agent: l.agent}
	leaves := slices.Clone(l.Leaves)
	leaves[last] = []byte(`{"another":"history"}`)
	s := c.Commit(leaves...)
	s.First, s.Count, s.Leaves = uint64(last), 1, leaves[last:]
	return s
}

// Impersonate returns a segment of the log of another agent, signed by a.
func (a *Agent) Impersonate(origin string) Segment {
	l := &Log{Origin: origin, agent: a}
	return l.CommitN(3)
}

func wrongKey(l *Log) Segment {
	c := l.Clone()
	s := c.CommitN(3)
	seed := sha256.Sum256([]byte("another key"))
	s.Checkpoint = c.Sign(ed25519.NewKeyFromSeed(seed[:]))
	return s
}

// changed returns an attack that changes the leaves under an honest checkpoint;
// count follows so that only the tree can tell.
func changed(change func([][]byte) [][]byte) func(*Log) Segment {
	return func(l *Log) Segment {
		s := l.Clone().CommitN(3)
		s.Leaves = change(slices.Clone(s.Leaves))
		s.Count = uint64(len(s.Leaves))
		return s
	}
}

func header(change func(*wire.Header)) func(*Log) Segment {
	return func(l *Log) Segment {
		s := l.Clone().CommitN(3)
		change(&s.Header)
		return s
	}
}

// flip replaces one character of base64 by another.
func flip(text string, at int) string {
	b := []byte(text)
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}
