//go:build !windows

package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// maxSocketPath is the room for a path in sockaddr_un on Linux, without the
// closing zero.
const maxSocketPath = 107

func socketPath(dataDir string) (string, error) {
	p, err := filepath.Abs(filepath.Join(dataDir, "control.sock"))
	if err != nil {
		return "", err
	}
	if len(p) > maxSocketPath {
		return "", fmt.Errorf("the path %s is longer than the %d bytes a unix socket may have; %w", p, maxSocketPath, errTooLong)
	}
	return p, nil
}

// Usable tells whether the control channel of dataDir can be made.
func Usable(dataDir string) error {
	_, err := socketPath(dataDir)
	return err
}

func listen(dataDir string) (net.Listener, error) {
	p, err := socketPath(dataDir)
	if err != nil {
		return nil, err
	}
	if c, err := net.DialTimeout("unix", p, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("another agent runs with %s", dataDir)
	}
	return private(p)
}

// socket is a listener that was moved after it was bound.
type socket struct {
	*net.UnixListener
	path string
}

// Close ends the listener and removes its file.
func (s socket) Close() error {
	if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
		return errors.Join(err, s.UnixListener.Close())
	}
	return s.UnixListener.Close()
}

// private makes the socket in a folder of mode 0700 and moves it to its place when
// its own mode is set: the data folder may be open to others. What a killed agent
// left behind is replaced.
func private(path string) (net.Listener, error) {
	dir := filepath.Join(filepath.Dir(path), "c.tmp") // with /s no longer than path
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	temporary := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(temporary, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return socket{l, path}, nil
}

func dial(ctx context.Context, dataDir string) (net.Conn, error) {
	p, err := socketPath(dataDir)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", p)
}
