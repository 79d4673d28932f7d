package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/seal"
)

// Sealed keeps the wrapped data keys of sealed fields, apart from the segments
// that brought them, so that one can be deleted without touching any evidence.
// A key that was destroyed is never stored again, whoever sends it.
type Sealed interface {
	// WrappedKeys returns the blobs of these key ids; what is not stored is not in the map.
	WrappedKeys(ctx context.Context, ids []string) (map[string][]byte, error)
	// MissingKeys returns those of the ids that are neither stored nor destroyed, sorted.
	MissingKeys(ctx context.Context, ids []string) ([]string, error)
	// KeysOf lists the stored keys of these subjects (see seal.Label), by id.
	KeysOf(ctx context.Context, subjects []string) ([]WrappedKey, error)
	// KeyCounts counts the stored keys by subject, month and recipient.
	KeyCounts(ctx context.Context) ([]KeyCount, error)
	// DestroyedKeys returns when each of these ids was destroyed, with the number of
	// the list that says so; an id that was not is not in the map.
	DestroyedKeys(ctx context.Context, ids []string) (map[string]DestroyedKey, error)
	// BlindPeople returns the people (pseudonyms) whose keys sealed a value that gives
	// one of the tokens.
	BlindPeople(ctx context.Context, tokens []string) ([]string, error)
}

// WrappedKey is a stored wrapped data key without its blob.
type WrappedKey struct {
	ID        string // hex
	Subject   string // "" for a blob that is not understood
	Month     string
	Recipient string // id of the vault's key that it was wrapped for
	Log       string // log id of the segment that brought it first
	Received  time.Time
}

// KeyCount is a number of stored keys.
type KeyCount struct {
	Subject, Month, Recipient string
	Keys                      uint64
}

// DestroyedKey says that a data key was destroyed.
type DestroyedKey struct {
	ID   string // hex
	List uint64 // number of the list of destroyed keys that named it first
	At   time.Time
}

// Blind is one entry of the blind index: an event has a sealed field whose value
// gives this token. It goes with the data key.
type Blind struct {
	Token string // hex, made by the vault with a key that the database does not have
	Key   string // hex id of the data key that sealed the value
}

// LabelOf reads whose data a wrapped key protects; empty for a blob that is not
// understood, which is kept all the same.
func LabelOf(blob []byte) (w seal.Wrapped) {
	w, err := seal.ParseWrapped(blob)
	if err != nil {
		return seal.Wrapped{}
	}
	return w
}

// Without returns the ids that are not in there, sorted, each once.
func Without(ids []string, there map[string]bool) []string {
	rest := map[string]bool{}
	for _, id := range ids {
		if !there[id] {
			rest[id] = true
		}
	}
	return Sorted(rest)
}

// Sorted lists a set.
func Sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
