package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/linewatch/linewatch/agent/enrol"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// trust is what the running agent knows of the aggregator: cosigner keys whose
// receipts count, pseudonym keys, the certificate's renewal. It follows the
// answers of the status call.
type trust struct {
	id  *enrol.Identity
	log *slog.Logger

	mu         sync.Mutex
	cosigners  []evidence.CosignerKey
	pseudonyms map[plantYear][]byte
	offset     time.Duration // the aggregator's clock minus ours, at its last answer
	renewer    *enrol.Renewer
	client     *http.Client
	urls       []string
	sealing    *sealing // nil before the agent runs
	refusal    string
}

type plantYear struct {
	plant string
	year  int
}

func newTrust(id *enrol.Identity, log *slog.Logger) (*trust, error) {
	t := &trust{id: id, log: log, pseudonyms: map[plantYear][]byte{}}
	keys, err := id.Pseudonyms()
	if err != nil {
		return nil, err
	}
	t.setPseudonyms(keys)
	return t, t.setCosigners(id.State.Cosigners)
}

// admitted takes over what admission brought.
func (t *trust) admitted() {
	if err := t.setCosigners(t.id.State.Cosigners); err != nil {
		t.log.Error("cosigner keys of the aggregator", "error", err)
	}
	keys, err := t.id.Pseudonyms()
	if err != nil {
		t.log.Error("pseudonym keys", "error", err)
		return
	}
	t.setPseudonyms(keys)
	if text, err := t.id.Sealing(); err == nil && t.sealing != nil {
		if err := t.sealing.setRecipient(text); err != nil {
			t.log.Error("key of the aggregator to seal for", "error", err)
		}
	}
	t.setRefusal("")
}

func (t *trust) setRefusal(text string) { t.mu.Lock(); t.refusal = text; t.mu.Unlock() }

func (t *trust) connect(client *http.Client, urls []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.client, t.urls = client, urls
	t.renewer = &enrol.Renewer{Identity: t.id, Client: client}
}

func (t *trust) setCosigners(list []wire.Cosigner) error {
	keys := make([]evidence.CosignerKey, 0, len(list))
	for _, c := range list {
		raw, err := base64.StdEncoding.DecodeString(c.Key)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return fmt.Errorf("cosigner %s: no Ed25519 key", c.Name)
		}
		keys = append(keys, evidence.CosignerKey{Name: c.Name, Key: raw})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cosigners = keys
	return nil
}

// setPseudonyms replaces all keys: a list is always whole, and a key that is no
// longer in it was withdrawn.
func (t *trust) setPseudonyms(keys []wire.PseudonymKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.pseudonyms)
	for _, k := range keys {
		raw, err := base64.StdEncoding.DecodeString(k.Key)
		if err != nil || len(raw) == 0 {
			t.log.Warn("pseudonym key is unusable", "plant", k.Plant, "year", k.Year)
			continue
		}
		t.pseudonyms[plantYear{k.Plant, k.Year}] = raw
	}
}

// Cosigners are the keys whose receipts count.
func (t *trust) Cosigners() []evidence.CosignerKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cosigners
}

// Key is the pseudonym key of a plant and year. The aggregator hands out keys of
// the years that are by its clock; of a station whose clock stands at another one
// (2009 after an empty battery), or that was away over the turn of the year, that
// of the year by the aggregator's clock is taken, else the one of the nearest year.
func (t *trust) Key(plant string, year int) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.pseudonyms[plantYear{plant, year}]; ok {
		return k, true
	}
	year = time.Now().Add(t.offset).UTC().Year()
	nearest, found := plantYear{}, false
	for k := range t.pseudonyms {
		if k.plant != plant {
			continue
		}
		d, best := distance(k.year, year), distance(nearest.year, year)
		if !found || d < best || d == best && k.year < nearest.year {
			nearest, found = k, true
		}
	}
	return t.pseudonyms[nearest], found
}

func distance(a, b int) int { return max(a-b, b-a) }

// TakeStatus follows an answer of the status call. The answer came over the
// pinned connection, so its keys are the aggregator's.
func (t *trust) TakeStatus(ctx context.Context, answer wire.StatusResponse) error {
	if !answer.Time.IsZero() {
		t.mu.Lock()
		t.offset = time.Until(answer.Time)
		t.mu.Unlock()
	}
	if changed := len(answer.Cosigners) > 0 && !equal(answer.Cosigners, t.id.State.Cosigners); changed {
		if err := t.setCosigners(answer.Cosigners); err != nil {
			return err
		}
		if err := t.id.SaveCosigners(answer.Cosigners); err != nil {
			return fmt.Errorf("keep cosigner keys: %w", err)
		}
	}
	if len(answer.Pseudonyms) > 0 && t.newPseudonyms(answer.Pseudonyms) {
		t.setPseudonyms(answer.Pseudonyms)
		if err := t.id.SavePseudonyms(answer.Pseudonyms); err != nil {
			return fmt.Errorf("keep pseudonym keys: %w", err)
		}
	}
	sealed := t.takeSealing(ctx, answer.Sealing, answer.Destroyed, answer.SendDestroyed)
	t.mu.Lock()
	renewer := t.renewer
	t.mu.Unlock()
	if renewer == nil {
		return sealed
	}
	renewed, err := renewer.Tick(ctx, answer.Time, answer.Renew)
	if renewed {
		t.log.Info("certificate renewed")
	}
	return errors.Join(sealed, err)
}

func (t *trust) newPseudonyms(keys []wire.PseudonymKey) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pseudonyms) != len(keys) {
		return true
	}
	for _, k := range keys {
		have, ok := t.pseudonyms[plantYear{k.Plant, k.Year}]
		if !ok || base64.StdEncoding.EncodeToString(have) != k.Key {
			return true
		}
	}
	return false
}

func equal(a, b []wire.Cosigner) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
