package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	protocol "github.com/linewatch/linewatch/shared/witness"
)

// Ledger commits a change together with the leaves of these events.
type Ledger interface {
	Commit(ctx context.Context, c store.Change, events ...event.Event) (store.Committed, error)
}

// conflict is what a witness says against a log of the ledger: it confirmed
// another history, or a longer one, than the store has.
type conflict struct {
	size uint64 // that the witness confirmed last
	why  error
}

func (c *conflict) Error() string { return c.why.Error() }
func (c *conflict) Unwrap() error { return c.why }

// against tells whether an answer is one against the log, and not a hindrance.
func against(size uint64, err error) error {
	fork, ok := errors.AsType[*protocol.ConflictError](err)
	if errors.Is(err, protocol.ErrProof) || ok && fork.Fork {
		return &conflict{size, err}
	}
	return err
}

// older is the conflict of a witness that knows more of a log than the store has.
// A log that grew meanwhile is none: another process may have shown it.
func (k *Keeper) older(ctx context.Context, w *protocol.Client, l store.Log, knows uint64) error {
	now, err := k.opts.Store.Log(ctx, l.ID)
	if err != nil {
		return err
	}
	if now.Size >= knows {
		return fmt.Errorf("witness %s was shown size %d meanwhile", w.By.Name, knows)
	}
	return &conflict{knows, fmt.Errorf("witness %s knows size %d of this log, the store holds %d: the store is older than what was shown outside (a backup was put back, or the log is another)", w.By.Name, knows, l.Size)}
}

// settingConflict remembers that a conflict is in the ledger.
func settingConflict(log, witness string) string { return "witnessed/" + log + "/conflict/" + witness }

// record writes a conflict into the ledger, once for each log and witness: its
// histories don't become one again.
func (k *Keeper) record(ctx context.Context, w *protocol.Client, l store.Log, c *conflict) error {
	if k.opts.Ledger == nil {
		return nil
	}
	key := settingConflict(l.ID, w.By.Name)
	if _, err := k.opts.Store.Setting(ctx, key); !errors.Is(err, store.ErrNotFound) {
		return err // nil: it is in there
	}
	size, first := c.size, k.other(ctx, w, l)
	if other, err := evidence.PeekCheckpoint(first); err == nil {
		size = other.Size
	}
	fields := map[string]any{
		"log": l.Origin, "agentId": l.AgentID, "size": size, "storedSize": l.Size, "witness": w.By.Name,
		"reason": event.Shorten(event.Clean(c.Error()), 500), "first": string(first), "second": string(l.Receipt),
	}
	if note := k.noteAt(ctx, l, size); note != "" {
		fields["secondAtSize"] = note // same size, other root: proof by itself
	}
	data, err := event.Object(fields)
	if err != nil {
		return fmt.Errorf("conflict with witness %s: %w", w.By.Name, err)
	}
	change := store.Change{Settings: map[string][]byte{key: []byte(k.opts.Now().UTC().Format(time.RFC3339))}}
	if _, err := k.opts.Ledger.Commit(ctx, change, event.Event{Type: event.TypeLogForked, Data: data}); err != nil {
		return fmt.Errorf("conflict with witness %s is not in the ledger yet: %w", w.By.Name, err)
	}
	k.opts.Logger.Error("a witness knows another history of the ledger", "witness", w.By.Name, "log", l.Origin, "size", size, "error", c.why)
	return nil
}

// noteAt is the store's own checkpoint of exactly this size, "" without one.
func (k *Keeper) noteAt(ctx context.Context, l store.Log, size uint64) string {
	if size == 0 || size > l.Size {
		return ""
	}
	for seg, err := range k.opts.Store.Segments(ctx, l.ID, size-1) {
		if err == nil && seg.First+seg.Count == size {
			return string(seg.Note)
		}
		break
	}
	return ""
}

// other is the checkpoint that the witness confirmed last, signed by the ledger's
// own key: with ours it proves the two histories. A witness of another make does
// not tell it; then it is the newest that we kept with its line, or nil.
func (k *Keeper) other(ctx context.Context, w *protocol.Client, l store.Log) []byte {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	note, err := w.Shown(ctx, l.Origin, l.Keys)
	if err == nil {
		return note
	}
	k.opts.Logger.Warn("the witness does not show what it confirmed", slog.Any("error", err))
	kept, err := k.kept(ctx, l.ID)
	if err != nil {
		return nil
	}
	if _, _, _, err := evidence.VerifyCosigned([]byte(kept.Note), l.Origin, []evidence.CosignerKey{w.By}); err != nil {
		return nil
	}
	return []byte(kept.Note)
}
