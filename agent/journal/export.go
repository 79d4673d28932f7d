package journal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/wire"
)

// Exported is the .json beside the exported segments of a log.
type Exported struct {
	Log          string               `json:"log"`
	Registration wire.LogRegistration `json:"registration"`
	First        uint64               `json:"first"` // index of the first leaf that is kept
	Size         uint64               `json:"size"`
	Receipt      string               `json:"receipt,omitempty"`
}

// Packed is one segment as it would be sent.
type Packed struct {
	Next   uint64 // index behind it
	Leaves uint64 // in it; fewer than Next says where it is a hole
	Body   []byte
}

// Exporter hands out what a journal keeps: the journal itself, or a running agent
// that is asked for it.
type Exporter interface {
	Heads(ctx context.Context) ([]Exported, error)
	// Packed returns the segment of a log that begins at an index, nil at its end.
	Packed(ctx context.Context, log string, from uint64) (*Packed, error)
}

// Heads lists the logs that are kept.
func (j *Journal) Heads(context.Context) ([]Exported, error) {
	var out []Exported
	for _, l := range j.Logs() {
		reg, err := j.Registration(l.ID)
		if err != nil {
			return nil, err
		}
		e := Exported{Log: l.ID, Registration: reg, First: l.Kept, Size: l.Size}
		j.mu.RLock()
		if s := j.logs[l.ID]; s != nil {
			e.Receipt = string(s.receipt.note)
		}
		j.mu.RUnlock()
		out = append(out, e)
	}
	return out, nil
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

// Export writes all that is kept into dir: for each log <log id>.json, the
// registration and newest receipt, and <log id>.segments, the segments as they
// would be sent. A log that is there already is not written over. It returns the
// number of leaves; progress counts indexes and may be nil.
func Export(ctx context.Context, from Exporter, dir string, progress func(done, total uint64)) (uint64, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	heads, err := from.Heads(ctx)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	var all, done, leaves uint64
	for _, h := range heads {
		all += h.Size - h.First
	}
	for _, h := range heads {
		n, err := exportLog(ctx, from, dir, h, func(at uint64) { progress(done+at-h.First, all) })
		leaves += n
		if err != nil {
			return leaves, fmt.Errorf("export %s: %w", h.Registration.Origin, err)
		}
		done += h.Size - h.First
	}
	return leaves, durable.SyncDir(dir)
}

func exportLog(ctx context.Context, from Exporter, dir string, h Exported, progress func(at uint64)) (n uint64, err error) {
	path := filepath.Join(dir, h.Log+".segments")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("%s is there already; choose an empty folder", path)
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	for at := h.First; at < h.Size; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		seg, err := from.Packed(ctx, h.Log, at)
		if err != nil {
			return n, err
		}
		if seg == nil || seg.Next <= at {
			return n, fmt.Errorf("ends at %d of %d", at, h.Size)
		}
		if _, err := f.Write(seg.Body); err != nil {
			return n, err
		}
		at, n = seg.Next, n+seg.Leaves
		h.Size = max(h.Size, at) // a segment may reach beyond what the log had
		progress(min(at, h.Size))
	}
	head, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return n, err
	}
	return n, durable.WriteFile(filepath.Join(dir, h.Log+".json"), append(head, '\n'), 0o600)
}
