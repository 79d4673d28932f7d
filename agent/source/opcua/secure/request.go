package secure

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uasc"
)

// SendRequest sends a request under the authentication token of a session (nil
// for none) and waits for its answer. Errors: ctx.Err(), the ua.StatusCode of the
// service or ua.StatusBadTimeout, *Malformed for an answer that was refused,
// io.EOF when the connection is gone.
func (c *Channel) SendRequest(ctx context.Context, req ua.Request, session *ua.NodeID, timeout time.Duration) (ua.Response, error) {
	return c.exchange(ctx, req, session, timeout, &pending{answer: make(chan answer, 1)})
}

// open asks for a security token; the reader takes it into use.
func (c *Channel) open(ctx context.Context, kind ua.SecurityTokenRequestType) error {
	algo, err := c.cfg.asymmetric(c.cfg.Policy, c.cfg.Pinned)
	if err != nil {
		return err
	}
	nonce, err := algo.MakeNonce()
	if err != nil {
		return fmt.Errorf("make nonce: %w", err)
	}
	_, err = c.exchange(ctx, &ua.OpenSecureChannelRequest{
		RequestType: kind, SecurityMode: c.cfg.Mode, ClientNonce: nonce,
		RequestedLifetime: uint32(c.cfg.Lifetime / time.Millisecond), // an hour
	}, nil, c.cfg.Timeout, &pending{answer: make(chan answer, 1), nonce: nonce, algo: algo})
	return err
}

func (c *Channel) exchange(ctx context.Context, req ua.Request, session *ua.NodeID, timeout time.Duration, p *pending) (ua.Response, error) {
	if session == nil {
		session = ua.NewTwoByteNodeID(0)
	}
	id, err := c.write(req, session, timeout, p)
	defer c.forget(id)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(timeout + leniency)
	defer timer.Stop()
	select {
	case a := <-p.answer:
		return a.res, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, ua.StatusBadTimeout
	case <-c.closed:
		// An answer may have come just before the end.
		select {
		case a := <-p.answer:
			return a.res, a.err
		default:
			return nil, c.reason()
		}
	}
}

func (c *Channel) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *Channel) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// current is the token to send with; the zero token before there is one.
func (c *Channel) current() token {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tokens) == 0 {
		return token{}
	}
	return c.tokens[0]
}

// write sends one request and returns its id.
func (c *Channel) write(req ua.Request, session *ua.NodeID, timeout time.Duration, p *pending) (uint32, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.request++
	id := c.request
	req.SetHeader(&ua.RequestHeader{
		AuthenticationToken: session, Timestamp: time.Now(), RequestHandle: id,
		TimeoutHint: uint32(max(timeout, c.cfg.Timeout) / time.Millisecond), // seconds
	})
	chunks, err := c.chunks(req, id, p)
	if err != nil {
		return id, err
	}
	c.mu.Lock()
	c.waiting[id] = p
	c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return id, c.ended(err)
	}
	for _, chunk := range chunks {
		if _, err := c.conn.Write(chunk); err != nil {
			// What the server got of the chunk is unknown.
			c.fail(c.ended(err))
			return id, c.reason()
		}
	}
	return id, nil
}

// ended makes io.EOF of whatever tells that the connection is gone.
func (c *Channel) ended(err error) error {
	select {
	case <-c.closed:
		return c.reason()
	default:
		return fmt.Errorf("%w (%w)", io.EOF, err)
	}
}

// chunks encodes, signs and encrypts a request. The caller holds writing.
func (c *Channel) chunks(req ua.Request, id uint32, p *pending) ([][]byte, error) {
	typeID := ua.ServiceTypeID(req)
	if typeID == 0 {
		return nil, fmt.Errorf("unknown service %T", req)
	}
	now := c.current()
	m := &uasc.Message{
		MessageHeader: &uasc.MessageHeader{SequenceHeader: uasc.NewSequenceHeader(0, id)},
		TypeID:        ua.NewFourByteExpandedNodeID(0, typeID), Service: req,
	}
	if p.algo != nil {
		return c.openChunk(m, now.channel, p)
	}
	m.Header = uasc.NewHeader(uasc.MessageTypeMessage, uasc.ChunkTypeFinal, now.channel)
	m.SymmetricSecurityHeader = uasc.NewSymmetricSecurityHeader(now.id)
	chunks, err := m.EncodeChunks(uint32(maxBody(now.algo, c.send))) // below 64 KiB
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	size := 0
	for i, chunk := range chunks {
		size += len(chunk)
		c.number(chunk[headerSize+tokenSize:])
		if !c.cfg.secure() {
			continue
		}
		if chunks[i], err = protect(now.algo, chunk, headerSize+tokenSize, c.cfg.Mode == ua.MessageSecurityModeSignAndEncrypt); err != nil {
			return nil, err
		}
	}
	if c.most > 0 && size > c.most {
		return nil, ua.StatusBadRequestTooLarge
	}
	return chunks, nil
}

// openChunk is the one chunk of an OpenSecureChannel request.
func (c *Channel) openChunk(m *uasc.Message, channel uint32, p *pending) ([][]byte, error) {
	m.Header = uasc.NewHeader(uasc.MessageTypeOpenSecureChannel, uasc.ChunkTypeFinal, channel)
	m.AsymmetricSecurityHeader = uasc.NewAsymmetricSecurityHeader(c.cfg.Policy, nil, nil)
	if c.cfg.secure() {
		m.AsymmetricSecurityHeader = uasc.NewAsymmetricSecurityHeader(c.cfg.Policy, c.cfg.Certificate, thumbprint(c.cfg.Pinned))
	}
	chunk, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	plain := headerSize + m.AsymmetricSecurityHeader.Len()
	c.number(chunk[plain:])
	if c.cfg.secure() {
		if chunk, err = protect(p.algo, chunk, plain, true); err != nil {
			return nil, err
		}
	}
	return [][]byte{chunk}, nil
}

// number writes the next sequence number into the header of a chunk. It begins
// again below 1024 as OPC 10000-6, 6.7.2.4 demands.
func (c *Channel) number(header []byte) {
	c.sequence++
	if c.sequence > lastSequence {
		c.sequence = 1
	}
	binary.LittleEndian.PutUint32(header, c.sequence)
}
