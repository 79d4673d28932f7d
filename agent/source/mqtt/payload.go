package mqtt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// maxSample is how many bytes of a message go into quarantine.
	maxSample = 1024
	// maxReason is how long a reason may be, in bytes.
	maxReason = 200
)

// message is what came from the broker, before it was understood.
type message struct {
	topic     string
	payload   []byte
	retained  bool
	dup       bool
	truncated bool // longer than the limit; only its beginning is there
	at        time.Time
}

// reading makes the reading of a message that the rule matches. It never fails:
// what can't be parsed becomes a quarantine occurrence.
func (r *rule) reading(m message, station string) (out source.Reading, quarantined bool) {
	defer func() {
		// A message must never stop the others, whatever parser fails on it.
		if v := recover(); v != nil {
			out, quarantined = r.quarantine(m, station, fmt.Sprintf("the parser failed: %v", v)), true
		}
	}()
	out, err := r.parse(m, station)
	if err != nil {
		return r.quarantine(m, station, err.Error()), true
	}
	return out, false
}

func (r *rule) parse(m message, station string) (source.Reading, error) {
	if m.truncated {
		return source.Reading{}, errors.New("longer than the largest message that is read")
	}
	point, bad := r.at(m.topic, station)
	out := source.Reading{Point: point, ReceivedAt: m.at, Retained: m.retained, Dup: m.dup}
	if bad != "" {
		out.Problems = append(out.Problems, event.Problem{Field: "station", Reason: event.Shorten(bad, maxReason)})
	}
	doc, err := r.decode(m.payload, &out)
	if err != nil {
		return source.Reading{}, err
	}
	return out, r.fields(&out, doc, m.topic)
}

// decode sets the value and returns the JSON document, nil for other payloads.
func (r *rule) decode(payload []byte, out *source.Reading) (doc []byte, err error) {
	if len(payload) == 0 {
		return nil, errors.New("empty payload")
	}
	if r.payload != "json" {
		out.Value, err = plain(payload, r.payload)
		return nil, err
	}
	if doc, err = event.Normalize(payload); err != nil {
		return nil, err
	}
	value := json.RawMessage(doc)
	if r.hasValue {
		var ok bool
		if value, ok = r.value.Lookup(doc); !ok {
			return nil, fmt.Errorf("no value at %s", r.value)
		}
	}
	if scalar, ok := rawjson.Scalar(value); ok {
		out.Value = scalar
	} else {
		out.Value = value
	}
	return doc, nil
}

// plain reads a payload that is one bare value. Errors never quote it: they stand
// in problems and reasons, which are not sealed.
func plain(payload []byte, kind string) (any, error) {
	if !utf8.Valid(payload) || strings.IndexByte(string(payload), 0) >= 0 {
		return nil, errors.New("text with NUL or invalid UTF-8")
	}
	text := string(payload)
	if kind == "text" {
		return text, nil
	}
	text = strings.TrimSpace(text)
	if kind == "bool" {
		switch strings.ToLower(text) {
		case "true", "1", "on", "yes":
			return true, nil
		case "false", "0", "off", "no":
			return false, nil
		}
		return nil, fmt.Errorf("a text of %d bytes is neither true nor false", len(text))
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_pP") || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("a text of %d bytes is no finite number", len(text))
	}
	return f, nil
}

// fields fills in what the rule takes from the document and the topic.
func (r *rule) fields(out *source.Reading, doc []byte, topic string) error {
	if r.time != nil {
		r.sourceTime(out, doc)
	}
	if r.user != nil {
		out.User = r.text(out, doc, r.user, "user_id")
	}
	if r.id != nil {
		out.OriginalID = event.Shorten(r.text(out, doc, r.id, "source.original_id"), event.MaxText)
	}
	if len(r.data) == 0 {
		return nil
	}
	out.Fields = make(map[string]any, len(r.data))
	var levels map[string]string
	for _, f := range r.data {
		switch {
		case f.path != nil && doc != nil:
			value, ok := f.path.Lookup(doc)
			if !ok {
				out.Problems = append(out.Problems,
					event.Problem{Field: "event_data." + f.name, Reason: "nothing at " + f.path.String()})
				continue
			}
			out.Fields[f.name] = value
		case f.path != nil:
			out.Fields[f.name] = out.Value
		default:
			if f.perTopic && levels == nil {
				levels = r.pattern.values(topic)
			}
			out.Fields[f.name] = event.Clean(f.text.fill(levels))
		}
	}
	return nil
}

// text looks up a text or number that names something.
func (r *rule) text(out *source.Reading, doc []byte, path *rawjson.Path, field string) string {
	raw, ok := path.Lookup(doc)
	if !ok {
		out.Problems = append(out.Problems, event.Problem{Field: field, Reason: "nothing at " + path.String()})
		return ""
	}
	if s, ok := rawjson.Text(raw); ok {
		return s
	}
	if raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		out.Problems = append(out.Problems, event.Problem{Field: field, Reason: "no text at " + path.String()})
		return ""
	}
	return string(raw)
}

func (r *rule) sourceTime(out *source.Reading, doc []byte) {
	problem := func(reason string) {
		out.Problems = append(out.Problems, event.Problem{Field: "timestamp", Reason: event.Shorten(reason, maxReason)})
	}
	raw, ok := r.time.Lookup(doc)
	if !ok {
		problem("no time at " + r.time.String())
		return
	}
	scalar, _ := rawjson.Scalar(raw)
	t, zone, err := parseTime(scalar, r.timeFormat)
	if err != nil {
		problem(err.Error())
		return
	}
	if !zone {
		problem("time without a zone, taken as UTC")
	}
	out.SourceTime = t
}

// quarantine keeps the beginning of a message that could not be read. The sample
// stays out where the rule says that its messages name people.
func (r *rule) quarantine(m message, station string, reason string) source.Reading {
	point, _ := r.at(m.topic, station)
	data := map[string]any{
		"source": r.base.Source, "item": event.Shorten(m.topic, maxItem), "reason": event.Shorten(event.Clean(reason), maxReason),
		"bytes": len(m.payload),
	}
	if m.truncated {
		delete(data, "bytes")
		data["atLeastBytes"] = len(m.payload)
	}
	if r.user != nil {
		data["sampleOmitted"] = "messages of this topic name people"
	} else {
		data["sample"], data["encoding"] = sample(m.payload)
	}
	return source.Reading{
		Point: point, ReceivedAt: m.at, Retained: m.retained, Dup: m.dup,
		Occurrence: &source.Occurrence{Type: event.TypeIngestQuarantined, Data: data},
	}
}

// sample cuts a payload to what a leaf may carry, as text where it is text.
func sample(payload []byte) (text, encoding string) {
	cut := payload[:min(len(payload), maxSample)]
	if s := event.Shorten(string(payload[:min(len(payload), maxSample+utf8.UTFMax)]), maxSample); utf8.ValidString(s) &&
		strings.IndexByte(s, 0) < 0 {
		return s, "text"
	}
	return base64.StdEncoding.EncodeToString(cut), "base64"
}
