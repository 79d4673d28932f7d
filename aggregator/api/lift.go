package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/shared/event"
)

// maxFacts bounds event_data and context together, in bytes: a leaf has room for
// them and for the envelope.
const maxFacts = 56 << 10

// reserved tells whether a type says something that only Linewatch itself may
// say. A program's event stands in the aggregator's own logs, whose leaves
// verifiers believe: a posted log.registered would vouch for a foreign key.
func reserved(name string) bool {
	family, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{
		"agent", "alert", "api", "audit", "correlation", "event", "forward", "ingest", "key", "log", "signal", "source", "store", "token",
	}, family)
}

// fields is one JSON object, key by key; keys count exactly as they are written.
type fields map[string]json.RawMessage

// object reads a JSON object; ok is false for anything else.
func object(raw json.RawMessage) (f fields, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	return f, json.Unmarshal(raw, &f) == nil
}

// take removes a key and returns its text; anything else than a text becomes a
// problem and stays.
func (f fields) take(key, field string, problems *[]event.Problem) string {
	raw, ok := f[key]
	if !ok {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || string(raw) == "null" {
		*problems = append(*problems, event.Problem{Field: field, Reason: "is no text"})
		return ""
	}
	delete(f, key)
	return text
}

// lift makes an event of what a program posted. Facts stand in the envelope or
// nested in context and metadata, from where they are lifted; what has no place
// in an event stays under context.posted. Faults of single fields become problems
// of the event; only what can't be an event at all is refused.
func (s *Server) lift(ctx context.Context, raw []byte, who rights.Principal) (event.Event, map[string][]byte, error) {
	clean, err := event.Normalize(raw)
	if err != nil {
		return event.Event{}, nil, err
	}
	f, ok := object(clean)
	if !ok {
		return event.Event{}, nil, fmt.Errorf("it is no JSON object")
	}
	var problems []event.Problem
	from := who.Name // of the token
	if who.Token == "" {
		from = s.Pseudonym(ctx, who.Name) // a person's
	}
	e := event.Event{
		Type: f.take("eventType", "event_type", &problems), ID: f.take("id", "id", &problems),
		Source: &event.Source{Kind: "http", Endpoint: from}, SourceIP: addressOf(ctx),
	}
	switch {
	case !event.ValidType(e.Type):
		return e, nil, fmt.Errorf("eventType %q is no dotted lower-case name such as user.login or x.mes.order", event.Shorten(e.Type, 100))
	case reserved(e.Type):
		return e, nil, fmt.Errorf("eventType %s says what only Linewatch itself may say; use a type of your own, x.<owner>.<name>", e.Type)
	}
	e.Source.OriginalID = event.Shorten(e.ID, 200)
	if !event.ValidID(e.ID) {
		e.ID = event.NewID(time.Now())
	}
	e.Class, e.Severity = event.Defaults(e.Type)
	e.Metadata.Catalogue = event.CatalogueVersion // checked here: the ledger leaves the severity alone
	liftStation(&e, f, who, &problems)
	liftMetadata(&e, f, &problems)
	s.liftContext(ctx, &e, f, &problems)
	keys := s.liftData(ctx, &e, f["eventData"], &problems)
	if n := len(e.Data) + len(e.Context); n > maxFacts {
		return e, nil, fmt.Errorf("eventData and context have %d bytes together, at most %d", n, maxFacts)
	}
	e.Metadata.Problems = append(problems, e.Metadata.Problems...)
	return e, keys, probe(e)
}

func liftStation(e *event.Event, f fields, who rights.Principal, problems *[]event.Problem) {
	station := f.take("station", "station", problems)
	switch err := event.ValidStation(station); {
	case station == "": // the ledger's own
	case err != nil:
		*problems = append(*problems, event.Problem{Field: "station", Reason: err.Error()})
	case !inScope(who, station):
		*problems = append(*problems, event.Problem{Field: "station", Reason: station + " is outside of this token's scope"})
	default:
		e.Station = station
	}
}

// liftMetadata takes severity, source and version over; what else stands there
// stays in f.
func liftMetadata(e *event.Event, f fields, problems *[]event.Problem) {
	m, ok := object(f["metadata"])
	if !ok {
		return
	}
	delete(f, "metadata")
	if text := m.take("severity", "severity", problems); text != "" {
		sev, err := event.ParseSeverity(text)
		if err != nil {
			*problems = append(*problems, event.Problem{Field: "severity", Reason: err.Error()})
			m["severity"] = textOf(text)
		} else {
			e.Severity = sev
		}
	}
	e.Source.Item = event.Shorten(m.take("source", "source", problems), 200)
	e.Metadata.Parser = event.Shorten(m.take("version", "metadata.version", problems), 100)
	if e.Metadata.Parser != "" {
		e.Metadata.Parser = strings.TrimSpace(e.Source.Item + " " + e.Metadata.Parser)
	}
	if len(m) > 0 {
		f["metadata"] = m.text()
	}
}

// liftContext takes the context as it is, reads the correlation and the time from
// it, and keeps beside it what had no other place.
func (s *Server) liftContext(ctx context.Context, e *event.Event, f fields, problems *[]event.Problem) {
	c, ok := object(f["context"])
	if ok {
		delete(f, "context")
		e.Context = s.pseudonymous(ctx, c, "context.userId", problems).text()
	}
	seen := fields{"correlationId": c["correlationId"], "timestamp": c["timestamp"]}
	if seen["timestamp"] == nil {
		seen["timestamp"] = f["timestamp"]
	}
	for key, raw := range seen {
		if raw == nil {
			delete(seen, key)
		}
	}
	e.CorrelationID = event.Shorten(seen.take("correlationId", "correlation_id", problems), 100)
	if text := seen.take("timestamp", "timestamp", problems); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !event.ValidTime(at) {
			*problems = append(*problems, event.Problem{Field: "timestamp", Reason: "no RFC 3339 time of the years 1970 to 2199"})
		} else {
			e.Timestamp = at.UTC()
			delete(f, "timestamp")
		}
	}
	rest := fields{}
	for key, raw := range f {
		if key != "eventData" {
			rest[key] = raw
		}
	}
	if len(rest) > 0 {
		if c == nil {
			c = fields{}
		}
		c["posted"] = s.nameless(ctx, rest.text())
		e.Context = c.text()
	}
}

