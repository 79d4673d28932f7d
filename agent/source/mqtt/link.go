package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// MQTT 3.1.1 packet types (section 2.2.1), as they stand in the first byte's upper half.
const (
	typePublish  = 3
	typePuback   = 4
	typePubrec   = 5
	typePingreq  = 12
	typePingresp = 13
)

// writeLimit is how long a write may take before the connection counts as dead.
const writeLimit = 20 * time.Second

// errPublish is what an attempt to publish gets: the agent only reads.
var errPublish = errors.New("the agent never publishes")

// link is one network connection to a broker. It reads ahead (the library reads
// byte by byte), cuts messages that are longer than the limit so that nobody can
// make us allocate 256 MB, refuses to send PUBLISH, writes acknowledgements of a
// whole batch at once, and matches pings with their answers.
type link struct {
	net.Conn
	number     uint32 // of the connections of this session, stored with the position
	since      time.Time
	maxMessage int // bytes of a packet's body

	// Owned by the reader.
	r      *bufio.Reader
	header []byte // still to hand out
	body   int    // bytes of the body still to hand out
	skip   int    // bytes behind it to throw away

	wmu  sync.Mutex
	sent uint64 // pings, guarded by wmu

	pmu      sync.Mutex
	answered uint64

	once sync.Once
	done chan struct{} // closed when the connection ended
	err  error         // why, set before done closes
}

func newLink(c net.Conn, number uint32, maxMessage int) *link {
	return &link{
		Conn: c, number: number, since: time.Now(), maxMessage: maxMessage,
		r: bufio.NewReaderSize(c, 64<<10), done: make(chan struct{}),
	}
}

// end notes why the connection ended and closes it.
func (l *link) end(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.done)
	})
	_ = l.Conn.Close() // a second close changes nothing
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.end(net.ErrClosed)
	return nil
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := l.read(p)
	if err != nil {
		l.end(err)
	}
	return n, err
}

func (l *link) read(p []byte) (int, error) {
	if len(l.header) == 0 && l.body == 0 {
		if _, err := l.r.Discard(l.skip); err != nil {
			return 0, err
		}
		l.skip = 0
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	if len(l.header) > 0 {
		n := copy(p, l.header)
		l.header = l.header[n:]
		return n, nil
	}
	n, err := l.r.Read(p[:min(len(p), l.body)])
	l.body -= n
	return n, err
}

// next reads the fixed header of the next packet.
func (l *link) next() error {
	first, err := l.r.ReadByte()
	if err != nil {
		return err
	}
	length := 0
	for i := 0; ; i++ {
		b, err := l.r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		length |= int(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			break
		}
		if i == 3 {
			return errors.New("packet with a malformed length")
		}
	}
	l.body = length
	switch first >> 4 {
	case typePublish:
		if l.body > l.maxMessage {
			l.body, l.skip = l.maxMessage, length-l.maxMessage
		}
	case typePingresp:
		l.pmu.Lock()
		l.answered++
		l.pmu.Unlock()
	default:
		if length > 64<<10 {
			return fmt.Errorf("packet of type %d with %d bytes", first>>4, length)
		}
	}
	l.header = appendHeader(make([]byte, 0, 5), first, l.body)
	return nil
}

func appendHeader(dst []byte, first byte, length int) []byte {
	dst = append(dst, first)
	for {
		b := byte(length & 0x7f)
		if length >>= 7; length == 0 {
			return append(dst, b)
		}
		dst = append(dst, b|0x80)
	}
}

// Write implements net.Conn; the library hands over one packet per call.
func (l *link) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0]>>4 == typePublish {
		return 0, errPublish
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if len(p) > 0 && p[0]>>4 == typePingreq {
		l.sent++
	}
	return l.write(p)
}

func (l *link) write(p []byte) (int, error) {
	_ = l.Conn.SetWriteDeadline(time.Now().Add(writeLimit)) // a closed connection is told by Write
	n, err := l.Conn.Write(p)
	if err != nil {
		l.end(err)
	}
	return n, err
}

// acknowledge sends the acknowledgements of a batch in one write; with ping it
// adds a PINGREQ and returns its number, whose answer proves that the broker has
// read the acknowledgements. Errors need no handling: the broker sends again.
func (l *link) acknowledge(acks []byte, ping bool) (number uint64) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if ping {
		acks = append(acks, typePingreq<<4, 0)
		l.sent++
		number = l.sent
	}
	if len(acks) > 0 {
		_, _ = l.write(acks)
	}
	return number
}

// appendAck appends PUBACK for QoS 1 or PUBREC for QoS 2.
func appendAck(dst []byte, qos byte, id uint16) []byte {
	switch qos {
	case 1:
		return append(dst, typePuback<<4, 2, byte(id>>8), byte(id))
	case 2:
		return append(dst, typePubrec<<4, 2, byte(id>>8), byte(id))
	}
	return dst
}

// pings returns how many pings were answered.
func (l *link) pings() uint64 {
	l.pmu.Lock()
	defer l.pmu.Unlock()
	return l.answered
}

// ended reports whether the connection is over.
func (l *link) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
