package bundle

import (
	"io"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Segments is one log as a station hands it out: its segments one behind the
// other. Nothing beside them is trusted.
type Segments struct {
	Origin  string
	Keys    []evidence.KeyRange // that came with it
	Start   evidence.Range      // of the leaves before the first segment
	Receipt []byte              // the newest one, nil without
	// Next returns the next segment, io.EOF behind the last one; any other error ends
	// the log there.
	Next func() (*wire.Segment, error)
	// Place names the segment that Next returned last.
	Place func() string
	// Judge may find fault with what is beside the signed part of a segment.
	Judge func(*wire.Segment) error
}

// Segments verifies one log. The error is that of Next; findings so far stand.
func (v *Verifier) Segments(log Segments) error {
	v.begin("")
	v.file = nil
	defer v.end()
	l, err := v.walked(log.Origin, nil)
	if err != nil {
		return err
	}
	l.brought, l.walk.tree = log.Keys, log.Start
	l.walk.settled = log.Start.End
	receipt, _ := evidence.PeekCheckpoint(log.Receipt) // a wrong one has size 0 and is never reached
	for {
		s, err := log.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		f := Finding{Verdict: Bad, Name: log.Place(), Origin: log.Origin, Index: s.First, Size: s.End()}
		if log.Judge != nil {
			if err := log.Judge(s); err != nil {
				v.found(Finding{Verdict: Bad, Name: f.Name, Origin: f.Origin, Index: f.Index, Size: f.Size, Err: err})
			}
		}
		if err := v.grow(f, l, s, receipt.Size, log.Receipt); err != nil {
			v.spoil(f, err)
		}
		if l.walk.bad {
			return nil // what follows can't be judged
		}
	}
}

// grow extends a log by a segment and settles its checkpoint. A receipt over a
// part of it is settled where it stands.
func (v *Verifier) grow(f Finding, l *logState, s *wire.Segment, receipted uint64, receipt []byte) error {
	if err := l.walk.ready(f.Name, s.First); err != nil {
		return err
	}
	if s.Kind == wire.KindLeaves && s.First < receipted && receipted < s.End() {
		first, rest := *s, *s
		first.Leaves, rest.Leaves = s.Leaves[:receipted-s.First], s.Leaves[receipted-s.First:]
		if err := l.walk.extend(&first); err != nil {
			return err
		}
		v.settle(Finding{Name: "receipt in " + f.Name, Origin: f.Origin, Index: s.First, Size: receipted}, l, receipt)
		s = &rest
	}
	if l.walk.bad {
		return nil
	}
	if err := l.walk.extend(s); err != nil {
		return err
	}
	v.settle(f, l, []byte(s.Checkpoint))
	if s.End() == receipted && !l.walk.bad {
		v.settle(Finding{Name: "receipt in " + f.Name, Origin: f.Origin, Index: s.First, Size: receipted}, l, receipt)
	}
	return nil
}
