package evidence

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrCosignature says that no known cosigner confirmed a checkpoint.
var ErrCosignature = errors.New("checkpoint is not cosigned by a known key")

// maxLines bounds the lines of one cosigner that are verified: a note may carry an
// older cosignature beside the newest, but a forger shall not make us work.
const maxLines = 4

// CosignerKey is a cosigner that a verifier trusts. The signed message does not
// hold the name: a key belongs to one cosigner only (C2SP tlog-cosignature).
type CosignerKey struct {
	Name string
	Key  ed25519.PublicKey
}

// verify returns the time of the cosignature if the line is a good one of k.
func (k CosignerKey) verify(text []byte, s signature) (time.Time, bool) {
	if len(k.Key) != ed25519.PublicKeySize || s.name != k.Name || s.id != keyID(k.Name, algCosignature, k.Key) {
		return time.Time{}, false
	}
	unix, sig, ok := splitCosignature(s.sig)
	if !ok || !ed25519.Verify(k.Key, cosignedMessage(text, unix), sig) {
		return time.Time{}, false
	}
	return time.Unix(int64(unix), 0).UTC(), true
}

// Cosign returns the note with one more line: the cosignature/v1 of the Ed25519
// key under this name, made at the time given (whole seconds). The caller has
// verified the checkpoint and that it extends what it cosigned before: this is
// what a cosignature states.
func Cosign(data []byte, name string, key crypto.Signer, at time.Time) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cosign as %s: %w", name, err) }
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || !validName(name) {
		return fail(fmt.Errorf("needs a note key name and an Ed25519 key, not %T", key.Public()))
	}
	n, err := parseNote(data)
	if err != nil {
		return fail(err)
	}
	if _, err := ParseCheckpoint(n.text); err != nil {
		return fail(err)
	}
	if at.Unix() < 0 {
		return fail(fmt.Errorf("time %s is before 1970", at))
	}
	unix := uint64(at.Unix())
	sig, err := key.Sign(rand.Reader, cosignedMessage(n.text, unix), crypto.Hash(0))
	if err != nil {
		return fail(err)
	}
	line := signature{name: name, id: keyID(name, algCosignature, pub)}
	line.sig = append(binary.BigEndian.AppendUint64(nil, unix), sig...)
	n.sigs = append(n.sigs, line)
	return n.bytes(), nil
}

// VerifyCosigned returns the checkpoint of a note if it is of the log with this
// origin and one of the cosigners confirmed it, with that cosigner and the time
// that it stated. The log's own signature is not looked at: a cosigner vouches
// for it. When several confirmed it, the first in the order given counts.
func VerifyCosigned(note []byte, origin string, cosigners []CosignerKey) (Checkpoint, CosignerKey, time.Time, error) {
	n, c, err := parseSignedCheckpoint(note, origin)
	if err != nil {
		return Checkpoint{}, CosignerKey{}, time.Time{}, fmt.Errorf("cosigned checkpoint of %s: %w", origin, err)
	}
	for _, k := range cosigners {
		tried := 0
		for _, s := range n.sigs {
			if s.name != k.Name || tried == maxLines {
				continue
			}
			tried++
			if at, ok := k.verify(n.text, s); ok {
				return c, k, at, nil
			}
		}
	}
	return Checkpoint{}, CosignerKey{}, time.Time{}, fmt.Errorf("checkpoint of %s: %w", origin, ErrCosignature)
}
