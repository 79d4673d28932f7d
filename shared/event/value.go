package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// ValueDepth is the deepest nesting that Normalize and Value accept: such a
// value still fits below a field of event_data, which is level 3 of a leaf.
const ValueDepth = MaxDepth - 2

// Normalize turns one foreign JSON value into its compact form inside the
// profile: white space goes, numbers that the profile can't hold (integers
// beyond 2^53, more than 40 characters, outside float64) become texts of the
// same digits; all else stays as it was written. What can't be brought inside
// (NUL, lone surrogates, keys used twice, invalid UTF-8, more than ValueDepth
// levels, NaN and other things that are no JSON) is a *ProfileError with the
// place in foreign.
func Normalize(foreign []byte) ([]byte, error) {
	out := make([]byte, 0, len(foreign)+8)
	s := scanner{b: foreign, limit: ValueDepth, loose: true, emit: &out}
	err := s.value()
	if err == nil {
		if s.space(); s.i < len(s.b) {
			err = s.fail(s.i, "bytes after the value")
		}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Value writes a Go value as JSON inside the profile: nil, bool, all integers
// (beyond 2^53 as text) and floats, string, time.Time, []any and the other
// slices that sources hand over, map[string]any and map[string]string (keys
// sorted), json.RawMessage (must be inside the profile already). NaN, infinities,
// NUL, invalid UTF-8, other types and more than ValueDepth levels are errors.
func Value(v any) (json.RawMessage, error) {
	out, err := appendValue(nil, v, 0)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return out, nil
}

// Object writes fields as one object, keys sorted; see Value for what is allowed.
func Object(fields map[string]any) (json.RawMessage, error) {
	out, err := appendMap(nil, fields, 1)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	return out, nil
}

var (
	errText  = errors.New("text with NUL or invalid UTF-8")
	errDepth = errors.New("nested too deeply")
)

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendTextValue(dst, v)
	case float64:
		return appendFloat(dst, v, 64)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case time.Time:
		if !ValidTime(v) {
			return nil, errors.New("time outside 1970 to 2199")
		}
		return append(appendTime(append(dst, '"'), v), '"'), nil
	case json.RawMessage:
		s := scanner{b: v, depth: depth, limit: ValueDepth}
		if err := s.value(); err != nil {
			return nil, err
		}
		if s.i < len(v) {
			return nil, s.fail(s.i, "bytes after the value")
		}
		return append(dst, v...), nil
	case map[string]any:
		return appendMap(dst, v, depth+1)
	case map[string]string:
		return appendMap(dst, v, depth+1)
	case map[string]uint64:
		return appendMap(dst, v, depth+1)
	}
	if out, ok := appendInteger(dst, v); ok {
		return out, nil
	}
	return appendSlice(dst, v, depth+1)
}

func appendTextValue(dst []byte, s string) ([]byte, error) {
	out, ok := appendText(dst, s)
	if !ok {
		return nil, errText
	}
	return out, nil
}

func appendFloat(dst []byte, v float64, bits int) ([]byte, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, errors.New("number is not finite")
	}
	// As ECMAScript does, so that a browser writes the same text.
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, v, format, -1, bits)
	if format == 'f' && math.Abs(v) > MaxInteger && v == math.Trunc(v) {
		// Written without a point it would be an integer beyond 2^53.
		dst = strconv.AppendFloat(dst[:from], v, 'e', -1, bits)
	}
	return dst, nil
}

func appendInteger(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case int:
		return appendSigned(dst, int64(v)), true
	case int8:
		return appendSigned(dst, int64(v)), true
	case int16:
		return appendSigned(dst, int64(v)), true
	case int32:
		return appendSigned(dst, int64(v)), true
	case int64:
		return appendSigned(dst, v), true
	case uint:
		return appendUnsigned(dst, uint64(v)), true
	case uint8:
		return appendUnsigned(dst, uint64(v)), true
	case uint16:
		return appendUnsigned(dst, uint64(v)), true
	case uint32:
		return appendUnsigned(dst, uint64(v)), true
	case uint64:
		return appendUnsigned(dst, v), true
	}
	return dst, false
}

func appendSigned(dst []byte, v int64) []byte {
	if v > MaxInteger || v < -MaxInteger {
		return append(strconv.AppendInt(append(dst, '"'), v, 10), '"')
	}
	return strconv.AppendInt(dst, v, 10)
}

func appendUnsigned(dst []byte, v uint64) []byte {
	if v > MaxInteger {
		return append(strconv.AppendUint(append(dst, '"'), v, 10), '"')
	}
	return strconv.AppendUint(dst, v, 10)
}

func appendMap[V any](dst []byte, m map[string]V, depth int) ([]byte, error) {
	if depth > ValueDepth {
		return nil, errDepth
	}
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendTextValue(dst, key); err != nil {
			return nil, fmt.Errorf("key %q: %w", key, err)
		}
		dst = append(dst, ':')
		if dst, err = appendValue(dst, m[key], depth); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return append(dst, '}'), nil
}

func appendSlice(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case []any:
		return appendList(dst, v, depth)
	case []string:
		return appendList(dst, v, depth)
	case []bool:
		return appendList(dst, v, depth)
	case []int64:
		return appendList(dst, v, depth)
	case []uint64:
		return appendList(dst, v, depth)
	case []float64:
		return appendList(dst, v, depth)
	case []map[string]any:
		return appendList(dst, v, depth)
	}
	return nil, fmt.Errorf("type %T has no JSON form here", v)
}

func appendList[V any](dst []byte, list []V, depth int) ([]byte, error) {
	if depth > ValueDepth {
		return nil, errDepth
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, v, depth); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}