// liftData takes event_data over; a user's clear name becomes a pseudonym before
// anything is signed, and what the field policy names is sealed.
func (s *Server) liftData(ctx context.Context, e *event.Event, raw json.RawMessage, problems *[]event.Problem) (keys map[string][]byte) {
	data, ok := object(raw)
	if !ok {
		*problems = append(*problems, event.Problem{Field: "event_data", Reason: "is no object"})
		data = fields{}
		if len(raw) > 0 {
			data["value"] = raw
		}
	}
	e.Data = data.text()
	whole := e.Data
	if s.Sealed.Seal != nil {
		e.CollectedAt = time.Now().UTC()
		keys = s.Sealed.Seal(ctx, e)
		data, _ = object(e.Data)
	}
	data = s.pseudonymous(ctx, data, "event_data.userId", problems)
	_ = json.Unmarshal(data["userId"], &e.UserID)
	e.Data = data.text()
	if info, ok := event.Lookup(e.Type); ok {
		for _, field := range event.Missing(info, whole) {
			*problems = append(*problems, event.Problem{Field: "event_data." + field, Reason: "missing"})
		}
	} else if !event.Known(e.Type) {
		*problems = append(*problems, event.Problem{Field: "event_type", Reason: "not in the catalogue; own types are x.<owner>.<name>"})
	}
	return keys
}

// pseudonymous replaces the clear name under userId, also one that is a number.
// Without a key, or when it is something else, the name stays out.
func (s *Server) pseudonymous(ctx context.Context, f fields, field string, problems *[]event.Problem) fields {
	raw, ok := f["userId"]
	if !ok || string(raw) == "null" {
		return f
	}
	name, reason := string(raw), "no pseudonym could be made; the name was left out"
	if raw[0] == '{' || raw[0] == '[' {
		name, reason = "", "is neither text nor number; it was left out"
	} else if raw[0] == '"' && json.Unmarshal(raw, &name) != nil {
		name = ""
	}
	pseudonym := name
	if name != "" && !regexp.MustCompile(`^p-[0-9a-f]{32}$`).MatchString(name) {
		pseudonym = s.Pseudonym(ctx, name)
	}
	f["userId"] = textOf(pseudonym)
	if pseudonym == "" && problems != nil && string(raw) != `""` {
		*problems = append(*problems, event.Problem{Field: field, Reason: reason})
	}
	return f
}

// nameless replaces clear names wherever they stand in what has no place of its
// own, whose shape nobody knows: under userId, user_id and the like.
func (s *Server) nameless(ctx context.Context, raw json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && list != nil {
		for i, v := range list {
			list[i] = s.nameless(ctx, v)
		}
		return slices.Concat(json.RawMessage("["), bytes.Join(asBytes(list), []byte(",")), json.RawMessage("]"))
	}
	f, ok := object(raw)
	if !ok {
		return raw
	}
	for key, v := range f {
		if strings.EqualFold(strings.ReplaceAll(key, "_", ""), "userId") {
			f[key] = s.pseudonymous(ctx, fields{"userId": v}, "", nil)["userId"]
			continue
		}
		f[key] = s.nameless(ctx, v)
	}
	return f.text()
}

func asBytes(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// text writes the object with sorted keys. Its parts came out of Normalize, so
// they are inside the profile but for their depth, which probe checks at the end.
func (f fields) text() json.RawMessage {
	out := []byte{'{'}
	for i, key := range slices.Sorted(maps.Keys(f)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, textOf(key)...), ':')
		out = append(out, f[key]...)
	}
	return append(out, '}')
}

// textOf writes a text as JSON; what the profile does not know becomes U+FFFD.
func textOf(s string) json.RawMessage {
	raw, err := event.Value(event.Clean(s))
	if err != nil { // only NUL and invalid UTF-8 are refused
		return json.RawMessage(`""`)
	}
	return raw
}

// probe makes the leaf once to see whether it will fit; the ledger fills in the
// rest.
func probe(e event.Event) error {
	now := time.Now().UTC()
	if e.Timestamp.IsZero() {
		e.Timestamp = now
	}
	if e.Station == "" {
		e.Station = "aggregator"
	}
	e.CollectedAt = now
	leaf, err := e.Leaf()
	if err != nil {
		return err
	}
	if err := event.Check(leaf); err != nil {
		return fmt.Errorf("with its envelope: %w", err)
	}
	return nil
}
