package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

// maxPoints bounds how many topics of one rule are remembered; further ones work
// and are told apart anew for each message.
const (
	maxPoints     = 65536
	maxPointBytes = 8 << 20 // of their topics, which may be 64 KiB long
)

// maxItem is the longest topic, in bytes, that a reading names whole.
const maxItem = 2048

// rule is one entry of topics, compiled.
type rule struct {
	pattern pattern
	payload string
	event   string
	value   rawjson.Path
	// hasValue tells a configured value path from none.
	hasValue           bool
	time, user, id     *rawjson.Path
	timeFormat         string
	as, station, equip template
	data               []field
	base               source.Point
	points             map[string]*source.Point
	pointBytes         int // of the topics in points
}

// field is one entry of data: a path into the payload, or a text.
type field struct {
	name string
	path *rawjson.Path
	text template
	// perTopic tells that the text holds a {level}.
	perTopic bool
}

// compile turns the topics of a broker into rules; all mistakes are reported at once.
func compile(cfg config.MQTT, o Options) ([]*rule, error) {
	var rules []*rule
	var errs []error
	for i, t := range cfg.Topics {
		r, err := compileTopic(cfg, t, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("mqtt %s: topics[%d]: %w", cfg.Name, i, err))
			continue
		}
		rules = append(rules, r)
	}
	if len(cfg.Topics) == 0 {
		errs = append(errs, fmt.Errorf("mqtt %s: topics: none: nothing would be recorded", cfg.Name))
	}
	return rules, errors.Join(errs...)
}

func compileTopic(cfg config.MQTT, t config.MQTTTopic, o Options) (*rule, error) {
	r := &rule{payload: t.Payload, event: t.Event, timeFormat: t.TimeFormat, points: map[string]*source.Point{}}
	if r.payload == "" {
		r.payload = "json"
	}
	switch r.payload {
	case "json", "number", "text", "bool":
	default:
		return nil, fmt.Errorf("payload %q: must be json, number, text or bool", t.Payload)
	}
	switch t.TimeFormat {
	case "", "auto", "rfc3339", "s", "ms":
	default:
		return nil, fmt.Errorf("time_format %q: must be auto, rfc3339, s or ms", t.TimeFormat)
	}
	station := first(t.Station, cfg.Station, o.Station)
	match, err := expandStation(t.Match, first(cfg.Station, o.Station), o.Levels)
	if err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	if r.pattern, err = parsePattern(match); err != nil {
		return nil, fmt.Errorf("match: %w", err)
	}
	if err := r.paths(t); err != nil {
		return nil, err
	}
	if err := r.texts(cfg, t, station); err != nil {
		return nil, err
	}
	return r, r.point(cfg, t)
}

// paths compiles value, time, user, id and the paths among data.
func (r *rule) paths(t config.MQTTTopic) error {
	if t.Value != "" {
		path, err := rawjson.ParsePath(t.Value)
		if err != nil {
			return fmt.Errorf("value: %w", err)
		}
		r.value, r.hasValue = path, true
	}
	for _, p := range []struct {
		name, text string
		into       **rawjson.Path
	}{{"time", t.Time, &r.time}, {"user", t.User, &r.user}, {"id", t.ID, &r.id}} {
		if p.text == "" {
			continue
		}
		path, err := rawjson.ParsePath(p.text)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		*p.into = &path
	}
	if r.payload != "json" && (r.hasValue || r.time != nil || r.user != nil || r.id != nil) {
		return fmt.Errorf("payload %s has no fields: value, time, user and id need payload json", r.payload)
	}
	return nil
}

// texts compiles what the topic's levels may fill in.
func (r *rule) texts(cfg config.MQTT, t config.MQTTTopic, station string) error {
	for _, p := range []struct {
		name, text string
		into       *template
	}{
		{"as", t.As, &r.as},
		{"station", station, &r.station},
		{"equipment", first(t.Equipment, cfg.Equipment, cfg.Name), &r.equip},
	} {
		tpl, err := parseTemplate(p.text, r.pattern.named)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		*p.into = tpl
	}
	if r.station.fixed() {
		if err := event.ValidStation(station); err != nil {
			return fmt.Errorf("station: %w", err)
		}
	}
	for name, text := range t.Data {
		f := field{name: name}
		if strings.HasPrefix(text, "$") {
			path, err := rawjson.ParsePath(text)
			if err != nil {
				return fmt.Errorf("data.%s: %w", name, err)
			}
			if r.payload != "json" && !path.Root() {
				return fmt.Errorf("data.%s: payload %s has no fields", name, r.payload)
			}
			f.path = &path
		} else {
			tpl, err := parseTemplate(text, r.pattern.named)
			if err != nil {
				return fmt.Errorf("data.%s: %w", name, err)
			}
			f.text, f.perTopic = tpl, !tpl.fixed()
		}
		r.data = append(r.data, f)
	}
	return nil
}

// point makes what all points of the rule have in common.
func (r *rule) point(cfg config.MQTT, t config.MQTTTopic) error {
	r.base = source.Point{
		Source: cfg.Name, Kind: "mqtt", Endpoint: endpoint(cfg.Broker), Unit: t.Unit,
		Event: t.Event, Class: event.Class(t.Class),
	}
	if t.Class != "" && !r.base.Class.Valid() {
		return fmt.Errorf("class %q: must be security, manufacturing, performance or debug", t.Class)
	}
	if t.Event != "" && !event.ValidType(t.Event) {
		return fmt.Errorf("event %q: must be a dotted name such as quality.check", t.Event)
	}
	if t.Severity != "" {
		severity, err := event.ParseSeverity(t.Severity)
		if err != nil {
			return fmt.Errorf("severity: %w", err)
		}
		r.base.Severity, r.base.HasSeverity = severity, true
	}
	return nil
}

// at returns the point of a topic; bad is why the station in the topic can't be used.
func (r *rule) at(topic, fallback string) (p *source.Point, bad string) {
	if p, ok := r.points[topic]; ok {
		return p, ""
	}
	levels := r.pattern.values(topic)
	point := r.base
	point.Item = event.Shorten(topic, maxItem)
	point.Signal = r.as.fill(levels)
	if point.Signal == "" && point.Event == "" {
		point.Signal = topic
	}
	point.Signal = event.Shorten(event.Clean(point.Signal), event.MaxText)
	point.Equipment = event.Shorten(event.Clean(r.equip.fill(levels)), event.MaxText)
	point.Station = r.station.fill(levels)
	if err := event.ValidStation(point.Station); err != nil {
		bad, point.Station = err.Error(), fallback
	}
	if len(r.points) < maxPoints && r.pointBytes+len(topic) <= maxPointBytes && bad == "" {
		r.points[topic], r.pointBytes = &point, r.pointBytes+len(topic)
	}
	return &point, bad
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
