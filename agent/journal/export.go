package journal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/version"
	"github.com/linewatch/linewatch/shared/wire"
)

// Packed is one segment as it would be sent.
type Packed struct {
	Next   uint64 // index behind it
	Leaves uint64 // in it; fewer than Next says where it is a hole
	Body   []byte
}

// Exporter hands out what a journal keeps: the journal itself, or a running agent
// that is asked for it.
type Exporter interface {
	Heads(ctx context.Context) ([]carry.Head, error)
	// Packed returns the segment of a log that begins at an index, nil at its end.
	Packed(ctx context.Context, log string, from uint64) (*Packed, error)
}

// Heads lists the logs that are kept.
func (j *Journal) Heads(context.Context) ([]carry.Head, error) {
	var out []carry.Head
	for _, l := range j.Logs() {
		reg, err := j.Registration(l.ID)
		if err != nil {
			return nil, err
		}
		h := carry.Head{Log: l.ID, State: l.State, Registration: reg, First: l.Kept, Size: l.Size}
		if err := j.head(&h); err != nil {
			return nil, fmt.Errorf("head of %s: %w", l.Origin, err)
		}
		out = append(out, h)
	}
	return out, nil
}

// head adds what a verifier needs who has nothing else of the log: its keys, and
// the tree before the first leaf that is kept.
func (j *Journal) head(h *carry.Head) error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	l := j.logs[h.Log]
	if l == nil {
		return errAbsent
	}
	for _, k := range l.rec.Keys {
		h.Keys = append(h.Keys, carry.Key{Key: k.Key, After: k.After, Last: k.Last})
	}
	h.Receipt = string(l.receipt.note)
	for _, f := range j.files {
		if rec, ok := f.logs[h.Log]; ok {
			h.First, h.Frontier = rec.Start, rec.Frontier
			return nil
		}
	}
	h.First, h.Size = l.size, l.size
	var err error
	h.Frontier, err = l.front.MarshalBinary()
	return err
}

// Packed returns the segment of a log that begins at an index, nil at its end.
func (j *Journal) Packed(ctx context.Context, log string, from uint64) (*Packed, error) {
	seg, err := j.Next(ctx, log, from, 1<<20)
	if err != nil || seg == nil {
		return nil, err
	}
	seg.Header.Lost = seg.Lost // who reads the export has none of the data keys yet
	for id, blob := range seg.Keys {
		if seg.Header.Keys == nil {
			seg.Header.Keys = map[string]string{}
		}
		seg.Header.Keys[id] = base64.StdEncoding.EncodeToString(blob)
	}
	body, err := wire.AppendSegment(nil, seg.Header, seg.Leaves)
	if err != nil {
		return nil, err
	}
	return &Packed{Next: from + seg.Header.Count, Leaves: uint64(len(seg.Leaves)), Body: body}, nil
}

// ErrIncomplete says that an export holds less than the journal should.
var ErrIncomplete = errors.New("the export is not complete")

// Export writes all that is kept into dir, see package carry. A log that is there
// already is not written over. What can't be read of one log ends its part and not
// the export, which then returns [ErrIncomplete] with the reasons; all that is
// written is good. It returns the number of leaves; progress counts indexes and may
// be nil.
func Export(ctx context.Context, from Exporter, station, dir string, progress func(done, total uint64)) (uint64, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	if err := vacant(dir); err != nil {
		return 0, err
	}
	heads, err := from.Heads(ctx)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	var all, done, leaves uint64
	for _, h := range heads {
		all += h.Size - h.First
	}
	x := carry.Index{Format: carry.Format, Station: station, Version: version.String(), Created: time.Now().UTC(), Logs: []carry.Entry{}}
	var problems []error
	for _, h := range heads {
		indexes := h.Size - h.First
		n, err := exportLog(ctx, from, dir, &h, func(at uint64) { progress(done+min(at-h.First, indexes), all) })
		leaves += n
		if err != nil {
			return leaves, fmt.Errorf("export %s: %w", h.Registration.Origin, err)
		}
		if h.Problem != "" {
			problems = append(problems, fmt.Errorf("log %s ends at leaf %d: %s", h.Registration.Origin, h.Size, h.Problem))
		}
		if o, err := evidence.ParseOrigin(h.Registration.Origin); err == nil {
			x.Agent = o.Agent
		}
		x.Logs = append(x.Logs, carry.Entry{Log: h.Log, Origin: h.Registration.Origin, First: h.First, Size: h.Size})
		done += indexes
	}
	if err := carry.WriteJSON(filepath.Join(dir, carry.IndexName), x); err != nil {
		return leaves, fmt.Errorf("export: %w", err)
	}
	if len(problems) > 0 {
		return leaves, fmt.Errorf("%w: %w", ErrIncomplete, errors.Join(problems...))
	}
	return leaves, nil
}

// vacant makes the folder, and refuses one with an export in it.
func vacant(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*"+carry.Segments))
	if err == nil && len(old) == 0 {
		old, err = filepath.Glob(filepath.Join(dir, carry.IndexName))
	}
	if err == nil && len(old) > 0 {
		err = fmt.Errorf("%s is there already; choose an empty folder", old[0])
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func exportLog(ctx context.Context, from Exporter, dir string, h *carry.Head, progress func(at uint64)) (n uint64, err error) {
	f, err := os.OpenFile(filepath.Join(dir, h.Log+carry.Segments), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at := h.First
	for at < h.Size && h.Problem == "" {
		seg, err := from.Packed(ctx, h.Log, at)
		switch {
		case ctx.Err() != nil:
			return n, ctx.Err()
		case err != nil:
			h.Problem = err.Error()
		case seg == nil || seg.Next <= at:
			h.Problem = fmt.Sprintf("there is nothing behind leaf %d of %d", at, h.Size)
		default:
			if _, err := f.Write(seg.Body); err != nil {
				return n, err
			}
			at, n = seg.Next, n+seg.Leaves
			h.Size = max(h.Size, at) // a segment may reach beyond what the log had
			progress(at)
		}
	}
	h.Size = at
	if err := f.Sync(); err != nil {
		return n, err
	}
	return n, carry.WriteJSON(filepath.Join(dir, h.Log+carry.Heads), h)
}
