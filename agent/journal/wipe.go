package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/linewatch/linewatch/shared/seal"
)

// Destroy wipes wrapped data keys that the aggregator destroyed, from memory and
// from every file, so that the station can't bring them back by a refill. Leaves
// stay as they are. The live file is closed for it and the next one begun; in the
// closed ones the bytes are overwritten, also in pages that are free again.
func (j *Journal) Destroy(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	return j.do(ctx, func() error { return j.destroy(gone) })
}

func (j *Journal) destroy(gone map[string]bool) error {
	j.gone = gone // an Append that is under way may still bring one
	j.mu.Lock()
	for _, commits := range j.recent.byLog {
		for _, c := range commits {
			for id := range c.keys {
				if gone[id] {
					delete(c.keys, id)
				}
			}
		}
	}
	j.mu.Unlock()
	if f := j.files[len(j.files)-1]; j.leavesIn(f) > 0 && j.liveHolds(gone) {
		if err := j.startFile(f.seq + j.leavesIn(f)); err != nil {
			return fmt.Errorf("next journal file: %w", err)
		}
	}
	var errs []error
	for _, f := range j.files[:len(j.files)-1] {
		n, err := wipe(f.path, gone)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
		if n > 0 {
			j.log.Info("destroyed data keys wiped", "file", filepath.Base(f.path), "places", n)
		}
	}
	return errors.Join(errs...)
}

// liveHolds tells whether one of the keys is in the live file.
func (j *Journal) liveHolds(gone map[string]bool) bool {
	held := false
	for id := range gone {
		err := j.readFile(j.files[len(j.files)-1], func(p *pages) error {
			blob, err := readKey(p, id)
			held = held || blob != nil
			return err
		})
		if held || err != nil {
			return true
		}
	}
	return false
}

// wipeChunk is how much of a file is looked at at once.
const wipeChunk = 1 << 20

// wipe overwrites every copy of these blobs in a file and returns how many there were.
func wipe(path string, gone map[string]bool) (int, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("wipe data keys: %w", err)
	}
	defer f.Close()
	places := 0
	buf := make([]byte, wipeChunk+seal.MaxBlob)
	for at := int64(0); ; at += wipeChunk {
		n, err := f.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return places, fmt.Errorf("wipe data keys in %s: %w", filepath.Base(path), err)
		}
		wiped, werr := wipeIn(f, buf[:n], at, gone)
		if places += wiped; werr != nil {
			return places, fmt.Errorf("wipe data keys in %s: %w", filepath.Base(path), werr)
		}
		if err != nil || n < len(buf) {
			break
		}
	}
	if places == 0 {
		return 0, nil
	}
	if err := f.Sync(); err != nil {
		return places, fmt.Errorf("wipe data keys in %s: %w", filepath.Base(path), err)
	}
	return places, nil
}

// wipeIn overwrites the blobs that begin in the first chunk of buf.
func wipeIn(f *os.File, buf []byte, at int64, gone map[string]bool) (places int, err error) {
	for i := 0; ; {
		k := bytes.Index(buf[i:], []byte(seal.Magic))
		if k < 0 || i+k >= wipeChunk {
			return places, nil
		}
		i += k
		if n := seal.BlobSize(buf[i:]); n > 0 && gone[seal.KeyID(buf[i:i+n])] {
			if _, err := f.WriteAt(make([]byte, n), at+int64(i)); err != nil {
				return places, err
			}
			places++
		}
		i += len(seal.Magic)
	}
}
