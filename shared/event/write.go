package event

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxCurve is the largest curve in bytes of base64 text, min and max together.
const MaxCurve = 24 << 10

// ErrTooLarge is returned for an event that does not fit into MaxLeaf bytes;
// callers shorten or split it.
var ErrTooLarge = errors.New("event is larger than 65535 bytes")

// Leaf returns the event as one line of JSON inside the profile.
func (e *Event) Leaf() ([]byte, error) { return e.AppendLeaf(nil) }

// AppendLeaf appends the event as one line of JSON inside the profile, without a
// newline. It fills nothing in: an invalid or missing field is an error that
// names it, and dst is returned as it was. ErrTooLarge when it does not fit.
func (e *Event) AppendLeaf(dst []byte) ([]byte, error) {
	w := writer{b: dst, start: len(dst)}
	w.envelope(e)
	w.optional(e)
	w.parts(e)
	if w.err != nil {
		return dst, fmt.Errorf("event %s: %w", e.ID, w.err)
	}
	w.b = append(w.b, '}')
	if len(w.b)-w.start > MaxLeaf {
		return dst, fmt.Errorf("event %s: %w", e.ID, ErrTooLarge)
	}
	return w.b, nil
}

// writer appends members and remembers the first fault.
type writer struct {
	b     []byte
	start int
	err   error
}

func (w *writer) fault(field, reason string) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: %s", field, reason)
	}
}

