package store

import (
	"errors"
	"time"
)

// KindDropped is the kind of a stored segment whose leaves were dropped: its place,
// checkpoint and receipt and the leaves' hashes stay, so that every proof of the
// others still verifies.
const KindDropped = "dropped"

// ErrDropped: the leaf was dropped; its hash and its place in the tree are still there.
var ErrDropped = errors.New("dropped")

// Drop names whole segments of a log whose leaves and rows are to go: the leaves
// [First, End). Holes among them stay what they are.
type Drop struct {
	Log        string
	First, End uint64
}

// Dropped is what was dropped of one log.
type Dropped struct {
	Log      string
	Segments uint64
	Leaves   uint64
	First    uint64    // index of the first leaf dropped
	End      uint64    // index behind the last leaf dropped
	From, To time.Time // when the first and the last of them were received
}
