package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrExact means that two readers could understand a JSON object differently.
var ErrExact = errors.New("ambiguous JSON object")

// DecodeExact reads one JSON object into a struct as a second implementation in
// any language would: encoding/json alone takes "FIRST" for "first" and lets the
// last of two equal names win. A name that stands twice, or that differs from a
// field's only by case, is refused; unknown names are left alone.
func DecodeExact(data []byte, into any) error {
	names, err := objectNames(data)
	if err != nil {
		return err
	}
	t := reflect.TypeOf(into).Elem()
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return fmt.Errorf("%w: %q stands twice", ErrExact, name)
		}
		seen[name] = true
		for i := range t.NumField() {
			field, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if field != name && strings.EqualFold(field, name) {
				return fmt.Errorf("%w: %q for %q", ErrExact, name, field)
			}
		}
	}
	return json.Unmarshal(data, into)
}

// objectNames lists the names of an object's members in order.
func objectNames(data []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: no object", ErrExact)
	}
	var names []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("%w: no name", ErrExact)
		}
		names = append(names, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
	}
	return names, nil
}
