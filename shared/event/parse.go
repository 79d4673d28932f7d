package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
)

// Check reports whether leaf is inside the profile: one JSON object of 1 to
// MaxLeaf bytes as the profile (docs/event.md) binds writers to. It does not look at the
// envelope. The error is a *ProfileError.
func Check(leaf []byte) error {
	s := newScanner(leaf)
	if err := s.whole(); err != nil {
		return err
	}
	return nil
}

func newScanner(leaf []byte) scanner { return scanner{b: leaf, limit: MaxDepth} }

// whole scans one leaf from its first to its last byte.
func (s *scanner) whole() *ProfileError {
	if err := s.sized(); err != nil {
		return err
	}
	if err := s.object(); err != nil {
		return err
	}
	return s.end()
}

func (s *scanner) sized() *ProfileError {
	if len(s.b) > MaxLeaf {
		return s.fail(MaxLeaf, "longer than 65535 bytes")
	}
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		if len(s.b) == 0 {
			return s.fail(0, "unexpected end")
		}
		return s.fail(s.i, "not an object")
	}
	return nil
}

func (s *scanner) end() *ProfileError {
	if s.i < len(s.b) {
		return s.fail(s.i, "bytes after the object")
	}
	return nil
}

// Parse reads a leaf in one pass. The error is a *ProfileError and means that
// the leaf is outside the profile; everything else that is wrong (fields
// missing, of the wrong type, out of range, unknown keys) is a Problem, and the
// field keeps its zero value (Severity: info). Data and Context alias leaf, the
// texts share one copy of it.
func Parse(leaf []byte) (*Event, []Problem, error) {
	p := parser{scanner: newScanner(leaf)}
	p.all = string(leaf)
	p.e = &Event{Severity: SeverityInfo}
	if err := p.leaf(); err != nil {
		return nil, nil, err
	}
	return p.e, p.problems, nil
}

// parser fills an event while the scanner walks.
type parser struct {
	scanner
	all      string // the leaf once as text; all texts are parts of it
	e        *Event
	problems []Problem
	seen     uint32 // bits of the required keys that were met
	path     sealedPath
}

// sealedPath is the member of sealed that is being read: the name of its field is put
// together only where something is wrong with it.
type sealedPath struct {
	name string
	open bool
}

// Bits of the required keys.
const (
	seenID = 1 << iota
	seenType
	seenClass
	seenSeverity
	seenTimestamp
	seenCollectedAt
	seenStation
	seenData
	seenSalt
)

// required names the required keys in the order of their bits.
func required() [9]string {
	return [...]string{"id", "event_type", "class", "severity", "timestamp", "collected_at", "station", "event_data", "salt"}
}

// maxProblems bounds what one leaf can cause.
const maxProblems = 32

func (p *parser) problem(field, reason string) {
	if len(p.problems) >= maxProblems {
		return
	}
	if p.path.open {
		field = "sealed." + p.path.name + field
	}
	p.problems = append(p.problems, Problem{Field: field, Reason: reason})
}

func (p *parser) leaf() *ProfileError {
	if err := p.sized(); err != nil {
		return err
	}
	o, done, err := p.open()
	for err == nil && !done {
		var key span
		if key, err = p.key(&o); err != nil {
			break
		}
		if err = p.envelope(key); err != nil {
			break
		}
		done, err = p.more(&o)
	}
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	for i, name := range required() {
		if p.seen&(1<<i) == 0 {
			p.problem(name, "missing")
		}
	}
	return nil
}

// envelope reads the value of one key of the envelope.
func (p *parser) envelope(key span) *ProfileError {
	switch string(p.name(key)) {
	case "id":
		return p.string("id", seenID, &p.e.ID, idFault)
	case "event_type":
		return p.string("event_type", seenType, &p.e.Type, typeFault)
	case "class":
		var text string
		err := p.string("class", seenClass, &text, classFault)
		p.e.Class = Class(text)
		return err
	case "severity":
		var text string
		err := p.string("severity", seenSeverity, &text, severityFault)
		if v, ok := severityOf(text); ok {
			p.e.Severity = v
		}
		return err
	case "timestamp":
		return p.time("timestamp", seenTimestamp, &p.e.Timestamp)
	case "collected_at":
		return p.time("collected_at", seenCollectedAt, &p.e.CollectedAt)
	case "station":
		return p.string("station", seenStation, &p.e.Station, stationFault)
	case "event_data":
		return p.raw("event_data", seenData, &p.e.Data)
	case "salt":
		return p.salt()
	}
	return p.optional(key)
}

