package novelty

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/linewatch/linewatch/agent/detect"
)

// The format of what is kept: magic, version, payload, CRC-32C of all before it. All
// numbers are little-endian. docs/formats/novelty.md describes it.
const (
	stateMagic   = "LWNV"
	stateVersion = 1
	maxState     = 64 << 10
)

var errState = errors.New("it is damaged")

// Save implements detect.Keeper: nil before the first step.
func (d *Detector) Save() []byte {
	if d.model == nil {
		return nil
	}
	w := &codec{out: make([]byte, 0, 16<<10)}
	w.out = append(w.out, stateMagic...)
	w.out = binary.LittleEndian.AppendUint16(w.out, stateVersion)
	d.fields(w)
	return binary.LittleEndian.AppendUint32(w.out, crc32.Checksum(w.out, crc32.MakeTable(crc32.Castagnoli)))
}

// Restore implements detect.Keeper. After an error the detector has learnt nothing, and
// says so with its first step.
func (d *Detector) Restore(state []byte) error {
	if len(state) == 0 {
		return nil
	}
	fresh := New(d.o)
	err := fresh.read(state)
	if err != nil {
		fresh = New(d.o)
		fresh.lostWhy = err.Error()
	} else {
		fresh.restored, fresh.said = true, true
	}
	fresh.context, fresh.suppressed = d.context, d.suppressed
	if d.context != (detect.Context{}) && !d.suppressed {
		fresh.where.enter(d.context)
	}
	*d = *fresh
	if err != nil {
		return fmt.Errorf("restore what was learnt of %s: %w", d.o.Signal.Name, err)
	}
	return nil
}

func (d *Detector) read(state []byte) error {
	end := len(state) - 4
	switch {
	case len(state) > maxState || end < len(stateMagic)+2 || string(state[:4]) != stateMagic:
		return errState
	case crc32.Checksum(state[:end], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(state[end:]):
		return errState
	}
	if v := binary.LittleEndian.Uint16(state[4:]); v != stateVersion {
		return fmt.Errorf("its format %d is not known to this version", v)
	}
	r := &codec{in: state[6:end], reading: true}
	d.fields(r)
	if r.bad || len(r.in) > 0 || !d.sound() {
		return errState
	}
	return nil
}

// codec writes fields, or reads them in the same order: one list of fields serves both.
type codec struct {
	out     []byte
	in      []byte
	reading bool
	bad     bool
}

func (c *codec) u64(v *uint64) {
	if !c.reading {
		c.out = binary.LittleEndian.AppendUint64(c.out, *v)
		return
	}
	if len(c.in) < 8 {
		c.bad, c.in = true, nil
		return
	}
	*v, c.in = binary.LittleEndian.Uint64(c.in), c.in[8:]
}

func (c *codec) i64(v *int64) {
	u := uint64(*v)
	c.u64(&u)
	*v = int64(u)
}

func (c *codec) f64(list ...*float64) {
	for _, v := range list {
		u := math.Float64bits(*v)
		c.u64(&u)
		*v = math.Float64frombits(u)
		if math.IsNaN(*v) || math.IsInf(*v, 0) {
			c.bad = true
		}
	}
}

func (c *codec) u32(list ...*uint32) {
	for _, v := range list {
		if !c.reading {
			c.out = binary.LittleEndian.AppendUint32(c.out, *v)
			continue
		}
		if len(c.in) < 4 {
			c.bad, c.in = true, nil
			return
		}
		*v, c.in = binary.LittleEndian.Uint32(c.in), c.in[4:]
	}
}

func (c *codec) f32(v *float32) {
	u := math.Float32bits(*v)
	c.u32(&u)
	*v = math.Float32frombits(u)
	if f := float64(*v); math.IsNaN(f) || math.IsInf(f, 0) {
		c.bad = true
	}
}

func (c *codec) u8(list ...*uint8) {
	for _, v := range list {
		if !c.reading {
			c.out = append(c.out, *v)
			continue
		}
		if len(c.in) < 1 {
			c.bad = true
			return
		}
		*v, c.in = c.in[0], c.in[1:]
	}
}

func (c *codec) flag(list ...*bool) {
	for _, v := range list {
		b := uint8(0)
		if *v {
			b = 1
		}
		c.u8(&b)
		*v = b != 0
	}
}

// count writes a length, or reads one of at most most.
func (c *codec) count(n, most int) int {
	v := uint32(n)
	c.u32(&v)
	if v > uint32(most) {
		c.bad, v = true, 0
	}
	return int(v)
}
