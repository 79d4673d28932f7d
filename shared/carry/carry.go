// Package carry is the folder in which a station's journal is carried where no
// network leads: what linewatch-agent journal export writes, and what is read of it
// to verify it or to bring it in. Nothing in it is believed: the segments carry
// their signatures, and what stands beside them is compared with these.
package carry

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Names in the folder. Each log has two files, named by its id.
const (
	// IndexName is written last: without it the export did not come to its end, or
	// not all of it was copied.
	IndexName = "export.json"
	// Segments is the extension of the segments of a log, one behind the other.
	Segments = ".segments"
	// Heads is the extension of what is said of a log.
	Heads = ".json"
)

// Format is the value of Index.Format.
const Format = "linewatch-export@v1"

// Limits of what is read.
const (
	maxHead = 1 << 20
	maxKeys = 64
	maxLogs = 10_000
)

// ErrExport says that a folder, or a file of it, is not what an export writes.
var ErrExport = errors.New("not an export as it was written")

// Index is export.json: what belongs to the export.
type Index struct {
	Format  string    `json:"format"`
	Agent   string    `json:"agent"`
	Station string    `json:"station"`
	Version string    `json:"version"` // of the program that wrote it
	Created time.Time `json:"created"`
	Logs    []Entry   `json:"logs"`
}

// Entry names one log of an export.
type Entry struct {
	Log    string `json:"log"`
	Origin string `json:"origin"`
	First  uint64 `json:"first"`
	Size   uint64 `json:"size"`
}

// Head is the .json beside the segments of a log.
type Head struct {
	Log          string               `json:"log"`
	State        string               `json:"state"` // active, closed, superseded (its successor carries what had no receipt)
	Registration wire.LogRegistration `json:"registration"`
	Keys         []Key                `json:"keys"`
	First        uint64               `json:"first"`    // index of the first leaf that is in the export
	Size         uint64               `json:"size"`     // behind the last one
	Frontier     []byte               `json:"frontier"` // compact range [0, first), see evidence.Range
	Receipt      string               `json:"receipt,omitempty"`
	// Problem says why the export of this log ends before the log does.
	Problem string `json:"problem,omitempty"`
}

// Key is a key of a log with the sizes after < size ≤ last that it signs; last 0
// has no end.
type Key struct {
	Key   []byte `json:"key"`
	After uint64 `json:"after"`
	Last  uint64 `json:"last"`
}

// KeyRanges returns the keys as a verifier takes them.
func (h *Head) KeyRanges() []evidence.KeyRange {
	out := make([]evidence.KeyRange, len(h.Keys))
	for i, k := range h.Keys {
		out[i] = evidence.KeyRange{Key: ed25519.PublicKey(k.Key), After: k.After, Last: k.Last}
	}
	return out
}

// Start returns the compact range of the leaves before the first one.
func (h *Head) Start() (r evidence.Range, err error) {
	if len(h.Frontier) == 0 && h.First == 0 {
		return r, nil
	}
	if err := r.UnmarshalBinary(h.Frontier); err != nil || r.Begin != 0 || r.End != h.First {
		return r, fmt.Errorf("%w: the frontier is not that of %d leaves", ErrExport, h.First)
	}
	return r, nil
}

// check refuses what can't be the head of the log with this id.
func (h *Head) check(id string) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrExport}, args...)...)
	}
	o, err := evidence.ParseOrigin(h.Registration.Origin)
	switch {
	case err != nil:
		return fail("%w", err)
	case h.Log != id || o.Log != id:
		return fail("it speaks of log %q under the name %s", clip(o.Log), clip(id))
	case h.First > h.Size || h.Size > evidence.MaxSize:
		return fail("leaves from %d to %d", h.First, h.Size)
	case len(h.Keys) == 0 || len(h.Keys) > maxKeys:
		return fail("%d keys", len(h.Keys))
	}
	after := uint64(0)
	for i, k := range h.Keys {
		if len(k.Key) != ed25519.PublicKeySize || k.After != after || (k.Last == 0) != (i == len(h.Keys)-1) || k.Last != 0 && k.Last <= after {
			return fail("the keys do not follow one another")
		}
		after = k.Last
	}
	if _, err := h.Start(); err != nil {
		return err
	}
	return h.proved()
}

// proved compares the registration with its key: it is signed in part only, and
// the rest is compared with the log's first leaf.
func (h *Head) proved() error {
	key, err1 := base64.StdEncoding.DecodeString(h.Registration.PublicKey)
	proof, err2 := base64.StdEncoding.DecodeString(h.Registration.Proof)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(key, h.Keys[0].Key) ||
		!ed25519.Verify(h.Keys[0].Key, []byte(wire.LogProofPrefix+h.Registration.Origin), proof) {
		return fmt.Errorf("%w: the registration is not proved by the log's first key", ErrExport)
	}
	return nil
}

// ReadIndex reads export.json in a folder.
func ReadIndex(fsys fs.FS, dir string) (*Index, error) {
	name := path.Join(dir, IndexName)
	var x Index
	if err := readJSON(fsys, name, &x); err != nil {
		return nil, err
	}
	if x.Format != Format {
		return nil, fmt.Errorf("%s: %w: format %q, this program reads %s", name, ErrExport, clip(x.Format), Format)
	}
	if len(x.Logs) > maxLogs {
		return nil, fmt.Errorf("%s: %w: %d logs", name, ErrExport, len(x.Logs))
	}
	for i, e := range x.Logs {
		o, err := evidence.ParseOrigin(e.Origin)
		if err != nil || o.Log != e.Log || slices.ContainsFunc(x.Logs[:i], func(b Entry) bool { return b.Log == e.Log }) {
			return nil, fmt.Errorf("%s: %w: log %q is named wrongly, or twice", name, ErrExport, clip(e.Log))
		}
	}
	return &x, nil
}

// ReadHead reads what stands beside the segments of a log; file is the name of
// these. It says whether the two belong together, not whether they hold.
func ReadHead(fsys fs.FS, file string) (*Head, error) {
	id := strings.TrimSuffix(path.Base(file), Segments)
	name := path.Join(path.Dir(file), id+Heads)
	var h Head
	err := readJSON(fsys, name, &h)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: %s belongs to it and is not beside it", file, ErrExport, path.Base(name))
	}
	if err != nil {
		return nil, err
	}
	if err := h.check(id); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &h, nil
}

func readJSON(fsys fs.FS, name string, into any) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err // names the file
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHead+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxHead {
		return fmt.Errorf("%s: %w: more than %d bytes", name, ErrExport, maxHead)
	}
	if err := wire.DecodeExact(data, into); err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrExport, jsonError(err))
	}
	return nil
}

// jsonError drops the name of a Go type, which means nothing to people.
func jsonError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is a %s", wrong.Field, wrong.Value)
	}
	return err
}

// clip bounds foreign text in an error.
func clip(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}
