package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/wire"
)

// handleEnrol answers POST /agent/v1/enrol, the one path without a client certificate.
func (s *Service) handleEnrol(w http.ResponseWriter, r *http.Request) {
	addr := address(r)
	if !s.allowed(addr) {
		w.Header().Set("Retry-After", strconv.Itoa(5))
		problem(w, http.StatusTooManyRequests, "too many enrolment requests", "")
		return
	}
	var req wire.EnrolRequest
	if err := decode(w, r, &req); err != nil {
		s.refuse(w, r, "enrolment", err)
		return
	}
	from := Caller{Address: addr}
	if a, err := s.Identify(r); err == nil {
		from.Agent = a
	}
	answer, err := s.Enrol(r.Context(), req, from)
	if err != nil {
		s.refuse(w, r, "enrolment", err)
		return
	}
	status := http.StatusOK
	if answer.Pending {
		status = http.StatusAccepted
	}
	reply(w, status, answer)
}

// handleRenew answers POST /agent/v1/renew.
func (s *Service) handleRenew(w http.ResponseWriter, r *http.Request) {
	a, leaf, err := s.renewer(r)
	if err != nil {
		s.refuse(w, r, "renewal", err)
		return
	}
	var req wire.RenewRequest
	if err := decode(w, r, &req); err != nil {
		s.refuse(w, r, "renewal", err)
		return
	}
	answer, err := s.Renew(r.Context(), a, leaf, req)
	if err != nil {
		s.refuse(w, r, "renewal", err)
		return
	}
	reply(w, http.StatusOK, answer)
}

// handleLogs answers POST /agent/v1/logs.
func (s *Service) handleLogs(w http.ResponseWriter, r *http.Request) {
	a, err := s.Identify(r)
	if err != nil {
		s.refuse(w, r, "registration of a log", err)
		return
	}
	var reg wire.LogRegistration
	if err := decode(w, r, &reg); err != nil {
		s.refuse(w, r, "registration of a log", err)
		return
	}
	answer, err := s.RegisterLog(r.Context(), a, reg)
	if err != nil {
		s.refuse(w, r, "registration of a log", err)
		return
	}
	reply(w, http.StatusOK, answer)
}

// handleLog answers GET /agent/v1/logs/{log}, to the log's own agent.
func (s *Service) handleLog(w http.ResponseWriter, r *http.Request) {
	a, err := s.Identify(r)
	if err != nil {
		s.refuse(w, r, "state of a log", err)
		return
	}
	lg, err := s.opts.Store.Log(r.Context(), r.PathValue("log"))
	if errors.Is(err, store.ErrNotFound) || (err == nil && lg.AgentID != a.ID) {
		problem(w, http.StatusNotFound, "no such log", "")
		return
	}
	if err != nil {
		s.refuse(w, r, "state of a log", err)
		return
	}
	reply(w, http.StatusOK, StateOf(lg))
}

func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodySize))
	if err := d.Decode(into); err != nil {
		return denied(http.StatusBadRequest, "body: %v", err)
	}
	return nil
}

// allowed is a limit on requests without a certificate, for each address and for all.
func (s *Service) allowed(addr string) bool {
	s.mu.Lock()
	l := s.callers[addr]
	if l == nil {
		if len(s.callers) > 10_000 {
			clear(s.callers)
		}
		l = rate.NewLimiter(10, 200)
		s.callers[addr] = l
	}
	s.mu.Unlock()
	return l.AllowN(s.now(), 1) && s.all.AllowN(s.now(), 1)
}

// refuse answers an error, and reports refusals to the ledger.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, what string, err error) {
	d, ok := errors.AsType[*Denied](err)
	if !ok {
		s.log.Warn("request not answered", slog.String("request", what), slog.Any("error", err))
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "not available", "the store does not answer")
		return
	}
	problem(w, d.Status, what+" refused", d.Reason)
	s.reject(r.Context(), rejection{what, address(r)}, d.Reason)
}

// rejection is what refusals are counted by.
type rejection struct{ what, addr string }

type rejectionCount struct {
	count  int64
	reason string
}

// maxRejections bounds the different refusals of a minute.
const maxRejections = 256

// reject writes the first refusal of its kind to the ledger at once; further
// ones are counted until the minute is over.
func (s *Service) reject(ctx context.Context, key rejection, reason string) {
	s.mu.Lock()
	if len(s.rejected) >= maxRejections && s.rejected[key] == nil {
		key = rejection{key.what, ""}
	}
	c := s.rejected[key]
	if c != nil {
		c.count++
		s.mu.Unlock()
		return
	}
	s.rejected[key] = &rejectionCount{reason: reason}
	s.mu.Unlock()
	e := rejectedEvent(key, &rejectionCount{1, reason})
	if _, err := s.opts.Ledger.Commit(context.WithoutCancel(ctx), store.Change{}, e); err != nil {
		s.log.Warn("refusal not in the ledger", slog.Any("error", err))
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.rejected[key]; c != nil {
			c.count++
		}
	}
}

func rejectedEvent(key rejection, c *rejectionCount) event.Event {
	e := eventOf(event.TypeIngestRejected, map[string]any{
		"origin": key.addr, "reason": key.what + " refused", "count": c.count,
		"sampleHash": "", "detail": event.Shorten(c.reason, 500),
	})
	e.SourceIP = key.addr
	return e
}

// flush writes the counts of the minute.
func (s *Service) flush(ctx context.Context) {
	s.mu.Lock()
	counted := s.rejected
	s.rejected = map[rejection]*rejectionCount{}
	s.mu.Unlock()
	var events []event.Event
	for key, c := range counted {
		if c.count > 0 {
			events = append(events, rejectedEvent(key, c))
		}
	}
	if len(events) == 0 {
		return
	}
	if _, err := s.opts.Ledger.Commit(ctx, store.Change{}, events...); err != nil {
		s.log.Warn("refusals not in the ledger", slog.Int("kinds", len(events)), slog.Any("error", err))
		s.mu.Lock()
		defer s.mu.Unlock()
		for key, c := range counted {
			if now := s.rejected[key]; now != nil {
				now.count += c.count
			} else {
				s.rejected[key] = c
			}
		}
	}
}

func address(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return a.Addr().Unmap().WithZone("").String()
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: title, Status: status, Detail: detail})
}
