package bundle

import (
	"fmt"
	"strings"
)

// Printable writes what a terminal would obey (escape sequences, line ends, marks
// that turn the direction of text), blanks that are none, what can't be seen, and
// private characters as \u escapes: what stands in evidence is foreign text. A byte
// that is no UTF-8 becomes U+FFFD.
//
// Summaries are made with it: which characters those are is part of the format
// (docs/formats/bundle.md), and no table that changes with the version of Go or of
// Unicode.
func Printable(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case !escaped(c):
			b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}

// escaped are the characters of the format's table.
func escaped(c rune) bool {
	switch {
	case c < 0x7f:
		return c < 0x20
	case c <= 0xa0, c == 0xad, c == 0x61c, c == 0x1680, c == 0x180e, c == 0x3000, c == 0xfeff:
		return true
	}
	for _, r := range [...][2]rune{
		{0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0xd800, 0xf8ff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
	} {
		if r[0] <= c && c <= r[1] {
			return true
		}
	}
	return false
}
