package event

import (
	"bytes"
	"fmt"
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
	keys keyStack
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
	o.base = s.keys.len()
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
	s.keys.cut(base)
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
	s.keys.push(key)
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
	seen := s.keys.from(o.base)
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
	base := s.keys.len()
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
