package ingest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/query"
	"github.com/linewatch/linewatch/shared/wire"
)

// job is one segment on its way, with everything that can be worked out without
// knowing what is stored.
type job struct {
	seg      *wire.Segment
	author   string // agent id of the origin
	from     string // agent id of the sender
	log      string // log id
	class    event.Class
	hashes   []evidence.Hash
	rows     []row // by leaf
	hole     evidence.Range
	newKey   ed25519.PublicKey // of a log.key leaf at the end
	opened   *uint64           // copies that a log.opened leaf announces
	keys     map[string][]byte // wrapped data keys that came along and that the leaves name
	ids      []string          // of all data keys that the leaves name
	lost     []string          // of those that the station has no more, and nobody has
	station  string            // of the author, where it is the sender
	foreign  string            // a station of its leaves that is outside of its scope
	received time.Time
	offset   time.Duration
	result   wire.Result
	decided  bool // result is final without the store
}

type row struct {
	store.Row
	ok bool
}

// window is what one request has in work between two commits.
type window struct {
	jobs  []*job
	bytes int64
	done  chan struct{} // closed when every job has its result
}

func (w *window) busy(reason string, after time.Duration) {
	for _, j := range w.jobs {
		if !j.decided {
			j.result = wire.Result{Result: wire.ResultBusy, Reason: reason, RetryAfter: max(1, int(after/time.Second))}
		}
	}
}

// take reads the segments of a request, window by window, and returns one
// result for each, in order. An error means that the body could not be read to
// its end; what was read before it may be stored.
func (s *Service) take(r *http.Request, agent store.Agent) ([]wire.Result, error) {
	results := []wire.Result{}
	reader := wire.NewReader(r.Body)
	w := &window{done: make(chan struct{})}
	settle := func() {
		s.submit(r.Context(), w)
		for _, j := range w.jobs {
			results = append(results, j.result)
		}
		w = &window{done: make(chan struct{})}
	}
	for {
		seg, err := reader.Next()
		if err == io.EOF {
			break
		}
		if one, ok := errors.AsType[*wire.SegmentError](err); err != nil && !ok {
			settle()
			return nil, err
		} else if ok {
			w.jobs = append(w.jobs, s.refused(r, agent, seg, "malformed segment", one.Err))
			continue
		}
		j := s.prepare(r, agent, seg)
		w.jobs = append(w.jobs, j)
		for _, leaf := range seg.Leaves {
			w.bytes += int64(len(leaf))
		}
		if w.bytes += int64(len(seg.Frame)); w.bytes > min(s.limits.WindowBytes, s.pace.bytes()) {
			settle()
		}
	}
	settle()
	return results, nil
}

// submit hands a window to the writer and waits for its results.
func (s *Service) submit(ctx context.Context, w *window) {
	if !slices.ContainsFunc(w.jobs, func(j *job) bool { return !j.decided }) {
		return
	}
	select {
	case s.queue <- w:
	case <-s.stopped:
		w.busy("the aggregator is stopping", s.limits.RetryAfter)
		return
	case <-ctx.Done():
		w.busy("the request ended", s.limits.RetryAfter)
		return
	}
	select {
	case <-w.done:
	case <-s.stopped:
		// The writer has ended; it answered this window, or refuseWaiting does.
		s.refuseWaiting()
		<-w.done
	}
}

// refused is a segment that is not even looked up, reported to the ledger.
func (s *Service) refused(r *http.Request, agent store.Agent, seg *wire.Segment, reason string, err error) *job {
	j := &job{seg: seg, decided: true, from: agent.ID}
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	j.result = wire.Result{Result: wire.ResultRefused, Reason: reason}
	if detail != "" {
		j.result.Reason += ": " + text(detail, 300)
	}
	var sample []byte
	origin := agent.ID
	if seg != nil {
		sample = []byte(seg.Checkpoint)
	}
	s.Metrics.Refused.Add(1)
	s.reject(r, origin, reason, detail, sample)
	return j
}