// optional reads the value of a key that may be absent.
func (p *parser) optional(key span) *ProfileError {
	switch string(p.name(key)) {
	case "equipment":
		return p.string("equipment", 0, &p.e.Equipment, textFault)
	case "signal":
		return p.string("signal", 0, &p.e.Signal, textFault)
	case "correlation_id":
		return p.string("correlation_id", 0, &p.e.CorrelationID, textFault)
	case "user_id":
		return p.string("user_id", 0, &p.e.UserID, textFault)
	case "source_ip":
		return p.string("source_ip", 0, &p.e.SourceIP, addressFault)
	case "source":
		return p.source()
	case "context":
		return p.raw("context", 0, &p.e.Context)
	case "metadata":
		return p.metadata()
	case "curve":
		return p.curve()
	case "sealed":
		return p.sealed()
	}
	return p.unknown("", key)
}

func idFault(s string) string {
	if ValidID(s) {
		return ""
	}
	return "no UUID of version 7 in lower case"
}

func typeFault(s string) string {
	if ValidType(s) {
		return ""
	}
	return "no event type"
}

func classFault(s string) string {
	if Class(s).Valid() {
		return ""
	}
	return "unknown class"
}

func severityFault(s string) string {
	if _, ok := severityOf(s); ok {
		return ""
	}
	return "unknown severity"
}

func textFault(s string) string {
	switch {
	case s == "":
		return "empty"
	case len(s) > MaxText:
		return "longer than 256 bytes"
	}
	return ""
}

// unknown skips the value of a key that the envelope does not know.
func (p *parser) unknown(parent string, key span) *ProfileError {
	p.problem(Shorten(parent+string(p.name(key)), MaxText), "unknown key")
	return p.value()
}

// at reports the first byte of the value that the scanner stands at.
func (p *parser) at() byte {
	if p.i >= len(p.b) {
		return 0
	}
	return p.b[p.i]
}

// textValue scans a text and returns it; ok is false for another kind of value.
func (p *parser) textValue() (text string, ok bool, err *ProfileError) {
	if p.at() != '"' {
		return "", false, p.value()
	}
	t, err := p.text()
	if err != nil {
		return "", false, err
	}
	return p.textOf(t), true, nil
}

// textOf is the text of a token, a part of the one copy where it has no escapes.
func (p *parser) textOf(t span) string {
	if t.plain {
		return p.all[t.from:t.to]
	}
	return string(unescape(p.b[t.from:t.to]))
}

func (p *parser) string(field string, bit uint32, into *string, fault func(string) string) *ProfileError {
	text, ok, err := p.textValue()
	if err != nil {
		return err
	}
	p.seen |= bit
	reason := "not a text"
	if ok {
		reason = fault(text)
	}
	if reason != "" {
		p.problem(field, reason)
		return nil
	}
	*into = text
	return nil
}

func (p *parser) time(field string, bit uint32, into *time.Time) *ProfileError {
	text, ok, err := p.textValue()
	if err != nil {
		return err
	}
	p.seen |= bit
	if !ok {
		p.problem(field, "not a text")
		return nil
	}
	t, reason := parseTime(text)
	if reason != "" {
		p.problem(field, reason)
		return nil
	}
	*into = t
	return nil
}

func (p *parser) raw(field string, bit uint32, into *json.RawMessage) *ProfileError {
	from, object := p.i, p.at() == '{'
	if err := p.value(); err != nil {
		return err
	}
	p.seen |= bit
	if !object {
		p.problem(field, "not an object")
		return nil
	}
	*into = p.b[from:p.i:p.i]
	return nil
}

func (p *parser) salt() *ProfileError {
	text, _, err := p.textValue()
	if err != nil {
		return err
	}
	p.seen |= seenSalt
	var salt [24]byte
	n, derr := 0, error(nil)
	if len(text) == 24 {
		n, derr = base64.StdEncoding.Strict().Decode(salt[:], []byte(text))
	}
	if derr != nil || n != 16 {
		p.problem("salt", "not base64 of 16 bytes")
		return nil
	}
	copy(p.e.Salt[:], salt[:])
	return nil
}

// integer reads an integer; ok is false for any other value.
func (p *parser) integer() (v int64, ok bool, err *ProfileError) {
	from := p.i
	if err := p.value(); err != nil {
		return 0, false, err
	}
	token := p.b[from:p.i]
	if len(token) > 20 || bytes.ContainsAny(token, `.eE"{[tfn`) {
		return 0, false, nil
	}
	v, perr := strconv.ParseInt(string(token), 10, 64)
	return v, perr == nil, nil
}
