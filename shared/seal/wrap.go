package seal

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// MaxBlob is the largest wrapped data key that is accepted.
const MaxBlob = 4 << 10

const (
	// Magic is how every wrapped data key begins.
	Magic = "linewatch/data-key/v1\n"

	infoPrefix = "linewatch data key\n"
	monthForm  = "2006-01"
	setPrefix  = "set:"
)

// Label says whose data a data key protects. It is in clear, in the wrapped blob:
// an erasure finds the keys of a person by it.
type Label struct {
	Subject string // a person's pseudonym, or set:<name> of a field set
	Month   string // 2006-01, UTC
}

// Person is the subject of a person's keys; the pseudonym is that of user_id.
func Person(pseudonym string) string { return pseudonym }

// Set is the subject of the keys of a field set.
func Set(name string) string { return setPrefix + name }

// MonthOf is the month of a time in UTC.
func MonthOf(t time.Time) string { return t.UTC().Format(monthForm) }

// IsPerson tells whether the label's subject is a person, not a field set.
func (l Label) IsPerson() bool { return IsPseudonym(l.Subject) }

// IsPseudonym tells whether a text is "p-" and 32 hex digits.
func IsPseudonym(text string) bool {
	digits, ok := strings.CutPrefix(text, "p-")
	if !ok || len(digits) != 32 {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// validSet: [a-z][a-z0-9_-]{0,30}.
func validSet(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return name != "" && len(name) <= 31
}

func (l Label) check() error {
	set, isSet := strings.CutPrefix(l.Subject, setPrefix)
	if !IsPseudonym(l.Subject) && (!isSet || !validSet(set)) {
		return fmt.Errorf("%w: subject", ErrWrapped)
	}
	if t, err := time.Parse(monthForm, l.Month); err != nil || t.Format(monthForm) != l.Month {
		return fmt.Errorf("%w: month", ErrWrapped)
	}
	return nil
}

// Wrapped is a parsed wrapped data key.
type Wrapped struct {
	Suite     Suite
	Recipient string // hex id of the key that can unwrap it, see PublicKey.ID
	Label     Label

	head   []byte // what the encryption binds
	sealed []byte // encapsulated key and ciphertext
}

// header is the clear part of a blob: five lines and an empty one.
func header(suite Suite, recipient string, l Label) []byte {
	return []byte(Magic + string(suite) + "\n" + recipient + "\n" + l.Subject + "\n" + l.Month + "\n\n")
}

// NewDataKey makes a random data key and wraps it for the recipient.
func NewDataKey(to *PublicKey, l Label) (*DataKey, error) {
	if to == nil {
		return nil, ErrNoRecipient
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("new data key: %w", err)
	}
	key := make([]byte, dataKeySize)
	rand.Read(key)
	head := header(to.suite, to.id, l)
	sealed, err := hpke.Seal(to.key, hpke.HKDFSHA256(), hpke.AES256GCM(), append([]byte(infoPrefix), head...), key)
	if err != nil {
		return nil, fmt.Errorf("wrap a data key: %w", err)
	}
	blob := append(head, sealed...)
	aead, err := newAEAD(key)
	clear(key)
	if err != nil {
		return nil, fmt.Errorf("new data key: %w", err)
	}
	return &DataKey{ID: KeyID(blob), Blob: blob, Label: l, aead: aead}, nil
}

// ParseWrapped reads the clear part of a blob. It has one spelling: what is
// parsed writes the same bytes again.
func ParseWrapped(blob []byte) (Wrapped, error) {
	fail := func(why string) (Wrapped, error) { return Wrapped{}, fmt.Errorf("%w: %s", ErrWrapped, why) }
	if len(blob) > MaxBlob {
		return fail("too long")
	}
	end := bytes.Index(blob, []byte("\n\n"))
	if end < 0 {
		return fail("no end of the header")
	}
	lines := strings.Split(string(blob[:end]), "\n")
	if len(lines) != 5 || lines[0]+"\n" != Magic {
		return fail("header")
	}
	w := Wrapped{Suite: Suite(lines[1]), Recipient: lines[2], Label: Label{lines[3], lines[4]}}
	if !w.Suite.known() {
		return fail("unknown suite")
	}
	if raw, err := hex.DecodeString(w.Recipient); err != nil || len(raw) != 32 || hex.EncodeToString(raw) != w.Recipient {
		return fail("recipient")
	}
	if err := w.Label.check(); err != nil {
		return Wrapped{}, err
	}
	w.head, w.sealed = blob[:end+2:end+2], blob[end+2:]
	if len(w.sealed) != w.Suite.sealedSize() {
		return fail("length")
	}
	return w, nil
}

// BlobSize is the length of the blob that data begins with, 0 when it begins with
// none or not with a whole one.
func BlobSize(data []byte) int {
	end := bytes.Index(data[:min(len(data), MaxBlob)], []byte("\n\n"))
	if end < 0 {
		return 0
	}
	lines := strings.Split(string(data[:end]), "\n")
	if len(lines) != 5 || lines[0]+"\n" != Magic || !Suite(lines[1]).known() {
		return 0
	}
	if n := end + 2 + Suite(lines[1]).sealedSize(); n <= len(data) {
		return n
	}
	return 0
}

// Unwrap returns the data key of a blob. ErrWrapped for a blob that is none,
// ErrOtherKey for one that was wrapped for another key.
func (k *PrivateKey) Unwrap(blob []byte) (*DataKey, error) {
	w, err := ParseWrapped(blob)
	if err != nil {
		return nil, err
	}
	if w.Suite != k.public.suite || w.Recipient != k.public.id {
		return nil, fmt.Errorf("unwrap: %w", ErrOtherKey)
	}
	key, err := hpke.Open(k.key, hpke.HKDFSHA256(), hpke.AES256GCM(), append([]byte(infoPrefix), w.head...), w.sealed)
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w: the blob was changed", ErrWrapped)
	}
	defer clear(key)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w: %w", ErrWrapped, err)
	}
	return &DataKey{ID: KeyID(blob), Blob: bytes.Clone(blob), Label: w.Label, aead: aead}, nil
}
