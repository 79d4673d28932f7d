package journal

import (
	"context"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/shared/event"
)

// ownEvent makes the leaf of an event that the journal itself raises.
func (j *Journal) ownEvent(typ string, class event.Class, data map[string]any) (Leaf, error) {
	now := j.opts.Now().UTC()
	body, err := event.Object(data)
	if err != nil {
		return Leaf{}, fmt.Errorf("event %s: %w", typ, err)
	}
	defaultClass, severity := event.Defaults(typ)
	if class == "" {
		class = defaultClass
	}
	e := event.Event{
		ID: event.NewID(now), Type: typ, Class: class, Severity: severity,
		Timestamp: now, CollectedAt: now, Station: j.opts.Station,
		Source:   &event.Source{Kind: "agent", Item: "journal"},
		Data:     body,
		Metadata: event.Metadata{Catalogue: event.CatalogueVersion, Agent: j.opts.Version},
		Salt:     event.NewSalt(),
	}
	leaf, err := e.Leaf()
	if err != nil {
		return Leaf{}, fmt.Errorf("event %s: %w", typ, err)
	}
	return Leaf{Class: class, Bytes: leaf}, nil
}

// raise appends an event of the journal's own; the writer calls it. A failure is
// logged: there is nobody to hand it to.
func (j *Journal) raise(typ string, data map[string]any) {
	leaf, err := j.ownEvent(typ, "", data)
	if err == nil {
		err = j.commitOwn([]Leaf{leaf})
	}
	if err != nil {
		j.log.Warn("journal event not recorded", "type", typ, "error", err)
	}
}

// heartbeat is one leaf in the security log: what the other logs hold, the
// clocks, and what was refused. It orders the logs among each other.
func (j *Journal) heartbeat(reason string) (Leaf, error) {
	boot, monotonic := j.opts.Boot()
	var logs []any
	j.mu.RLock()
	for _, l := range j.sortedLogs() {
		if l.rec.State != stateActive || l.class == event.Security || l.size == 0 {
			continue
		}
		root, err := l.front.Root()
		if err != nil {
			j.mu.RUnlock()
			return Leaf{}, err
		}
		logs = append(logs, map[string]any{"origin": l.rec.Origin, "size": l.size, "root": root.String()})
	}
	refused := map[string]any{}
	for class, n := range j.refused.total {
		refused[string(class)] = n
	}
	j.mu.RUnlock()
	if logs == nil {
		logs = []any{}
	}
	return j.ownEvent(event.TypeLogHeartbeat, event.Security, map[string]any{
		"reason": reason, "logs": logs, "bootId": boot, "monotonicMs": monotonic.Milliseconds(),
		"wall": j.opts.Now().UTC().Format(time.RFC3339Nano), "refused": refused,
	})
}

// Farewell writes the last heartbeat while it can still be forwarded; Close then
// adds none.
func (j *Journal) Farewell(ctx context.Context) error {
	return j.do(ctx, func() error {
		j.beat("stop")
		j.opts.Heartbeat = -1 // read by the writer alone, which runs this
		return nil
	})
}

func (j *Journal) beat(reason string) {
	if j.opts.Heartbeat < 0 {
		return
	}
	leaf, err := j.heartbeat(reason)
	if err == nil {
		err = j.commitOwn([]Leaf{leaf})
	}
	if err != nil {
		j.log.Warn("heartbeat not recorded", "reason", reason, "error", err)
	}
}
