package event

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
)

// each walks an object; member reads the value of each key. It reports a
// Problem, and skips the value, when there is no object.
func (p *parser) each(field string, member func(key span) *ProfileError) *ProfileError {
	if p.at() != '{' {
		p.problem(field, "not an object")
		return p.value()
	}
	o, done, err := p.open()
	for err == nil && !done {
		var key span
		if key, err = p.key(&o); err != nil {
			break
		}
		if err = member(key); err != nil {
			break
		}
		done, err = p.more(&o)
	}
	return err
}

// anyText accepts each text.
func anyText(string) string { return "" }

func (p *parser) source() *ProfileError {
	src := &Source{}
	p.e.Source = src
	return p.each("source", func(key span) *ProfileError {
		switch string(p.name(key)) {
		case "kind":
			return p.string("source.kind", 0, &src.Kind, anyText)
		case "endpoint":
			return p.string("source.endpoint", 0, &src.Endpoint, anyText)
		case "item":
			return p.string("source.item", 0, &src.Item, anyText)
		case "original_id":
			return p.string("source.original_id", 0, &src.OriginalID, anyText)
		}
		return p.unknown("source.", key)
	})
}

func (p *parser) metadata() *ProfileError {
	m := &p.e.Metadata
	return p.each("metadata", func(key span) *ProfileError {
		switch string(p.name(key)) {
		case "catalogue":
			return p.string("metadata.catalogue", 0, &m.Catalogue, anyText)
		case "agent":
			return p.string("metadata.agent", 0, &m.Agent, anyText)
		case "parser":
			return p.string("metadata.parser", 0, &m.Parser, anyText)
		case "problems":
			return p.ownProblems()
		}
		return p.unknown("metadata.", key)
	})
}

// ownProblems reads metadata.problems: what the writer itself found wrong.
func (p *parser) ownProblems() *ProfileError {
	if p.at() != '[' {
		p.problem("metadata.problems", "not an array")
		return p.value()
	}
	if err := p.enter(); err != nil {
		return err
	}
	if p.at() == ']' {
		return p.leave(']', p.keys.len())
	}
	for {
		var one Problem
		err := p.each("metadata.problems", func(key span) *ProfileError {
			switch string(p.name(key)) {
			case "field":
				return p.string("metadata.problems.field", 0, &one.Field, anyText)
			case "reason":
				return p.string("metadata.problems.reason", 0, &one.Reason, anyText)
			}
			return p.unknown("metadata.problems.", key)
		})
		if err != nil {
			return err
		}
		p.e.Metadata.Problems = append(p.e.Metadata.Problems, one)
		switch p.at() {
		case ',':
			p.i++
		case ']':
			return p.leave(']', p.keys.len())
		default:
			return p.unexpected()
		}
	}
}

func (p *parser) curve() *ProfileError {
	c := &Curve{}
	var minText, maxText string
	before := len(p.problems)
	err := p.each("curve", func(key span) *ProfileError {
		switch string(p.name(key)) {
		case "start":
			return p.time("curve.start", 0, &c.Start)
		case "step_ms":
			v, ok, err := p.integer()
			if err == nil && (!ok || v < 1) {
				p.problem("curve.step_ms", "not a positive integer")
			}
			c.StepMS = v
			return err
		case "unit":
			return p.string("curve.unit", 0, &c.Unit, anyText)
		case "min":
			return p.string("curve.min", 0, &minText, anyText)
		case "max":
			return p.string("curve.max", 0, &maxText, anyText)
		}
		return p.unknown("curve.", key)
	})
	if err != nil || len(p.problems) > before {
		return err
	}
	if reason := c.decode(minText, maxText); reason != "" {
		p.problem("curve", reason)
		return nil
	}
	p.e.Curve = c
	return nil
}

// decode fills the points of a curve and says what is wrong with it.
func (c *Curve) decode(minText, maxText string) string {
	var ok bool
	if c.Min, ok = floats(minText); !ok {
		return "min is not base64 of float32"
	}
	if c.Max, ok = floats(maxText); !ok {
		return "max is not base64 of float32"
	}
	return c.fault()
}

func floats(text string) ([]float32, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return nil, false
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out, true
}

func (p *parser) sealed() *ProfileError {
	return p.each("sealed", func(path span) *ProfileError {
		name := p.textOf(path)
		before := len(p.problems)
		p.path = sealedPath{name, true}
		field, err := p.sealedField()
		if err == nil && len(p.problems) == before && (field.Key == "" || field.Text == "") {
			p.problem("", "key or text missing")
			field.Key = ""
		}
		p.path = sealedPath{}
		if err != nil || len(p.problems) > before || field.Key == "" {
			return err
		}
		if p.e.Sealed == nil {
			p.e.Sealed = make(map[string]SealedField)
		}
		p.e.Sealed[name] = field
		return nil
	})
}

// sealedField reads the object of one sealed field.
func (p *parser) sealedField() (field SealedField, err *ProfileError) {
	err = p.each("", func(key span) *ProfileError {
		switch string(p.name(key)) {
		case "key":
			return p.string(".key", 0, &field.Key, keyIDFault)
		case "text":
			return p.string(".text", 0, &field.Text, base64Fault)
		}
		path := p.path
		p.path = sealedPath{} // the whole name is shortened
		err := p.unknown("sealed."+path.name+".", key)
		p.path = path
		return err
	})
	return field, err
}

// keyIDFault checks a data key's id: hex SHA-256.
func keyIDFault(s string) string {
	if len(s) != 64 {
		return "not 64 hex digits"
	}
	for i := range len(s) {
		if !isLowerHex(s[i]) {
			return "not 64 hex digits"
		}
	}
	return ""
}

func base64Fault(s string) string {
	if plainBase64(s) {
		return ""
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(s); err != nil || s == "" {
		return "not base64"
	}
	return ""
}

// plainBase64 tells of nearly all good texts that they are, without decoding them:
// whole groups of the alphabet, and nothing but zeros in the bits that padding leaves.
func plainBase64(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	if len(s) == 0 || len(s)%4 != 0 {
		return false
	}
	digits := len(s)
	for digits > len(s)-2 && s[digits-1] == '=' {
		digits--
	}
	for i := range digits {
		if c := s[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	unused := byte(1)<<(2*(len(s)-digits)) - 1
	return byte(strings.IndexByte(alphabet, s[digits-1]))&unused == 0
}
