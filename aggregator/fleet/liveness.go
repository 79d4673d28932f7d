package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
)

// offlineKey is the setting with the agents that were declared offline: kept so
// that a restart of the aggregator says nothing twice.
const offlineKey = "fleet.offline"

// Run watches for agents that fall silent or come back until ctx is done. After
// a start every agent first has the whole silence to be heard of.
func (f *Fleet) Run(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := f.Watch(ctx); err != nil && ctx.Err() == nil {
				f.log.Warn("agents not watched", slog.Any("error", err))
			}
		}
	}
}

// Watch compares once who is silent with who was, and records the changes.
func (f *Fleet) Watch(ctx context.Context) error {
	now := f.now()
	if now.Sub(f.begun) < Silence {
		return nil
	}
	agents, err := f.opts.Store.Agents(ctx)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	was, err := f.offline(ctx)
	if err != nil {
		return err
	}
	is := map[string]time.Time{}
	var events []event.Event
	for _, a := range agents {
		if a.State != store.AgentActive {
			continue
		}
		seen := f.seen(a)
		_, told := was[a.ID]
		switch silent := now.Sub(seen.At) >= Silence; {
		case seen.At.IsZero(): // enrolled, never started
		case silent && !told:
			is[a.ID] = seen.At
			events = append(events, eventOf(a, event.TypeAgentOffline, map[string]any{
				"agentId": a.ID, "lastSeen": seen.At.UTC(),
				"lastSeq": sizesOf(seen), "host": a.Host,
			}))
		case silent:
			is[a.ID] = was[a.ID]
		case told:
			events = append(events, eventOf(a, event.TypeAgentOnline, map[string]any{
				"agentId": a.ID, "version": seen.Version,
				"backlog": seen.Backlog, "silentSince": was[a.ID].UTC(), "host": a.Host,
			}))
		}
	}
	if len(events) == 0 {
		return nil
	}
	data, err := json.Marshal(is)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	f.record(ctx, store.Change{Settings: map[string][]byte{offlineKey: data}}, events)
	return nil
}

// offline is who was declared offline, with the last sign of life.
func (f *Fleet) offline(ctx context.Context) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	data, err := f.opts.Store.Setting(ctx, offlineKey)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("fleet: who is offline: %w", err)
	}
	return out, nil
}

// seen is the newest sign of life: ours, or the stored one (of an earlier run, or
// of another aggregator on the same store).
func (f *Fleet) seen(a store.Agent) store.AgentSeen {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.newest[a.ID]; ok && !s.At.Before(a.Seen.At) {
		return s
	}
	return a.Seen
}

// sizesOf are the sizes that the agent told of its logs, as text "class=size".
func sizesOf(seen store.AgentSeen) []any {
	var st struct {
		Sizes map[string]uint64 `json:"sizes"`
	}
	out := []any{}
	if json.Unmarshal(seen.Status, &st) != nil {
		return out
	}
	for origin, size := range st.Sizes {
		if len(out) < 16 {
			out = append(out, fmt.Sprintf("%s=%d", event.Shorten(event.Clean(origin), 120), size))
		}
	}
	slices.SortFunc(out, func(a, b any) int {
		if a.(string) < b.(string) {
			return -1
		}
		return 1
	})
	return out
}
