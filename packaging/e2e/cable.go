//go:build linux

package e2e

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Cable is a stretch of network between an agent and a server that a test can
// cut: every connection ends with a TCP reset.
type Cable struct {
	Addr string // host:port of the agent's end

	target   string
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	down     bool
}

// NewCable lays a cable to an address until the test ends.
func NewCable(t testing.TB, target string) *Cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &Cable{Addr: l.Addr().String(), target: target, listener: l, conns: map[net.Conn]bool{}}
	c.wg.Go(c.accept)
	t.Cleanup(func() {
		_ = l.Close()
		c.Unplug()
		c.wg.Wait()
	})
	return c
}

func (c *Cable) accept() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target)
		c.mu.Lock()
		if err != nil || c.down {
			c.mu.Unlock()
			_ = near.Close()
			if err == nil {
				_ = far.Close()
			}
			continue
		}
		c.conns[near], c.conns[far] = true, true
		c.mu.Unlock()
		c.wg.Go(func() { pump(near, far) })
		c.wg.Go(func() { pump(far, near) })
	}
}

func pump(from, to net.Conn) {
	_, _ = io.Copy(to, from) // ends with either side
	_ = to.Close()
	_ = from.Close()
}

// Reset cuts every connection; new ones come through.
func (c *Cable) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // makes the close a reset
		}
		_ = conn.Close()
	}
	clear(c.conns)
}

// Unplug cuts every connection and lets none through until Plug.
func (c *Cable) Unplug() {
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	c.Reset()
}

// Plug ends Unplug.
func (c *Cable) Plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = false
}
