package evidence

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Checkpoint is the head of a log: C2SP tlog-checkpoint without extension lines
// (what describes a Linewatch log is leaves in it).
type Checkpoint struct {
	Origin string
	Size   uint64 // leaves, 1 or more in a signed checkpoint
	Root   Hash
}

// Errors of checkpoints that a caller tells apart.
var (
	// ErrCheckpoint says that a note's text is not the checkpoint expected.
	ErrCheckpoint = errors.New("bad checkpoint")
	// ErrSignature says that no pinned key made a good signature.
	ErrSignature = errors.New("checkpoint is not signed by a known key")
	// ErrForged says that a line names a pinned key but that key did not make it. It
	// is always wrapped beside ErrSignature.
	ErrForged = errors.New("signature does not verify")
	// ErrKeyRange says that a pinned key signed a size that is not its own: the old
	// key after a key change, or the new one before it.
	ErrKeyRange = errors.New("key may not sign this size")
)

// Body returns the text that is signed: origin, decimal size and base64 root,
// each with a newline.
func (c Checkpoint) Body() []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// ParseCheckpoint reads what [Checkpoint.Body] writes, and nothing else.
func ParseCheckpoint(body []byte) (Checkpoint, error) {
	fail := func(why string) (Checkpoint, error) { return Checkpoint{}, fmt.Errorf("%w: %s", ErrCheckpoint, why) }
	if len(body) > MaxNote {
		return fail("too long")
	}
	lines := strings.SplitN(string(body), "\n", 5)
	if len(lines) != 4 || lines[3] != "" {
		return fail("not three lines")
	}
	if !validName(lines[0]) {
		return fail("origin")
	}
	size, ok := parseDecimal(lines[1])
	if !ok {
		return fail("size")
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return fail("root")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// parseDecimal reads a number up to MaxSize without sign and leading zeroes.
func parseDecimal(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil && strconv.FormatUint(n, 10) == text
}

// Signer signs the checkpoints of one log.
type Signer struct {
	name string
	id   [4]byte
	key  crypto.Signer
}

// NewSigner returns the signer of the log with this origin; the key must be an
// Ed25519 key.
func NewSigner(name string, key crypto.Signer) (*Signer, error) {
	if !validName(name) {
		return nil, fmt.Errorf("signer %q: bad name", name)
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("signer %s: key is %T, want Ed25519", name, key.Public())
	}
	return &Signer{name: name, id: keyID(name, algEd25519, pub), key: key}, nil
}

// SignCheckpoint returns the signed note of a checkpoint, in canonical form: its
// three lines, an empty line and the signature of the log's key.
func (s *Signer) SignCheckpoint(c Checkpoint) ([]byte, error) {
	if c.Origin != s.name || c.Size == 0 || c.Size > MaxSize {
		return nil, fmt.Errorf("sign checkpoint of %s at %d as %s: %w", c.Origin, c.Size, s.name, ErrCheckpoint)
	}
	body := c.Body()
	sig, err := s.key.Sign(rand.Reader, body, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of %s at %d: %w", c.Origin, c.Size, err)
	}
	return note{text: body, sigs: []signature{{s.name, s.id, sig}}}.bytes(), nil
}

// KeyRange pins a public key to the sizes it may sign: After < size ≤ Last; Last
// 0 is an open end. When a log changes its key in leaf i (log.key), the old key's
// Last and the new key's After are i+1.
type KeyRange struct {
	Key   ed25519.PublicKey
	After uint64
	Last  uint64
}

// Covers says whether the key may sign a checkpoint of this size.
func (k KeyRange) Covers(size uint64) bool {
	return size > k.After && (k.Last == 0 || size <= k.Last)
}

// OpenCheckpoint returns the checkpoint of a signed note if it is of the log with
// this origin and signed by a pinned key that may sign its size. A line of such a
// key that does not verify refuses the note even beside a good one. Of the lines
// under the origin the first four are judged, as by [Lines]. Other signatures are
// ignored: they may be cosignatures or of kinds to come.
func OpenCheckpoint(note []byte, origin string, keys []KeyRange) (Checkpoint, error) {
	c, _, _, err := openCheckpoint(note, origin, keys)
	return c, err
}

func openCheckpoint(data []byte, origin string, keys []KeyRange) (Checkpoint, note, signature, error) {
	fail := func(err error) (Checkpoint, note, signature, error) {
		return Checkpoint{}, note{}, signature{}, fmt.Errorf("checkpoint of %s: %w", origin, err)
	}
	n, c, err := parseSignedCheckpoint(data, origin)
	if err != nil {
		return fail(err)
	}
	var good *signature
	reason, tried := ErrSignature, 0
	for i, s := range n.sigs {
		if s.name != origin || tried == maxLines {
			continue
		}
		tried++
		for _, k := range keys {
			if len(k.Key) != ed25519.PublicKeySize || s.id != keyID(origin, algEd25519, k.Key) {
				continue
			}
			switch {
			case !ed25519.Verify(k.Key, n.text, s.sig):
				return fail(fmt.Errorf("%w: %w", ErrSignature, ErrForged))
			case !k.Covers(c.Size):
				reason = ErrKeyRange
			case good == nil:
				good = &n.sigs[i]
			}
		}
	}
	if good == nil {
		return fail(fmt.Errorf("%w (size %d)", reason, c.Size))
	}
	return c, n, *good, nil
}

// parseSignedCheckpoint reads a note and its checkpoint without checking who
// signed it.
func parseSignedCheckpoint(data []byte, origin string) (note, Checkpoint, error) {
	n, err := parseNote(data)
	if err != nil {
		return note{}, Checkpoint{}, err
	}
	c, err := ParseCheckpoint(n.text)
	if err != nil {
		return note{}, Checkpoint{}, err
	}
	if c.Origin != origin {
		return note{}, Checkpoint{}, fmt.Errorf("%w: origin is %s", ErrCheckpoint, c.Origin)
	}
	return n, c, nil
}

// PeekCheckpoint reads the checkpoint of a signed note without checking any
// signature: to learn the origin, under which the keys are looked up. Nothing
// that it returns is to be believed.
func PeekCheckpoint(data []byte) (Checkpoint, error) {
	n, err := parseNote(data)
	if err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(n.text)
}

// Canonical verifies a note as [OpenCheckpoint] does and returns it in the form
// that is stored: the checkpoint, the one signature of the log's key, then the
// good cosignatures of the cosigners given, ordered by name, key id and bytes.
// Everything else that a note may carry is dropped, so equal checkpoints have
// equal bytes and nobody can make us store what we don't understand.
func Canonical(data []byte, origin string, keys []KeyRange, cosigners ...CosignerKey) ([]byte, error) {
	_, n, own, err := openCheckpoint(data, origin, keys)
	if err != nil {
		return nil, err
	}
	var kept []signature
	for _, s := range n.sigs {
		for _, k := range cosigners {
			if _, ok := k.verify(n.text, s); ok {
				kept = append(kept, s)
			}
		}
	}
	slices.SortFunc(kept, signature.compare)
	kept = slices.CompactFunc(kept, func(a, b signature) bool { return a.compare(b) == 0 })
	n.sigs = append([]signature{own}, kept...)
	return n.bytes(), nil
}
