package postgres

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
)

// copyHead begins COPY in binary form: signature, no flags, no extension
// (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format").
const copyHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyColumns are in the order in which [copyRow] writes them.
func copyColumns() []string {
	return []string{
		"log", "idx", "pos", "at", "received", "clock_offset", "id", "type", "class", "severity", "timestamp",
		"collected", "station", "equipment", "signal", "correlation", "user_id", "ip", "agent", "quarantined", "leaf_hash",
		"problems", "leaf", "data", "context", "words",
	}
}

func copyInto(table string) string {
	return "COPY " + table + " (" + strings.Join(copyColumns(), ", ") + ") FROM STDIN BINARY"
}

// copyReader gives rows as binary COPY, encoded as they are read. (The COPY of pgx
// looks for a way to encode each value of each row anew: half of what storing a row
// costs the aggregator.) What does not fit its column is written so that the server
// refuses it, as it refuses a text that is no UTF-8.
type copyReader struct {
	rows  []placed
	next  int
	begun bool
	buf   []byte
	read  int // of buf
}

// Read implements io.Reader.
func (c *copyReader) Read(p []byte) (int, error) {
	if c.read == len(c.buf) {
		c.buf, c.read = c.buf[:0], 0
		if err := c.fill(len(p)); err != nil {
			return 0, err
		}
	}
	if len(c.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.buf[c.read:])
	c.read += n
	return n, nil
}

// fill encodes rows until there are size bytes.
func (c *copyReader) fill(size int) error {
	if !c.begun {
		c.begun, c.buf = true, append(c.buf, copyHead...)
	}
	for ; c.next < len(c.rows) && len(c.buf) < size; c.next++ {
		var err error
		if c.buf, err = copyRow(c.buf, &c.rows[c.next]); err != nil {
			return err
		}
	}
	if c.next == len(c.rows) {
		c.buf = append(c.buf, 0xff, 0xff) // the end: no fields, -1
		c.next++
	}
	return nil
}

// copyRow appends one row.
func copyRow(dst []byte, p *placed) ([]byte, error) {
	var problems []byte
	if len(p.Problems) > 0 {
		var err error
		if problems, err = json.Marshal(p.Problems); err != nil {
			return dst, err
		}
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(copyColumns())))
	dst = binary.BigEndian.AppendUint32(copySize(dst, 4), uint32(p.log))
	dst = copyInt64(dst, int64(p.Index))
	dst = copyInt64(dst, p.pos)
	dst = copyInt64(dst, microseconds(p.At))
	dst = copyInt64(dst, microseconds(p.ReceivedAt))
	dst = copyInt64(dst, p.Offset.Microseconds())
	dst = copyID(dst, p.ID)
	dst = copyBytes(dst, p.Type)
	dst = copyBytes(dst, string(p.Class))
	dst = binary.BigEndian.AppendUint16(copySize(dst, 2), uint16(p.Severity))
	dst = copyTime(dst, p.Timestamp)
	dst = copyTime(dst, p.CollectedAt)
	dst = copyBytes(dst, p.Station)
	dst = copySome(dst, p.Equipment)
	dst = copySome(dst, p.Signal)
	dst = copySome(dst, p.CorrelationID)
	dst = copySome(dst, p.UserID)
	dst = copyAddress(dst, p.SourceIP)
	dst = copyBytes(dst, p.AgentID)
	dst = append(copySize(dst, 1), byte(bit(p.Quarantined)))
	dst = copyBytes(dst, p.LeafHash[:])
	dst = copySome(dst, problems)
	dst = copyBytes(dst, p.Leaf)
	dst = copyObject(dst, p.Data)
	dst = copyObject(dst, p.Context)
	return copyBytes(dst, p.Words), nil
}

// copySize begins a field.
func copySize(dst []byte, n int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }

// copyNull is a field without a value.
func copyNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }

func copyInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(copySize(dst, 8), uint64(v))
}

func copyBytes[T string | []byte](dst []byte, v T) []byte { return append(copySize(dst, len(v)), v...) }

// copySome keeps empty texts out of the partial indexes.
func copySome[T string | []byte](dst []byte, v T) []byte {
	if len(v) == 0 {
		return copyNull(dst)
	}
	return copyBytes(dst, v)
}

// microseconds is a timestamptz: since 2000 began.
func microseconds(t time.Time) int64 {
	const year2000 = 946_684_800
	return (t.Unix()-year2000)*1_000_000 + int64(t.Nanosecond()/1000)
}

func copyTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return copyNull(dst)
	}
	return copyInt64(dst, microseconds(t))
}

// copyID writes a uuid; of a text that is none too many bytes.
func copyID(dst []byte, id string) []byte {
	if parsed, err := uuid.Parse(id); err == nil && len(id) == 36 {
		return copyBytes(dst, parsed[:])
	}
	return copyBytes(dst, make([]byte, len(uuid.UUID{})+1))
}

// copyAddress writes an inet: family, bits, whether it is a network, length, bytes.
// The family of a text that is no address is 0, which there is none of.
func copyAddress(dst []byte, text string) []byte {
	const inet, inet6 = 2, 3
	if text == "" {
		return copyNull(dst)
	}
	a, err := netip.ParseAddr(text)
	family := byte(inet6)
	switch {
	case err != nil:
		return append(copySize(dst, 4), 0, 0, 0, 0)
	case a.Is4():
		family = inet
	}
	raw := a.AsSlice()
	dst = append(copySize(dst, 4+len(raw)), family, byte(a.BitLen()), 0, byte(len(raw)))
	return append(dst, raw...)
}

// copyObject writes a jsonb: its version and the text.
func copyObject(dst, text []byte) []byte {
	if text == nil {
		return copyNull(dst)
	}
	return append(append(copySize(dst, 1+len(text)), 1), text...)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
