package bundle

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"slices"

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

// statement is what a leaf says of the keys of a log: the first one, by
// log.registered in an aggregator's own log, or the next one, by log.key in the log
// itself.
type statement struct {
	registers bool
	origin    string // whose key it is
	key       ed25519.PublicKey
}

// stated reads a leaf about keys in the log with this origin; ok is false for any
// other leaf.
func stated(origin string, leaf []byte) (s statement, ok bool) {
	if !speaks(leaf) {
		return s, false
	}
	e, _, err := event.Parse(leaf)
	if err != nil {
		return s, false
	}
	d, key, ok := parseKeyData(e)
	o, err := evidence.ParseOrigin(origin)
	if !ok || err != nil {
		return s, false
	}
	// What programs hand in over HTTP is in the ledger too, and says nothing of keys.
	_, own := o.Aggregator()
	if own && (e.Source == nil || e.Source.Kind != "aggregator") {
		return s, false
	}
	switch {
	case e.Type == event.TypeLogRegistered && own:
		return statement{true, d.Origin, key}, true
	case e.Type == event.TypeLogKey && d.Origin == origin:
		return statement{false, origin, key}, true
	}
	return s, false
}

// learn obeys a leaf about keys. Only what is anchored anchors; the rest is a claim
// of the bundle, to be compared with its key lines.
func (v *Verifier) learn(verdict Verdict, origin string, index uint64, leaf []byte) {
	if s, ok := stated(origin, leaf); ok {
		v.obey(verdict, origin, index, s)
	}
}

// obey takes what the leaf at this index of the log with this origin says.
func (v *Verifier) obey(verdict Verdict, origin string, index uint64, s statement) {
	if s.registers {
		v.registered(verdict, origin, s.origin, s.key)
		return
	}
	v.changedKey(verdict, origin, index+1, s.key)
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
	if l.changed > 0 {
		l.ledger = closed(l.ledger, l.changed) // the log said so before the ledger did
	}
	clear(v.notes)
}

// changedKey gives a log its next key: sizes up to this one belong to the keys so
// far, larger ones to the new key, whatever the order in which changes are shown.
func (v *Verifier) changedKey(verdict Verdict, origin string, size uint64, key ed25519.PublicKey) {
	if v.file != nil {
		v.file.change(origin, size, key)
	}
	l := v.log(origin)
	if verdict != Anchored || l == nil || len(l.vouched) >= maxLogKeys {
		return
	}
	v.named(origin, size, key)
	at, known := slices.BinarySearchFunc(l.vouched, size, func(k evidence.KeyRange, size uint64) int { return cmp.Compare(k.After, size) })
	if known {
		return
	}
	l.ledger = closed(l.ledger, size)
	next := evidence.KeyRange{Key: key, After: size}
	if at > 0 {
		l.vouched[at-1].Last = size
	}
	if at < len(l.vouched) {
		next.Last = l.vouched[at].After
	}
	l.vouched = slices.Insert(l.vouched, at, next)
	l.changed = l.vouched[0].After
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
	key, err := evidence.ParseKey(d.PublicKey)
	return d, key, err == nil
}
