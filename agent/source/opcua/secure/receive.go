package secure

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uacp"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/gopcua/opcua/uasc"
)

// lastSequence is the highest sequence number; the next is below 1024.
const lastSequence = math.MaxUint32 - 1024

func thumbprint(certificate []byte) []byte { return uapolicy.Thumbprint(certificate) }

// inbound is what the reader remembers of earlier chunks.
type inbound struct {
	sequence uint32
	started  bool
	parts    map[uint32]*part // by request id
	size     int              // bytes of all parts
}

// part is a message whose last chunk has not come.
type part struct {
	body   []byte
	chunks int
}

// read takes chunks until the connection ends. A fault of one message is an error
// of its request; a fault of the chunks ends the connection.
func (c *Channel) read() {
	for {
		frame, err := readFrame(c.conn)
		if err == nil {
			err = c.guarded(frame)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// guarded makes an error of a panic: a fault that the checks let pass must end the
// connection and not the process.
func (c *Channel) guarded(frame []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = malformed("it can't be decoded (%v)", r)
		}
	}()
	return c.chunk(frame)
}

// readFrame reads one message of OPC UA TCP, at most chunkSize long. An error
// message of the server is returned as *uacp.Error.
func readFrame(from io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, gone(err)
	}
	size := binary.LittleEndian.Uint32(head[4:])
	if size < uint32(len(head)) || size > chunkSize {
		return nil, malformed("a chunk of %d bytes, 8 to %d are taken", size, chunkSize)
	}
	frame := make([]byte, size)
	copy(frame, head)
	if _, err := io.ReadFull(from, frame[len(head):]); err != nil {
		return nil, gone(err)
	}
	if string(frame[:3]) != "ERR" {
		return frame, nil
	}
	refused := new(uacp.Error)
	if _, err := refused.Decode(frame[8:]); err != nil {
		return nil, malformed("an error message that is too short")
	}
	return nil, refused
}

func gone(err error) error {
	if err == io.EOF {
		return err
	}
	return fmt.Errorf("%w (%w)", io.EOF, err)
}

// chunk takes one chunk; a returned error ends the connection.
func (c *Channel) chunk(frame []byte) error {
	if len(frame) < headerSize {
		return malformed("a chunk of %d bytes", len(frame))
	}
	var body []byte
	var err error
	kind, final := string(frame[:3]), frame[3]
	switch kind {
	case uasc.MessageTypeMessage:
		body, err = c.symmetric(frame)
	case uasc.MessageTypeOpenSecureChannel:
		body, err = c.asymmetric(frame)
	case uasc.MessageTypeCloseSecureChannel:
		return io.EOF
	default:
		return malformed("a message of unknown type %q", kind)
	}
	if err != nil {
		return err
	}
	if len(body) < sequenceSize {
		return malformed("a chunk without sequence header")
	}
	if err := c.in.follow(binary.LittleEndian.Uint32(body)); err != nil {
		return err
	}
	id, body := binary.LittleEndian.Uint32(body[4:]), body[sequenceSize:]
	c.mu.Lock()
	p := c.waiting[id]
	c.mu.Unlock()
	if p != nil && (p.algo != nil) != (kind == uasc.MessageTypeOpenSecureChannel) {
		return malformed("an answer of type %s to a request of another type", kind)
	}
	return c.gather(id, p, final, body)
}

// follow checks that no chunk was left out, repeated or put elsewhere.
func (in *inbound) follow(number uint32) error {
	wraps := in.sequence >= lastSequence && number < 1024
	if in.started && number != in.sequence+1 && !wraps {
		return malformed("sequence number %d after %d", number, in.sequence)
	}
	in.sequence, in.started = number, true
	return nil
}

// gather puts the chunks of a message together, within the bounds of all of them.
func (c *Channel) gather(id uint32, p *pending, final byte, body []byte) error {
	before := c.in.parts[id]
	if before == nil {
		before = &part{}
	}
	drop := func() {
		c.in.size -= len(before.body)
		delete(c.in.parts, id)
	}
	switch {
	case p == nil:
		// Nobody waits any more, as after a timeout.
		drop()
		return nil
	case final == uasc.ChunkTypeError:
		drop()
		var abort uasc.MessageAbort
		if _, err := abort.Decode(body); err != nil {
			return malformed("an abort message that is too short")
		}
		c.answer(id, p, answer{err: ua.StatusCode(abort.ErrorCode)})
		return nil
	case final != uasc.ChunkTypeFinal && final != uasc.ChunkTypeIntermediate:
		return malformed("a chunk of unknown type %q", final)
	}
	if c.in.size+len(body) > c.cfg.MaxMessage || before.chunks+1 > c.cfg.MaxChunks {
		return malformed("more than %d bytes or %d chunks", c.cfg.MaxMessage, c.cfg.MaxChunks)
	}
	if final == uasc.ChunkTypeIntermediate {
		before.body = append(before.body, body...)
		before.chunks++
		c.in.size += len(body)
		c.in.parts[id] = before
		return nil
	}
	drop()
	if before.chunks > 0 {
		body = append(before.body, body...)
	}
	res, err := c.decode(body, p)
	c.answer(id, p, answer{res: res, err: err})
	return nil
}

