package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/linewatch/linewatch/shared/evidence"
)

// Marks before the lines of a run.
const (
	markLeaf  = '=' // the leaf itself
	markBytes = '~' // base64 of a leaf that can't stand on one line of text
	markHash  = '#' // base64 of the hash of a leaf that is withheld
)

var errEntry = errors.New("malformed entry")

// Item is one leaf of a run: its bytes or, where it is withheld, its hash alone.
type Item struct {
	Leaf []byte
	Hash evidence.Hash // of a withheld leaf, when Leaf is nil
}

// plain says whether a leaf can stand on a line as it is.
func plain(leaf []byte) bool {
	if !utf8.Valid(leaf) {
		return false
	}
	return !bytes.ContainsFunc(leaf, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// appendItem writes one line of a run.
func appendItem(dst []byte, it Item) []byte {
	switch {
	case it.Leaf == nil:
		dst = append(dst, markHash, ' ')
		dst = append(dst, it.Hash.String()...)
	case plain(it.Leaf):
		dst = append(dst, markLeaf, ' ')
		dst = append(dst, it.Leaf...)
	default:
		dst = append(dst, markBytes, ' ')
		dst = base64.StdEncoding.AppendEncode(dst, it.Leaf)
	}
	return append(dst, '\n')
}

// parseRun reads the body of a run and calls f for each leaf in turn. There is
// one spelling for each leaf.
func parseRun(body []byte, f func(Item) error) (origin string, first uint64, err error) {
	origin, first, rest, err := runHead(body)
	if err != nil {
		return origin, first, err
	}
	if len(rest) == 0 || rest[len(rest)-1] != '\n' {
		return origin, first, fmt.Errorf("%w: run without leaves or cut off", errEntry)
	}
	for n := first; len(rest) > 0; n++ {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		it, err := parseItem(line)
		if err != nil {
			return origin, first, fmt.Errorf("leaf %d: %w", n, err)
		}
		if err := f(it); err != nil {
			return origin, first, fmt.Errorf("leaf %d: %w", n, err)
		}
	}
	return origin, first, nil
}

func runHead(body []byte) (origin string, first uint64, rest []byte, err error) {
	head := bytes.SplitN(body, []byte("\n"), 3)
	if len(head) != 3 {
		return "", 0, nil, fmt.Errorf("%w: run without origin and index", errEntry)
	}
	first, ok := decimal(string(head[1]))
	if !ok {
		return clip(string(head[0])), 0, nil, fmt.Errorf("%w: index of a run", errEntry)
	}
	return string(head[0]), first, head[2], nil
}

func parseItem(line []byte) (Item, error) {
	if len(line) < 3 || line[1] != ' ' {
		return Item{}, fmt.Errorf("%w: line of a run", errEntry)
	}
	text := line[2:]
	switch line[0] {
	case markLeaf:
		if !plain(text) || len(text) > evidence.MaxLeaf {
			return Item{}, fmt.Errorf("%w: leaf is no line of text", errEntry)
		}
		return Item{Leaf: text}, nil
	case markBytes:
		leaf, err := base64.StdEncoding.Strict().DecodeString(string(text))
		if err != nil || bytes.ContainsAny(text, "\r\n") || len(leaf) == 0 || len(leaf) > evidence.MaxLeaf || plain(leaf) {
			return Item{}, fmt.Errorf("%w: base64 of a leaf", errEntry)
		}
		return Item{Leaf: leaf}, nil
	case markHash:
		h, err := evidence.ParseHash(string(text))
		if err != nil {
			return Item{}, fmt.Errorf("%w: %w", errEntry, err)
		}
		return Item{Hash: h}, nil
	}
	return Item{}, fmt.Errorf("%w: line of a run", errEntry)
}

// appendRange writes the body of a frontier or of a hole.
func appendRange(origin string, r evidence.Range) []byte {
	out := fmt.Appendf(nil, "%s\n%d\n%d\n", origin, r.Begin, r.End)
	for _, h := range r.Hashes {
		out = append(append(out, h.String()...), '\n')
	}
	return out
}

// maxRangeHashes is more than a compact range can have.
const maxRangeHashes = 2 * 64

// parseRange reads what appendRange writes. That its number of hashes fits its
// bounds is checked when it is joined.
func parseRange(body []byte) (origin string, r evidence.Range, err error) {
	fail := func(why string) (string, evidence.Range, error) {
		return clipLong(origin), evidence.Range{}, fmt.Errorf("%w: range: %s", errEntry, why)
	}
	lines := strings.SplitN(string(body), "\n", 3+maxRangeHashes+2)
	origin = strings.Clone(lines[0]) // the body is large
	if len(lines) < 4 || len(lines) > 3+maxRangeHashes+1 || lines[len(lines)-1] != "" {
		return fail("number of lines")
	}
	var ok1, ok2 bool
	r.Begin, ok1 = decimal(lines[1])
	r.End, ok2 = decimal(lines[2])
	if !ok1 || !ok2 {
		return fail("bounds")
	}
	for _, line := range lines[3 : len(lines)-1] {
		h, err := evidence.ParseHash(line)
		if err != nil {
			return fail(err.Error())
		}
		r.Hashes = append(r.Hashes, h)
	}
	if _, err := r.MarshalBinary(); err != nil {
		return fail(err.Error())
	}
	return origin, r, nil
}

// decimal reads a number up to [evidence.MaxSize] in its one spelling.
func decimal(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil && strconv.FormatUint(n, 10) == text
}
