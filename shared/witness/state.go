package witness

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Why a witness does not cosign.
var (
	// ErrUnknown: it does not follow this log.
	ErrUnknown = errors.New("this witness does not follow this log")
	// ErrUnsigned: no key that it trusts for the log signed the checkpoint.
	ErrUnsigned = errors.New("no trusted key of the log signed this checkpoint")
	// ErrOld: the old size is greater than the new one.
	ErrOld = errors.New("the old size is greater than the checkpoint's")
	// ErrProof: the checkpoint does not extend what the witness cosigned before.
	ErrProof = errors.New("the checkpoint does not extend the one that this witness cosigned before")
)

// ConflictError says that the old size is not the one that the witness knows, or
// that it knows another root of this size.
type ConflictError struct {
	Size uint64 // that the witness cosigned last
	Fork bool   // of this size it knows another root
}

// Error names the size.
func (e *ConflictError) Error() string {
	if e.Fork {
		return fmt.Sprintf("this witness cosigned another root of size %d: two histories", e.Size)
	}
	return fmt.Sprintf("this witness knows size %d", e.Size)
}

// Options says what a witness is. Name, Key, File and Logs are required.
type Options struct {
	Name string        // of its cosignatures
	Key  crypto.Signer // Ed25519
	// File keeps the newest checkpoint of each log. It must never be put back from a
	// backup: a witness that forgot is one that can be made to cosign two histories.
	File string
	// Keys returns the keys that may sign the log with this origin, nil for a log
	// that is not followed.
	Keys func(origin string) []evidence.KeyRange
	Now  func() time.Time
}

// Witness remembers and cosigns. Its methods may be called at the same time.
type Witness struct {
	opts Options

	mu    sync.Mutex
	state map[string]seen // newest cosigned, by origin
}

// seen is the newest checkpoint that was cosigned of a log, with the line by which
// the log's key signed it: should the log ever show another history, these two
// signatures are the proof.
type seen struct {
	evidence.Checkpoint
	line []byte // nil where a state of version 1 has none
}

// note is the signed checkpoint, nil without its line.
func (s seen) note() []byte {
	if len(s.line) == 0 {
		return nil
	}
	return slices.Concat(s.Body(), []byte("\n"), s.line)
}

// parseSeen reads one entry of the state: three lines, and the line that signed them.
func parseSeen(text []byte) (seen, error) {
	end := 0
	for range 3 {
		n := bytes.IndexByte(text[end:], '\n')
		if n < 0 {
			break
		}
		end += n + 1
	}
	c, err := evidence.ParseCheckpoint(text[:end])
	if err != nil {
		return seen{}, err
	}
	s := seen{Checkpoint: c, line: bytes.Clone(text[end:])}
	if note := s.note(); note != nil {
		if _, err := evidence.PeekCheckpoint(note); err != nil {
			return seen{}, err
		}
	}
	return s, nil
}

// maxLogs bounds the logs that a witness remembers.
const maxLogs = 10_000

// stateHeader begins the state, so that an empty file is not taken for one. Version
// 1 had no signature lines.
const (
	stateHeader  = "linewatch-witness-state@v2\n\n"
	stateHeader1 = "linewatch-witness-state@v1\n\n"
)

// New opens the state of a witness; a file that is not there is begun.
func New(o Options) (*Witness, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Witness{opts: o, state: map[string]seen{}}
	text, err := os.ReadFile(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return w, w.write(w.state)
	}
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	rest, ok := bytes.CutPrefix(text, []byte(stateHeader))
	if !ok {
		rest, ok = bytes.CutPrefix(text, []byte(stateHeader1))
	}
	damaged := func(err error) error {
		return fmt.Errorf("witness: state %s is damaged (%w); a witness without its memory must not go on under its key", o.File, err)
	}
	if !ok {
		return nil, damaged(errors.New("first line"))
	}
	for len(rest) > 0 {
		part, after, ok := bytes.Cut(rest, []byte("\n\n"))
		c, err := parseSeen(append(bytes.Clone(part), '\n'))
		if err != nil || !ok {
			return nil, damaged(errors.Join(err, errors.New("a checkpoint")))
		}
		w.state[c.Origin], rest = c, after
	}
	return w, nil
}

