package journal

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
)

// ChangeKey hands the signing of all active logs to another Ed25519 key. Each
// log's commit is cut at its leaf log.key, the last one that the old key covers.
// When it returns nil the change is durable; from then on the journal must be
// opened with the new key.
func (j *Journal) ChangeKey(ctx context.Context, signer crypto.Signer, reason string) error {
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("journal: new signing key is %T, need Ed25519", signer.Public())
	}
	return j.do(ctx, func() error { return j.changeKey(signer, pub, reason) })
}

// adoptKey takes Options.Next when the newest file says that the change to it was
// committed: all active logs changed in one transaction.
func (j *Journal) adoptKey(logs map[string]logRecord) error {
	if j.opts.Next == nil {
		return nil
	}
	pub, ok := j.opts.Next.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("next signing key is %T, need Ed25519", j.opts.Next.Public())
	}
	for _, rec := range logs {
		if n := len(rec.Keys); rec.State == stateActive && n > 0 && rec.Keys[n-1].ID == keyID(pub) {
			j.opts.Signer, j.pub, j.keyID = j.opts.Next, pub, keyID(pub)
			return nil
		}
	}
	return nil
}

// KeyReceipted says whether the aggregator has confirmed the newest key change in
// every active log. Until then the key before is still needed: if the newest file
// is lost, the logs are succeeded under a key that the aggregator knows.
func (j *Journal) KeyReceipted() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for _, l := range j.active {
		if l.receipt.size < l.rec.Keys[len(l.rec.Keys)-1].After {
			return false
		}
	}
	return true
}

// unproven tells whether a log that nobody received yet begins under a key to which
// the other logs change, and none of these changes is receipted. Callers hold mu.
func (j *Journal) unproven(l *logState) bool {
	if l.receipt.size > 0 {
		return false
	}
	waits := false
	for _, o := range j.logs {
		for _, k := range o.rec.Keys {
			if k.After == 0 || k.ID != l.rec.Keys[0].ID || o.rec.State == stateSuperseded {
				continue
			}
			if o.receipt.size >= k.After {
				return false
			}
			waits = true
		}
	}
	return waits
}

func (j *Journal) changeKey(signer crypto.Signer, pub ed25519.PublicKey, reason string) error {
	b := &batch{}
	old := map[*logState][]keyRecord{}
	signers := map[*logState]*evidence.Signer{}
	for _, l := range j.sortedLogs() {
		if l.rec.State != stateActive {
			continue
		}
		s, err := evidence.NewSigner(l.rec.Origin, signer)
		if err != nil {
			return fmt.Errorf("log %s: %w", l.rec.Origin, err)
		}
		leaf, err := j.ownEvent(event.TypeLogKey, l.class, map[string]any{
			"origin": l.rec.Origin, "reason": reason,
			"publicKey": base64.StdEncoding.EncodeToString(pub), "previous": base64.StdEncoding.EncodeToString(j.pub),
		})
		if err != nil {
			return err
		}
		b.parts = append(b.parts, &part{class: l.class, log: l, leaves: [][]byte{leaf.Bytes}})
		b.changed = append(b.changed, l)
		old[l], signers[l] = l.rec.Keys, s
	}
	j.mu.Lock()
	for _, l := range b.changed {
		keys := append([]keyRecord{}, l.rec.Keys...)
		keys[len(keys)-1].Last = l.size + 1
		l.rec.Keys = append(keys, keyRecord{Key: pub, ID: keyID(pub), After: l.size + 1})
	}
	j.mu.Unlock()
	b.done = func() {
		for l, s := range signers {
			l.signer = s
		}
		j.opts.Signer, j.pub, j.keyID = signer, pub, keyID(pub)
	}
	if err := j.commit(b); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		for l, keys := range old {
			l.rec.Keys = keys
		}
		return fmt.Errorf("journal: change key: %w", err)
	}
	return nil
}
