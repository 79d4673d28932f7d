package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/carry"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
	"github.com/linewatch/linewatch/shared/wire"
)

// journalLog is what is told of one log of an exported journal.
type journalLog struct {
	File     string `json:"file"`
	Origin   string `json:"origin"`
	State    string `json:"state"`
	First    uint64 `json:"first"`             // index of the first leaf in the file
	Size     uint64 `json:"size"`              // behind the last one
	Receipt  uint64 `json:"receipt"`           // size that the aggregator had confirmed
	Problem  string `json:"problem,omitempty"` // why the export ends before the log does
	DataKeys int    `json:"data_keys"`         // wrapped keys of sealed fields, counted in each segment
	LostKeys int    `json:"lost_data_keys"`    // those that the station declares lost
}

// verifyOneLog verifies the segments of one log, given by their name.
func verifyOneLog(v *bundle.Verifier, rep *report, name string) error {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer root.Close()
	return named(filepath.Dir(name), verifyLog(v, rep, root.FS(), filepath.Dir(name), filepath.Base(name)))
}

// named puts the folder before what went wrong in it: names in a root are short.
func named(folder string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", folder, err)
}

// verifyLog verifies the segments of one log of an exported journal.
func verifyLog(v *bundle.Verifier, rep *report, fsys fs.FS, folder, name string) error {
	r, err := carry.Open(fsys, name)
	if err != nil {
		return err
	}
	defer r.Close()
	start, err := r.Head.Start()
	if err != nil {
		return err
	}
	h := r.Head
	at := journalLog{File: filepath.Join(folder, name), Origin: h.Registration.Origin, State: h.State, First: h.First, Size: h.Size, Problem: h.Problem}
	if c, err := evidence.PeekCheckpoint([]byte(h.Receipt)); err == nil {
		at.Receipt = c.Size
	}
	err = v.Segments(bundle.Segments{
		Origin: h.Registration.Origin, Keys: h.KeyRanges(), Start: start, Receipt: []byte(h.Receipt), Next: r.Next,
		Place: func() string { return filepath.Join(folder, r.Place()) },
		Judge: func(s *wire.Segment) error {
			present, lost, err := carry.DataKeys(s)
			at.DataKeys, at.LostKeys = at.DataKeys+present, at.LostKeys+lost
			return err
		},
	})
	if len(rep.journals) < maxOtherShown {
		rep.journals = append(rep.journals, at)
	}
	return err
}

// index says whether all logs of an export are there.
func (r *report) index(fsys fs.FS, name string) error {
	x, err := carry.ReadIndex(fsys, name[:len(name)-len(carry.IndexName)])
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range x.Logs {
		file := carry.Name(path.Dir(name), e.Log)
		h, err := carry.ReadHead(fsys, file)
		if err == nil {
			if _, err = fs.Stat(fsys, file); err != nil {
				err = fmt.Errorf("%w: %s is missing", carry.ErrExport, file)
			}
		}
		if err == nil && (h.First != e.First || h.Size != e.Size || h.Registration.Origin != e.Origin) {
			err = fmt.Errorf("%s: %w: it is not the one that %s names", file, carry.ErrExport, carry.IndexName)
		}
		if err != nil && len(failed) < maxBadShown {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// whole says, once for a folder, that an export in it has no index.
func (r *report) whole(fsys fs.FS, dir string) error {
	if _, err := fs.Stat(fsys, path.Join(dir, carry.IndexName)); !errors.Is(err, fs.ErrNotExist) || r.looked[dir] {
		return nil
	}
	if r.looked == nil {
		r.looked = map[string]bool{}
	}
	r.looked[dir] = true
	return fmt.Errorf("%w: %s is missing: the export did not come to its end, or not all of it was copied (what is there can be verified file by file)",
		carry.ErrExport, path.Join(dir, carry.IndexName))
}

func (r *report) journal(l *journalLog) {
	fmt.Fprintf(r.out, "%s: log %s\n  leaves %d to %d, %s, confirmed by the aggregator up to %d; %d wrapped data keys, %d declared lost\n",
		bundle.Printable(l.File), bundle.Printable(l.Origin), l.First, l.Size, bundle.Printable(l.State), l.Receipt, l.DataKeys, l.LostKeys)
	if l.Problem != "" {
		fmt.Fprintf(r.out, "  INCOMPLETE: the station could not read on: %s\n", bundle.Printable(l.Problem))
	}
}
