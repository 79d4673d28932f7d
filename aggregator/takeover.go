package aggregator

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrNewKey says that a running aggregator ended because its cosigner key was
// changed beside it: whoever runs it opens it anew, with the new key.
var ErrNewKey = errors.New("the cosigner key was changed: the aggregator has to be opened anew")

// ErrKeyRevoked says that nothing was signed, because the cosigner key was revoked:
// such a receipt would count nothing.
var ErrKeyRevoked = errors.New("the cosigner key was revoked")

// keyEvery is how often a running aggregator looks for a new cosigner key.
const keyEvery = time.Second

// watchKey ends with [ErrNewKey] once the cosigner key is another one.
func (a *Aggregator) watchKey(ctx context.Context) error {
	tick := time.NewTicker(keyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		key, err := signingKey(a.keys.file(KeyCosigner))
		switch {
		case err != nil:
			a.log.Error("the cosigner key can't be read", "error", err)
		case !publicOf(key).Equal(a.cosigner.Key):
			a.log.Warn("the cosigner key was changed, starting anew with it")
			return ErrNewKey
		}
	}
}

// receiptSigner is the cosigner key for receipts.
func (a *Aggregator) receiptSigner() crypto.Signer { return &receiptSigner{key: a.key, keys: a.keys} }

// receiptSigner signs until its key is revoked: at once, not only when the running
// aggregator has noticed and is opened anew. It is safe for concurrent use.
type receiptSigner struct {
	key  ed25519.PrivateKey
	keys keyring

	mu      sync.Mutex
	seen    os.FileInfo // of the list of keys as it was read
	revoked bool
}

// Public returns the public key.
func (s *receiptSigner) Public() crypto.PublicKey { return s.key.Public() }

// Sign signs the message, or fails with [ErrKeyRevoked].
func (s *receiptSigner) Sign(r io.Reader, message []byte, o crypto.SignerOpts) ([]byte, error) {
	if err := s.look(); err != nil {
		return nil, err
	}
	return s.key.Sign(r, message, o)
}

// look reads the list of keys when it is another one than before.
func (s *receiptSigner) look() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(filepath.Join(s.keys.dir, fileHistory))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // no key was ever changed
	case err != nil:
		return fmt.Errorf("is the cosigner key still good: %w", err)
	case s.seen == nil || !os.SameFile(s.seen, info) || !s.seen.ModTime().Equal(info.ModTime()):
		list, err := s.keys.list()
		if err != nil {
			return err
		}
		s.seen, s.revoked = info, slices.ContainsFunc(list, func(k SigningKey) bool {
			return k.Kind == KeyCosigner && k.State == KeyRevoked && publicOf(s.key).Equal(ed25519.PublicKey(k.Public))
		})
	}
	if s.revoked {
		return ErrKeyRevoked
	}
	return nil
}
