// Package seal keeps personal and secret fields of an event readable only for
// whom they are meant: the field policy (which fields, by type and path), the
// ciphertexts that stand in the leaf, the data keys behind them, how a data key
// is wrapped for the aggregator, and the signed list of data keys that were
// destroyed. docs/formats/sealed.md describes the bytes.
//
// All of it works where only what FIPS 140-3 allows is allowed (GODEBUG=fips140=only).
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/linewatch/linewatch/shared/event"
)

// Errors that callers branch on.
var (
	// ErrOpen: the ciphertext was not made with this key for this event and path.
	ErrOpen = errors.New("sealed field does not open")
	// ErrWrapped: a blob is no wrapped data key.
	ErrWrapped = errors.New("malformed wrapped data key")
	// ErrOtherKey: the blob was wrapped for another key than the one given.
	ErrOtherKey = errors.New("wrapped for another key")
	// ErrNoRecipient: there is no key yet to wrap data keys for.
	ErrNoRecipient = errors.New("no key to seal for: the aggregator has not handed one out yet")
)

const (
	dataKeySize = 32 // bytes; AES-256
	nonceSize   = 12
	tagSize     = 16
	// padTo hides how long a value is but for its multiple of this.
	padTo = 32
	// MaxText is the largest text of a sealed field, base64 of nonce, ciphertext
	// and tag; no leaf could hold more.
	MaxText = event.MaxLeaf
)

// UserPath is the path under which the clear name behind user_id is sealed.
const UserPath = "user_id"

// DataKey is one data key in memory, with the wrapped form that travels.
type DataKey struct {
	ID    string // hex SHA-256 of Blob
	Blob  []byte // wrapped; not to be changed
	Label Label
	aead  cipher.AEAD
}

// newAEAD is AES-256-GCM that draws its own nonce (the only form that FIPS mode allows).
func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != dataKeySize {
		return nil, fmt.Errorf("data key of %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// additional binds a ciphertext to its place: event id, LF, path. Moved to
// another event or field it does not open.
func additional(dst []byte, eventID, path string) []byte {
	return append(append(append(dst, eventID...), '\n'), path...)
}

// Seal encrypts one JSON value for this place in this event.
func (k *DataKey) Seal(eventID, path string, value []byte) event.SealedField {
	padded := (len(value) + padTo - 1) / padTo * padTo
	// One piece of memory: plain text, ciphertext, what it is bound to, its base64.
	sealed := padded + nonceSize + padded + tagSize
	room := make([]byte, sealed, sealed+len(eventID)+1+len(path)+base64.StdEncoding.EncodedLen(sealed-padded))
	plain := room[:padded:padded]
	for i := copy(plain, value); i < len(plain); i++ {
		plain[i] = ' ' // JSON may end in white space
	}
	room = additional(room, eventID, path)
	text := k.aead.Seal(room[padded:padded:sealed], nil, plain, room[sealed:])
	return event.SealedField{Key: k.ID, Text: string(base64.StdEncoding.AppendEncode(room[len(room):], text))}
}

// Open decrypts a field that was sealed with this key; the value is JSON. ErrOpen
// for a ciphertext of another key, event or path.
func (k *DataKey) Open(eventID, path string, f event.SealedField) ([]byte, error) {
	if len(f.Text) > MaxText {
		return nil, fmt.Errorf("%s: %w: too long", path, ErrOpen)
	}
	most := base64.StdEncoding.DecodedLen(len(f.Text))
	room := make([]byte, 2*most, 2*most+len(eventID)+1+len(path))
	n, err := base64.StdEncoding.Decode(room[:most], []byte(f.Text))
	if err != nil || n < nonceSize+tagSize || f.Key != k.ID {
		return nil, fmt.Errorf("%s: %w", path, ErrOpen)
	}
	room = additional(room, eventID, path)
	plain, err := k.aead.Open(room[most:most:2*most], nil, room[:n], room[2*most:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrOpen)
	}
	return bytes.TrimRight(plain, " "), nil
}

// KeyID is the id of a wrapped data key: the hex SHA-256 of its blob.
func KeyID(blob []byte) string {
	sum := sha256.Sum256(blob)
	return hex.EncodeToString(sum[:])
}

// ValidID reports whether a text has the form of a key id.
func ValidID(id string) bool {
	if len(id) != 2*sha256.Size {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// KeyIDs returns the ids of the data keys that a leaf inside the profile names, none
// twice. It is asked for each leaf on its way, so it looks at nothing else of it.
func KeyIDs(leaf []byte) []string {
	if !bytes.Contains(leaf, []byte(`"sealed":`)) && bytes.IndexByte(leaf, '\\') < 0 {
		return nil // a key may also be written with escapes
	}
	sealed, ok := lastButSalt(leaf)
	if !ok {
		if sealed, ok = event.At(leaf, []string{"sealed"}); !ok {
			return nil
		}
	}
	var ids []string
	event.Members(sealed, func(_ string, field json.RawMessage) bool {
		key, _ := event.At(field, []string{"key"})
		if len(key) < 2 {
			return true
		}
		if id := string(key[1 : len(key)-1]); ValidID(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		return true
	})
	return ids
}

// lastButSalt returns the value of sealed where that stands as every writer of ours puts
// it: the last member but the salt. Behind it closes one brace, so it is a member of the
// leaf itself and not of an object within.
func lastButSalt(leaf []byte) (value []byte, ok bool) {
	const key, salt, end = `,"sealed":`, `,"salt":"`, `"}`
	tail := len(leaf) - len(salt) - base64Salt - len(end)
	at := bytes.LastIndex(leaf[:max(tail, 0)], []byte(key))
	if at < 0 || string(leaf[tail:tail+len(salt)]) != salt || string(leaf[len(leaf)-len(end):]) != end ||
		bytes.IndexByte(leaf[tail+len(salt):len(leaf)-len(end)], '"') >= 0 {
		return nil, false
	}
	value = leaf[at+len(key) : tail]
	w := walk{doc: value}
	return value, w.skip(0) == len(value) // else the brace of an object around it is in there, too
}

// base64Salt is the length of a leaf's salt in base64.
const base64Salt = 24
