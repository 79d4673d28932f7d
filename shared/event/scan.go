package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting of a leaf; the leaf itself is level 1.
const MaxDepth = 16

// MaxNumber is the longest number in characters.
const MaxNumber = 40

// MaxInteger is the largest magnitude of a number written as an integer, 2^53:
// what every reader of JSON holds exactly. Larger ones are text.
const MaxInteger = 1 << 53

// ProfileError says where and why bytes are outside the profile of leaves.
type ProfileError struct {
	Offset int // in bytes from the start
	Reason string
}

// Error names the reason and the byte.
func (e *ProfileError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// scanner walks JSON once and enforces the profile. In loose mode (foreign JSON)
// it allows white space and numbers of any size, and reports them to its caller.
type scanner struct {
	b     []byte
	i     int
	depth int
	limit int // deepest level
	loose bool
	// keys holds the keys of all objects that are open, innermost last.
	keys []span
	emit *[]byte // loose mode: where the compact form goes
}

// span is one text token without its quotes; plain means: no escapes inside.
type span struct {
	from, to uint32
	plain    bool
}

func (s *scanner) fail(at int, reason string) *ProfileError {
	return &ProfileError{Offset: at, Reason: reason}
}

// space skips white space in loose mode; in strict mode there is none to skip.
func (s *scanner) space() {
	if !s.loose {
		return
	}
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// put copies a token to the output in loose mode.
func (s *scanner) put(token ...byte) {
	if s.emit != nil {
		*s.emit = append(*s.emit, token...)
	}
}

// value scans any value.
func (s *scanner) value() *ProfileError {
	s.space()
	if s.i >= len(s.b) {
		return s.fail(s.i, "unexpected end")
	}
	switch c := s.b[s.i]; c {
	case '{':
		return s.object()
	case '[':
		return s.array()
	case '"':
		t, err := s.text()
		if err == nil {
			s.put(s.b[t.from-1 : t.to+1]...)
		}
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return s.number()
		}
		return s.unexpected()
	}
}

func (s *scanner) unexpected() *ProfileError {
	if s.i >= len(s.b) {
		return s.fail(s.i, "unexpected end")
	}
	switch c := s.b[s.i]; c {
	case ' ', '\t', '\n', '\r':
		return s.fail(s.i, "white space")
	default:
		return s.fail(s.i, fmt.Sprintf("unexpected %q", rune(c)))
	}
}

func (s *scanner) word(w string) *ProfileError {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.fail(s.i, "unknown word")
	}
	s.i += len(w)
	s.put(s.b[s.i-len(w) : s.i]...)
	return nil
}

func (s *scanner) enter() *ProfileError {
	s.depth++
	if s.depth > s.limit {
		return s.fail(s.i, "nested too deeply")
	}
	s.i++
	return nil
}

func (s *scanner) object() *ProfileError {
	o, done, err := s.open()
	for err == nil && !done {
		if _, err = s.key(&o); err != nil {
			break
		}
		if err = s.value(); err != nil {
			break
		}
		done, err = s.more(&o)
	}
	return err
}

// members is an object that is being scanned: where its keys start among all
// open keys, and all of them in a map when they are many.
type members struct {
	base int
	many map[string]struct{}
}

// open enters an object; done means that it is empty and already left. Then key,
// a value and more follow in turn until more says done.
func (s *scanner) open() (o members, done bool, err *ProfileError) {
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return o, false, s.unexpected()
	}
	if err := s.enter(); err != nil {
		return o, false, err
	}
	s.put('{')
	o.base = len(s.keys)
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		return o, true, s.leave('}', o.base)
	}
	return o, false, nil
}

// more goes over the comma between two members, or leaves the object.
func (s *scanner) more(o *members) (done bool, err *ProfileError) {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		return true, s.leave('}', o.base)
	}
	if s.i >= len(s.b) || s.b[s.i] != ',' {
		return false, s.unexpected()
	}
	s.i++
	s.put(',')
	return false, nil
}