// Fresh refuses the file of a key that is there while the state's is not: a
// witness that forgot what it confirmed must not go on under its key.
func Fresh(key, state string) error {
	_, keyErr := os.Stat(key)
	_, stateErr := os.Stat(state)
	if keyErr == nil && errors.Is(stateErr, fs.ErrNotExist) {
		return fmt.Errorf("witness: %s is there, but %s is not: a witness that forgot what it confirmed must not go on under its key; take a new key (move %s away), or put %s where it was", key, state, key, state)
	}
	return nil
}

// Add cosigns the checkpoint of a request if it extends what the witness cosigned
// before, and returns the note's new signature line. The new state is on disk
// before the line exists.
func (w *Witness) Add(r Request) ([]byte, error) {
	peek, err := evidence.PeekCheckpoint(r.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	keys := w.opts.Keys(peek.Origin)
	if len(keys) == 0 {
		return nil, ErrUnknown
	}
	c, err := evidence.OpenCheckpoint(r.Checkpoint, peek.Origin, keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	if r.Old > c.Size {
		return nil, ErrOld
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.state[c.Origin]
	if known.Origin == "" {
		known.Root = evidence.EmptyRoot()
	}
	switch {
	case r.Old != known.Size:
		return nil, &ConflictError{Size: known.Size}
	case c.Size == known.Size && c.Root != known.Root:
		return nil, &ConflictError{Size: known.Size, Fork: true}
	}
	signed, err := evidence.Canonical(r.Checkpoint, c.Origin, keys)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	if err := evidence.VerifyConsistency(known.Size, c.Size, known.Root, c.Root, r.Proof); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if err := w.remember(seen{c, signed[len(c.Body())+1:]}); err != nil {
		return nil, err
	}
	return w.line(c, r.Checkpoint)
}

// line cosigns the text of a checkpoint; lines that others added are left out.
func (w *Witness) line(c evidence.Checkpoint, note []byte) ([]byte, error) {
	signed, err := evidence.Cosign(note, w.opts.Name, w.opts.Key, w.opts.Now())
	if err != nil {
		return nil, fmt.Errorf("witness: %s at %d: %w", c.Origin, c.Size, err)
	}
	return signed[len(note):], nil
}

// remember writes the state with this checkpoint in it, synced, and only then
// believes it itself.
func (w *Witness) remember(c seen) error {
	if _, known := w.state[c.Origin]; !known && len(w.state) >= maxLogs {
		return fmt.Errorf("witness: follows %d logs already", maxLogs)
	}
	next := maps.Clone(w.state)
	next[c.Origin] = c
	if err := w.write(next); err != nil {
		return err
	}
	w.state = next
	return nil
}

// write puts the state on disk, whole or not at all.
func (w *Witness) write(state map[string]seen) error {
	text := []byte(stateHeader)
	for _, origin := range slices.SortedFunc(maps.Keys(state), strings.Compare) {
		text = append(append(append(text, state[origin].Body()...), state[origin].line...), '\n')
	}
	if err := durable.WriteFile(w.opts.File, text, 0o600); err != nil {
		return fmt.Errorf("witness: state: %w", err)
	}
	return nil
}

// Newest returns the newest checkpoint that the witness cosigned of a log; ok is
// false for none.
func (w *Witness) Newest(origin string) (c evidence.Checkpoint, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.state[origin]
	return s.Checkpoint, ok
}

// Shown returns the newest checkpoint that the witness cosigned of a log, as the
// log's key signed it; nil for none.
func (w *Witness) Shown(origin string) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state[origin].note()
}

// Ledgers returns Options.Keys for a witness that follows all logs of the
// aggregators with these keys, by instance.
func Ledgers(keys map[string][]evidence.KeyRange) func(origin string) []evidence.KeyRange {
	return func(origin string) []evidence.KeyRange {
		o, err := evidence.ParseOrigin(origin)
		if err != nil {
			return nil
		}
		instance, _ := o.Aggregator()
		return keys[instance]
	}
}
