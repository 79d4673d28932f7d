package evidence

import (
	"fmt"
	"math/bits"
	"slices"
)

// FrontierBefore returns the frontier [0, index) of a log from the inclusion proof
// of leaf index in the log of index+1 leaves: the siblings of the last leaf are
// the maximal nodes of everything before it, smallest first.
func FrontierBefore(index uint64, proof []Hash) (Range, error) {
	r := Range{End: index, Hashes: slices.Clone(proof)}
	slices.Reverse(r.Hashes)
	if err := r.check(); err != nil {
		return Range{}, fmt.Errorf("frontier before leaf %d: %w", index, err)
	}
	return r, nil
}

// ConsistencyFromInclusion makes the consistency proof of sizes old and size out
// of the inclusion proof of leaf old-1 in the log of size leaves, and that leaf's
// hash. Both walk from the end of the old log to the root: the consistency proof
// begins where the perfect subtree that ends the old log is complete.
func ConsistencyFromInclusion(old, size uint64, last Hash, proof []Hash) ([]Hash, error) {
	if old == 0 || old == size {
		return nil, nil
	}
	level := bits.TrailingZeros64(old)
	if old > size || size > MaxSize || len(proof) < level {
		return nil, fmt.Errorf("consistency of sizes %d and %d: %w", old, size, ErrProof)
	}
	h := last
	for _, sibling := range proof[:level] {
		h = NodeHash(sibling, h)
	}
	rest := slices.Clone(proof[level:])
	if old&(old-1) == 0 {
		return rest, nil // the old log is that subtree, its root is known
	}
	return slices.Concat([]Hash{h}, rest), nil
}