// answer ends a request.
func (c *Channel) answer(id uint32, p *pending, a answer) {
	c.forget(id)
	p.answer <- a // takes one, and the id is given away only once
}

// decode checks a message and decodes it. The error of a service is its status.
func (c *Channel) decode(body []byte, p *pending) (ua.Response, error) {
	value, err := decodeService(body)
	if err != nil {
		return nil, err
	}
	res, ok := value.(ua.Response)
	if !ok {
		return nil, malformed("%T instead of an answer", value)
	}
	if head := res.Header(); head != nil && head.ServiceResult != ua.StatusOK {
		return res, head.ServiceResult
	}
	if p.algo == nil {
		return res, nil
	}
	opened, ok := res.(*ua.OpenSecureChannelResponse)
	if !ok || opened.SecurityToken == nil {
		return nil, malformed("%T instead of a security token", res)
	}
	return res, c.use(opened, p)
}

// decodeService checks the bytes of a service message before gopcua's decoder,
// which trusts them, gets to see them; what still panics is an error.
func decodeService(body []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, malformed("it can't be decoded (%v)", r)
		}
	}()
	w := &walker{left: body, budget: maxDecoded}
	if err := w.nodeID(true); err != nil {
		return nil, err
	}
	// The registry of gopcua is not exported, but of a message that ends after its
	// type it makes an empty one.
	_, empty, _ := ua.DecodeService(body[:len(body)-len(w.left)])
	if empty == nil {
		return nil, malformed("it is of a type that nobody knows")
	}
	switch empty.(type) {
	case *ua.PublishResponse:
		return answerOrNone(w.publishResponse())
	case *ua.RepublishResponse:
		return answerOrNone(w.republishResponse())
	}
	if err := Check(w.left, empty); err != nil {
		return nil, err
	}
	_, value, err = ua.DecodeService(body)
	if err != nil {
		return nil, malformed("%T can't be decoded: %v", empty, err)
	}
	return value, nil
}

// answerOrNone keeps a message that is no use from being taken for an answer.
func answerOrNone[T ua.Response](res T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return res, nil
}

// use takes a new security token into use. The one before stays valid for what the
// server sent before it saw the new one used.
func (c *Channel) use(opened *ua.OpenSecureChannelResponse, p *pending) error {
	if c.cfg.secure() && len(opened.ServerNonce) != len(p.nonce) {
		return malformed("a nonce of %d bytes, the policy demands %d", len(opened.ServerNonce), len(p.nonce))
	}
	algo, err := uapolicy.Symmetric(c.cfg.Policy, p.nonce, opened.ServerNonce)
	if err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	life := time.Duration(opened.SecurityToken.RevisedLifetime) * time.Millisecond
	if life == 0 || life > c.cfg.Lifetime {
		life = c.cfg.Lifetime
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := token{channel: opened.SecurityToken.ChannelID, id: opened.SecurityToken.TokenID, algo: algo, life: life}
	c.tokens = append([]token{fresh}, c.tokens[:min(len(c.tokens), 1)]...)
	return nil
}

// symmetric opens a chunk that came under a security token.
func (c *Channel) symmetric(frame []byte) ([]byte, error) {
	const plain = headerSize + tokenSize
	if len(frame) < plain {
		return nil, malformed("a chunk without security header")
	}
	channel, id := binary.LittleEndian.Uint32(frame[8:]), binary.LittleEndian.Uint32(frame[headerSize:])
	c.mu.Lock()
	tokens := c.tokens
	c.mu.Unlock()
	for _, t := range tokens {
		if t.channel != channel || t.id != id {
			continue
		}
		if !c.cfg.secure() {
			return frame[plain:], nil
		}
		return unprotect(t.algo, frame, plain, c.cfg.Mode == ua.MessageSecurityModeSignAndEncrypt)
	}
	return nil, malformed("a chunk under a security token that was not given")
}

// asymmetric opens the answer to OpenSecureChannel. Policy and certificate must be
// those asked for; nothing else in it is looked at before.
func (c *Channel) asymmetric(frame []byte) ([]byte, error) {
	w := &walker{left: frame[headerSize:], budget: maxDecoded}
	for range 3 {
		if err := w.text(); err != nil {
			return nil, err
		}
	}
	var head uasc.AsymmetricSecurityHeader
	if _, err := head.Decode(frame[headerSize:]); err != nil {
		return nil, malformed("a security header that is too short")
	}
	plain := len(frame) - len(w.left)
	if head.SecurityPolicyURI != c.cfg.Policy {
		return nil, ErrDowngrade
	}
	if !c.cfg.secure() {
		return frame[plain:], nil
	}
	// The leaf stands first in a chain.
	if !bytes.HasPrefix(head.SenderCertificate, c.cfg.Pinned) {
		return nil, ErrDowngrade
	}
	algo, err := c.cfg.asymmetric(c.cfg.Policy, c.cfg.Pinned)
	if err != nil {
		return nil, err
	}
	return unprotect(algo, frame, plain, true)
}
