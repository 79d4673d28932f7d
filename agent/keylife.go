package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// keyLook is how often the agent looks at the age of its key, and whether the
// aggregator has confirmed a change.
const keyLook = time.Minute

// KeyChange is what a change of the log key did.
type KeyChange struct {
	AgentID     string `json:"agent_id"`
	Reason      string `json:"reason"`
	Fingerprint string `json:"fingerprint"` // of the new key
	Previous    string `json:"previous"`    // fingerprint
}

// ErrKeyPending means that the change before is not confirmed by the aggregator
// yet; until then the key before it is still needed.
var ErrKeyPending = errors.New("the change of the log key before is not confirmed by the aggregator yet: see linewatch-agent status, and try again")

// RotateKey hands the signing of all logs to a new key. It is cut off by nothing:
// the new key is on disk before the journal uses it, and the old one is kept until
// the aggregator has confirmed the change.
func RotateKey(ctx context.Context, id *enrol.Identity, j *journal.Journal, reason string) (KeyChange, error) {
	if id.Waiting() {
		return KeyChange{}, errors.New("the agent is not admitted yet; its key can be changed afterwards")
	}
	if err := endKeyChange(id, j); err != nil {
		return KeyChange{}, err
	}
	old := id.PublicKey()
	next, err := id.BeginKeyChange()
	if err != nil {
		return KeyChange{}, err
	}
	pub := next.Public().(ed25519.PublicKey) // an own key
	if j.KeyID() == journal.KeyIDOf(pub) {
		return KeyChange{}, ErrKeyPending
	}
	if err := j.ChangeKey(ctx, next, reason); err != nil {
		return KeyChange{}, err
	}
	change := KeyChange{id.AgentID, reason, evidence.Fingerprint(pub), evidence.Fingerprint(old)}
	return change, id.KeyChanged(time.Now())
}

// keyStatus tells of the key that signs now.
func (a *Agent) keyStatus() KeyStatus {
	now := time.Now()
	s := KeyStatus{Fingerprint: a.journal.KeyID(), Since: now.Add(-a.trust.id.KeyAge(now)).UTC().Round(time.Second)}
	s.Kept, _ = keystore.Protection() // it worked when the agent started
	if next := a.trust.id.NextLogKey(); next != nil {
		s.Pending = journal.KeyIDOf(next.Public().(ed25519.PublicKey)) == s.Fingerprint
	}
	return s
}

// endKeyChange drops the key before once the aggregator has confirmed the change.
func endKeyChange(id *enrol.Identity, j *journal.Journal) error {
	next := id.NextLogKey()
	if next == nil || j.KeyID() != journal.KeyIDOf(next.Public().(ed25519.PublicKey)) || !j.KeyReceipted() {
		return nil
	}
	return id.EndKeyChange()
}

// rotateKey is RotateKey of the running agent, told as an event.
func (a *Agent) rotateKey(ctx context.Context, reason string) (KeyChange, error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	change, err := RotateKey(ctx, a.trust.id, a.journal, reason)
	if change.Fingerprint == "" {
		return change, err
	}
	a.log.Info("log key changed", "reason", reason, "fingerprint", change.Fingerprint)
	data := map[string]any{
		"keyId": change.Fingerprint, "action": "rotated", "kind": "station log key", "by": change.AgentID, "approver": "",
		"previous": change.Previous, "reason": reason,
	}
	return change, errors.Join(err, a.pipeline.Emit(ctx, event.TypeKeyLifecycle, nil, data))
}

// keyLife changes the log key when it is older than the configuration allows, and
// ends changes that the aggregator has confirmed.
func (a *Agent) keyLife(ctx context.Context) {
	tick := time.NewTicker(a.keyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.rotating.Lock()
		err := endKeyChange(a.trust.id, a.journal)
		a.rotating.Unlock()
		if err == nil && keyDue(a.cfg, a.trust.id, time.Now()) {
			_, err = a.rotateKey(ctx, "schedule")
		}
		if err != nil && !errors.Is(err, ErrKeyPending) && ctx.Err() == nil {
			a.log.Error("log key not changed", "error", err)
		}
	}
}

func keyDue(cfg config.Config, id *enrol.Identity, now time.Time) bool {
	return cfg.Journal.KeyLife > 0 && !id.Waiting() && id.KeyAge(now) > cfg.Journal.KeyLife
}

// sealKeys protects keys that were made outside of the service.
func sealKeys(id *enrol.Identity, log *slog.Logger) error {
	names, err := id.SealKeys()
	for _, n := range names {
		log.Info("private key sealed", "file", n)
	}
	if err != nil {
		return fmt.Errorf("seal keys: %w", err)
	}
	return nil
}
