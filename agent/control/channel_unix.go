//go:build !windows

package control

import (
	"context"
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
	if err := os.Remove(p); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	l, err := net.Listen("unix", p)
	if err != nil {
		return nil, err
	}
	// The data folder is 0700, so nobody came in before the mode is set.
	if err := os.Chmod(p, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func dial(ctx context.Context, dataDir string) (net.Conn, error) {
	p, err := socketPath(dataDir)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", p)
}
