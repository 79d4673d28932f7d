package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
)

// lineOf is a signature line, written without the package: so that it can be one
// that the package would not write.
func lineOf(name string, alg byte, signer string, stamp []byte, message []byte) string {
	id := sha256.Sum256(append(append([]byte(name+"\n"), alg), public(signer)...))
	blob := append(append(append([]byte{}, id[:4]...), stamp...), ed25519.Sign(key(signer), message)...)
	return "— " + name + " " + base64.StdEncoding.EncodeToString(blob) + "\n"
}

func cosignedAt(text []byte, unix uint64) string {
	return lineOf("aggregator.plant", 4, "aggregator", binary.BigEndian.AppendUint64(nil, unix), fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", unix, text))
}

// lineVectors are notes whose signature lines are many, or named in odd ways.
func lineVectors(t *testing.T) []vector {
	t.Helper()
	l := leaves(6)
	note := checkpoint(t, l, "station")
	text := note[:bytes.Index(note, []byte("\n\n"))+1]
	head := string(text) + "\n"
	own := strings.TrimPrefix(string(note), head)
	require.Equal(t, lineOf(origin, 1, "station", nil, text), own)
	good := cosignedAt(text, 1767323045)
	var out []vector
	add := func(name, lines string, station, cosigned bool) {
		p := proofOf(t, l, 4)
		p.Checkpoint = []byte(head + lines)
		v := base(name, p)
		v.Station, v.Cosigned = station, cosigned
		out = append(out, v)
	}
	strange := func(name string) string { return "— " + name + " AAAAAAAAAAAAAAAA\n" }
	add("unknown line whose name has a byte order mark", own+good+strange("a\uFEFFb"), true, true)
	add("unknown line whose name has a soft hyphen", own+good+strange("a\u00adb"), true, true)
	add("unknown line whose name has a replacement character", own+good+strange("a\uFFFDb"), true, true)
	for _, space := range []string{"\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f", "\u3000", "\t", "+"} {
		add(fmt.Sprintf("unknown line whose name has U+%04X", []rune(space)[0]), own+good+strange("a"+space+"b"), false, false)
	}
	others := strings.Repeat(strange(origin), 4)
	add("three unknown lines under the log's name before its own", others[:len(others)/4*3]+own+good, true, true)
	add("four unknown lines under the log's name before its own", others+own+good, false, true)
	add("the log's own line five times", strings.Repeat(own, 5)+good, true, true)
	forged := lineOf(origin, 1, "station", nil, []byte("another text"))
	add("a forged line of the log as the fourth", own+others[:len(others)/2]+forged+good, false, true)
	add("a forged line of the log as the fifth", own+others[:len(others)/4*3]+forged+good, true, true)
	others = strings.Repeat(strange("aggregator.plant"), 4)
	add("three unknown lines of the cosigner before the good one", own+others[:len(others)/4*3]+good, true, true)
	add("four unknown lines of the cosigner before the good one", own+others+good, true, false)
	add("a cosignature in 1970", own+cosignedAt(text, 0), true, true)
	add("a cosignature at the last second", own+cosignedAt(text, 1<<63-1), true, true)
	add("a cosignature beyond the last second", own+cosignedAt(text, 1<<63), true, false)
	add("a cosignature of another kind", own+lineOf("aggregator.plant", 1, "aggregator", nil, text), true, false)
	add("99 lines beside the log's own", own+good+strings.Repeat(strange("x"), 98), true, true)
	add("100 lines beside the log's own", own+good+strings.Repeat(strange("x"), 99), false, false)
	add("a line of four bytes", own+good+"— x AAAAAA==\n", false, false)
	add("a line with two blanks", own+good+"— x  AAAAAAAAAAAAAAAA\n", false, false)
	add("a line with a blank at the end", own+good+"— x AAAAAAAAAAAAAAAA \n", false, false)
	add("a control character", own+good+strange("a\u001fb"), false, false)
	add("a delete character", own+good+strange("a\u007fb"), true, true)
	return append(out, headVectors(t, l)...)
}

// headVectors are proofs whose checkpoint has an odd text, however well it is signed.
func headVectors(t *testing.T, l [][]byte) (out []vector) {
	t.Helper()
	root := strings.Split(string(checkpoint(t, l, "station")), "\n")[2]
	for name, text := range map[string]string{
		"a fourth line in the checkpoint":       origin + "\n6\n" + root + "\nextension\n",
		"an empty line in the checkpoint":       origin + "\n6\n" + root + "\n\nx\n",
		"the size beyond the greatest":          origin + "\n9223372036854775808\n" + root + "\n",
		"the size with a blank":                 origin + "\n 6\n" + root + "\n",
		"the root with a blank":                 origin + "\n6\n" + root + " \n",
		"a byte order mark in front of the log": "\uFEFF" + origin + "\n6\n" + root + "\n",
	} {
		p := proofOf(t, l, 4)
		p.Checkpoint = []byte(text + "\n" + lineOf(origin, 1, "station", nil, []byte(text)) + cosignedAt([]byte(text), 1767323045))
		v := base(name, p)
		v.Station, v.Cosigned = false, false
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b vector) int { return strings.Compare(a.Name, b.Name) })
	odd := proofOf(t, l, 4)
	v := base("a byte order mark in front of the proof", odd)
	v.Proof, v.Station, v.Cosigned = "\uFEFF"+v.Proof, false, false
	return append(out, v)
}

// TestOfEachNameFourLinesAreJudged holds OpenCheckpoint and Lines against each other.
func TestOfEachNameFourLinesAreJudged(t *testing.T) {
	for _, v := range lineVectors(t) {
		p, err := evidence.ParseProof([]byte(v.Proof))
		if err != nil {
			continue
		}
		c, lines, err := evidence.Lines(p.Checkpoint, stationKeys(), cosigners())
		if err != nil {
			continue
		}
		station, cosigned, forged := false, false, false
		for _, line := range lines {
			station = station || line.State == evidence.LineGood && line.Log != nil
			cosigned = cosigned || line.State == evidence.LineGood && line.Log == nil
			forged = forged || line.State == evidence.LineForged && line.Log != nil
		}
		holds := p.Included(c) == nil && c.Origin == v.Origin
		require.Equal(t, v.Station, holds && station && !forged, v.Name)
		require.Equal(t, v.Cosigned, holds && cosigned, v.Name)
	}
}
