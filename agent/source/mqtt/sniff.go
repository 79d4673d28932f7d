package mqtt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

// Sniffed is what a broker carries: topics with the form of their payload.
type Sniffed struct {
	Broker string         `json:"broker"`
	Topics []SniffedTopic `json:"topics"`
}

// SniffedTopic is one topic and a guess of how to read it.
type SniffedTopic struct {
	Topic   string `json:"topic"`
	Count   uint64 `json:"count"`
	Payload string `json:"payload"`         // json, number, bool, text or binary
	Value   string `json:"value,omitempty"` // path
	Time    string `json:"time,omitempty"`  // path
	Example string `json:"example"`
}

// Sniff listens to a filter (# for all) with a client id of its own and guesses
// how each topic would be configured. It changes nothing on the broker.
func Sniff(ctx context.Context, cfg config.MQTT, o Options, filter string, listen time.Duration) (Sniffed, error) {
	cfg.Topics = []config.MQTTTopic{{Match: filter, Payload: "text", As: "sniff"}}
	s := New(cfg, o)
	out := Sniffed{Broker: endpoint(cfg.Broker)}
	if s.invalid != nil {
		return out, s.invalid
	}
	l := &listener{s: s, topics: map[string]*TopicSeen{}}
	if _, err := l.listen(ctx, map[string]byte{filter: 0}, listen); err != nil {
		return out, fmt.Errorf("sniff %s: %w", out.Broker, withRemedy(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.topics {
		g := t.guess
		g.Topic, g.Count, g.Example = t.Topic, t.Count, t.Value
		out.Topics = append(out.Topics, g)
	}
	slices.SortFunc(out.Topics, func(a, b SniffedTopic) int { return cmp.Compare(a.Topic, b.Topic) })
	return out, nil
}

// guess tells the form of a payload and where value and time are in it.
func guess(payload []byte) SniffedTopic {
	for _, kind := range []string{"number", "bool"} {
		if _, err := plain(payload, kind); err == nil {
			return SniffedTopic{Payload: kind}
		}
	}
	doc, err := event.Normalize(payload)
	switch {
	case err == nil && len(doc) > 0 && (doc[0] == '{' || doc[0] == '['):
	case utf8.Valid(payload) && !strings.ContainsRune(string(payload), 0):
		return SniffedTopic{Payload: "text"}
	default:
		return SniffedTopic{Payload: "binary"}
	}
	g := SniffedTopic{Payload: "json"}
	members := 0
	for key, value := range rawjson.Members(doc) {
		members++
		name, _ := rawjson.Text(key)
		scalar, ok := rawjson.Scalar(value)
		path := "$['" + name + "']"
		if plainName(name) {
			path = "$." + name
		}
		switch strings.ToLower(name) {
		case "value", "val", "v":
			if ok {
				g.Value = path
			}
		case "time", "ts", "timestamp", "t", "datetime", "sourcetimestamp":
			if _, _, err := parseTime(scalar, "auto"); ok && err == nil {
				g.Time = path
			}
		}
	}
	if members > 4 {
		g.Value = "" // a record rather than a value: it is an event's data
	}
	return g
}

func plainName(name string) bool {
	return name != "" && !strings.ContainsAny(name, ".['\"] ")
}

// YAML is a piece of configuration that reads these topics; names and events are
// for a person to choose.
func (s Sniffed) YAML() string {
	var b strings.Builder
	b.WriteString("topics:\n")
	for _, t := range s.Topics {
		fmt.Fprintf(&b, "  # %d messages, e.g. %s\n", t.Count, comment(t.Example))
		if t.Payload == "binary" {
			fmt.Fprintf(&b, "  # binary, can't be read: %s\n", comment(t.Topic))
			continue
		}
		fmt.Fprintf(&b, "  - {match: %s, payload: %s", quote(t.Topic), t.Payload)
		if t.Value != "" {
			fmt.Fprintf(&b, ", value: %s", quote(t.Value))
		}
		if t.Time != "" {
			fmt.Fprintf(&b, ", time: %s", quote(t.Time))
		}
		if t.Payload == "json" && t.Value == "" {
			b.WriteString(", event: x.plant.message}\n")
			continue
		}
		fmt.Fprintf(&b, ", as: %s}\n", quote(strings.NewReplacer("/", ".", "{", "", "}", "").Replace(t.Topic)))
	}
	return b.String()
}

// comment makes one line of a text: whoever may publish must not be able to write
// configuration.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// quote writes a text as a double-quoted YAML scalar (a JSON string is one).
func quote(s string) string {
	raw, err := event.Value(event.Clean(s))
	if err != nil {
		return `""`
	}
	return string(raw)
}
