package bundle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// keyData is what log.registered and log.key have in common.
type keyData struct {
	Origin    string `json:"origin"`
	PublicKey string `json:"publicKey"`
}

// speaks says whether a leaf may be one that says something of keys.
func speaks(leaf []byte) bool {
	return bytes.Contains(leaf, []byte(`"`+event.TypeLogKey+`"`)) || bytes.Contains(leaf, []byte(`"`+event.TypeLogRegistered+`"`))
}

// learn obeys a leaf about keys: log.registered in an aggregator's own log gives a
// log its first key; log.key in the log itself its next one, for the sizes behind
// that leaf. Only what is anchored anchors; the rest is a claim of the bundle, to
// be compared with its key lines.
func (v *Verifier) learn(verdict Verdict, origin string, index uint64, leaf []byte) {
	if !speaks(leaf) {
		return
	}
	e, _, err := event.Parse(leaf)
	if err != nil {
		return
	}
	d, key, ok := parseKeyData(e)
	o, err := evidence.ParseOrigin(origin)
	if !ok || err != nil {
		return
	}
	_, own := o.Aggregator()
	switch {
	// What programs hand in over HTTP is in the ledger too, and says nothing of keys.
	case e.Type == event.TypeLogRegistered && own && e.Source != nil && e.Source.Kind == "aggregator":
		v.registered(verdict, origin, d.Origin, key)
	case e.Type == event.TypeLogKey && d.Origin == origin:
		v.changedKey(verdict, origin, index+1, key)
	}
}

// registered takes the first key of a log from the ledger. The first registration
// counts: a log is registered once.
func (v *Verifier) registered(verdict Verdict, ledger, origin string, key ed25519.PublicKey) {
	if v.file != nil {
		if c := v.file.claim(origin); c.registered == nil {
			c.registered = key
		}
	}
	l := v.log(origin)
	if verdict != Anchored || l == nil || len(l.ledger) > 0 {
		return
	}
	l.ledger, l.byLedger = []evidence.KeyRange{{Key: key}}, ledger
	clear(v.notes)
}

// changedKey gives a log its next key: sizes up to this one belong to the keys so
// far, larger ones to the new key.
func (v *Verifier) changedKey(verdict Verdict, origin string, size uint64, key ed25519.PublicKey) {
	if v.file != nil {
		if c := v.file.claim(origin); len(c.changes) < maxLogKeys {
			c.changes[size] = key
		}
	}
	l := v.log(origin)
	if verdict != Anchored || l == nil || len(l.vouched) >= maxLogKeys {
		return
	}
	v.named(origin, size, key)
	for _, k := range l.vouched {
		if k.After == size && k.Key.Equal(key) {
			return // known already
		}
	}
	l.ledger = closed(l.ledger, size)
	l.vouched = append(closed(l.vouched, size), evidence.KeyRange{Key: key, After: size})
	if l.changed == 0 || size < l.changed {
		l.changed = size
	}
	clear(v.notes)
}

// parseKeyData reads the key that a leaf names, and of which log.
func parseKeyData(e *event.Event) (keyData, ed25519.PublicKey, bool) {
	var d keyData
	if e.Type != event.TypeLogRegistered && e.Type != event.TypeLogKey || wire.DecodeExact(e.Data, &d) != nil {
		return d, nil, false
	}
	if _, err := evidence.ParseOrigin(d.Origin); err != nil {
		return d, nil, false
	}
	key, err := base64.StdEncoding.Strict().DecodeString(d.PublicKey)
	return d, key, err == nil && len(key) == ed25519.PublicKeySize
}
