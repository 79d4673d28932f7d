package evidence

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

// LineState is what became of one signature line.
type LineState uint8

// The states of a line.
const (
	// LineUnknown: no key given has this name and id; nobody judged it.
	LineUnknown LineState = iota
	// LineGood: the key made it, and may sign this size.
	LineGood
	// LineForged: it names the key, but the key did not make it.
	LineForged
	// LineRange: the key made it, but this size is not its own.
	LineRange
)

// Line is one signature line of a note with what was found out about it.
type Line struct {
	Name  string
	State LineState
	Log   ed25519.PublicKey // the log's key that the line names, nil for a cosigner's
	By    CosignerKey       // the cosigner that the line names
	At    time.Time         // of a good cosignature
}

// Lines reads a signed checkpoint and judges each of its signature lines, once:
// by the keys of its log, under the ranges given, and by the cosigners given. Of
// one name at most four lines are judged, the others are [LineUnknown]; a line
// that is repeated counts like the first.
func Lines(data []byte, keys []KeyRange, cosigners []CosignerKey) (Checkpoint, []Line, error) {
	n, err := parseNote(data)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	c, err := ParseCheckpoint(n.text)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("checkpoint: %w", err)
	}
	lines := make([]Line, len(n.sigs))
	tried := map[string]int{}
	for i, s := range n.sigs {
		lines[i].Name = s.name
		if tried[s.name]++; tried[s.name] > maxLines {
			continue
		}
		if s.name == c.Origin {
			lines[i] = logLine(n, c, s, keys)
		} else {
			lines[i] = cosignerLine(n, s, cosigners)
		}
	}
	return c, lines, nil
}

func logLine(n note, c Checkpoint, s signature, keys []KeyRange) Line {
	line := Line{Name: s.name}
	for _, k := range keys {
		if len(k.Key) != ed25519.PublicKeySize || s.id != keyID(c.Origin, algEd25519, k.Key) {
			continue
		}
		line.Log = k.Key
		switch {
		case line.State == LineRange && k.Covers(c.Size):
			line.State = LineGood
		case line.State != LineUnknown:
		case !ed25519.Verify(k.Key, n.text, s.sig):
			line.State = LineForged
		case k.Covers(c.Size):
			line.State = LineGood
		default:
			line.State = LineRange
		}
	}
	return line
}

func cosignerLine(n note, s signature, cosigners []CosignerKey) Line {
	line := Line{Name: s.name}
	for _, k := range cosigners {
		if s.name != k.Name || s.id != keyID(k.Name, algCosignature, k.Key) {
			continue
		}
		line.By, line.State = k, LineForged
		if at, ok := k.verify(n.text, s); ok {
			line.State, line.At = LineGood, at
			return line
		}
	}
	return line
}

// PeekCosignatures returns name and time of each line that looks like a
// cosignature, in the order of the note, without checking any of them. Nothing
// that it returns is to be believed.
func PeekCosignatures(data []byte) ([]Line, error) {
	n, err := parseNote(data)
	if err != nil {
		return nil, err
	}
	var out []Line
	for _, s := range n.sigs {
		if unix, _, ok := splitCosignature(s.sig); ok {
			out = append(out, Line{Name: s.name, At: time.Unix(int64(unix), 0).UTC()})
		}
	}
	return out, nil
}
