package enrol

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/agent/keystore"
	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/identity"
)

// Names of the key files in the identity's folder.
const (
	logKeyName  = "log.key"
	nextKeyName = "log.key.next"
	tlsKeyName  = "tls.key"
)

func (id *Identity) path(name string) string { return filepath.Join(id.dir, name) }

func loadLogKey(path string) (crypto.Signer, error) {
	key, err := keystore.Load(path)
	if errors.Is(err, keystore.ErrSealed) {
		return nil, fmt.Errorf("identity: %w (when what sealed it is lost: linewatch-agent enrol --replace REASON)", err)
	}
	if errors.Is(err, keystore.ErrLost) {
		return nil, fmt.Errorf("identity: %w (put it back from a copy; without one the station needs a new identity, which takes along what was not forwarded: linewatch-agent enrol --replace REASON)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return nil, fmt.Errorf("identity: %s is no Ed25519 key", path)
	}
	return key, nil
}

// loadTLSKey loads the key of the connection.
func (id *Identity) loadTLSKey() (crypto.Signer, error) {
	key, err := keystore.Load(id.path(tlsKeyName))
	if errors.Is(err, keystore.ErrLost) {
		err = fmt.Errorf("%w (linewatch-agent stop, enrol --again --token-file FILE makes a new one, start)", err)
	}
	return key, err
}

// renewTLSKey makes a new key of the connection in place of one that is lost.
func (id *Identity) renewTLSKey() error {
	if _, err := keystore.Load(id.path(tlsKeyName)); !errors.Is(err, keystore.ErrLost) {
		return nil
	}
	key, err := identity.NewTLSKey()
	if err != nil {
		return err
	}
	return keystore.Save(id.path(tlsKeyName), key)
}

// LogKey is the Ed25519 key that signs the logs now.
func (id *Identity) LogKey() crypto.Signer {
	id.keys.Lock()
	defer id.keys.Unlock()
	return id.logKey
}

// PublicKey is the public part of LogKey.
func (id *Identity) PublicKey() ed25519.PublicKey {
	return id.LogKey().Public().(ed25519.PublicKey) // checked when it was loaded
}

// NextLogKey is the key of a change that was begun, nil without one. The journal
// knows whether it is in use already.
func (id *Identity) NextLogKey() crypto.Signer {
	id.keys.Lock()
	defer id.keys.Unlock()
	return id.next
}

// BeginKeyChange makes the next log key and keeps it durably, so that a crash in
// the middle of the change leaves both keys. A change begun before goes on.
func (id *Identity) BeginKeyChange() (crypto.Signer, error) {
	id.keys.Lock()
	defer id.keys.Unlock()
	if id.next != nil {
		return id.next, nil
	}
	key, err := identity.NewSigningKey()
	if err != nil {
		return nil, fmt.Errorf("change key: %w", err)
	}
	if err := keystore.Save(id.path(nextKeyName), key); err != nil {
		return nil, fmt.Errorf("change key: %w", err)
	}
	id.next = key
	return key, nil
}

// KeyChanged notes that the journal signs with the next key now.
func (id *Identity) KeyChanged(at time.Time) error {
	id.keys.Lock()
	defer id.keys.Unlock()
	id.State.KeySince = at.UTC()
	if err := id.save(); err != nil {
		return fmt.Errorf("change key: %w", err)
	}
	return nil
}

// EndKeyChange puts the next key in the place of the log key, once the aggregator
// has confirmed the change. The old private key is gone then.
func (id *Identity) EndKeyChange() error {
	id.keys.Lock()
	defer id.keys.Unlock()
	if id.next == nil {
		return nil
	}
	if err := durable.Rename(id.path(nextKeyName), id.path(logKeyName)); err != nil {
		return fmt.Errorf("change key: %w", err)
	}
	id.logKey, id.next = id.next, nil
	return nil
}

// KeyAge is how long the log key has been in use.
func (id *Identity) KeyAge(now time.Time) time.Duration {
	id.keys.Lock()
	defer id.keys.Unlock()
	since := id.State.KeySince
	if since.IsZero() {
		since = id.State.Since
	}
	return now.Sub(since)
}

// SealKeys seals keys that lie plain where the system offers to (see keystore); it
// returns the names of those that it changed.
func (id *Identity) SealKeys() ([]string, error) {
	var changed []string
	for _, name := range []string{logKeyName, tlsKeyName} {
		yes, err := keystore.Seal(id.path(name))
		if err != nil {
			return changed, err
		}
		if yes {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// Cause is why this identity follows another one, "" when it does not.
func (id *Identity) Cause() string {
	if id.Predecessor == "" {
		return ""
	}
	return "follows agent " + id.Predecessor + ": " + id.State.Follows
}