func (s *scanner) leave(c byte, base int) *ProfileError {
	s.i++
	s.depth--
	s.keys = s.keys[:base]
	s.put(c)
	return nil
}

// key scans a key and its colon, and refuses a key that the object already has.
func (s *scanner) key(o *members) (span, *ProfileError) {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return span{}, s.unexpected()
	}
	key, err := s.text()
	if err != nil {
		return span{}, err
	}
	if s.repeated(key, o) {
		return span{}, s.fail(int(key.from)-1, "key used twice")
	}
	s.keys = append(s.keys, key)
	s.put(s.b[key.from-1 : key.to+1]...)
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return span{}, s.unexpected()
	}
	s.i++
	s.put(':')
	s.space()
	return key, nil
}

// manyKeys is the number of keys from which on an object is checked with a map:
// below, comparing is quicker; above, comparing would be quadratic.
const manyKeys = 32

func (s *scanner) repeated(key span, o *members) bool {
	seen := s.keys[o.base:]
	name := s.name(key)
	if len(seen) < manyKeys {
		for _, other := range seen {
			if other.plain && int(other.to-other.from) != len(name) {
				continue
			}
			if bytes.Equal(s.name(other), name) {
				return true
			}
		}
		return false
	}
	if o.many == nil {
		o.many = make(map[string]struct{}, 2*manyKeys)
		for _, other := range seen {
			o.many[string(s.name(other))] = struct{}{}
		}
	}
	if _, ok := o.many[string(name)]; ok {
		return true
	}
	o.many[string(name)] = struct{}{}
	return false
}

func (s *scanner) name(key span) []byte {
	if key.plain {
		return s.b[key.from:key.to]
	}
	return unescape(s.b[key.from:key.to])
}

func (s *scanner) array() *ProfileError {
	if err := s.enter(); err != nil {
		return err
	}
	s.put('[')
	base := len(s.keys)
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		return s.leave(']', base)
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		s.space()
		if s.i < len(s.b) && s.b[s.i] == ']' {
			return s.leave(']', base)
		}
		if s.i >= len(s.b) || s.b[s.i] != ',' {
			return s.unexpected()
		}
		s.i++
		s.put(',')
	}
}

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

// number scans a number; in loose mode one that the profile can't hold is
// emitted as text.
func (s *scanner) number() *ProfileError {
	from := s.i
	integer, err := s.digits()
	if err != nil {
		return err
	}
	token := s.b[from:s.i]
	reason := numberFault(token, integer)
	switch {
	case reason == "":
		s.put(token...)
	case s.loose:
		s.put('"')
		s.put(token...)
		s.put('"')
	default:
		return s.fail(from, reason)
	}
	return nil
}

// digits walks over a number by the grammar of JSON.
func (s *scanner) digits() (integer bool, err *ProfileError) {
	b, i := s.b, s.i
	run := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	first := i
	if !run() {
		return false, s.fail(s.i, "broken number")
	}
	if b[first] == '0' && i > first+1 {
		return false, s.fail(s.i, "number with a leading zero")
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		i++
		integer = false
		if !run() {
			return false, s.fail(s.i, "broken number")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		integer = false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return false, s.fail(s.i, "broken number")
		}
	}
	s.i = i
	return integer, nil
}

// numberFault says why a well-formed number is outside the profile.
func numberFault(token []byte, integer bool) string {
	if len(token) > MaxNumber {
		return "number of more than 40 characters"
	}
	if integer {
		if len(token) <= 15 {
			return ""
		}
		v, err := strconv.ParseInt(string(token), 10, 64)
		if err != nil || v > MaxInteger || v < -MaxInteger {
			return "integer beyond 2^53"
		}
		return ""
	}
	e := bytes.IndexAny(token, "eE")
	if e < 0 {
		return "" // 40 digits without an exponent are within float64
	}
	if exponent := bytes.TrimLeft(token[e+1:], "+-"); len(exponent) > 3 {
		return "number outside float64"
	}
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil || v == 0 && bytes.ContainsAny(token[:e], "123456789") {
		return "number outside float64"
	}
	return ""
}
