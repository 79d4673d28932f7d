package store

import (
	"fmt"

	"github.com/linewatch/linewatch/shared/evidence"
)

// Run is a row of neighbouring leaf hashes.
type Run struct {
	First  uint64
	Hashes []evidence.Hash
}

// TreeRows is what a database keeps of the tree of one log.
type TreeRows interface {
	// Tile returns the 256 hashes of a complete tile, nil without one.
	Tile(level int, index uint64) ([]byte, error)
	// Roots returns the roots of the complete tiles [from, to) of a level that
	// follow each other without a gap, beginning at from.
	Roots(level int, from, to uint64) ([]byte, error)
	// Tails returns the known leaf hashes of a tile of level 0 that is not complete.
	Tails(tile uint64) ([]Run, error)
	// Holes returns the compact ranges that stand for lost leaves.
	Holes() ([]evidence.Range, error)
}

// Nodes serves the nodes of a log from what the database keeps. A row is read
// once: use a new one for each proof or append.
func Nodes(rows TreeRows) (evidence.Nodes, error) {
	t := &tree{rows: rows, tiles: map[[2]uint64][]byte{}, tails: map[uint64][]Run{}}
	sources := []evidence.Nodes{evidence.TileNodes(t), t.tail}
	holes, err := rows.Holes()
	if err != nil {
		return nil, err
	}
	for _, hole := range holes {
		sources = append(sources, evidence.RangeNodes(hole))
	}
	return evidence.Combine(sources...), nil
}

type tree struct {
	rows  TreeRows
	tiles map[[2]uint64][]byte
	tails map[uint64][]Run
}

// Tile answers for evidence.Tiles. The incomplete tile of a higher level is put
// together from the roots below it, so that a proof reads a few rows.
func (t *tree) Tile(level int, index uint64) ([]byte, error) {
	key := [2]uint64{uint64(level), index}
	if data, ok := t.tiles[key]; ok {
		return data, nil
	}
	data, err := t.rows.Tile(level, index)
	if err == nil && data == nil && level > 0 {
		first := index * evidence.TileWidth
		data, err = t.rows.Roots(level-1, first, first+evidence.TileWidth)
	}
	if err != nil {
		return nil, err
	}
	t.tiles[key] = data
	return data, nil
}

func (t *tree) tail(level int, index uint64) (evidence.Hash, error) {
	unknown := fmt.Errorf("level %d index %d: %w", level, index, evidence.ErrUnknownNode)
	if level > 7 {
		return evidence.Hash{}, unknown
	}
	tile := (index << level) / evidence.TileWidth
	runs, ok := t.tails[tile]
	if !ok {
		var err error
		if runs, err = t.rows.Tails(tile); err != nil {
			return evidence.Hash{}, err
		}
		runs = joinRuns(runs)
		t.tails[tile] = runs
	}
	for _, run := range runs {
		if h, err := evidence.LeafNodes(run.First, run.Hashes)(level, index); err == nil {
			return h, nil
		}
	}
	return evidence.Hash{}, unknown
}

func joinRuns(runs []Run) []Run {
	var out []Run
	for _, run := range runs {
		last := len(out) - 1
		if last >= 0 && out[last].First+uint64(len(out[last].Hashes)) == run.First {
			out[last].Hashes = append(out[last].Hashes, run.Hashes...)
			continue
		}
		out = append(out, Run{run.First, append([]evidence.Hash(nil), run.Hashes...)})
	}
	return out
}

// TileRoot is the hash over a complete tile: one entry of the level above.
func TileRoot(tile evidence.Tile) (evidence.Hash, error) {
	hashes, err := UnpackHashes(tile.Hashes)
	if err != nil {
		return evidence.Hash{}, err
	}
	return evidence.LeafNodes(0, hashes)(8, 0)
}

// TailRuns cuts the leaves behind the last complete tile, and those of tiles that
// stay incomplete because of a hole, into one run for each tile.
func TailRuns(first uint64, hashes []evidence.Hash, complete []evidence.Tile) []Run {
	done := map[uint64]bool{}
	for _, t := range complete {
		if t.Level == 0 {
			done[t.Index] = true
		}
	}
	var runs []Run
	for len(hashes) > 0 {
		tile := first / evidence.TileWidth
		n := min(uint64(len(hashes)), (tile+1)*evidence.TileWidth-first)
		if !done[tile] {
			runs = append(runs, Run{first, hashes[:n]})
		}
		first, hashes = first+n, hashes[n:]
	}
	return runs
}

// PackHashes writes hashes one behind the other, 32 bytes each.
func PackHashes(hashes []evidence.Hash) []byte {
	b := make([]byte, 0, len(hashes)*evidence.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// UnpackHashes reads what PackHashes wrote.
func UnpackHashes(b []byte) ([]evidence.Hash, error) {
	if len(b)%evidence.HashSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of hashes", len(b))
	}
	hashes := make([]evidence.Hash, len(b)/evidence.HashSize)
	for i := range hashes {
		hashes[i] = evidence.Hash(b[i*evidence.HashSize:])
	}
	return hashes, nil
}

// CheckAppend says what of an append contradicts itself; a store refuses it
// before it touches the database.
func CheckAppend(a Append) error {
	switch {
	case a.First != a.OldSize:
		return fmt.Errorf("log %s: segment at %d does not follow size %d", a.Log, a.First, a.OldSize)
	case a.Count == 0:
		return fmt.Errorf("log %s: segment at %d is empty", a.Log, a.First)
	case a.Hashes != nil && uint64(len(a.Hashes)) != a.Count:
		return fmt.Errorf("log %s: %d hashes for %d leaves", a.Log, len(a.Hashes), a.Count)
	case a.Frontier.Begin != 0 || a.Frontier.End != a.First+a.Count:
		return fmt.Errorf("log %s: frontier ends at %d, not %d", a.Log, a.Frontier.End, a.First+a.Count)
	}
	return nil
}
