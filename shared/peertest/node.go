package peertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// NodePeer is a running Node.js program of packaging/peers. It speaks one JSON
// value per line on standard output and takes lines on standard input.
type NodePeer struct {
	// Ready is the program's first line of JSON: ports, fingerprints, whatever it tells.
	Ready json.RawMessage

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan json.RawMessage
	stderr string
	done   chan struct{}
	once   sync.Once
}

// Node starts `node packaging/peers/<script> args...` and waits for its first
// line of JSON. The program must end when its standard input closes or on
// SIGTERM; it is killed with the test at the latest.
func Node(t testing.TB, script string, args ...string) *NodePeer {
	t.Helper()
	node, err := program("node", "apt-get install nodejs (20 or newer)")
	if err != nil {
		t.Fatalf("peertest: %v", err)
	}
	dir := filepath.Join(Root(t), "packaging", "peers")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("peertest: the Node.js peers are not installed: run npm ci --prefix packaging/peers")
	}
	p := &NodePeer{
		lines:  make(chan json.RawMessage, 1024),
		stderr: filepath.Join(t.TempDir(), "stderr"),
		done:   make(chan struct{}),
	}
	p.cmd = exec.Command(node, append([]string{filepath.Join(dir, script)}, args...)...)
	p.cmd.Dir = dir
	p.start(t)
	t.Cleanup(func() { p.Stop(t) })
	select {
	case line, ok := <-p.lines:
		if !ok {
			t.Fatalf("peertest: node %s ended before it was ready:\n%s", script, tail(p.stderr))
		}
		p.Ready = line
	case <-time.After(startLimit):
		t.Fatalf("peertest: node %s was not ready within %s:\n%s", script, startLimit, tail(p.stderr))
	}
	return p
}

func (p *NodePeer) start(t testing.TB) {
	t.Helper()
	errs, err := os.Create(p.stderr)
	if err != nil {
		t.Fatalf("peertest: node: %v", err)
	}
	defer errs.Close()
	p.cmd.Stderr = errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("peertest: node: %v", err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatalf("peertest: node: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("peertest: node: %v", err)
	}
	go p.read(out)
}

// read hands over the lines that are JSON; when nobody takes them, the newest
// are dropped, so that a talkative program never stands still.
func (p *NodePeer) read(out io.Reader) {
	defer close(p.done)
	in := bufio.NewScanner(out)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		line := append(json.RawMessage(nil), in.Bytes()...)
		if !json.Valid(line) {
			continue
		}
		select {
		case p.lines <- line:
		default:
		}
	}
	close(p.lines)
	_ = p.cmd.Wait() // the exit code of a peer that was told to end says nothing
}

// Lines gives the further lines of JSON; it is closed when the program has ended.
func (p *NodePeer) Lines() <-chan json.RawMessage { return p.lines }

// Send writes one value as a line of JSON to the program's standard input.
func (p *NodePeer) Send(t testing.TB, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("peertest: node: encode a command: %v", err)
	}
	if _, err := fmt.Fprintf(p.stdin, "%s\n", b); err != nil {
		t.Fatalf("peertest: node: send a command: %v\n%s", err, tail(p.stderr))
	}
}

// Stop asks the program to end, then waits; after five seconds it is killed.
func (p *NodePeer) Stop(t testing.TB) {
	t.Helper()
	p.once.Do(func() { _ = p.stdin.Close(); _ = p.cmd.Process.Signal(syscall.SIGTERM) })
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.Kill(t)
	}
}

// Kill ends the program at once, as a power cut does.
func (p *NodePeer) Kill(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Kill() // an error means that it has ended already
	<-p.done
}
