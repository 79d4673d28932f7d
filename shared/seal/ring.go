package seal

import (
	"fmt"
	"sync"
	"time"
)

const (
	// maxRing bounds the data keys in memory; beyond it some are forgotten and made
	// anew at need.
	maxRing = 4096
	// maxUses of one data key: with random nonces AES-GCM allows 2^32 (NIST SP
	// 800-38D section 8.3).
	maxUses = 1 << 31
)

// Ring makes data keys and keeps them in memory only: one for each subject and
// month, and new ones after a restart. Its methods may be called concurrently.
type Ring struct {
	mu   sync.Mutex
	to   *PublicKey
	keys map[Label]*ringKey

	month      string    // the last that was asked for
	begin, end time.Time // of it
}

type ringKey struct {
	*DataKey
	uses uint64
}

// NewRing returns an empty ring that has nobody to seal for yet.
func NewRing() *Ring { return &Ring{keys: map[Label]*ringKey{}} }

// SetRecipient names the key that data keys are wrapped for from now on; another
// one than before makes the ring forget its data keys.
func (r *Ring) SetRecipient(to *PublicKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil && to != nil && r.to.id == to.id {
		return
	}
	r.to = to
	clear(r.keys)
}

// Ready tells whether there is somebody to seal for.
func (r *Ring) Ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to != nil
}

// Key returns the data key of a subject for the month of a time. ErrNoRecipient
// when there is nobody to seal for.
func (r *Ring) Key(subject string, at time.Time) (*DataKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := Label{Subject: subject, Month: r.monthOf(at)}
	if k := r.keys[l]; k != nil && k.uses < maxUses {
		k.uses++
		return k.DataKey, nil
	}
	if r.to == nil {
		return nil, ErrNoRecipient
	}
	k, err := NewDataKey(r.to, l)
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", subject, err)
	}
	if len(r.keys) >= maxRing {
		r.shrink(l.Month)
	}
	r.keys[l] = &ringKey{k, 1}
	return k, nil
}

// monthOf is MonthOf, which is most times what it was the time before.
func (r *Ring) monthOf(at time.Time) string {
	if r.month == "" || at.Before(r.begin) || !at.Before(r.end) {
		year, month, _ := at.UTC().Date()
		r.begin = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
		r.month, r.end = MonthOf(at), r.begin.AddDate(0, 1, 0)
	}
	return r.month
}

// shrink forgets keys of other months, or half of all.
func (r *Ring) shrink(month string) {
	for l := range r.keys {
		if l.Month != month {
			delete(r.keys, l)
		}
	}
	for l := range r.keys {
		if len(r.keys) < maxRing/2 {
			return
		}
		delete(r.keys, l)
	}
}

// Forget drops data keys that were destroyed: what comes next of the same
// subject is sealed with a new one.
func (r *Ring) Forget(ids []string) {
	gone := make(map[string]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l, k := range r.keys {
		if gone[k.ID] {
			delete(r.keys, l)
		}
	}
}

// ForgetList is Forget for a whole list of destroyed keys.
func (r *Ring) ForgetList(list Destroyed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l, k := range r.keys {
		if list.Has(k.ID) {
			delete(r.keys, l)
		}
	}
}
