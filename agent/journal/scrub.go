package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// scrubEvery is the pause between two scrubs of all closed files.
const scrubEvery = 24 * time.Hour

// scrubLoop reads and re-hashes every closed file once after the start and then
// once a day, slowly, so that bit rot is met while there is still a next file
// whose header can bridge it.
func (j *Journal) scrubLoop() {
	if j.opts.ScrubRate < 0 {
		return
	}
	for {
		j.scrub()
		timer := time.NewTimer(scrubEvery)
		select {
		case <-timer.C:
		case <-j.stop:
			timer.Stop()
			return
		}
	}
}

// scrub verifies the closed files that are not known to be damaged.
func (j *Journal) scrub() {
	j.mu.RLock()
	var todo []*fileInfo
	for _, f := range j.files[:len(j.files)-1] {
		if f.bad == nil {
			todo = append(todo, f)
		}
	}
	j.mu.RUnlock()
	for _, f := range todo {
		err := j.verifyFile(f, j.stop)
		if errors.Is(err, os.ErrNotExist) && !j.listedNow(f) {
			continue // removed meanwhile, as it should be
		}
		if errors.Is(err, ErrClosed) {
			return
		}
		if err != nil && unavailable(err) {
			j.log.Warn("journal file not read over", "file", filepath.Base(f.path), "error", err)
			continue
		}
		if err != nil {
			// It fails only at Close; the damage is then found again.
			_ = j.do(context.Background(), func() error { return j.damaged(&fileError{f, err}) })
		}
	}
	j.mu.Lock()
	j.scrubbed = j.opts.Now()
	j.mu.Unlock()
}

func (j *Journal) listedNow(f *fileInfo) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for _, g := range j.files {
		if g == f {
			return true
		}
	}
	return false
}

// verifyFile re-hashes all logs of a closed file, at most ScrubRate bytes a second.
func (j *Journal) verifyFile(f *fileInfo, stop <-chan struct{}) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	slow := &slowReader{r: file, rate: j.opts.ScrubRate, stop: stop}
	p, err := openPages(slow, st.Size())
	if err != nil {
		return err
	}
	h, err := readHeader(p)
	if err != nil {
		return err
	}
	for id, rec := range h.logs {
		size, err := verifyLog(p, id, rec)
		if err != nil {
			return err
		}
		if end, ok := j.endAfter(f, id); ok && size != end {
			return fmt.Errorf("log %s ends at %d, the next file begins at %d: %w", rec.Origin, size, end, errDamaged)
		}
	}
	return nil
}

// endAfter is where the files behind f say that a log ended in it; ok is false
// when none does.
func (j *Journal) endAfter(f *fileInfo, id string) (end uint64, ok bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for i, g := range j.files {
		if g != f {
			continue
		}
		for _, h := range j.files[i+1:] {
			if rec, ok := h.logs[id]; ok {
				return rec.Start, true
			}
		}
	}
	return 0, false
}

// verifyLog re-hashes a log in a file from its start and returns where it ends.
func verifyLog(p *pages, id string, rec logRecord) (uint64, error) {
	t, err := startOf(rec)
	if err != nil {
		return 0, err
	}
	bucket, err := p.bucket(leafPrefix + id)
	if errors.Is(err, errAbsent) {
		return rec.Start, nil
	}
	if err != nil {
		return 0, err
	}
	w := walk{origin: rec.Origin, front: t.front}
	err = w.over(bucket, rec.Start)
	return w.front.End, err
}

// slowReader pauses so that reading disturbs nobody.
type slowReader struct {
	r    io.ReaderAt
	rate int64
	stop <-chan struct{}
	read int64
}

func (s *slowReader) ReadAt(p []byte, off int64) (int, error) {
	if s.read += int64(len(p)); s.rate > 0 && s.read >= s.rate/10 {
		timer := time.NewTimer(time.Duration(s.read) * time.Second / time.Duration(s.rate))
		s.read = 0
		select {
		case <-timer.C:
		case <-s.stop:
			timer.Stop()
			return 0, ErrClosed
		}
	}
	return s.r.ReadAt(p, off)
}
