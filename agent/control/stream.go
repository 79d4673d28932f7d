package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// line is one line of a streamed answer: progress, then a result or an error.
type line struct {
	Done   uint64          `json:"done,omitempty"`
	Total  uint64          `json:"total,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// maxSegment bounds what the agent may answer as one segment.
const maxSegment = 64 << 20

// stream answers with lines of progress and, last, the result.
func stream(w http.ResponseWriter, r *http.Request, work func(context.Context, func(done, total uint64)) (any, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	write := func(l line) {
		_ = lines.Encode(l) // the reader went away: its context ends the work
		_ = flush.Flush()
	}
	v, err := work(r.Context(), func(done, total uint64) { write(line{Done: done, Total: total}) })
	var last line
	if err == nil {
		last.Result, err = json.Marshal(v)
	}
	if err != nil {
		last = line{Error: err.Error()}
	}
	write(last)
}

// Verify asks the running agent to verify its journal; progress is called as it
// goes on.
func Verify(ctx context.Context, dataDir string, progress func(done, total uint64), into any) error {
	return call(ctx, http.MethodGet, dataDir, "/journal/verify", nil, func(res *http.Response) error {
		for in := json.NewDecoder(res.Body); ; {
			var l line
			if err := in.Decode(&l); err != nil {
				return fmt.Errorf("control: the agent stopped in the middle of the check: %w", err)
			}
			switch {
			case l.Error != "":
				return errors.New(l.Error)
			case l.Result != nil:
				return json.Unmarshal(l.Result, into)
			}
			progress(l.Done, l.Total)
		}
	})
}

// segment answers with the bytes of one segment, 204 at the end of the log.
func (v Views) segment(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.FormValue("from"), 10, 64)
	if err != nil {
		http.Error(w, "from must be an index", http.StatusBadRequest)
		return
	}
	s, err := v.Segment(r.Context(), r.FormValue("log"), from)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case s == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set(nextHeader, strconv.FormatUint(s.Next, 10))
		w.Header().Set(leavesHeader, strconv.FormatUint(s.Leaves, 10))
		_, _ = w.Write(s.Body) // the reader went away: nothing to do
	}
}

// SegmentOf asks the running agent for one segment of a log, nil at its end.
func SegmentOf(ctx context.Context, dataDir, log string, from uint64) (s *Segment, err error) {
	query := url.Values{"log": {log}, "from": {strconv.FormatUint(from, 10)}}
	err = call(ctx, http.MethodGet, dataDir, "/journal/segment", query, func(res *http.Response) error {
		if res.StatusCode == http.StatusNoContent {
			return nil
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, maxSegment))
		if err != nil {
			return fmt.Errorf("control: segment of %s: %w", log, err)
		}
		next, err1 := strconv.ParseUint(res.Header.Get(nextHeader), 10, 64)
		leaves, err2 := strconv.ParseUint(res.Header.Get(leavesHeader), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("control: segment of %s: %w", log, err)
		}
		s = &Segment{Next: next, Leaves: leaves, Body: body}
		return nil
	})
	return s, err
}
