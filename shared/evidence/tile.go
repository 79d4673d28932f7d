package evidence

import (
	"errors"
	"fmt"
)

// TileWidth is the number of hashes of a complete tile, C2SP tlog-tiles.
const TileWidth = 256

// tileHeight is the number of tree levels of a tile: 256 = 2^8.
const tileHeight = 8

// Tile is one complete tile of C2SP tlog-tiles: the tile (l, i) holds the nodes
// of level 8·l with the indexes [256·i, 256·i+256). Tiles never change.
type Tile struct {
	Level  int
	Index  uint64
	Hashes []byte // 256 hashes of 32 bytes, left to right
}

// Tiles reads stored tiles. Tile answers the hashes of the tile (level, index),
// 32 bytes each: 256 of a complete tile, fewer of the rightmost one where the
// store keeps partial tiles, none when it has no such tile.
type Tiles interface {
	Tile(level int, index uint64) ([]byte, error)
}

// TileNodes serves nodes from tiles: a node of level 8·l + k is made of 2^k
// hashes of one tile of level l. What no tile holds is unknown, see [Combine]:
// a node of level 8 whose own tile is not complete yet comes from its children.
func TileNodes(t Tiles) Nodes {
	return func(level int, index uint64) (Hash, error) {
		if level < 0 || level > 62 || index > MaxSize>>level {
			return Hash{}, unknownNode{level, index}
		}
		k := level % tileHeight
		first := index << k // at the tile's level
		data, err := t.Tile(level/tileHeight, first/TileWidth)
		if err != nil {
			return Hash{}, fmt.Errorf("tile %d/%d: %w", level/tileHeight, first/TileWidth, err)
		}
		if len(data)%HashSize != 0 || len(data) > TileWidth*HashSize {
			return Hash{}, fmt.Errorf("tile %d/%d has %d bytes", level/tileHeight, first/TileWidth, len(data))
		}
		from := int(first%TileWidth) * HashSize
		to := from + HashSize<<k
		if to > len(data) {
			return Hash{}, unknownNode{level, index}
		}
		nodes := make([]Hash, 1<<k)
		for i := range nodes {
			nodes[i] = Hash(data[from+i*HashSize:])
		}
		return perfect(nodes), nil
	}
}

// CompleteTiles returns the tiles that become complete when the leaves with these
// hashes are appended to a log of old leaves, lowest level first. Older nodes
// come from n. A tile with a node that is lost (inside a hole) is left out;
// proofs then use the hole's range, see [RangeNodes].
func CompleteTiles(old uint64, hashes []Hash, n Nodes) ([]Tile, error) {
	return GrownTiles(old, old+uint64(len(hashes)), Combine(LeafNodes(old, hashes), n))
}

// GrownTiles returns the tiles that are complete in the log of size leaves and
// were not in that of old leaves; n serves all nodes of the larger log, but for
// those that are lost.
func GrownTiles(old, size uint64, n Nodes) ([]Tile, error) {
	if old > size || size > MaxSize {
		return nil, fmt.Errorf("tiles from size %d to %d: sizes are out of order", old, size)
	}
	var tiles []Tile
	made := map[[2]uint64]Hash{} // nodes of level 8, 16, ... that this call completed
	node := func(level int, index uint64) (Hash, error) {
		if h, ok := made[[2]uint64{uint64(level), index}]; ok {
			return h, nil
		}
		return n(level, index)
	}
	for l := 0; size>>(tileHeight*(l+1)) > old>>(tileHeight*(l+1)); l++ {
		above := tileHeight * (l + 1)
		for i := old >> above; i < size>>above; i++ {
			nodes, err := tileHashes(l, i, node)
			if errors.Is(err, ErrUnknownNode) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("tile %d/%d: %w", l, i, err)
			}
			made[[2]uint64{uint64(above), i}] = perfect(nodes)
			tile := Tile{Level: l, Index: i, Hashes: make([]byte, 0, TileWidth*HashSize)}
			for _, h := range nodes {
				tile.Hashes = append(tile.Hashes, h[:]...)
			}
			tiles = append(tiles, tile)
		}
	}
	return tiles, nil
}

func tileHashes(level int, index uint64, n Nodes) ([]Hash, error) {
	nodes := make([]Hash, TileWidth)
	for j := range nodes {
		h, err := n(tileHeight*level, index*TileWidth+uint64(j))
		if err != nil {
			return nil, err
		}
		nodes[j] = h
	}
	return nodes, nil
}
