package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

const (
	// maxCache bounds the opened data keys in memory.
	maxCache = 20_000
	// maxIndexed is the longest text that the blind index finds, in bytes.
	maxIndexed = 256
	// lookup bounds one look into the store.
	lookup = 10 * time.Second
	// personPath stands for every field that names a person.
	personPath = "person"
)

// States of a sealed field.
const (
	StateOpened = "opened" // its value is there
	StateSealed = "sealed" // the asker may not open it
	StateErased = "erased" // its key was destroyed: nobody can
	StateLost   = "lost"   // its key never came, or does not open it: nobody can
)

// Field is one sealed field as a reader may see it.
type Field struct {
	State string
	Set   string // whose it is: person, or the name of the field set
	// Subject is whose data key sealed it (see seal.Label), only of StateOpened.
	Subject string
	Value   json.RawMessage // only of StateOpened
	At      time.Time       // of StateErased: when
}

// SetPerson is the Set of fields that belong to a person's keys.
const SetPerson = "person"

// Learn takes wrapped data keys that came with a segment, so that its leaves can
// be indexed before they are stored.
func (v *Vault) Learn(keys map[string][]byte) {
	for id, blob := range keys {
		v.unwrap(id, blob)
	}
}

// unwrap opens one data key and keeps it in memory; nil when it can't.
func (v *Vault) unwrap(id string, blob []byte) *seal.DataKey {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.gone[id] {
		return nil
	}
	if k := v.cache[id]; k != nil {
		return k
	}
	w, err := seal.ParseWrapped(blob)
	if err != nil || v.private[w.Recipient] == nil || seal.KeyID(blob) != id {
		return nil
	}
	k, err := v.private[w.Recipient].Unwrap(blob)
	if err != nil {
		return nil
	}
	if len(v.cache) >= maxCache {
		clear(v.cache)
	}
	v.cache[id] = k
	return k
}

