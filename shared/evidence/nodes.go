package evidence

import (
	"errors"
	"fmt"
)

// Nodes returns the node (level, index): the root of the perfect subtree of
// 2^level leaves that begins at leaf index<<level. A source that does not have
// the node answers with an error that wraps [ErrUnknownNode].
type Nodes func(level int, index uint64) (Hash, error)

// ErrUnknownNode says that a source of nodes does not have this one. [Combine]
// then asks the next source.
var ErrUnknownNode = errors.New("node is not known")

// unknownNode is an ErrUnknownNode with its place; it is put into words only where
// somebody reads it, for sources are asked in turn and most have not what is asked.
type unknownNode struct {
	level int
	index uint64
}

func (e unknownNode) Error() string {
	return fmt.Sprintf("%v: level %d index %d", ErrUnknownNode, e.level, e.index)
}

func (e unknownNode) Unwrap() error { return ErrUnknownNode }

// LeafNodes serves the nodes inside [begin, begin+len(hashes)) from the leaf
// hashes, with no more memory.
func LeafNodes(begin uint64, hashes []Hash) Nodes {
	return func(level int, index uint64) (Hash, error) {
		if level < 0 || level > 62 || index > MaxSize>>level {
			return Hash{}, unknownNode{level, index}
		}
		first, width := index<<level, uint64(1)<<level
		if first < begin || first-begin > uint64(len(hashes)) || uint64(len(hashes))-(first-begin) < width {
			return Hash{}, unknownNode{level, index}
		}
		first -= begin
		return perfect(hashes[first : first+width]), nil
	}
}

// perfect returns the root over 2^k nodes of one level.
func perfect(nodes []Hash) Hash {
	if len(nodes) == 1 {
		return nodes[0]
	}
	half := len(nodes) / 2
	return NodeHash(perfect(nodes[:half]), perfect(nodes[half:]))
}

// RangeNodes serves the hashes of a compact range, for instance of a hole.
func RangeNodes(r Range) Nodes {
	return func(level int, index uint64) (Hash, error) {
		if h, ok := r.Node(level, index); ok {
			return h, nil
		}
		return Hash{}, unknownNode{level, index}
	}
}

// Combine asks the sources in turn. A node that none of them has is made of its
// two children, so that tiles, the leaves after the last tile and the holes
// together serve every node that a proof can need.
func Combine(sources ...Nodes) Nodes {
	var node Nodes
	node = func(level int, index uint64) (Hash, error) {
		for _, source := range sources {
			h, err := source(level, index)
			if err == nil || !errors.Is(err, ErrUnknownNode) {
				return h, err
			}
		}
		if level <= 0 || level > 62 || index > MaxSize>>level {
			return Hash{}, unknownNode{level, index}
		}
		l, err := node(level-1, 2*index)
		if err != nil {
			return Hash{}, err
		}
		r, err := node(level-1, 2*index+1)
		if err != nil {
			return Hash{}, err
		}
		return NodeHash(l, r), nil
	}
	return node
}

// subtree returns MTH(D[lo:hi]) for lo divisible by a power of two ≥ hi-lo: its
// nodes have falling levels and fold from the right.
func subtree(lo, hi uint64, n Nodes) (Hash, error) {
	var nodes []Hash
	for p := lo; p < hi; {
		level := levelAt(p, hi)
		h, err := n(level, p>>level)
		if err != nil {
			return Hash{}, err
		}
		nodes = append(nodes, h)
		p += 1 << level
	}
	return fold(nodes), nil
}

// RootOf returns the root of the log of size leaves.
func RootOf(size uint64, n Nodes) (Hash, error) {
	root, err := subtree(0, size, n)
	if err != nil {
		return Hash{}, fmt.Errorf("root of size %d: %w", size, err)
	}
	return root, nil
}

// RangeFrom returns the compact range of [begin, end).
func RangeFrom(begin, end uint64, n Nodes) (Range, error) {
	r := Range{Begin: begin, End: begin}
	for r.End < end {
		level := levelAt(r.End, end)
		h, err := n(level, r.End>>level)
		if err != nil {
			return Range{}, fmt.Errorf("range [%d, %d): %w", begin, end, err)
		}
		r.push(h, level)
	}
	return r, nil
}
