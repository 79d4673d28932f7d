package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// Closed and suspect files are read by this reader of bbolt's page format, never
// through a memory map: it reads page by page, front to back, checks every
// offset, and answers a damaged page with errDamaged instead of a fault. The
// format is stable since 2013 (version 2) and described in docs/formats/journal.md.

const (
	boltMagic      = 0xED0CDAED
	boltVersion    = 2
	pageHeader     = 16
	elementSize    = 16
	flagBranch     = 0x01
	flagLeaf       = 0x02
	bucketElement  = 0x01
	maxDepth       = 32
	maxPageRun     = 64 << 20
	metaChecksumAt = 56
)

// errDamaged marks what is not as it was written; errAbsent a bucket or key
// that a sound file does not have.
var (
	errDamaged = errors.New("damaged")
	errAbsent  = errors.New("absent")
	// errOvertaken: the meta page of a read transaction was already replaced.
	errOvertaken = errors.New("snapshot overtaken")
)

// pages is one snapshot of a bbolt file: the tree below the newest valid meta page.
type pages struct {
	src      io.ReaderAt
	size     int64
	pageSize int64
	root     uint64
	txid     uint64
	high     uint64 // first page number never used
	halved   bool   // the other meta page is not valid: this may not be the last commit
}

// openPages reads the meta pages and takes the newer valid one.
func openPages(src io.ReaderAt, size int64) (*pages, error) {
	return openPagesAt(src, size, 0)
}

// openPagesAt takes the meta page of one transaction, 0 for the newest. Only the
// pages of a transaction that bbolt knows to be open are safe from reuse.
func openPagesAt(src io.ReaderAt, size int64, txid uint64) (*pages, error) {
	best := (*pages)(nil)
	for _, pageSize := range []int64{4096, 8192, 16384, 32768, 65536} {
		valid := 0
		for i := range int64(2) {
			m, err := readMeta(src, size, i*pageSize)
			if err != nil || m.pageSize != pageSize {
				continue
			}
			valid++
			if best == nil || m.txid > best.txid || m.txid == txid {
				best = m
			}
			if txid != 0 && best.txid == txid {
				return best, nil
			}
		}
		if best != nil && txid != 0 {
			return nil, errOvertaken
		}
		if best != nil {
			best.halved = valid < 2
			return best, nil
		}
	}
	return nil, fmt.Errorf("no valid meta page: %w", errDamaged)
}

func readMeta(src io.ReaderAt, size, at int64) (*pages, error) {
	var b [pageHeader + 64]byte
	if _, err := src.ReadAt(b[:], at); err != nil {
		return nil, err
	}
	m, le := b[pageHeader:], binary.LittleEndian
	sum := fnv.New64a()
	sum.Write(m[:metaChecksumAt])
	if le.Uint32(m) != boltMagic || le.Uint32(m[4:]) != boltVersion || le.Uint64(m[metaChecksumAt:]) != sum.Sum64() {
		return nil, errDamaged
	}
	return &pages{
		src: src, size: size, pageSize: int64(le.Uint32(m[8:])),
		root: le.Uint64(m[16:]), high: le.Uint64(m[40:]), txid: le.Uint64(m[48:]),
	}, nil
}

// page is one page with its overflow, as read.
type page struct {
	flags uint16
	count int
	data  []byte
}

// read reads a page run into buf (grown as needed) and checks its header.
func (p *pages) read(id uint64, buf []byte) (page, error) {
	if id < 2 || id >= p.high {
		return page{}, fmt.Errorf("page %d out of range: %w", id, errDamaged)
	}
	if int64(cap(buf)) < p.pageSize {
		buf = make([]byte, p.pageSize)
	}
	buf = buf[:p.pageSize]
	at := int64(id) * p.pageSize
	if _, err := p.src.ReadAt(buf, at); err != nil {
		return page{}, fmt.Errorf("page %d: %w: %w", id, errDamaged, err)
	}
	le := binary.LittleEndian
	run := (int64(le.Uint32(buf[12:])) + 1) * p.pageSize
	if le.Uint64(buf) != id || run > maxPageRun || at+run > p.size {
		return page{}, fmt.Errorf("page %d has a wrong header: %w", id, errDamaged)
	}
	if run > p.pageSize {
		whole := make([]byte, run)
		copy(whole, buf)
		if _, err := p.src.ReadAt(whole[p.pageSize:], at+p.pageSize); err != nil {
			return page{}, fmt.Errorf("page %d: %w: %w", id, errDamaged, err)
		}
		buf = whole
	}
	return parsePage(buf)
}

func parsePage(buf []byte) (page, error) {
	if len(buf) < pageHeader {
		return page{}, fmt.Errorf("short page: %w", errDamaged)
	}
	le := binary.LittleEndian
	pg := page{flags: le.Uint16(buf[8:]), count: int(le.Uint16(buf[10:])), data: buf}
	if pg.flags != flagBranch && pg.flags != flagLeaf || pageHeader+pg.count*elementSize > len(buf) {
		return page{}, fmt.Errorf("page of unknown kind: %w", errDamaged)
	}
	return pg, nil
}

