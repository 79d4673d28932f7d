package ledger

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// Rotate goes on under another key in the same logs: a leaf log.key, the last one
// that the old key signs, names the new one in each of them. The events are stored
// in the same transaction. The caller has the new key where Options.Rekey finds it
// before, so that another process with this ledger takes it over.
func (l *Ledger) Rotate(ctx context.Context, key ed25519.PrivateKey, reason string, events ...event.Event) error {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PrivateKeySize {
		return errors.New("ledger: rotate: the key is not Ed25519")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for range tries {
		err := l.rotate(ctx, pub, reason, events)
		if err == nil {
			l.opts.Key, l.pub = key, pub
			return l.reload(ctx)
		}
		l.stale = true
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("ledger: rotate: %w", err)
		}
	}
	return fmt.Errorf("ledger: rotate: %w", store.ErrConflict)
}

func (l *Ledger) rotate(ctx context.Context, pub ed25519.PublicKey, reason string, events []event.Event) error {
	if err := l.reload(ctx); err != nil {
		return err
	}
	events = slices.Clone(events)
	for _, class := range event.Classes() {
		h := l.heads[class]
		if h == nil || h.fresh { // begun by whoever needs it, with the key of then
			continue
		}
		e, err := New(event.TypeLogKey, map[string]any{
			"origin": h.origin.String(), "publicKey": base64.StdEncoding.EncodeToString(pub), "reason": reason,
		})
		if err != nil {
			return err
		}
		e.Class = class
		events = append(events, e)
	}
	change, next, err := l.stage(store.Change{}, events, nil)
	if err != nil {
		return err
	}
	for _, h := range next {
		lg, err := l.opts.Store.Log(ctx, h.id)
		if errors.Is(err, store.ErrNotFound) {
			continue // begun by one of the events, under the old key: it is followed
		}
		if err != nil {
			return err
		}
		lg.Keys = slices.Clone(lg.Keys)
		lg.Keys[len(lg.Keys)-1].Last = h.size
		lg.Keys = append(lg.Keys, evidence.KeyRange{Key: pub, After: h.size})
		change.Logs = append(change.Logs, lg)
	}
	_, err = l.opts.Store.Commit(ctx, change)
	return err
}

// rekey takes the key over that a log is signed with now, when it can be had.
func (l *Ledger) rekey(pub ed25519.PublicKey) bool {
	if l.opts.Rekey == nil {
		return false
	}
	for _, key := range l.opts.Rekey() {
		if k, ok := key.Public().(ed25519.PublicKey); ok && k.Equal(pub) {
			l.opts.Key, l.pub = key, k
			return true
		}
	}
	return false
}
