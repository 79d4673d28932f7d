package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/query"
)

// CursorKind says what a cursor runs over; one kind is never taken for another.
type CursorKind byte

// The kinds of cursors.
const (
	CursorTime    CursorKind = 't' // lists by At
	CursorArrival CursorKind = 'a' // lists by commit
	CursorFeed    CursorKind = 'f' // the feed
)

// EncodeCursor makes the opaque text of a position: its kind, the hash of the
// filter that it belongs to, and the numbers, with a check sum against damage.
func EncodeCursor(kind CursorKind, filter string, numbers ...int64) string {
	b := append([]byte{byte(kind)}, filterSum(filter)...)
	for _, n := range numbers {
		b = binary.AppendVarint(b, n)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...))
}

// DecodeCursor reads count numbers back. Anything that EncodeCursor did not write
// for the same kind and filter is ErrCursor.
func DecodeCursor(text string, kind CursorKind, filter string, count int) ([]int64, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+8+4 {
		return nil, fmt.Errorf("%w: damaged", ErrCursor)
	}
	body, check := b[:len(b)-4], b[len(b)-4:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:4], check) {
		return nil, fmt.Errorf("%w: damaged", ErrCursor)
	}
	if body[0] != byte(kind) || !bytes.Equal(body[1:9], filterSum(filter)) {
		return nil, fmt.Errorf("%w: made for another list", ErrCursor)
	}
	numbers := make([]int64, 0, count)
	for rest := body[9:]; len(rest) > 0; {
		n, size := binary.Varint(rest)
		if size <= 0 {
			return nil, fmt.Errorf("%w: damaged", ErrCursor)
		}
		numbers, rest = append(numbers, n), rest[size:]
	}
	if len(numbers) != count {
		return nil, fmt.Errorf("%w: damaged", ErrCursor)
	}
	return numbers, nil
}

func filterSum(filter string) []byte {
	sum := sha256.Sum256([]byte(filter))
	return sum[:8]
}

// FilterKey is the text that binds a cursor to a query: everything of it that
// selects or orders rows.
func (q EventQuery) FilterKey() string {
	scope := slices.Clone(q.Scope)
	slices.Sort(scope)
	parts := []string{
		query.Hash(q.Filter), strings.Join(scope, "\n"),
		boundText(q.From), boundText(q.To),
	}
	for _, tokens := range q.Blind {
		parts = append(parts, strings.Join(tokens, "\n"))
	}
	return strings.Join(parts, "\x00")
}

func boundText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
