package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxLeaf is the largest leaf in bytes: its length travels as a 16-bit number.
const MaxLeaf = 65535

// MaxProofText bounds the text of a proof: a leaf in base64, the hashes, a note.
const MaxProofText = (MaxLeaf+2)/3*4 + MaxProof*45 + MaxNote + 256

const proofHeader = "c2sp.org/tlog-proof@v1"

// ErrProofText says that a text is not a proof.
var ErrProofText = errors.New("malformed proof")

// Proof is one event that can be verified offline, C2SP tlog-proof: the leaf, its
// index, its audit path and the signed checkpoint over it. It proves that the
// leaf was in the log, to whoever knows a key that signed the checkpoint.
type Proof struct {
	Index      uint64
	Leaf       []byte // the event's exact bytes; the line "extra" of the text
	Hashes     []Hash // from the leaf's sibling up, see InclusionProof
	Checkpoint []byte // signed note, usually with cosignatures
}

// Text returns the proof in its text form, file extension .tlog-proof.
func (p Proof) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(p.Leaf), p.Index)
	for _, h := range p.Hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return []byte(b.String())
}

// ParseProof reads what [Proof.Text] writes, and nothing else. It checks no
// signature and no hash.
func ParseProof(text []byte) (Proof, error) {
	fail := func(why string) (Proof, error) { return Proof{}, fmt.Errorf("%w: %s", ErrProofText, why) }
	if len(text) > MaxProofText {
		return fail("too long")
	}
	head, checkpoint, ok := strings.Cut(string(text), "\n\n")
	lines := strings.SplitN(head, "\n", 3+MaxProof+1)
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return fail("not " + proofHeader)
	}
	var p Proof
	leaf, ok := strings.CutPrefix(lines[1], "extra ")
	raw, err := strictBase64(leaf)
	if !ok || err != nil || len(raw) == 0 || len(raw) > MaxLeaf {
		return fail("line 2 is not a leaf")
	}
	p.Leaf = raw
	index, named := strings.CutPrefix(lines[2], "index ")
	if p.Index, ok = parseDecimal(index); !ok || !named {
		return fail("line 3 is not an index")
	}
	if len(lines) > 3+MaxProof {
		return fail("too many hashes")
	}
	for i, line := range lines[3:] {
		h, err := ParseHash(line)
		if err != nil {
			return fail(fmt.Sprintf("line %d is not a hash", 4+i))
		}
		p.Hashes = append(p.Hashes, h)
	}
	if _, err := parseNote([]byte(checkpoint)); err != nil {
		return fail("checkpoint is not a note")
	}
	p.Checkpoint = []byte(checkpoint)
	return p, nil
}

// Included checks that the leaf is in the tree of a checkpoint that the caller
// has verified.
func (p Proof) Included(c Checkpoint) error {
	return VerifyInclusion(LeafHash(p.Leaf), p.Index, c.Size, p.Hashes, c.Root)
}

// Verify checks the proof with the keys of the log with this origin: the
// signature of the checkpoint by a key that may sign its size, and the path.
func (p Proof) Verify(keys []KeyRange, origin string) error {
	c, err := OpenCheckpoint(p.Checkpoint, origin, keys)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	return p.Included(c)
}

// VerifyCosigned checks the proof with cosigners that the caller trusts, instead
// of the log's own key, and returns who confirmed it and when.
func (p Proof) VerifyCosigned(origin string, cosigners []CosignerKey) (CosignerKey, time.Time, error) {
	c, k, at, err := VerifyCosigned(p.Checkpoint, origin, cosigners)
	if err != nil {
		return CosignerKey{}, time.Time{}, fmt.Errorf("proof: %w", err)
	}
	return k, at, p.Included(c)
}
