// Package witness is C2SP tlog-witness: a witness remembers the newest checkpoint
// of each log that it follows, and cosigns a later one only when that extends it.
// Whoever asks several witnesses can't show two histories of one log to anybody.
//
// The request is text, see docs/formats/witness.md:
//
//	old <size>
//	<base64 of one hash of the consistency proof>   zero to 63 lines
//	(empty line)
//	<the signed checkpoint>
package witness

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
)

// Path is the path below a witness's prefix to which checkpoints are posted.
const Path = "/add-checkpoint"

// SizeType is the content type of an answer that names the size which the witness
// knows.
const SizeType = "text/x.tlog.size"

// Limits of a request.
const (
	MaxProof   = 63 // hashes
	MaxRequest = 64 + MaxProof*45 + evidence.MaxNote
)

// ErrRequest says that a text is not a request.
var ErrRequest = errors.New("malformed request to a witness")

// Request asks a witness to cosign a checkpoint.
type Request struct {
	Old        uint64 // size that the witness knows
	Proof      []evidence.Hash
	Checkpoint []byte // signed note
}

// Text returns the request as it is posted.
func (r Request) Text() []byte {
	out := fmt.Appendf(nil, "old %d\n", r.Old)
	for _, h := range r.Proof {
		out = append(out, h.String()...)
		out = append(out, '\n')
	}
	out = append(out, '\n')
	return append(out, r.Checkpoint...)
}

// ParseRequest reads what [Request.Text] writes, and nothing else. It checks no
// signature and no hash.
func ParseRequest(text []byte) (Request, error) {
	fail := func(why string) (Request, error) { return Request{}, fmt.Errorf("%w: %s", ErrRequest, why) }
	if len(text) > MaxRequest {
		return fail("too long")
	}
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.SplitN(string(head), "\n", MaxProof+2)
	if !ok || len(lines) > MaxProof+1 {
		return fail("no empty line, or too many hashes")
	}
	old, named := strings.CutPrefix(lines[0], "old ")
	size, err := strconv.ParseUint(old, 10, 63)
	if !named || err != nil || strconv.FormatUint(size, 10) != old {
		return fail("first line is not an old size")
	}
	r := Request{Old: size, Checkpoint: checkpoint}
	for i, line := range lines[1:] {
		h, err := evidence.ParseHash(line)
		if err != nil {
			return fail(fmt.Sprintf("line %d is not a hash", i+2))
		}
		r.Proof = append(r.Proof, h)
	}
	if _, err := evidence.PeekCheckpoint(checkpoint); err != nil {
		return fail(err.Error())
	}
	return r, nil
}
