package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/forward"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/version"
)

// Status is what linewatch-agent status shows of a running agent.
type Status struct {
	AgentID    string                 `json:"agent_id"`
	Station    string                 `json:"station"`
	Version    string                 `json:"version"`
	Started    time.Time              `json:"started"`
	Admission  string                 `json:"admission,omitempty"` // why nothing is forwarded, "" when admitted
	Forward    forward.Stat           `json:"forward"`
	Backlog    uint64                 `json:"backlog"`
	Refused    map[event.Class]uint64 `json:"refused,omitempty"`
	Sources    []source.Health        `json:"sources"`
	CertUntil  time.Time              `json:"certificate_until,omitzero"`
	Logs       []LogStatus            `json:"logs"`
	Pseudonyms bool                   `json:"pseudonyms"` // keys are there: user names are kept as pseudonyms
	Key        KeyStatus              `json:"key"`
}

// LogStatus is the head of one log.
type LogStatus struct {
	Origin    string `json:"origin"`
	Size      uint64 `json:"size"`
	Receipted uint64 `json:"receipted"`
	State     string `json:"state"`
}

// KeyStatus is what is known of the key that signs the logs.
type KeyStatus struct {
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since"`
	Kept        string    `json:"kept"` // file, credential or dpapi
	// Pending: the aggregator has not confirmed the change to this key yet; the one
	// before is still on the disk.
	Pending bool `json:"pending"`
}

func (a *Agent) status() Status {
	s := Status{
		AgentID: a.trust.id.AgentID, Station: a.cfg.Station, Version: version.String(), Started: a.started.UTC(),
		Key: a.keyStatus(), Backlog: a.journal.Backlog(), Refused: a.journal.Refused(), Sources: []source.Health{}, Logs: []LogStatus{},
	}
	a.mu.Lock()
	f := a.forwarder
	a.mu.Unlock()
	a.trust.mu.Lock()
	s.Admission, s.Pseudonyms = a.trust.refusal, len(a.trust.pseudonyms) > 0
	a.trust.mu.Unlock()
	if f != nil {
		s.Forward = f.Stat()
		if until, err := a.trust.id.CertificateUntil(); err == nil {
			s.CertUntil = until
		}
	}
	for _, src := range a.sources {
		s.Sources = append(s.Sources, src.Health())
	}
	for _, l := range a.journal.Logs() {
		s.Logs = append(s.Logs, LogStatus{l.Origin, l.Size, l.Receipted, l.State})
	}
	return s
}

func (a *Agent) views() control.Views {
	return control.Views{
		Status: func(context.Context) (any, error) { return a.status(), nil },
		Stat:   func(ctx context.Context) (any, error) { return a.journal.Stat(ctx) },
		Verify: func(ctx context.Context, progress func(done, total uint64)) (any, error) {
			return a.journal.Verify(ctx, func(done, total int) { progress(uint64(done), uint64(total)) })
		},
		Heads: func(ctx context.Context) (any, error) { return a.journal.Heads(ctx) },
		Segment: func(ctx context.Context, log string, from uint64) (*control.Segment, error) {
			p, err := a.journal.Packed(ctx, log, from)
			if p == nil || err != nil {
				return nil, err
			}
			return &control.Segment{Next: p.Next, Leaves: p.Leaves, Body: p.Body}, nil
		},
		RotateKey: func(ctx context.Context, reason string) (any, error) { return a.rotateKey(ctx, reason) },
		Signals:   func(context.Context) (any, error) { return a.pipeline.Signals(), nil },
		Detection: a.detectionViews(),
		Baselines: a.baselines(),
		Tail:      func(ctx context.Context, n int) ([]json.RawMessage, error) { return Tail(ctx, a.journal, n) },
	}
}

// Tail returns the newest n leaves as JSON lines {origin, index, leaf}.
func Tail(ctx context.Context, j *journal.Journal, n int) ([]json.RawMessage, error) {
	entries, err := j.Tail(ctx, n)
	if err != nil {
		return nil, err
	}
	out := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		line := struct {
			Origin string          `json:"origin"`
			Index  uint64          `json:"index"`
			Leaf   json.RawMessage `json:"leaf"`
		}{e.Origin, e.Index, e.Leaf}
		if out[i], err = json.Marshal(line); err != nil {
			return nil, err
		}
	}
	return out, nil
}
