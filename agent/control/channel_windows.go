package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"strings"

	"github.com/Microsoft/go-winio"
)

// descriptor lets the system and administrators in, nobody else.
const descriptor = "D:P(A;;GA;;;SY)(A;;GA;;;BA)"

// pipeName names the pipe after the data folder, so that several agents on one
// machine do not meet.
func pipeName(dataDir string) (string, error) {
	p, err := filepath.Abs(dataDir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.ToLower(p)))
	return `\\.\pipe\linewatch-agent-` + hex.EncodeToString(sum[:8]), nil
}

// Usable tells whether the control channel of dataDir can be made.
func Usable(dataDir string) error {
	_, err := pipeName(dataDir)
	return err
}

func listen(dataDir string) (net.Listener, error) {
	name, err := pipeName(dataDir)
	if err != nil {
		return nil, err
	}
	return winio.ListenPipe(name, &winio.PipeConfig{SecurityDescriptor: descriptor})
}

func dial(ctx context.Context, dataDir string) (net.Conn, error) {
	name, err := pipeName(dataDir)
	if err != nil {
		return nil, err
	}
	return winio.DialPipeContext(ctx, name)
}
