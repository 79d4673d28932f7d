package ledger

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Run writes a log.roots leaf once a minute, and a last one at the end, until
// ctx is done. A store that is away is tried again at the next minute.
func (l *Ledger) Run(ctx context.Context) error {
	tick := time.NewTicker(l.opts.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := l.Roots(last); err != nil {
				l.opts.Logger.Warn("the last roots were not written", slog.Any("error", err))
			}
			return nil
		case <-tick.C:
			if err := l.Roots(ctx); err != nil && ctx.Err() == nil {
				l.opts.Logger.Warn("roots not written", slog.Any("error", err))
			}
		}
	}
}

// Roots writes one log.roots leaf over the checkpoints that changed since the
// last one, and nothing when none did. The list begins with all logs after a start.
func (l *Ledger) Roots(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs, err := l.opts.Store.Logs(ctx)
	if err != nil {
		return fmt.Errorf("ledger: reading the logs: %w", err)
	}
	logs = slices.DeleteFunc(logs, func(lg store.Log) bool { return lg.Size == 0 || lg.Size == l.rooted[lg.ID] })
	if len(logs) == 0 {
		return nil
	}
	lines, root, err := List(logs)
	if err != nil {
		return err
	}
	e, err := New(event.TypeLogRoots, map[string]any{
		"count": len(logs), "root": base64.StdEncoding.EncodeToString(root[:]),
	})
	if err != nil {
		return err
	}
	e.Class = event.Security
	if _, err := l.commit(ctx, store.Change{}, []event.Event{e}, lines); err != nil {
		return err
	}
	for _, lg := range logs {
		l.rooted[lg.ID] = lg.Size
	}
	// The leaf just written is no news of its own: the next list holds this log
	// again as soon as anything else is recorded in it.
	h := l.heads[event.Security]
	l.rooted[h.id] = h.size
	return l.remember()
}

// List is the list behind a log.roots leaf: the checkpoint bodies of the logs
// sorted by origin, each followed by an empty line, and the RFC 6962 root over
// the bodies as leaves. The slice is sorted in place.
func List(logs []store.Log) ([]byte, evidence.Hash, error) {
	slices.SortFunc(logs, func(a, b store.Log) int { return strings.Compare(a.Origin, b.Origin) })
	var lines []byte
	hashes := make([]evidence.Hash, 0, len(logs))
	for _, lg := range logs {
		root, err := lg.Frontier.Root()
		if err != nil {
			return nil, evidence.Hash{}, fmt.Errorf("ledger: root of log %s: %w", lg.ID, err)
		}
		body := evidence.Checkpoint{Origin: lg.Origin, Size: lg.Size, Root: root}.Body()
		hashes = append(hashes, evidence.LeafHash(body))
		lines = append(append(lines, body...), '\n')
	}
	whole := evidence.RangeOf(0, hashes)
	root, err := whole.Root()
	return lines, root, err
}
