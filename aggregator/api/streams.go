package api

import (
	"context"
	"errors"
	"sync"
)

// maxStreams bounds the open streams of one caller: a page has one, and a person
// some pages.
const maxStreams = 20

// errStopping ends streams when the aggregator stops.
var errStopping = errors.New("the aggregator stops")

// streams knows the open streams: a server does not wait for connections that
// became WebSockets, so the API does.
type streams struct {
	mu      sync.Mutex
	stopped bool
	next    int
	cancel  map[int]context.CancelCauseFunc
	count   map[string]int
	running sync.WaitGroup
}

func newStreams() *streams {
	return &streams{cancel: map[int]context.CancelCauseFunc{}, count: map[string]int{}}
}

// begin returns the context of a new stream, and what must be called at its end;
// ok is false when the caller has too many, or the server stops.
func (s *streams) begin(parent context.Context, caller string) (ctx context.Context, end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.count[caller] >= maxStreams {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancelCause(parent)
	id := s.next
	s.next++
	s.cancel[id] = cancel
	s.count[caller]++
	s.running.Add(1)
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		delete(s.cancel, id)
		if s.count[caller]--; s.count[caller] == 0 {
			delete(s.count, caller)
		}
		s.mu.Unlock()
		s.running.Done()
	}, true
}

func (s *streams) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, cancel := range s.cancel {
		cancel(errStopping)
	}
}

func (s *streams) wait() { s.running.Wait() }

// StopStreams ends all live streams; their clients are told to come back.
func (s *Server) StopStreams() { s.streams.stop() }
