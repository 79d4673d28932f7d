package seal

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
)

// ErrDestroyed says that a text is no list of destroyed keys, or not a signed one.
var ErrDestroyed = errors.New("no signed list of destroyed keys")

const (
	destroyedMagic = "linewatch/destroyed/v1"
	// maxDestroyed bounds the ids of a list (65 bytes each).
	maxDestroyed = 4 << 20
)

// Destroyed is the list of the data keys that were destroyed: whoever holds a
// copy of one deletes it, and nobody ever stores one again. Lists are numbered
// and only grow.
type Destroyed struct {
	Number uint64   // 0: the empty list that was never signed
	IDs    []string // hex key ids, sorted, each once
}

// Has tells whether a key was destroyed.
func (d Destroyed) Has(id string) bool {
	_, found := slices.BinarySearch(d.IDs, id)
	return found
}

// With returns the next list: one number higher, with these ids added.
func (d Destroyed) With(ids []string) (Destroyed, error) {
	next := Destroyed{Number: d.Number + 1, IDs: slices.Concat(d.IDs, ids)}
	for _, id := range ids {
		if !ValidID(id) {
			return d, fmt.Errorf("destroyed keys: %w: an id is no SHA-256 in hex", ErrDestroyed)
		}
	}
	slices.Sort(next.IDs)
	next.IDs = slices.Compact(next.IDs)
	if len(next.IDs) > maxDestroyed {
		return d, fmt.Errorf("destroyed keys: %w: more than %d ids", ErrDestroyed, maxDestroyed)
	}
	return next, nil
}

func (d Destroyed) lines() []byte {
	out := make([]byte, 0, 65*len(d.IDs))
	for _, id := range d.IDs {
		out = append(append(out, id...), '\n')
	}
	return out
}

// Hash is the hex SHA-256 over the ids, each followed by LF; "" for the list
// number 0.
func (d Destroyed) Hash() string {
	if d.Number == 0 {
		return ""
	}
	sum := sha256.Sum256(d.lines())
	return hex.EncodeToString(sum[:])
}

// Sign writes the list: a signed note with number, count and hash, an empty line,
// the ids.
func (d Destroyed) Sign(name string, key crypto.Signer) ([]byte, error) {
	text := fmt.Appendf(nil, "%s\n%d\n%d\n%s\n", destroyedMagic, d.Number, len(d.IDs), d.Hash())
	note, err := evidence.SignNote(text, name, key)
	if err != nil {
		return nil, fmt.Errorf("destroyed keys: %w", err)
	}
	return append(append(note, '\n'), d.lines()...), nil
}

// OpenDestroyed reads a signed list. It is refused unless one of the keys signed
// it and nothing of it was changed.
func OpenDestroyed(data []byte, keys []evidence.CosignerKey) (Destroyed, error) {
	fail := func(why string) (Destroyed, error) { return Destroyed{}, fmt.Errorf("%w: %s", ErrDestroyed, why) }
	first := bytes.Index(data, []byte("\n\n"))
	if first < 0 {
		return fail("no note")
	}
	second := bytes.Index(data[first+2:], []byte("\n\n"))
	if second < 0 {
		return fail("no end of the note")
	}
	head, rest := data[:first+2+second+1], data[first+2+second+2:]
	text, _, err := evidence.OpenNote(head, keys)
	if err != nil {
		return Destroyed{}, fmt.Errorf("%w: %w", ErrDestroyed, err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 5 || lines[0] != destroyedMagic {
		return fail("header")
	}
	d := Destroyed{}
	count := 0
	d.Number, err = strconv.ParseUint(lines[1], 10, 63)
	if err == nil {
		count, err = strconv.Atoi(lines[2])
	}
	if err != nil || d.Number == 0 || count < 0 || count > maxDestroyed || len(rest) != 65*count ||
		lines[1] != strconv.FormatUint(d.Number, 10) || lines[2] != strconv.Itoa(count) {
		return fail("number or count")
	}
	d.IDs = make([]string, count)
	for i := range d.IDs {
		line := rest[65*i : 65*i+65]
		d.IDs[i] = string(line[:64])
		if line[64] != '\n' || !ValidID(d.IDs[i]) || i > 0 && d.IDs[i-1] >= d.IDs[i] {
			return fail("ids")
		}
	}
	if d.Hash() != lines[3] {
		return fail("hash")
	}
	return d, nil
}
