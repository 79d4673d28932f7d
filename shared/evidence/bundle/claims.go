package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/linewatch/linewatch/shared/evidence"
)

// file is what one bundle claims, and what of it was used: a claim that nothing
// in the bundle bears out does not hold. Its methods do nothing on nil, where a
// proof alone is verified.
type file struct {
	name      string
	summary   []byte // as it came
	sum       *summarizer
	cosigners []evidence.CosignerKey
	used      map[usedKey]bool    // cosigners and keys that made a line
	claims    map[string]*claimed // by origin
	keys      int                 // of all logs together
	changes   int                 // likewise
}

// usedKey is the hash of a line's name and keys: many of them are remembered.
type usedKey [sha256.Size]byte

// claimed is what a bundle says of the keys of one log, and what its leaves say.
type claimed struct {
	keys       []evidence.KeyRange
	registered ed25519.PublicKey            // by a leaf log.registered of a ledger
	changes    map[uint64]ed25519.PublicKey // by leaves log.key: size → key from there on
}

func newFile(name string) *file {
	return &file{name: name, sum: newSummarizer(), used: map[usedKey]bool{}, claims: map[string]*claimed{}}
}

func (f *file) claim(origin string) *claimed {
	c := f.claims[origin]
	if c == nil {
		c = &claimed{changes: map[uint64]ed25519.PublicKey{}}
		if len(f.claims) < maxLogs {
			f.claims[origin] = c
		}
	}
	return c
}

// change remembers a leaf log.key.
func (f *file) change(origin string, size uint64, key ed25519.PublicKey) {
	c := f.claim(origin)
	if _, have := c.changes[size]; have || len(c.changes) < maxLogKeys && f.changes < maxKeys {
		if !have {
			f.changes++
		}
		c.changes[size] = key
	}
}

func (f *file) proof(kind string, c evidence.Checkpoint, p evidence.Proof) {
	if f != nil {
		f.sum.proof(kind, c, p)
	}
}

// account demands that each line of a bundle's note is by a key that is named,
// and remembers which keys were needed.
func (f *file) account(s signatures) error {
	if f == nil {
		return nil
	}
	for i, line := range s.lines {
		if line.State != evidence.LineGood {
			return fmt.Errorf("%w: %q", errLine, clip(line.Name))
		}
		for _, before := range s.lines[:i] {
			if before.Name == line.Name && before.Log.Equal(line.Log) && before.By.Key.Equal(line.By.Key) {
				return fmt.Errorf("%w: two lines by %q", errLine, clip(line.Name))
			}
		}
		f.used[usedName(line.Name, line.Log, line.By.Key)] = true
	}
	return nil
}

func usedName(name string, log, by ed25519.PublicKey) usedKey {
	return sha256.Sum256(slices.Concat([]byte(name+"\n"), log, by))
}

// key remembers a key that the bundle brings.
func (v *Verifier) key(name string, words []string) {
	k, err := parseKeyRange(words[1:])
	var l *logState
	if err == nil {
		_, err = evidence.ParseOrigin(words[0])
	}
	if err == nil {
		if l = v.log(words[0]); l == nil || len(l.brought) >= maxLogKeys || v.file.keys >= maxKeys {
			err = errTooMuch
		}
	}
	if err != nil {
		v.found(Finding{Verdict: Bad, Name: name, Origin: clip(words[0]), Err: err})
		return
	}
	l.brought = append(l.brought, k)
	v.file.keys++
	c := v.file.claim(words[0])
	c.keys = append(c.keys, k)
	v.file.sum.key(words[0], k)
	clear(v.notes) // verdicts may change
}

// cosigner remembers whose lines the notes of the bundle carry.
func (v *Verifier) cosigner(name string, words []string) {
	key, err := evidence.ParseKey(words[1])
	if err == nil && len(v.file.cosigners) >= maxCosigners {
		err = errTooMuch
	}
	if err != nil {
		v.found(Finding{Verdict: Bad, Name: name, Err: err})
		return
	}
	k := evidence.CosignerKey{Name: words[0], Key: key}
	v.file.cosigners = append(v.file.cosigners, k)
	v.file.sum.cosigner(k)
	clear(v.notes)
}

var errClaim = errors.New("the bundle claims what nothing in it shows")

// settleClaims compares, at the end of a bundle, its keys and its summary with
// what it really holds.
func (v *Verifier) settleClaims() {
	bad := func(origin string, err error) {
		v.found(Finding{Verdict: Bad, Name: v.file.name, Origin: origin, Err: err})
	}
	for _, origin := range slices.Sorted(maps.Keys(v.file.claims)) {
		if err := v.file.settleKeys(origin, v.file.claims[origin]); err != nil {
			bad(origin, err)
		}
	}
	seen := map[usedKey]bool{}
	for _, k := range v.file.cosigners {
		id := usedName(k.Name, nil, k.Key)
		if !v.file.used[id] || seen[id] {
			bad("", fmt.Errorf("%w: cosigner %s is named and confirmed nothing, or is named twice", errClaim, clip(k.Name)))
		}
		seen[id] = true
	}
	if !bytes.Equal([]byte(v.file.sum.text()), v.file.summary) {
		bad("", fmt.Errorf("%w: its summary is not that of its contents", errClaim))
	}
}

// settleKeys checks that the ranges of a log's keys follow one another from size 1
// to an open end, and that leaves or signatures bear them out.
func (f *file) settleKeys(origin string, c *claimed) error {
	if len(c.keys) == 0 {
		return nil // only leaves of other logs speak of it
	}
	for i, k := range c.keys {
		after, last := uint64(0), uint64(0)
		if i > 0 {
			after = c.keys[i-1].Last
		}
		if i < len(c.keys)-1 {
			last = c.keys[i+1].After
		}
		if k.After != after || k.Last != last || i > 0 && after == 0 {
			return fmt.Errorf("%w: sizes of the keys do not follow one another", errClaim)
		}
		shown := c.changes[after]
		if i == 0 {
			shown = c.registered
		}
		switch {
		case shown != nil && !shown.Equal(k.Key):
			return fmt.Errorf("%w: another key than its leaves say signs from size %d", errClaim, after+1)
		case shown == nil && (c.registered != nil || !f.used[usedName(origin, k.Key, nil)]):
			return fmt.Errorf("%w: no leaf and no signature shows the key from size %d", errClaim, after+1)
		}
	}
	for size := range c.changes {
		if !slices.ContainsFunc(c.keys, func(k evidence.KeyRange) bool { return k.After == size }) {
			return fmt.Errorf("%w: a leaf log.key gives another key from size %d", errClaim, size+1)
		}
	}
	return nil
}
