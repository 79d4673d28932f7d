package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// special marks the bytes at which the quick loop over a text must look closer:
// control characters, the quote, the backslash, everything beyond ASCII.
var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c == '"' || c == '\\' || c >= 0x80
	}
	return t
}()

// nextSpecial returns the first index from i on whose byte is special, len(b)
// for none. It looks at eight bytes at once: a subtraction borrows into the top
// bit of each byte that is below the subtrahend, and the lowest byte so marked
// is always a true one.
func nextSpecial(b []byte, i int) int {
	const (
		ones = 0x0101010101010101
		tops = 0x8080808080808080
	)
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		marked := (w | (w - 0x20*ones) | (w ^ '"'*ones - ones) | (w ^ '\\'*ones - ones)) & tops
		if marked != 0 {
			return i + bits.TrailingZeros64(marked)/8
		}
	}
	for i < len(b) && !special[b[i]] {
		i++
	}
	return i
}

// text scans a string token that starts at the quote.
func (s *scanner) text() (span, *ProfileError) {
	b, i := s.b, s.i+1
	out := span{from: uint32(i), plain: true}
	for i < len(b) {
		if i = nextSpecial(b, i); i == len(b) {
			break
		}
		switch c := b[i]; {
		case c == '"':
			out.to, s.i = uint32(i), i+1
			return out, nil
		case c == '\\':
			out.plain = false
			n, reason := escape(b[i:])
			if reason != "" {
				return out, s.fail(i, reason)
			}
			i += n
		case c < 0x20:
			if c == 0 {
				return out, s.fail(i, "NUL")
			}
			return out, s.fail(i, "control character in a text")
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return out, s.fail(i, "invalid UTF-8")
			}
			i += n
		}
	}
	return out, s.fail(i, "unexpected end of a text")
}

// escape returns the length of the escape sequence at the start of b, or why it
// is not allowed.
func escape(b []byte) (n int, reason string) {
	if len(b) < 2 {
		return 0, "unexpected end of a text"
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		r, ok := hex4(b[2:])
		switch {
		case !ok:
			return 0, "broken \\u escape"
		case r == 0:
			return 0, "NUL"
		case r >= 0xdc00 && r < 0xe000:
			return 0, "lone surrogate"
		case r >= 0xd800 && r < 0xdc00:
			if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
				return 0, "lone surrogate"
			}
			low, ok := hex4(b[8:])
			if !ok || low < 0xdc00 || low >= 0xe000 {
				return 0, "lone surrogate"
			}
			return 12, ""
		}
		return 6, ""
	}
	return 0, "unknown escape"
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape resolves the escapes of a text that was scanned without a fault.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		c := b[i+1]
		i += 2
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(b[i:])
			i += 4
			if r >= 0xd800 && r < 0xdc00 {
				low, _ := hex4(b[i+2:])
				r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default: // quote, backslash, slash
			out = append(out, c)
		}
	}
	return out
}
