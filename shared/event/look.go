package event

import "encoding/json"

// At returns the value under a path of keys in an object inside the profile; ok
// is false when there is none.
func At(object []byte, path []string) (value json.RawMessage, ok bool) {
	value = object
	for _, key := range path {
		if value, ok = member(value, key); !ok {
			return nil, false
		}
	}
	return value, len(path) > 0
}

// Members calls yield with each key and value of an object inside the profile, in
// its order, until yield returns false.
func Members(object []byte, yield func(key string, value json.RawMessage) bool) {
	s := scanner{b: object, limit: MaxDepth}
	o, done, err := s.open()
	for err == nil && !done {
		key, err := s.key(&o)
		if err != nil {
			return
		}
		from := s.i
		if err := s.value(); err != nil {
			return
		}
		if !yield(string(s.name(key)), object[from:s.i:s.i]) {
			return
		}
		if done, err = s.more(&o); err != nil {
			return
		}
	}
}

// member returns the value of one key of an object.
func member(object []byte, name string) (json.RawMessage, bool) {
	s := scanner{b: object, limit: MaxDepth}
	o, done, err := s.open()
	for err == nil && !done {
		key, err := s.key(&o)
		if err != nil {
			return nil, false
		}
		from := s.i
		if err := s.value(); err != nil {
			return nil, false
		}
		if string(s.name(key)) == name {
			return object[from:s.i:s.i], true
		}
		if done, err = s.more(&o); err != nil {
			return nil, false
		}
	}
	return nil, false
}

// Texts calls yield with each text value (not the keys) of a JSON value inside
// the profile, in its order, until yield returns false.
func Texts(value []byte, yield func(string) bool) {
	s := scanner{b: value, limit: MaxDepth}
	if s.value() != nil {
		return
	}
	// The value is sound: its tokens can be told apart without a grammar.
	s = scanner{b: value}
	for s.i < len(value) {
		if value[s.i] != '"' {
			s.i++
			continue
		}
		t, err := s.text()
		if err != nil {
			return
		}
		if s.i < len(value) && value[s.i] == ':' {
			continue // a key
		}
		text := value[t.from:t.to]
		if !t.plain {
			text = unescape(text)
		}
		if !yield(string(text)) {
			return
		}
	}
}