// prepare does all that needs no store: who may send this, the leaves' hashes
// and rows, and the few leaves that change the log itself.
func (s *Service) prepare(r *http.Request, agent store.Agent, seg *wire.Segment) *job {
	o, err := evidence.ParseOrigin(seg.Origin)
	if err != nil {
		return s.refused(r, agent, seg, "origin", err)
	}
	if err := s.mayHandIn(r.Context(), agent, o.Agent); err != nil {
		return s.refused(r, agent, seg, "not the sender's log", err)
	}
	j := &job{seg: seg, author: o.Agent, from: agent.ID, log: o.Log, class: event.Class(o.Class), received: s.now().UTC()}
	if !s.rates.take(agent.ID, j.class, seg.Count, s.now()) && seg.Kind == wire.KindLeaves {
		s.Metrics.Throttled.Add(1)
		j.decided = true
		j.result = wire.Result{Result: wire.ResultBusy, Reason: "more leaves per second than allowed", RetryAfter: s.retrySeconds()}
		return j
	}
	if j.offset = agent.Seen.Offset; agent.ID == o.Agent {
		j.station = agent.Station
	}
	if s.opts.Offsets != nil {
		if off, known := s.opts.Offsets.Offset(o.Agent); known {
			j.offset = off
		}
	}
	if seg.Kind == wire.KindHole {
		if j.hole, err = seg.HoleRange(); err != nil {
			return s.refused(r, agent, seg, "malformed segment", err)
		}
		return j
	}
	if j.keys, err = seg.WrappedKeys(); err != nil {
		return s.refused(r, agent, seg, "malformed segment", err)
	}
	// Keys that came along are learnt before the rows are made. Without any the rows,
	// once made, tell most cheaply which ones are named.
	came := len(j.keys) > 0
	if came {
		j.named()
	}
	if s.opts.Learn != nil && len(j.keys) > 0 {
		s.opts.Learn(j.keys)
	}
	s.project(j, agent)
	if !came {
		j.named()
	}
	if err := j.readSpecial(); err != nil {
		return s.refused(r, agent, seg, "log.key", err)
	}
	return j
}

// mayHandIn: an agent sends its own logs; others' only as a relay, and never
// those of an author that is not admitted.
func (s *Service) mayHandIn(ctx context.Context, agent store.Agent, author string) error {
	if agent.ID == author {
		return nil
	}
	if s.opts.Relay == nil || s.opts.Agents == nil || !s.opts.Relay(agent, author) {
		return fmt.Errorf("%s may not send logs of %s", agent.ID, text(author, 80))
	}
	a, err := s.opts.Agents(ctx, author)
	if err != nil {
		return fmt.Errorf("author %s: %w", text(author, 80), err)
	}
	if a.State != store.AgentActive {
		return fmt.Errorf("author %s is %s", a.ID, a.State)
	}
	return nil
}

// project hashes the leaves and makes their rows. An agent may write what it
// wants into its own log; that it speaks for a station outside of its scope is
// kept, and reported.
func (s *Service) project(j *job, agent store.Agent) {
	checked := ""
	leaves := j.seg.Leaves
	j.hashes, j.rows = make([]evidence.Hash, len(leaves)), make([]row, len(leaves))
	at := store.LeafAt{Log: j.log, AgentID: j.author, Class: j.class, Received: j.received, Offset: j.offset}
	for i, leaf := range leaves {
		j.hashes[i] = evidence.LeafHash(leaf)
		at.Index, at.Hash = j.seg.First+uint64(i), j.hashes[i]
		made, ok := s.opts.Project(leaf, at)
		j.rows[i] = row{made, ok}
		if station := made.Station; ok && agent.ID == j.author && station != checked {
			checked = station
			if station != "" && !query.InScope(agent.Scope, station) {
				j.foreign = station
			}
		}
	}
}

// readSpecial reads the leaves that change the log: log.opened at its begin and
// log.key at the end of a segment. All others are opaque.
func (j *job) readSpecial() error {
	for i, leaf := range j.seg.Leaves {
		if !bytes.Contains(leaf, []byte(`"`+event.TypeLogKey+`"`)) {
			continue
		}
		e, _, err := event.Parse(leaf)
		if err != nil || e.Type != event.TypeLogKey || originOfKey(e.Data) != j.seg.Origin {
			continue // of another log: a copy, made when this log succeeded that one
		}
		if i != len(j.seg.Leaves)-1 {
			return errors.New("the segment goes past a log.key leaf")
		}
		if j.newKey, err = keyOf(e.Data); err != nil {
			return err
		}
	}
	if j.seg.First == 0 && len(j.seg.Leaves) > 0 {
		j.opened = openedOf(j.seg.Leaves[0])
	}
	return nil
}

// originOfKey is the log that a log.key speaks of.
func originOfKey(data []byte) string {
	var d struct {
		Origin string `json:"origin"`
	}
	if wire.DecodeExact(data, &d) != nil {
		return ""
	}
	return d.Origin
}

// keyOf reads event_data of log.key: {publicKey: base64 Ed25519, ...}.
func keyOf(data []byte) (ed25519.PublicKey, error) {
	var d struct {
		PublicKey string `json:"publicKey"`
	}
	if err := wire.DecodeExact(data, &d); err != nil {
		return nil, fmt.Errorf("event_data: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(d.PublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("publicKey is no Ed25519 key in base64")
	}
	return key, nil
}

// openedOf reads the copies that log.opened announces, nil for another leaf.
func openedOf(leaf []byte) *uint64 {
	e, _, err := event.Parse(leaf)
	if err != nil || e.Type != event.TypeLogOpened {
		return nil
	}
	var d struct {
		Copies uint64 `json:"copies"`
	}
	if wire.DecodeExact(e.Data, &d) != nil {
		return new(uint64)
	}
	return &d.Copies
}
