package store

import "github.com/linewatch/linewatch/shared/wire"

// Leaf returns the bytes of one leaf out of the segment that begins with it or last
// before it: ErrNotFound in a hole and behind the segment's end, ErrDropped for a
// leaf that was dropped, as it was of a whole segment.
func (g StoredSegment) Leaf(index uint64) ([]byte, error) {
	switch {
	case index < g.First || index-g.First >= g.Count:
		return nil, ErrNotFound
	case g.Kind == KindDropped:
		return nil, ErrDropped
	case g.Kind != wire.KindLeaves:
		return nil, ErrNotFound
	}
	leaves, err := wire.UnpackLeaves(g.Frame, g.Count)
	if err != nil {
		return nil, err
	}
	return leaves[index-g.First], nil
}
