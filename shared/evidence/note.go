package evidence

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a note, so that hostile input costs little.
const (
	MaxNote       = 64 << 10 // bytes
	MaxSignatures = 100      // lines, as in golang.org/x/mod/sumdb/note
)

// Algorithm bytes of C2SP signed-note and tlog-cosignature. They are part of the
// key id, so a signature of one kind is never taken for one of the other.
const (
	algEd25519     = 0x01
	algCosignature = 0x04
)

// ErrNote says that a text is not a signed note.
var ErrNote = errors.New("malformed note")

// signature is one signature line: "— <name> <base64 of key id ‖ sig>".
type signature struct {
	name string
	id   [4]byte
	sig  []byte
}

// note is a parsed C2SP signed note: a text that ends in a newline, an empty
// line, and one or more signature lines.
type note struct {
	text []byte
	sigs []signature
}

const sigPrefix = "— " // em dash, space

// keyID returns the first four bytes of SHA-256(name ‖ LF ‖ alg ‖ key).
func keyID(name string, alg byte, key ed25519.PublicKey) [4]byte {
	buf := make([]byte, 0, len(name)+2+len(key))
	buf = append(buf, name...)
	buf = append(buf, '\n', alg)
	buf = append(buf, key...)
	sum := sha256.Sum256(buf)
	return [4]byte(sum[:4])
}

// ValidName says whether a key of a note may have this name: not empty, UTF-8, and
// without white space (Unicode's White_Space) and plus signs.
func ValidName(name string) bool { return validName(name) }

func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, unicode.IsSpace) < 0
}

// parseNote reads a signed note. Its grammar has one spelling for each note: the
// base64 has no unused bits and no line is anything else than it says.
func parseNote(data []byte) (note, error) {
	fail := func(why string) (note, error) { return note{}, fmt.Errorf("%w: %s", ErrNote, why) }
	if len(data) > MaxNote {
		return fail("too long")
	}
	if !utf8.Valid(data) || bytes.ContainsFunc(data, func(r rune) bool { return r < 0x20 && r != '\n' }) {
		return fail("not plain UTF-8 text")
	}
	split := bytes.LastIndex(data, []byte("\n\n"))
	if split < 0 {
		return fail("no signatures")
	}
	n := note{text: data[:split+1]}
	rest := string(data[split+2:])
	if !strings.HasSuffix(rest, "\n") {
		return fail("no newline at the end")
	}
	for line := range strings.Lines(rest) {
		if len(n.sigs) == MaxSignatures {
			return fail("too many signatures")
		}
		sig, ok := parseSignature(strings.TrimSuffix(line, "\n"))
		if !ok {
			return fail("bad signature line")
		}
		n.sigs = append(n.sigs, sig)
	}
	return n, nil
}

func parseSignature(line string) (signature, bool) {
	line, ok := strings.CutPrefix(line, sigPrefix)
	if !ok {
		return signature{}, false
	}
	name, text, ok := strings.Cut(line, " ")
	if !ok || !validName(name) {
		return signature{}, false
	}
	raw, err := strictBase64(text)
	if err != nil || len(raw) < 5 {
		return signature{}, false
	}
	return signature{name: name, id: [4]byte(raw[:4]), sig: raw[4:]}, true
}

// appendSignature writes one signature line.
func appendSignature(dst []byte, s signature) []byte {
	raw := slices.Concat(s.id[:], s.sig)
	dst = append(dst, sigPrefix...)
	dst = append(dst, s.name...)
	dst = append(dst, ' ')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '\n')
}

// bytes writes the note: text, empty line, signatures in their order.
func (n note) bytes() []byte {
	out := slices.Clone(n.text)
	out = append(out, '\n')
	for _, s := range n.sigs {
		out = appendSignature(out, s)
	}
	return out
}

// compare orders signatures by name, key id and bytes.
func (s signature) compare(o signature) int {
	return cmp.Or(cmp.Compare(s.name, o.name), bytes.Compare(s.id[:], o.id[:]), bytes.Compare(s.sig, o.sig))
}

// cosignedMessage is what a cosignature/v1 signs: two lines before the note's
// text, C2SP tlog-cosignature.
func cosignedMessage(text []byte, unix uint64) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", unix, text)
}

// splitCosignature returns time and Ed25519 signature of a cosignature/v1 line.
func splitCosignature(sig []byte) (unix uint64, ed []byte, ok bool) {
	if len(sig) != 8+ed25519.SignatureSize {
		return 0, nil, false
	}
	unix = binary.BigEndian.Uint64(sig)
	return unix, sig[8:], unix <= MaxSize
}