// keys returns the data keys of these ids that can be opened.
func (v *Vault) keys(ctx context.Context, ids []string) (map[string]*seal.DataKey, error) {
	out := make(map[string]*seal.DataKey, len(ids))
	var ask []string
	v.mu.Lock()
	for _, id := range ids {
		if k := v.cache[id]; k != nil {
			out[id] = k
		} else if !v.gone[id] {
			ask = append(ask, id)
		}
	}
	v.mu.Unlock()
	if len(ask) == 0 || v.o.Store == nil {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	blobs, err := v.o.Store.WrappedKeys(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	for id, blob := range blobs {
		if k := v.unwrap(id, blob); k != nil {
			out[id] = k
		}
	}
	return out, nil
}

// key returns one data key, nil when it can't be opened. Each row asks, and nearly
// always it is in memory.
func (v *Vault) key(id string) (*seal.DataKey, error) {
	v.mu.Lock()
	key := v.cache[id]
	v.mu.Unlock()
	if key != nil || !seal.ValidID(id) {
		return key, nil
	}
	keys, err := v.keys(context.Background(), []string{id})
	return keys[id], err
}

// Open returns the sealed fields of a leaf by path. may says which field sets the
// reader may open (SetPerson for what belongs to people).
func (v *Vault) Open(ctx context.Context, leaf []byte, may func(set string) bool) (map[string]Field, error) {
	v.refresh()
	e, _, err := event.Parse(leaf)
	if err != nil || len(e.Sealed) == 0 {
		return nil, nil
	}
	ids := seal.KeyIDs(leaf)
	keys, err := v.keys(ctx, ids)
	if err != nil {
		return nil, err
	}
	when, err := v.o.Store.DestroyedKeys(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	out := make(map[string]Field, len(e.Sealed))
	for path, f := range e.Sealed {
		out[path] = v.field(e.ID, path, f, keys[f.Key], when, may)
	}
	return out, nil
}

func (v *Vault) field(id, path string, f event.SealedField, key *seal.DataKey, when map[string]store.DestroyedKey, may func(string) bool) Field {
	v.mu.Lock()
	gone := v.gone[f.Key]
	v.mu.Unlock()
	if d, ok := when[f.Key]; ok || gone {
		return Field{State: StateErased, At: d.At}
	}
	if key == nil {
		return Field{State: StateLost}
	}
	set := SetPerson
	if !key.Label.IsPerson() {
		set = strings.TrimPrefix(key.Label.Subject, "set:")
	}
	if !may(set) {
		return Field{State: StateSealed, Set: set}
	}
	value, err := key.Open(id, path, f)
	if err != nil || !json.Valid(value) {
		return Field{State: StateLost, Set: set}
	}
	return Field{State: StateOpened, Set: set, Subject: key.Label.Subject, Value: value}
}

// Token is what stands for a value in the blind index: an HMAC under a key that
// only the vault has. path is that of the field, without regard to array indexes.
func (v *Vault) Token(path, value string) string {
	value = folded(value)
	var token [sha256.Size]byte // in hex half of the sum
	v.mu.Lock()
	v.scratch = append(append(append(v.scratch[:0], path...), '\n'), value...)
	v.mac.Reset() // keeps what it computed of the key
	v.mac.Write(v.scratch)
	sum := v.mac.Sum(v.scratch[:0])
	hex.Encode(token[:], sum[:len(token)/2])
	v.scratch = sum
	clear(v.scratch[:cap(v.scratch)]) // it held the value in clear
	v.mu.Unlock()
	return string(token[:])
}

// PersonToken is the token of a field that names this person, whatever its path.
func (v *Vault) PersonToken(name string) string { return v.Token(personPath, name) }

// folded is the form in which values are compared: as of pseudonyms.
func folded(value string) string { return event.FoldName(value) }

// Projector makes rows as next does and adds their entries of the blind index.
func (v *Vault) Projector(next store.Projector) store.Projector {
	return func(leaf []byte, at store.LeafAt) (store.Row, bool) {
		row, ok := next(leaf, at)
		if ok && !row.Quarantined {
			row.Blind = v.blind(&row)
		}
		return row, ok
	}
}

// blind are the entries of a row. What can't be opened now is not found by its
// value; a rebuild of the read model makes up for it.
func (v *Vault) blind(row *store.Row) []store.Blind {
	if len(row.Sealed) == 0 {
		return nil
	}
	out := make([]store.Blind, 0, len(row.Sealed)+1)
	for path, f := range row.Sealed {
		key, err := v.key(f.Key)
		if err != nil {
			v.log.Warn("sealed fields not indexed", "error", err)
			return nil
		}
		if key == nil {
			continue
		}
		value, err := key.Open(row.ID, path, f)
		text, ok := scalar(value)
		if err != nil || !ok || len(text) > maxIndexed {
			continue
		}
		out = append(out, store.Blind{Token: v.Token(indexPath(path), text), Key: f.Key})
		if path == seal.UserPath || namesPerson(row.Data, path) {
			out = append(out, store.Blind{Token: v.PersonToken(text), Key: f.Key})
		}
	}
	return out
}

// namesPerson tells whether a pseudonym stands where the field was sealed.
func namesPerson(data []byte, path string) bool {
	rest, ok := strings.CutPrefix(path, "event_data.")
	if !ok || strings.ContainsAny(rest, `[\`) {
		return false
	}
	value, ok := event.At(data, strings.Split(rest, "."))
	return ok && len(value) == len(`"p-"`)+32 && seal.IsPseudonym(string(value[1:len(value)-1]))
}

// indexPath leaves the numbers of array elements out.
func indexPath(path string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(path, '[')
		if open < 0 {
			return b.String() + path
		}
		end := strings.IndexByte(path[open:], ']')
		if end < 0 {
			return b.String() + path
		}
		b.WriteString(path[:open])
		path = path[open+end+1:]
	}
}

// scalar is the text of a JSON text, number, true or false.
func scalar(value []byte) (string, bool) {
	if n := len(value); n > 2 && value[0] == '"' && value[n-1] == '"' && bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true // it was inside the profile when it was sealed
	}
	var v any
	if len(value) == 0 || json.Unmarshal(value, &v) != nil {
		return "", false
	}
	switch t := v.(type) {
	case string:
		return t, t != ""
	case float64, bool:
		return string(value), true
	}
	return "", false
}

// People are the pseudonyms of a name: those that the keys of plants and years
// give, and those whose events carry the name sealed.
func (v *Vault) People(ctx context.Context, name string) ([]string, error) {
	seen := map[string]bool{}
	if v.o.Names != nil {
		list, err := v.o.Names.Pseudonyms(name)
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		for _, p := range list {
			seen[p] = true
		}
	}
	if v.o.Store == nil {
		return nil, errors.New("vault: opened without a store")
	}
	list, err := v.o.Store.BlindPeople(ctx, []string{v.PersonToken(name)})
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	for _, p := range list {
		if seal.IsPseudonym(p) {
			seen[p] = true
		}
	}
	return store.Sorted(seen), nil
}
