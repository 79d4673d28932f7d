package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/linewatch/linewatch/shared/seal"
)

// Wrapped data keys of sealed fields. A blob is written in the transaction of the
// first leaf that names it, and once more in each further file with such a leaf,
// so that a file can be sent without the others. docs/formats/journal.md, "keys".

// maxKeys bounds the data keys that the leaves of one commit or segment name: they
// travel in the segment's header.
const maxKeys = 256

// keySet is a set of different data keys; nil is the empty one.
type keySet map[string]bool

// with returns how many keys the set would have with those that leaves name, as
// their Append said.
func (s keySet) with(leaves ...Leaf) int {
	var more keySet
	for _, l := range leaves {
		for _, k := range l.Keys {
			if !s[k.ID] && !more[k.ID] {
				if more == nil {
					more = keySet{}
				}
				more[k.ID] = true
			}
		}
	}
	return len(s) + len(more)
}

// add takes the keys of leaves into the set.
func (s *keySet) add(leaves ...Leaf) {
	for _, l := range leaves {
		for _, k := range l.Keys {
			if *s == nil {
				*s = keySet{}
			}
			(*s)[k.ID] = true
		}
	}
}

// addKeys takes the data keys of a leaf into the batch.
func (b *batch) addKeys(keys []*seal.DataKey, gone map[string]bool) {
	for _, k := range keys {
		if gone[k.ID] {
			continue
		}
		if b.keys == nil {
			b.keys = map[string][]byte{}
		}
		b.keys[k.ID] = k.Blob
	}
}

// gatherKeys finds the blobs that leaves of older files name, before these are
// written anew (a succession, survivors of damage). One that is nowhere is lost:
// its fields stay unreadable, and the aggregator is told with the segment.
func (j *Journal) gatherKeys(b *batch) {
	if b.keyed {
		return
	}
	for _, p := range b.parts {
		for _, leaf := range p.leaves {
			for _, id := range seal.KeyIDs(leaf) {
				if _, ok := b.keys[id]; ok {
					continue
				}
				if blob := j.findKey(id); blob != nil {
					if b.keys == nil {
						b.keys = map[string][]byte{}
					}
					b.keys[id] = blob
				}
			}
		}
	}
	b.keyed = true
}

// findKey looks for a blob in all files, the newest first.
func (j *Journal) findKey(id string) []byte {
	for i := len(j.files) - 1; i >= 0; i-- {
		var blob []byte
		err := j.readFile(j.files[i], func(p *pages) (err error) {
			blob, err = readKey(p, id)
			return err
		})
		if err == nil && blob != nil {
			return blob
		}
	}
	return nil
}

// readKey reads one blob of a file; nil for one that is not there, was wiped or
// does not hash to its id.
func readKey(p *pages, id string) ([]byte, error) {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return nil, nil
	}
	bucket, err := p.bucket(bucketKeys)
	if err == nil {
		var blob []byte
		if blob, err = bucket.get(raw); err == nil && seal.KeyID(blob) == id {
			return bytes.Clone(blob), nil
		}
	}
	if errors.Is(err, errAbsent) {
		err = nil
	}
	return nil, err
}

// putKeys writes the blobs that the live file does not hold yet.
func (l *live) putKeys(tx *bolt.Tx, keys map[string][]byte) error {
	bucket := tx.Bucket([]byte(bucketKeys))
	for id, blob := range keys {
		if l.keys[id] {
			continue
		}
		raw, err := hex.DecodeString(id)
		if err != nil {
			return err
		}
		if err := bucket.Put(raw, blob); err != nil {
			return err
		}
	}
	return nil
}

// holds remembers what is in the live file now.
func (l *live) holds(keys map[string][]byte) {
	if l.keys == nil {
		l.keys = map[string]bool{}
	}
	for id := range keys {
		l.keys[id] = true
	}
}

// keyBytes is about what the blobs of a batch take in a file.
func (b *batch) keyBytes() int64 {
	var n int64
	for _, blob := range b.keys {
		n += int64(len(blob)) + 80
	}
	return n
}

// names takes the ids that a leaf names.
func (r *reading) names(leaf []byte) {
	for _, id := range seal.KeyIDs(leaf) {
		if !slices.Contains(r.ids, id) {
			r.ids = append(r.ids, id)
		}
	}
}

// keysOf reads the blobs that the whole commits name from the pages of their file.
func (r *reading) keysOf(p *pages) {
	for _, id := range r.ids[:r.wholeIDs] {
		blob, err := readKey(p, id)
		if err != nil {
			blob = nil // a damaged page of the bucket: the leaves go on, the field is lost
		}
		r.addKeys(map[string][]byte{id: blob})
	}
}

// tooManyKeys tells whether one more commit would make the header too long.
func (r *reading) tooManyKeys(keys map[string][]byte) bool {
	n := len(r.keys)
	for id := range keys {
		if _, ok := r.keys[id]; !ok {
			n++
		}
	}
	return n > maxKeys
}

// addKeys takes the blobs of one commit in memory.
func (r *reading) addKeys(keys map[string][]byte) {
	if len(keys) == 0 {
		return
	}
	if r.keys == nil {
		r.keys = make(map[string][]byte, len(keys))
	}
	maps.Copy(r.keys, keys)
}

// split tells the blobs that are there from the ids whose blob is lost.
func (r *reading) split() (keys map[string][]byte, lost []string) {
	for id, blob := range r.keys {
		if blob == nil {
			lost = append(lost, id)
			continue
		}
		if keys == nil {
			keys = map[string][]byte{}
		}
		keys[id] = blob
	}
	return keys, lost
}
