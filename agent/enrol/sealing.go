package enrol

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/linewatch/linewatch/shared/durable"
)

// Files of the identity's folder for sealed fields; neither is a secret.
const (
	fileSealing   = "sealing.pub"    // key that data keys are wrapped for
	fileDestroyed = "destroyed.note" // newest signed list of destroyed data keys
)

// Sealing is the key to seal for, as seal.PublicKey writes it; "" without one.
func (id *Identity) Sealing() (string, error) {
	text, err := id.readOptional(fileSealing)
	return strings.TrimSpace(string(text)), err
}

// SaveSealing keeps the key to seal for.
func (id *Identity) SaveSealing(key string) error {
	return id.saveOptional(fileSealing, []byte(key+"\n"))
}

// Destroyed is the newest signed list of destroyed data keys; nil without one.
func (id *Identity) Destroyed() ([]byte, error) { return id.readOptional(fileDestroyed) }

// SaveDestroyed keeps it.
func (id *Identity) SaveDestroyed(note []byte) error { return id.saveOptional(fileDestroyed, note) }

func (id *Identity) readOptional(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(id.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return text, nil
}

func (id *Identity) saveOptional(name string, text []byte) error {
	if err := durable.WriteFile(filepath.Join(id.dir, name), text, 0o600); err != nil {
		return fmt.Errorf("identity: %s: %w", name, err)
	}
	return nil
}