// leaf returns element i of a leaf page.
func (pg page) leaf(i int) (flags uint32, key, value []byte, err error) {
	at := pageHeader + i*elementSize
	e, le := pg.data[at:], binary.LittleEndian
	from := int64(at) + int64(le.Uint32(e[4:]))
	ksize, vsize := int64(le.Uint32(e[8:])), int64(le.Uint32(e[12:]))
	if from+ksize+vsize > int64(len(pg.data)) {
		return 0, nil, nil, fmt.Errorf("element past its page: %w", errDamaged)
	}
	return le.Uint32(e), pg.data[from : from+ksize], pg.data[from+ksize : from+ksize+vsize], nil
}

// branch returns element i of a branch page.
func (pg page) branch(i int) (key []byte, child uint64, err error) {
	at := pageHeader + i*elementSize
	e, le := pg.data[at:], binary.LittleEndian
	from, ksize := int64(at)+int64(le.Uint32(e)), int64(le.Uint32(e[4:]))
	if from+ksize > int64(len(pg.data)) {
		return nil, 0, fmt.Errorf("element past its page: %w", errDamaged)
	}
	return pg.data[from : from+ksize], le.Uint64(e[8:]), nil
}

// tree is one bucket: a root page, or the small bucket written into its parent.
type tree struct {
	p      *pages
	root   uint64
	inline []byte
}

func (p *pages) top() tree { return tree{p: p, root: p.root} }

// bucket finds a top-level bucket; errAbsent when there is none.
func (p *pages) bucket(name string) (tree, error) {
	var out tree
	found := false
	err := p.top().scan([]byte(name), func(flags uint32, key, value []byte) (bool, error) {
		if string(key) != name {
			return false, nil
		}
		if flags&bucketElement == 0 || len(value) < 16 {
			return false, fmt.Errorf("%q is no bucket: %w", name, errDamaged)
		}
		out = tree{p: p, root: binary.LittleEndian.Uint64(value)}
		if out.root == 0 {
			out.inline = bytes.Clone(value[16:])
		}
		found = true
		return false, nil
	})
	if err != nil {
		return tree{}, err
	}
	if !found {
		return tree{}, fmt.Errorf("bucket %q: %w", name, errAbsent)
	}
	return out, nil
}

// visit gets one element; the slices are valid only during the call. It returns
// false to end the walk.
type visit func(flags uint32, key, value []byte) (more bool, err error)

// scan walks the elements from the first key ≥ from, ascending.
func (t tree) scan(from []byte, fn visit) error {
	w := walker{p: t.p, from: from, fn: fn, left: t.p.high + 1}
	_, err := w.tree(t)
	return err
}

// descend walks all elements from the last one down.
func (t tree) descend(fn visit) error {
	w := walker{p: t.p, fn: fn, left: t.p.high + 1, down: true}
	_, err := w.tree(t)
	return err
}

// get returns a copy of a value; errAbsent without one.
func (t tree) get(key []byte) ([]byte, error) {
	var out []byte
	err := t.scan(key, func(_ uint32, k, v []byte) (bool, error) {
		if bytes.Equal(k, key) {
			out = append([]byte{}, v...)
		}
		return false, nil
	})
	if err == nil && out == nil {
		err = errAbsent
	}
	return out, err
}

// walker is one walk; left bounds the pages it may read, so that a damaged
// child number can't make a circle.
type walker struct {
	p    *pages
	from []byte
	fn   visit
	down bool
	// lenient goes on behind a page that can't be read.
	lenient bool
	left    uint64
	bufs    [maxDepth][]byte
}

func (w *walker) tree(t tree) (bool, error) {
	if t.inline == nil {
		return w.page(t.root, 0)
	}
	pg, err := parsePage(t.inline)
	if err != nil {
		return false, err
	}
	if pg.flags != flagLeaf {
		return false, fmt.Errorf("inline bucket of unknown kind: %w", errDamaged)
	}
	return w.leaves(pg)
}

func (w *walker) page(id uint64, depth int) (bool, error) {
	if depth >= maxDepth || w.left == 0 {
		return false, fmt.Errorf("pages go round in a circle: %w", errDamaged)
	}
	w.left--
	if w.bufs[depth] == nil {
		w.bufs[depth] = make([]byte, w.p.pageSize)
	}
	pg, err := w.p.read(id, w.bufs[depth])
	if err != nil {
		return false, err
	}
	if pg.flags == flagLeaf {
		return w.leaves(pg)
	}
	return w.branches(pg, depth)
}

func (w *walker) branches(pg page, depth int) (bool, error) {
	first := 0
	if w.from != nil {
		for i := range pg.count { // the last child whose first key is ≤ from
			key, _, err := pg.branch(i)
			if err != nil {
				return false, err
			}
			if bytes.Compare(key, w.from) > 0 {
				break
			}
			first = i
		}
	}
	for n := first; n < pg.count; n++ {
		i := n
		if w.down {
			i = pg.count - 1 - n
		}
		_, child, err := pg.branch(i)
		if err != nil && w.lenient {
			continue
		}
		if err != nil {
			return false, err
		}
		more, err := w.page(child, depth+1)
		if w.lenient && errors.Is(err, errDamaged) {
			continue
		}
		if !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (w *walker) leaves(pg page) (bool, error) {
	for n := range pg.count {
		i := n
		if w.down {
			i = pg.count - 1 - n
		}
		flags, key, value, err := pg.leaf(i)
		if err != nil && w.lenient {
			continue
		}
		if err != nil {
			return false, err
		}
		if w.from != nil && bytes.Compare(key, w.from) < 0 {
			continue
		}
		if more, err := w.fn(flags, key, value); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}
