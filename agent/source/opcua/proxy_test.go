package opcua

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy is a stretch of cable between a source and a server: it can be cut,
// unplugged, or go silent without a word.
type proxy struct {
	t        *testing.T
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	down   bool
	silent chan struct{} // closed = data flows
}

func newProxy(t *testing.T, port int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, target: fmt.Sprintf("127.0.0.1:%d", port), listener: l, conns: map[net.Conn]bool{}, silent: make(chan struct{})}
	close(p.silent)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.flow()
		p.reset()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) endpoint() string { return "opc.tcp://" + p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.down
		p.mu.Unlock()
		if refuse {
			_ = near.Close()
			continue
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns[near], p.conns[far] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pipe(near, far) })
		p.wg.Go(func() { p.pipe(far, near) })
	}
}

func (p *proxy) pipe(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		open := p.silent
		p.mu.Unlock()
		<-open
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			if err != io.EOF {
				cut(to)
			}
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

// cut makes the close a reset.
func cut(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// reset cuts every connection.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		cut(c)
	}
	clear(p.conns)
}

// unplug cuts every connection and takes no new one until plug.
func (p *proxy) unplug() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.reset()
}

func (p *proxy) plug() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// swallow is a black hole: connections stay, nothing comes through.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = make(chan struct{})
}

// flow ends swallow; connections from before are dead, as after a lost route.
func (p *proxy) flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.silent:
	default:
		close(p.silent)
	}
}