// key starts a member; keys are constants without anything to escape.
func (w *writer) key(name string) {
	if n := len(w.b); n > w.start && w.b[n-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// text writes a member; reason is what its check found, "" for nothing.
func (w *writer) text(path, value, reason string) {
	w.key(path[strings.LastIndexByte(path, '.')+1:])
	if reason == "" {
		var ok bool
		if w.b, ok = appendText(w.b, value); !ok {
			reason = "NUL or invalid UTF-8"
		}
	}
	if reason != "" {
		w.fault(path, reason)
	}
}

// some writes a member if there is a value.
func (w *writer) some(path, value string) {
	if value != "" {
		w.text(path, value, "")
	}
}

func (w *writer) time(path string, t time.Time) {
	if !ValidTime(t) {
		w.fault(path, "year outside 1970 to 2199")
		return
	}
	w.key(path[strings.LastIndexByte(path, '.')+1:])
	w.b = append(w.b, '"')
	w.b = appendTime(w.b, t)
	w.b = append(w.b, '"')
}

func (w *writer) envelope(e *Event) {
	w.b = append(w.b, '{')
	w.text("id", e.ID, idFault(e.ID))
	w.text("event_type", e.Type, typeFault(e.Type))
	w.text("class", string(e.Class), classFault(string(e.Class)))
	if !e.Severity.Valid() {
		w.fault("severity", "unknown severity")
	}
	w.text("severity", e.Severity.String(), "")
	w.time("timestamp", e.Timestamp)
	w.time("collected_at", e.CollectedAt)
	w.text("station", e.Station, stationFault(e.Station))
}

func (w *writer) optional(e *Event) {
	short := func(name, value string) {
		if value != "" {
			w.text(name, value, textFault(value))
		}
	}
	short("equipment", e.Equipment)
	short("signal", e.Signal)
	short("correlation_id", e.CorrelationID)
	short("user_id", e.UserID)
	if e.SourceIP != "" {
		w.text("source_ip", e.SourceIP, addressFault(e.SourceIP))
	}
	if s := e.Source; s != nil {
		w.key("source")
		w.b = append(w.b, '{')
		w.some("source.kind", s.Kind)
		w.some("source.endpoint", s.Endpoint)
		w.some("source.item", s.Item)
		w.some("source.original_id", s.OriginalID)
		w.b = append(w.b, '}')
	}
}

func (w *writer) parts(e *Event) {
	if e.Data == nil {
		w.key("event_data")
		w.b = append(w.b, '{', '}')
	} else {
		w.object("event_data", e.Data)
	}
	if e.Context != nil {
		w.object("context", e.Context)
	}
	w.metadata(&e.Metadata)
	if e.Curve != nil {
		w.curve(e.Curve)
	}
	if len(e.Sealed) > 0 {
		w.sealed(e.Sealed)
	}
	w.key("salt")
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, e.Salt[:])
	w.b = append(w.b, '"')
}

// object writes JSON that must already be an object inside the profile.
func (w *writer) object(name string, raw []byte) {
	s := scanner{b: raw, depth: 1, limit: MaxDepth}
	if len(raw) == 0 || raw[0] != '{' {
		w.fault(name, "not an object")
		return
	}
	err := s.object()
	if err == nil {
		err = s.end()
	}
	if err != nil {
		if w.err == nil {
			w.err = fmt.Errorf("%s: %w", name, err)
		}
		return
	}
	w.key(name)
	w.b = append(w.b, raw...)
}

func (w *writer) metadata(m *Metadata) {
	if m.Catalogue == "" && m.Agent == "" && m.Parser == "" && len(m.Problems) == 0 {
		return
	}
	w.key("metadata")
	w.b = append(w.b, '{')
	w.some("metadata.catalogue", m.Catalogue)
	w.some("metadata.agent", m.Agent)
	w.some("metadata.parser", m.Parser)
	if len(m.Problems) > 0 {
		w.key("problems")
		for i, p := range m.Problems {
			w.b = append(w.b, ",["[btoi(i == 0)], '{')
			w.text("metadata.problems.field", p.Field, "")
			w.text("metadata.problems.reason", p.Reason, "")
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, ']')
	}
	w.b = append(w.b, '}')
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fault says what is wrong with a curve, "" for nothing.
func (c *Curve) fault() string {
	switch {
	case !ValidTime(c.Start):
		return "start is no valid time"
	case c.StepMS < 1 || c.StepMS > MaxInteger:
		return "step_ms is not a positive integer"
	case len(c.Min) == 0 || len(c.Min) != len(c.Max):
		return "min and max have not the same number of points"
	case 2*base64.StdEncoding.EncodedLen(4*len(c.Min)) > MaxCurve:
		return "larger than 24 KiB"
	}
	return ""
}

func (w *writer) curve(c *Curve) {
	if reason := c.fault(); reason != "" {
		w.fault("curve", reason)
		return
	}
	w.key("curve")
	w.b = append(w.b, '{')
	w.time("curve.start", c.Start)
	w.key("step_ms")
	w.b = strconv.AppendInt(w.b, c.StepMS, 10)
	w.some("curve.unit", c.Unit)
	w.points("min", c.Min)
	w.points("max", c.Max)
	w.b = append(w.b, '}')
}

func (w *writer) points(name string, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	w.key(name)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, raw)
	w.b = append(w.b, '"')
}

func (w *writer) sealed(fields map[string]SealedField) {
	w.key("sealed")
	w.b = append(w.b, '{')
	var room [8]string
	paths := slices.AppendSeq(room[:0], maps.Keys(fields))
	slices.Sort(paths)
	for i, path := range paths {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		var ok bool
		if w.b, ok = appendText(w.b, path); !ok {
			w.fault("sealed", "path with NUL or invalid UTF-8")
		}
		w.b = append(w.b, ':', '{')
		w.text("sealed.key", fields[path].Key, keyIDFault(fields[path].Key))
		w.text("sealed.text", fields[path].Text, base64Fault(fields[path].Text))
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, '}')
}

// appendText appends s as a JSON text; ok is false when the profile has no way
// to write it (NUL, invalid UTF-8).
func appendText(dst []byte, s string) (out []byte, ok bool) {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if !special[c] {
			i++
			continue
		}
		if c >= 0x80 {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				return dst, false
			}
			i += n
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case 0:
			return dst, false
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"'), true
}
