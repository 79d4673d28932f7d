package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

const maxBody = wire.MaxBody

// smallBody bounds the body of every request but segments.
const smallBody = 256 << 10

// Handler serves the agents' listener: the segments and the paths of the other
// parts, all of them behind the limits on size and time.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range s.opts.Parts {
		p.Register(mux)
	}
	mux.HandleFunc("POST "+wire.PathSegments, s.segments)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(smallBody)
		if r.URL.Path == wire.PathSegments {
			limit = s.limits.Body
		}
		s.guarded(mux, w, r, limit)
	})
}

// Server is an http.Server for the agents' listener with limits on headers and
// idle connections; the caller sets TLSConfig (see enrol) and serves.
func (s *Service) Server() *http.Server {
	return &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute,
		MaxHeaderBytes: 16 << 10, ConnState: s.connections(), ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// guarded bounds a request's body in size and time, and turns a panic in one
// request into one refused request.
func (s *Service) guarded(next http.Handler, w http.ResponseWriter, r *http.Request, limit int64) {
	s.Metrics.Requests.Add(1)
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			s.log.Error("request failed", slog.String("path", r.URL.Path), slog.Any("panic", p))
			WriteProblem(w, http.StatusInternalServerError, "internal error", "")
		}
	}()
	if r.ContentLength > limit {
		s.tooLarge(w, r, limit)
		return
	}
	r.Body = &paced{
		body: http.MaxBytesReader(w, r.Body, limit), control: http.NewResponseController(w),
		start: time.Now(), stall: s.limits.Stall, rate: s.limits.BytesPerSec,
	}
	next.ServeHTTP(w, r)
}

func (s *Service) tooLarge(w http.ResponseWriter, r *http.Request, limit int64) {
	s.Metrics.TooLarge.Add(1)
	w.Header().Set("Connection", "close")
	WriteProblem(w, http.StatusRequestEntityTooLarge, "request too large", fmt.Sprintf("at most %d bytes", limit))
	s.reject(r, s.nameOf(r), "body too large", "", nil)
}

// nameOf names the agent behind a request, or says that nobody is known.
func (s *Service) nameOf(r *http.Request) string {
	if a, err := s.opts.Identity.Identify(r); err == nil {
		return a.ID
	}
	return "unknown"
}

// reject reports a refusal to the ledger, counted per origin and minute.
func (s *Service) reject(r *http.Request, origin, reason, detail string, sample []byte) {
	rep := report{key: reportKey{event.TypeIngestRejected, text(origin, 200), reason}, detail: text(detail, 500), addr: addressOf(r)}
	if sample != nil {
		rep.sample = sampleOf(sample)
	}
	s.reports.add(rep, s.now())
}

// text makes foreign text fit for an event.
func text(s string, n int) string { return event.Shorten(event.Clean(s), n) }

func addressOf(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return a.Addr().Unmap().WithZone("").String()
}

// paced gives up on a body that stalls, or comes slower than the least rate.
type paced struct {
	body    io.ReadCloser
	control *http.ResponseController
	start   time.Time
	stall   time.Duration
	rate    int64
	read    int64
}

func (p *paced) Read(b []byte) (int, error) {
	deadline := time.Now().Add(p.stall)
	allowed := p.start.Add(p.stall + time.Duration(p.read/p.rate+1)*time.Second)
	if allowed.Before(deadline) {
		deadline = allowed
	}
	// Not every connection has deadlines (a test's recorder has none); the size
	// is bounded all the same.
	_ = p.control.SetReadDeadline(deadline)
	n, err := p.body.Read(b)
	p.read += int64(n)
	if err != nil {
		_ = p.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *paced) Close() error { return p.body.Close() }

// segments answers POST /agent/v1/segments.
func (s *Service) segments(w http.ResponseWriter, r *http.Request) {
	s.Metrics.Waiting.Add(1)
	defer s.Metrics.Waiting.Add(-1)
	agent, err := s.opts.Identity.Identify(r)
	if err != nil {
		s.denied(w, r, err)
		return
	}
	release, ok := s.reserve(r, agent.ID)
	if !ok {
		s.Metrics.Throttled.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(s.retrySeconds()))
		WriteProblem(w, http.StatusTooManyRequests, "too many segments at once", "send again after a moment")
		return
	}
	defer release()
	results, err := s.take(r, agent)
	if err != nil {
		s.broken(w, r, agent, err)
		return
	}
	// Whoever does not take the answer does not keep its memory for ever.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(30 * time.Second))
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(results); err != nil {
		s.log.Debug("answer not delivered", slog.String("agent", agent.ID), slog.Any("error", err))
	}
}

// reserve takes the memory that a request will need, or nothing and false. Its
// segments are worked on in windows, so a large body costs no more than one
// window and the segment being read. Requests of the usual size have a quarter
// to themselves: those that catch up, or trickle, can't shut them out.
func (s *Service) reserve(r *http.Request, agent string) (release func(), ok bool) {
	if !s.working.enter(agent, s.limits.PerAgent, math.MaxInt) {
		return nil, false
	}
	pool, limit := s.large, s.limits.Memory-s.limits.Memory/4
	cost := min(s.limits.WindowBytes+wire.MaxUnpacked+wire.MaxFrame, limit)
	if usual := 64<<10 + 12*r.ContentLength; r.ContentLength >= 0 && usual < cost {
		cost = usual
	}
	if cost <= min(1<<20, s.limits.Memory/4) {
		pool = s.small
	}
	if !pool.TryAcquire(cost) {
		s.working.leave(agent)
		return nil, false
	}
	return func() { pool.Release(cost); s.working.leave(agent) }, true
}

func (s *Service) retrySeconds() int { return max(1, int(s.limits.RetryAfter/time.Second)) }

// denied answers a request without an accepted identity.
func (s *Service) denied(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(err)
	if status < 500 {
		s.Metrics.Denied.Add(1)
		s.reject(r, certificateName(r), "identity not accepted", err.Error(), nil)
		WriteProblem(w, status, "identity not accepted", err.Error())
		return
	}
	s.Metrics.Busy.Add(1)
	s.log.Warn("identity could not be checked", slog.Any("error", err))
	w.Header().Set("Retry-After", strconv.Itoa(s.retrySeconds()))
	WriteProblem(w, status, "not available", "the store does not answer")
}

// certificateName is what a certificate claims; nothing to believe.
func certificateName(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "none"
	}
	return r.TLS.PeerCertificates[0].Subject.CommonName
}

// broken answers a body that could not be read to its end.
func (s *Service) broken(w http.ResponseWriter, r *http.Request, agent store.Agent, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		s.tooLarge(w, r, s.limits.Body)
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.Metrics.TooSlow.Add(1)
		w.Header().Set("Connection", "close")
		WriteProblem(w, http.StatusRequestTimeout, "body too slow", "")
		s.reject(r, agent.ID, "body too slow", "", nil)
		return
	}
	if r.Context().Err() != nil { // the agent went away: nobody to answer, nothing to report
		return
	}
	s.Metrics.Malformed.Add(1)
	WriteProblem(w, http.StatusBadRequest, "malformed body", err.Error())
	s.reject(r, agent.ID, "malformed body", err.Error(), nil)
}

// StatusOf is the HTTP status that an error asks for with HTTPStatus, else 503.
func StatusOf(err error) int {
	var with interface {
		error
		HTTPStatus() int
	}
	if errors.As(err, &with) {
		return with.HTTPStatus()
	}
	return http.StatusServiceUnavailable
}

// WriteProblem answers with an RFC 9457 problem document.
func WriteProblem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: title, Status: status, Detail: detail})
}
