package ingest

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// maxReports bounds the different reports of one minute: what comes beyond is
// counted together, so that an attacker can't flood the ledger.
const maxReports = 256

// report is one kind of refusal by one origin: the first goes to the ledger at
// once, its repeats are counted and go there once a minute.
type report struct {
	key    reportKey
	detail string
	sample string // hex SHA-256 of what was refused
	agent  string
	addr   string
	count  uint64
	since  time.Time
}

type reportKey struct{ typ, origin, reason string }

type reports struct {
	mu    sync.Mutex
	open  map[reportKey]*report
	ready []*report // to be written now
}

func newReports() *reports { return &reports{open: map[reportKey]*report{}} }

// add counts one more of this kind.
func (r *reports) add(rep report, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep.count = max(rep.count, 1)
	if was := r.open[rep.key]; was != nil {
		was.count += rep.count
		return
	}
	if len(r.open) >= maxReports {
		rep.key = reportKey{rep.key.typ, "several", "several"}
		if was := r.open[rep.key]; was != nil {
			was.count += rep.count
			return
		}
	}
	rep.since = now
	first := rep
	r.ready = append(r.ready, &first)
	rep.count = 0
	r.open[rep.key] = &rep
}

// due takes what is to be written: the first of each kind at once, the repeats
// when their minute is over (or all of them).
func (r *reports) due(now time.Time, all bool) []*report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.ready
	r.ready = nil
	for key, rep := range r.open {
		if !all && now.Sub(rep.since) < time.Minute {
			continue
		}
		delete(r.open, key)
		if rep.count > 0 {
			out = append(out, rep)
		}
	}
	slices.SortFunc(out, func(a, b *report) int {
		return strings.Compare(a.key.typ+a.key.origin+a.key.reason, b.key.typ+b.key.origin+b.key.reason)
	})
	return out
}

// putBack keeps reports that could not be written.
func (r *reports) putBack(due []*report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ready) < 4*maxReports {
		r.ready = append(due, r.ready...)
	}
}

func events(due []*report) []event.Event {
	out := make([]event.Event, 0, len(due))
	for _, rep := range due {
		data := map[string]any{"reason": rep.key.reason, "count": int64(rep.count), "sampleHash": rep.sample}
		if data["origin"] = rep.key.origin; rep.key.typ == event.TypeIngestQuarantined {
			delete(data, "origin")
			data["source"], data["item"] = "ingest", rep.key.origin
		}
		for k, v := range map[string]string{"detail": rep.detail, "agentId": rep.agent} {
			if v != "" {
				data[k] = v
			}
		}
		obj, err := event.Object(data)
		if err != nil { // only invalid text can do this: leave it out rather than lose the report
			obj, _ = event.Object(map[string]any{"origin": "", "reason": "unprintable", "count": int64(rep.count), "sampleHash": rep.sample})
		}
		out = append(out, event.Event{Type: rep.key.typ, Data: obj, SourceIP: rep.addr})
	}
	return out
}

// sampleOf is the hash that a report names instead of what was refused.
func sampleOf(b []byte) string {
	h := evidence.LeafHash(b)
	return hex.EncodeToString(h[:])
}
