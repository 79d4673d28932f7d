package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/durable"
)

// memory is what the ledger knows of itself outside of the database.
type memory struct {
	// Sizes of its logs that were signed, by log id.
	Sizes map[string]uint64 `json:"sizes"`
	// Restored is Options.Restored of the store that they were signed in.
	Restored string `json:"restored,omitempty"`
}

// remember writes the sizes of the ledger's logs to the memory file. A log that
// must be followed and was not yet stays in it.
func (l *Ledger) remember() error {
	if l.opts.Memory == "" {
		return nil
	}
	m := memory{Sizes: map[string]uint64{}, Restored: l.opts.Restored}
	for _, h := range l.heads {
		if !h.fresh {
			m.Sizes[h.id] = h.size
		} else if signed, ok := l.old[h.follows]; ok {
			m.Sizes[h.follows] = signed
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("ledger: memory: %w", err)
	}
	if err := durable.WriteFile(l.opts.Memory, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("ledger: memory: %w", err)
	}
	return nil
}

// rememberSoon keeps the memory at most a second behind what was signed: a store
// that is put back by hand is noticed by it. The commit stands in any case.
func (l *Ledger) rememberSoon() {
	if time.Since(l.kept) < time.Second {
		return
	}
	l.kept = time.Now()
	if err := l.remember(); err != nil {
		l.opts.Logger.Warn("the ledger's memory was not written", slog.Any("error", err))
	}
}

// compareMemory finds logs of which the store holds less than the ledger once
// signed, or that stand in a store that was restored meanwhile, and has them
// followed by new ones: nobody knows what was signed behind a backup.
func (l *Ledger) compareMemory(ctx context.Context) error {
	if l.opts.Memory == "" {
		return nil
	}
	m := memory{}
	text, err := os.ReadFile(l.opts.Memory)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger: memory %s: %w", l.opts.Memory, err)
	}
	restored := l.opts.Restored != m.Restored
	for _, h := range l.heads {
		if h.fresh {
			continue
		}
		if size := m.Sizes[h.id]; size > h.size || restored {
			l.old[h.id] = max(size, h.size+1)
			l.opts.Logger.Warn("the store is older than the ledger: going on in new logs",
				slog.String("log", h.id), slog.Uint64("stored", h.size), slog.Uint64("signed", size))
		}
	}
	if len(l.old) > 0 {
		if err := l.reload(ctx); err != nil {
			return err
		}
	}
	if !restored && len(l.old) == 0 {
		return nil
	}
	return l.remember()
}

// reasonOld is why a log is followed; "" when it is not.
func (l *Ledger) reasonOld(lg store.Log) string {
	if _, ok := l.old[lg.ID]; !ok {
		return ""
	}
	return "the store is older than the ledger was: a backup was put back"
}
