package pipeline

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// groupSize is how many values share a key: one change rewrites about 1 KB, a
	// thousand changes at once some thirty keys.
	groupSize = 32
	// maxKeptValue is the longest value that is remembered as it is; of a longer
	// one the hash is, which still tells a change.
	maxKeptValue = 256
	groupPrefix  = "v/"
)

// memory holds the previous values of event points and fault words. It is stored
// as positions under the source's name + "/pipeline".
type memory struct {
	groups [][]kept
	index  map[uint64]place
	dirty  map[int]bool
}

type kept struct {
	key   uint64
	value []byte
}

type place struct{ group, slot int }

// memoryName is the name under which a source's memory is stored.
func memoryName(source string) string { return source + "/pipeline" }

// recall builds the memory of what was stored; what is damaged is forgotten, so
// that the next value counts as the first one.
func recall(stored map[string][]byte) *memory {
	m := &memory{index: map[uint64]place{}, dirty: map[int]bool{}}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(key, groupPrefix), "%d", &n); err != nil ||
			!strings.HasPrefix(key, groupPrefix) || n != len(m.groups) {
			continue
		}
		m.groups = append(m.groups, nil)
		m.decode(n, stored[key])
	}
	return m
}

func (m *memory) decode(group int, data []byte) {
	for len(data) >= 10 {
		key, length := binary.BigEndian.Uint64(data), int(binary.BigEndian.Uint16(data[8:]))
		if data = data[10:]; length > len(data) {
			return
		}
		m.index[key] = place{group, len(m.groups[group])}
		m.groups[group] = append(m.groups[group], kept{key, append([]byte(nil), data[:length]...)})
		data = data[length:]
	}
}

// get returns the previous value as JSON; whole is false when only its hash is known.
func (m *memory) get(key uint64) (value []byte, whole, ok bool) {
	p, ok := m.index[key]
	if !ok {
		return nil, false, false
	}
	v := m.groups[p.group][p.slot].value
	return v, len(v) == 0 || v[0] != '#', true
}

// same reports whether a value is the one that is remembered.
func (m *memory) same(key uint64, value []byte) bool {
	v, _, ok := m.get(key)
	return ok && string(v) == string(condense(value))
}

// put remembers a value.
func (m *memory) put(key uint64, value []byte) {
	v := slices.Clone(condense(value))
	p, ok := m.index[key]
	if !ok {
		last := len(m.groups) - 1
		if last < 0 || len(m.groups[last]) >= groupSize {
			m.groups, last = append(m.groups, nil), last+1
		}
		p = place{last, len(m.groups[last])}
		m.groups[last] = append(m.groups[last], kept{key: key})
		m.index[key] = p
	}
	m.groups[p.group][p.slot].value = v
	m.dirty[p.group] = true
}

// condense replaces a long value by its hash; no JSON begins with #.
func condense(value []byte) []byte {
	if len(value) <= maxKeptValue {
		return value
	}
	sum := sha256.Sum256(value)
	return append([]byte{'#'}, sum[:16]...)
}

// changed returns the keys to be stored since the last call.
func (m *memory) changed() map[string][]byte {
	if len(m.dirty) == 0 {
		return nil
	}
	set := make(map[string][]byte, len(m.dirty))
	for group := range m.dirty {
		var data []byte
		for _, k := range m.groups[group] {
			data = binary.BigEndian.AppendUint64(data, k.key)
			data = binary.BigEndian.AppendUint16(data, uint16(len(k.value)))
			data = append(data, k.value...)
		}
		set[fmt.Sprintf(groupPrefix+"%06d", group)] = data
	}
	clear(m.dirty)
	return set
}

// pointKey names a point over restarts.
func pointKey(kind, item, event string) uint64 {
	sum := sha256.Sum256([]byte(kind + "\x00" + item + "\x00" + event))
	return binary.BigEndian.Uint64(sum[:])
}
