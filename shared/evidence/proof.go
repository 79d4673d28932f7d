package evidence

import (
	"errors"
	"fmt"
	"slices"
)

// ErrProof says that a proof does not prove what it should: something was
// changed, dropped, inserted or put in another order, or the proof belongs to
// another place or size.
var ErrProof = errors.New("proof does not hold")

// MaxProof is the largest number of hashes of a proof in a log of at most
// [MaxSize] leaves: one per level, and one more for consistency.
const MaxProof = 64

// InclusionProof returns the audit path of leaf index in the log of size leaves,
// RFC 6962 section 2.1.1: the siblings on the way from the leaf to the root,
//
//	PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n])      m < k
//	PATH(m, D[n]) = PATH(m - k, D[k:n]) : MTH(D[0:k])  m ≥ k
func InclusionProof(index, size uint64, n Nodes) ([]Hash, error) {
	if index >= size || size > MaxSize {
		return nil, fmt.Errorf("inclusion of leaf %d in size %d: %w", index, size, ErrProof)
	}
	var path []Hash
	for lo, hi := uint64(0), size; hi-lo > 1; {
		k := splitPoint(hi - lo)
		mid := lo + k
		from, to := mid, hi
		if index < mid {
			hi = mid
		} else {
			from, to, lo = lo, mid, mid
		}
		h, err := subtree(from, to, n)
		if err != nil {
			return nil, fmt.Errorf("inclusion of leaf %d in size %d: %w", index, size, err)
		}
		path = append(path, h)
	}
	slices.Reverse(path) // from the leaf up
	return path, nil
}

// VerifyInclusion checks that the leaf with this hash is at index in the log of
// size leaves with this root, RFC 9162 section 2.1.3.2. f and s are the indexes,
// at the level reached, of the node that holds the leaf and of the last node: a
// left child that is the last node has no sibling and is its own parent's hash.
func VerifyInclusion(leaf Hash, index, size uint64, proof []Hash, root Hash) error {
	fail := func(why string) error {
		return fmt.Errorf("inclusion of leaf %d in size %d: %w: %s", index, size, ErrProof, why)
	}
	if index >= size || size > MaxSize {
		return fail("index is outside the log")
	}
	f, s, h := index, size-1, leaf
	for _, sibling := range proof {
		if s == 0 {
			return fail("too many hashes")
		}
		if f&1 == 1 || f == s {
			h = NodeHash(sibling, h)
			for f&1 == 0 && f != 0 {
				f, s = f>>1, s>>1
			}
		} else {
			h = NodeHash(h, sibling)
		}
		f, s = f>>1, s>>1
	}
	switch {
	case s != 0:
		return fail("too few hashes")
	case h != root:
		return fail("root differs")
	}
	return nil
}

// ConsistencyProof returns the proof that the log of size leaves begins with the
// log of old leaves, RFC 6962 section 2.1.2:
//
//	SUBPROOF(m, D[m], true)  = ()
//	SUBPROOF(m, D[m], false) = MTH(D[m])
//	SUBPROOF(m, D[n], b)     = SUBPROOF(m, D[0:k], b) : MTH(D[k:n])          m ≤ k
//	SUBPROOF(m, D[n], b)     = SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k])  m > k
//
// Every log begins with the empty one: for old = 0 the proof is empty.
func ConsistencyProof(old, size uint64, n Nodes) ([]Hash, error) {
	if old > size || size > MaxSize {
		return nil, fmt.Errorf("consistency of sizes %d and %d: %w", old, size, ErrProof)
	}
	if old == 0 || old == size {
		return nil, nil
	}
	var proof []Hash
	add := func(lo, hi uint64) error {
		h, err := subtree(lo, hi, n)
		if err != nil {
			return fmt.Errorf("consistency of sizes %d and %d: %w", old, size, err)
		}
		proof = append(proof, h)
		return nil
	}
	lo, hi := uint64(0), size
	for hi != old {
		mid := lo + splitPoint(hi-lo)
		from, to := mid, hi
		if old <= mid {
			hi = mid
		} else {
			from, to, lo = lo, mid, mid
		}
		if err := add(from, to); err != nil {
			return nil, err
		}
	}
	if lo != 0 {
		if err := add(lo, hi); err != nil {
			return nil, err
		}
	}
	slices.Reverse(proof)
	return proof, nil
}

// VerifyConsistency checks that the log of size leaves with this root begins
// with the log of old leaves with oldRoot, RFC 9162 section 2.1.4.2. Two hashes
// grow together: a over the old log's nodes only, b over all.
func VerifyConsistency(old, size uint64, oldRoot, root Hash, proof []Hash) error {
	fail := func(why string) error {
		return fmt.Errorf("consistency of sizes %d and %d: %w: %s", old, size, ErrProof, why)
	}
	switch {
	case old > size || size > MaxSize:
		return fail("sizes are out of order")
	case old == 0 && oldRoot != EmptyRoot(), old == size && oldRoot != root:
		return fail("root differs")
	case (old == 0 || old == size) && len(proof) != 0:
		return fail("too many hashes")
	case old == 0 || old == size:
		return nil
	}
	if old&(old-1) == 0 {
		// The old log is one perfect subtree: its root begins the proof.
		proof = slices.Concat([]Hash{oldRoot}, proof)
	}
	if len(proof) == 0 {
		return fail("too few hashes")
	}
	f, s := old-1, size-1
	for f&1 == 1 {
		f, s = f>>1, s>>1
	}
	a, b := proof[0], proof[0]
	for _, c := range proof[1:] {
		if s == 0 {
			return fail("too many hashes")
		}
		if f&1 == 1 || f == s {
			a, b = NodeHash(c, a), NodeHash(c, b)
			for f&1 == 0 && f != 0 {
				f, s = f>>1, s>>1
			}
		} else {
			b = NodeHash(b, c)
		}
		f, s = f>>1, s>>1
	}
	switch {
	case s != 0:
		return fail("too few hashes")
	case a != oldRoot:
		return fail("old root differs")
	case b != root:
		return fail("root differs")
	}
	return nil
}
