// Package secure is the client side of an OPC UA secure channel over TCP
// (OPC 10000-6, 6.7 and 7.1) with the message types and algorithms of gopcua. It
// exists because gopcua's own channel decodes whatever a server sends in a
// goroutine of its own, where a few bytes can end the process: here the bytes of
// a message are checked first, and a fault is an error of the request.
package secure

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uapolicy"
)

// Bounds of a connection.
const (
	chunkSize = 0xffff // what we send and take at most, per chunk
	// smallestChunk is what the specification lets a server take at least.
	smallestChunk = 1024
	// leniency is how long an answer may be late beyond the timeout told to the server.
	leniency = 250 * time.Millisecond
	// soonestRenewal bounds the pace that a server can force upon us.
	soonestRenewal = time.Second
)

// ErrDowngrade is an answer under another policy or certificate than asked for.
var ErrDowngrade = errors.New("the answer came under another policy or certificate than asked for: somebody may be between the agent and the server")

// Config is what a channel is opened with.
type Config struct {
	Endpoint string // opc.tcp://host:port/path
	Policy   string // security policy URI
	Mode     ua.MessageSecurityMode
	// Certificate and Key are ours, Pinned is the leaf (DER) that the server must
	// have; all empty without security.
	Certificate, Pinned []byte
	Key                 *rsa.PrivateKey
	Lifetime            time.Duration // of a security token, asked for
	Timeout             time.Duration // of requests, at least
	MaxMessage          int           // bytes of one answer
	MaxChunks           int           // chunks of one answer
}

func (c *Config) secure() bool { return c.Mode != ua.MessageSecurityModeNone }

// Channel is an open secure channel. Requests may be sent concurrently.
type Channel struct {
	cfg  Config
	conn net.Conn
	send int // largest chunk that the server takes
	most int // largest message that the server takes, 0 for any

	writing  sync.Mutex // guards the sequence of chunks and the two below
	sequence uint32
	request  uint32

	mu      sync.Mutex // guards what follows
	tokens  []token    // newest first, two at most
	waiting map[uint32]*pending
	err     error // why the connection ended

	in     inbound // of the reader alone
	closed chan struct{}
	stop   sync.Once
	done   sync.WaitGroup
}

// token is a security token with its keys.
type token struct {
	channel, id uint32
	algo        *uapolicy.EncryptionAlgorithm
	life        time.Duration
}

// pending is a request without an answer yet.
type pending struct {
	answer chan answer // takes one
	// nonce and algo are those of an OpenSecureChannel request.
	nonce []byte
	algo  *uapolicy.EncryptionAlgorithm
}

type answer struct {
	res ua.Response
	err error
}

// Dial connects and opens a channel; Close must be called when err is nil.
func Dial(ctx context.Context, cfg Config) (*Channel, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", cfg.Endpoint, err)
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "4840")
	}
	dialer := net.Dialer{KeepAlive: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Channel{cfg: cfg, conn: conn, waiting: map[uint32]*pending{}, closed: make(chan struct{})}
	c.in.parts = map[uint32]*part{}
	if err := c.hello(ctx); err != nil {
		_ = conn.Close() // the reason is the error above
		return nil, fmt.Errorf("hello: %w", err)
	}
	c.done.Go(c.read)
	if err := c.open(ctx, ua.SecurityTokenRequestTypeIssue); err != nil {
		c.Close()
		return nil, fmt.Errorf("open secure channel: %w", err)
	}
	c.done.Go(c.renew)
	return c, nil
}

// hello exchanges the first messages, in which both sides say what they take.
func (c *Channel) hello(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(c.cfg.Timeout)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return err
	}
	body, err := ua.Encode(&uacp.Hello{
		ReceiveBufSize: chunkSize, SendBufSize: chunkSize, EndpointURL: c.cfg.Endpoint,
		MaxMessageSize: uint32(c.cfg.MaxMessage), MaxChunkCount: uint32(c.cfg.MaxChunks), // our own bounds
	})
	if err != nil {
		return err
	}
	head, err := ua.Encode(&uacp.Header{MessageType: "HEL", ChunkType: 'F', MessageSize: uint32(8 + len(body))}) // an URL is short
	if err != nil {
		return err
	}
	if _, err := c.conn.Write(join(head, body)); err != nil {
		return err
	}
	frame, err := readFrame(c.conn)
	if err != nil {
		return err
	}
	if string(frame[:4]) != "ACKF" {
		return malformed("%q instead of an acknowledgement", frame[:4])
	}
	var ack uacp.Acknowledge
	if _, err := ack.Decode(frame[8:]); err != nil {
		return malformed("the acknowledgement is too short")
	}
	if ack.ReceiveBufSize < smallestChunk {
		return malformed("the server takes only %d bytes at a time, the specification demands %d", ack.ReceiveBufSize, smallestChunk)
	}
	c.send, c.most = int(min(ack.ReceiveBufSize, chunkSize)), int(min(ack.MaxMessageSize, 1<<30))
	return c.conn.SetDeadline(time.Time{})
}

// Close ends the connection and waits for the goroutines of the channel.
func (c *Channel) Close() {
	c.fail(io.EOF)
	c.done.Wait()
}

// fail ends the connection; the first reason is what requests get.
func (c *Channel) fail(err error) {
	c.stop.Do(func() {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		_ = c.conn.Close() // nothing to do about it
		close(c.closed)
	})
}

// renew asks for a new token when three quarters of the life of one have passed.
func (c *Channel) renew() {
	for {
		c.mu.Lock()
		life := c.tokens[0].life
		c.mu.Unlock()
		timer := time.NewTimer(max(life*3/4, soonestRenewal))
		select {
		case <-c.closed:
			timer.Stop()
			return
		case <-timer.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
		err := c.open(ctx, ua.SecurityTokenRequestTypeRenew)
		cancel()
		if err != nil {
			c.fail(fmt.Errorf("renew the security token: %w", err))
			return
		}
	}
}
