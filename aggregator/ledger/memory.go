package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/linewatch/linewatch/shared/durable"
)

// remember writes the sizes of the ledger's logs to the memory file.
func (l *Ledger) remember() error {
	if l.opts.Memory == "" {
		return nil
	}
	sizes := map[string]uint64{}
	for _, h := range l.heads {
		if !h.fresh {
			sizes[h.id] = h.size
		}
	}
	text, err := json.Marshal(sizes)
	if err != nil {
		return fmt.Errorf("ledger: memory: %w", err)
	}
	if err := durable.WriteFile(l.opts.Memory, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("ledger: memory: %w", err)
	}
	return nil
}

// compareMemory finds logs of which the store holds less than the ledger once
// signed, and has them followed by new ones.
func (l *Ledger) compareMemory(ctx context.Context) error {
	if l.opts.Memory == "" {
		return nil
	}
	text, err := os.ReadFile(l.opts.Memory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sizes := map[string]uint64{}
	if err == nil {
		err = json.Unmarshal(text, &sizes)
	}
	if err != nil {
		return fmt.Errorf("ledger: memory %s: %w", l.opts.Memory, err)
	}
	for _, h := range l.heads {
		if size := sizes[h.id]; size > h.size {
			l.old[h.id] = true
			l.opts.Logger.Warn("the store is older than the ledger: going on in new logs",
				slog.String("log", h.id), slog.Uint64("stored", h.size), slog.Uint64("signed", size))
		}
	}
	if len(l.old) == 0 {
		return nil
	}
	return l.reload(ctx)
}
