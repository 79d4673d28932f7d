package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Range is a compact range: all that is needed to extend the tree to the right
// of leaf End-1, or to put the leaves [Begin, End) between two others, without
// the leaves themselves.
//
// Hashes are the maximal nodes inside [Begin, End), left to right. A node is
// inside when all of its leaves are, and maximal when its parent is not. Their
// levels follow from Begin and End alone: starting at p = Begin, the next node
// has the largest level with p divisible by 2^level and p + 2^level ≤ End. There
// are at most 2·63 of them, and at most 63 when Begin is 0. The range [0, n) is
// the frontier of the log of n leaves. The zero value is the empty range at 0.
type Range struct {
	Begin, End uint64
	Hashes     []Hash
}

var errRange = errors.New("compact range does not fit its bounds")

// rangeLen returns how many maximal nodes [begin, end) has. Let d be the highest
// bit in which begin-1 and end differ and m be end with the bits below d cleared.
// Then m-2^d < begin ≤ m ≤ end < m+2^d, so [begin, m) is cut into one node for
// each bit set in m-begin and [m, end) into one for each bit set in end-m.
func rangeLen(begin, end uint64) int {
	switch {
	case begin >= end:
		return 0
	case begin == 0:
		return bits.OnesCount64(end)
	}
	d := bits.Len64((begin-1)^end) - 1
	m := end &^ (1<<d - 1)
	return bits.OnesCount64(m-begin) + bits.OnesCount64(end-m)
}

// check refuses ranges whose hashes can't be those of their bounds.
func (r Range) check() error {
	if r.Begin > r.End || r.End > MaxSize || len(r.Hashes) != rangeLen(r.Begin, r.End) {
		return fmt.Errorf("%w: [%d, %d) with %d hashes", errRange, r.Begin, r.End, len(r.Hashes))
	}
	return nil
}

// RangeOf returns the compact range of the leaves whose hashes these are, the
// first of them at index begin.
func RangeOf(begin uint64, hashes []Hash) Range {
	r := Range{Begin: begin, End: begin}
	for _, h := range hashes {
		r.push(h, 0)
	}
	return r
}

// Append extends the range by the leaf with hash h at index End.
func (r *Range) Append(h Hash) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.End == MaxSize {
		return fmt.Errorf("%w: log is full", errRange)
	}
	r.push(h, 0)
	return nil
}

// Join extends the range by another one that begins where it ends. This is how a
// hole is bridged: the range of leaves nobody has any more takes their place, and
// the root over what follows is the same as with them.
func (r *Range) Join(right Range) error {
	if err := errors.Join(r.check(), right.check()); err != nil {
		return err
	}
	if right.Begin != r.End {
		return fmt.Errorf("%w: [%d, %d) can't follow [%d, %d)", errRange, right.Begin, right.End, r.Begin, r.End)
	}
	for _, h := range right.Hashes {
		r.push(h, levelAt(r.End, right.End))
	}
	return nil
}

// push appends the node h of this level at End, which is divisible by 2^level.
// While the last node is a right child and its sibling is inside the range too,
// the sibling is the last hash but one (it was maximal until now) and both give
// way to their parent.
func (r *Range) push(h Hash, level int) {
	start := r.End
	r.End += 1 << level
	for start>>level&1 == 1 && start-1<<level >= r.Begin {
		last := len(r.Hashes) - 1
		h = NodeHash(r.Hashes[last], h)
		r.Hashes = r.Hashes[:last]
		start -= 1 << level
		level++
	}
	r.Hashes = append(r.Hashes, h)
}

// Root returns the root of the log whose frontier this is; Begin must be 0.
func (r Range) Root() (Hash, error) {
	if err := r.check(); err != nil {
		return Hash{}, err
	}
	if r.Begin != 0 {
		return Hash{}, fmt.Errorf("%w: [%d, %d) has no root", errRange, r.Begin, r.End)
	}
	return fold(r.Hashes), nil
}

// fold hashes nodes of falling levels into the root over them, from the right.
func fold(nodes []Hash) Hash {
	if len(nodes) == 0 {
		return EmptyRoot()
	}
	root := nodes[len(nodes)-1]
	for i := len(nodes) - 2; i >= 0; i-- {
		root = NodeHash(nodes[i], root)
	}
	return root
}

// Node returns the node (level, index) if it is one of the range's hashes. With
// it the nodes of a hole serve as [Nodes]: a proof of a leaf outside the hole
// needs no other node inside it.
func (r Range) Node(level int, index uint64) (Hash, bool) {
	if r.check() != nil || level < 0 || level > 62 || index > MaxSize>>level {
		return Hash{}, false
	}
	p := r.Begin
	for _, h := range r.Hashes {
		l := levelAt(p, r.End)
		if l == level && p>>l == index {
			return h, true
		}
		p += 1 << l
	}
	return Hash{}, false
}

// Clone returns a copy that shares no memory with r.
func (r Range) Clone() Range {
	r.Hashes = slices.Clone(r.Hashes)
	return r
}

// MarshalBinary returns begin and end as big-endian 64-bit numbers and the
// hashes, 32 bytes each.
func (r Range) MarshalBinary() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	out := make([]byte, 0, 16+HashSize*len(r.Hashes))
	out = binary.BigEndian.AppendUint64(out, r.Begin)
	out = binary.BigEndian.AppendUint64(out, r.End)
	for _, h := range r.Hashes {
		out = append(out, h[:]...)
	}
	return out, nil
}

// UnmarshalBinary reads what [Range.MarshalBinary] writes, and nothing else.
func (r *Range) UnmarshalBinary(data []byte) error {
	if len(data) < 16 || (len(data)-16)%HashSize != 0 {
		return fmt.Errorf("%w: %d bytes", errRange, len(data))
	}
	got := Range{Begin: binary.BigEndian.Uint64(data), End: binary.BigEndian.Uint64(data[8:])}
	for rest := data[16:]; len(rest) > 0; rest = rest[HashSize:] {
		got.Hashes = append(got.Hashes, Hash(rest[:HashSize]))
	}
	if err := got.check(); err != nil {
		return err
	}
	*r = got
	return nil
}
