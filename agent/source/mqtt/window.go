package mqtt

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

const (
	slotEntries = 64 // entries of one stored value: about 0.9 KB
	entryBytes  = 14
	minWindow   = 8192  // entries kept at the least
	maxWindow   = 65536 // there are no more packet ids
)

// window remembers which messages were committed but perhaps not acknowledged,
// as the broker sees it: by packet id, with the hash of topic and payload and the
// number of the connection. It tells a repeat from a new message and is stored
// with the position, a slot of entries per key, so that it outlives the process.
type window struct {
	entries map[uint16]entry
	slots   []slot // in ascending order of number; the last one is open
	count   int
	limit   int
}

type entry struct {
	hash uint64
	conn uint32
	slot uint64
}

type slot struct {
	number uint64
	key    string // under which data is stored
	data   []byte
}

func newWindow() *window { return &window{entries: map[uint16]entry{}, limit: minWindow} }

const slotPrefix = "seen/"

func slotKey(number uint64) string { return slotPrefix + fmt.Sprintf("%016x", number) }

// restore adds a stored slot; slots must come in ascending order of their keys.
func (w *window) restore(key string, value []byte) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(key, slotPrefix), 16, 64)
	if err != nil || len(value)%entryBytes != 0 {
		return fmt.Errorf("position %s is damaged", key)
	}
	w.slots = append(w.slots, slot{number: number, key: slotKey(number), data: append([]byte(nil), value...)})
	w.count += len(value) / entryBytes
	for ; len(value) > 0; value = value[entryBytes:] {
		w.entries[binary.BigEndian.Uint16(value)] = entry{
			hash: binary.BigEndian.Uint64(value[2:]), conn: binary.BigEndian.Uint32(value[10:]), slot: number,
		}
	}
	return nil
}

// repeat reports whether a message with DUP was committed in an earlier connection.
func (w *window) repeat(id uint16, hash uint64, conn uint32) bool {
	e, ok := w.entries[id]
	return ok && e.hash == hash && e.conn < conn
}

// add records a message of the batch being committed; set and drop collect the
// changed and superfluous keys.
func (w *window) add(id uint16, hash uint64, conn uint32, set map[string][]byte, drop map[string]bool) {
	if n := len(w.slots); n == 0 || len(w.slots[n-1].data) >= slotEntries*entryBytes {
		w.open()
	}
	s := &w.slots[len(w.slots)-1]
	s.data = binary.BigEndian.AppendUint16(s.data, id)
	s.data = binary.BigEndian.AppendUint64(s.data, hash)
	s.data = binary.BigEndian.AppendUint32(s.data, conn)
	w.entries[id] = entry{hash: hash, conn: conn, slot: s.number}
	w.count++
	set[s.key] = s.data
	for w.count > w.limit && len(w.slots) > 1 {
		w.forget(0, w.slots[1].number, drop)
	}
}

// open begins a new slot and returns its number.
func (w *window) open() uint64 {
	number := uint64(1)
	if n := len(w.slots); n > 0 {
		if len(w.slots[n-1].data) == 0 {
			return w.slots[n-1].number
		}
		number = w.slots[n-1].number + 1
	}
	w.slots = append(w.slots, slot{number: number, key: slotKey(number)})
	return number
}

// forget drops the slots from one number to below another: the broker has taken
// note of their acknowledgements, so it can't repeat them, and their packet ids
// may come again with equal contents.
func (w *window) forget(from, below uint64, drop map[string]bool) {
	kept := w.slots[:0]
	for _, s := range w.slots {
		if s.number < from || s.number >= below {
			kept = append(kept, s)
			continue
		}
		for d := s.data; len(d) > 0; d = d[entryBytes:] {
			id := binary.BigEndian.Uint16(d)
			if w.entries[id].slot == s.number {
				delete(w.entries, id)
			}
		}
		if len(s.data) > 0 {
			drop[s.key] = true
		}
		w.count -= len(s.data) / entryBytes
	}
	w.slots = kept
}

// clear forgets everything: the broker began a new session.
func (w *window) clear(drop map[string]bool) {
	if n := len(w.slots); n > 0 {
		w.open()
		w.forget(0, w.slots[len(w.slots)-1].number, drop)
	}
}

// fit makes room for twice as many entries as were ever unacknowledged at once.
func (w *window) fit(unacknowledged int) {
	w.limit = min(max(w.limit, 2*unacknowledged), maxWindow)
}

// contentHash is the first 8 bytes of SHA-256 over topic, NUL and payload.
func contentHash(topic string, payload []byte) uint64 {
	h := sha256.New()
	h.Write([]byte(topic))
	h.Write([]byte{0})
	h.Write(payload)
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(h.Sum(sum[:0]))
}
