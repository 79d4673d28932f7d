package opcua

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source"
)

// hostile is a server that opens a channel under policy None like any other, and
// answers the first request with bytes made to harm whoever decodes them.
type hostile struct {
	endpoint string
	calls    atomic.Int32
}

// attack is what the hostile server sends.
type attack struct {
	ack    []uint32 // five numbers; nil for usual ones
	opened []byte   // additional header of the answer to OpenSecureChannel
	body   []byte   // additional header of the answer to GetEndpoints
	reason string   // that Health must tell
}

// u32 puts numbers on the wire.
func u32(numbers ...uint32) []byte {
	var out []byte
	for _, n := range numbers {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

// literal is an extension object (LiteralOperand) that holds a variant.
func literal(variant ...byte) []byte {
	head := binary.LittleEndian.AppendUint16([]byte{1, 0}, id.LiteralOperand_Encoding_DefaultBinary)
	head = append(head, ua.ExtensionObjectBinary)
	return bytes.Join([][]byte{head, u32(uint32(len(variant))), variant}, nil)
}

var emptyHeader = []byte{0, 0, 0}

// answerHeader is a response header up to its additional header.
func answerHeader(typeID uint16, handle uint32, additional []byte) []byte {
	out := binary.LittleEndian.AppendUint16([]byte{1, 0}, typeID)
	out = append(out, make([]byte, 8)...) // time
	out = append(out, u32(handle, 0)...)
	out = append(out, 0)         // no diagnostics
	out = append(out, u32(0)...) // no texts
	return append(out, additional...)
}

func startHostile(t *testing.T, a attack) *hostile {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hostile{endpoint: "opc.tcp://" + listener.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.calls.Add(1)
			_ = h.serve(conn, a) // the peer may leave at any time
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	return h
}

func (h *hostile) serve(conn net.Conn, a attack) error {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := frame(conn); err != nil {
		return err
	}
	ack := a.ack
	if ack == nil {
		ack = []uint32{0, 0xffff, 0xffff, 64 << 20, 4096}
	}
	if err := write(conn, "ACKF", u32(ack...)); err != nil {
		return err
	}
	open, err := frame(conn)
	if err != nil {
		return err
	}
	// Policy URI, two empty texts, then sequence number, request id, type, token.
	at := 12 + 4 + int(binary.LittleEndian.Uint32(open[12:])) + 8
	requestID := open[at+4 : at+8]
	additional := a.opened
	if additional == nil {
		additional = emptyHeader
	}
	answer := bytes.Join([][]byte{
		u32(7), open[12:at], u32(1), requestID,
		answerHeader(id.OpenSecureChannelResponse_Encoding_DefaultBinary, 1, additional),
		u32(0, 7, 1), make([]byte, 8), u32(3600000), u32(0xffffffff),
	}, nil)
	if err := write(conn, "OPNF", answer); err != nil {
		return err
	}
	request, err := frame(conn)
	if err != nil {
		return err
	}
	body := answerHeader(id.GetEndpointsResponse_Encoding_DefaultBinary, 2, a.body)
	for n := uint32(2); ; n++ {
		part := body[:min(len(body), 60000)]
		body = body[len(part):]
		kind := "MSGC"
		if len(body) == 0 {
			kind = "MSGF"
		}
		if err := write(conn, kind, bytes.Join([][]byte{u32(7, 1, n), request[20:24], part}, nil)); err != nil {
			return err
		}
		if len(body) == 0 {
			break
		}
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

func frame(conn net.Conn) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[4:])
	if size > 1<<20 {
		return nil, errors.New("too long")
	}
	rest := make([]byte, size-8)
	_, err := io.ReadFull(conn, rest)
	return append(head, rest...), err
}

func write(conn net.Conn, kind string, body []byte) error {
	_, err := conn.Write(bytes.Join([][]byte{[]byte(kind), u32(uint32(len(body) + 8)), body}, nil))
	return err
}

// childOf names the hostile server to the child process of the test below.
const childOf = "LINEWATCH_TEST_HOSTILE_SERVER"

// childPKI is one certificate store for all children: making a key takes long.
const childPKI = "LINEWATCH_TEST_HOSTILE_PKI"

func TestAHostileServerIsRefusedAndTheAgentLives(t *testing.T) {
	if endpoint := os.Getenv(childOf); endpoint != "" {
		meet(t, endpoint)
		return
	}
	t.Parallel()
	nested := literal(bytes.Repeat([]byte{byte(ua.TypeIDVariant)}, 8<<20)...)
	negative := literal(append([]byte{byte(ua.TypeIDInt32) | 0x80}, u32(0xfffffffe)...)...)
	attacks := map[string]attack{
		"a negative array length":               {body: negative, reason: "a length is negative"},
		"a negative length while opening":       {opened: negative, reason: "a length is negative"},
		"values eight million deep":             {body: nested, reason: "nested deeper"},
		"a matrix of two thousand million rows": {body: literal(append([]byte{byte(ua.TypeIDByte) | 0xc0}, u32(0, 0x7fffffff)...)...), reason: "exceeds the 0 bytes that are left"},
		"dimensions that overflow":              {body: literal(append([]byte{byte(ua.TypeIDByte) | 0xc0}, u32(0, 2, 0x10000, 0x10000)...)...), reason: "do not make up its 0 elements"},
		"structures in structures": {body: func() []byte {
			body := literal(0)
			for range 200 {
				body = literal(append([]byte{byte(ua.TypeIDExtensionObject)}, body...)...)
			}
			return body
		}(), reason: "nested deeper"},
		"an acknowledgement of no buffer": {ack: []uint32{0, 4, 4, 0, 0}, reason: "takes only 4 bytes"},
	}
	store := t.TempDir()
	for name, a := range attacks {
		t.Run(name, func(t *testing.T) {
			h := startHostile(t, a)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAHostileServerIsRefusedAndTheAgentLives$", "-test.v")
			child.Env = append(os.Environ(), childOf+"="+h.endpoint, childPKI+"="+store)
			out, err := child.CombinedOutput()
			require.NoError(t, err, "the process did not survive:\n%s", out[:min(len(out), 1500)])
			require.Contains(t, string(out), a.reason)
			require.Equal(t, int32(1), h.calls.Load(), "it is not tried again at once")
		})
	}
}

// meet is the child: a source that must come to refuse the server.
func meet(t *testing.T, endpoint string) {
	s := run(t, insecure(endpoint, stateNode()), Options{PKI: os.Getenv(childPKI)}, newRecord())
	require.Eventually(t, func() bool { return s.Health().State == source.StateRefused }, 30*time.Second, 10*time.Millisecond)
	require.Contains(t, s.Health().Reason, "the server breaks the protocol")
	t.Log(s.Health().Reason)
	// Long enough for several attempts at the pace of a lost connection.
	require.Never(t, func() bool { return s.Health().State != source.StateRefused }, 1500*time.Millisecond, 50*time.Millisecond)
}
