package mqtt

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// maxTopics bounds what check and sniff remember of a broker.
const maxTopics = 10000

// guessFrom is how many messages of a topic sniff looks into: the last of them
// tells its form.
const guessFrom = 3

// Report is what Check found out.
type Report struct {
	Source    string       `json:"source"`
	Broker    string       `json:"broker"`
	ClientID  string       `json:"client_id"` // of the source itself; check uses another one
	Filters   []string     `json:"filters"`
	Refused   []string     `json:"refused,omitempty"` // filters that the broker does not grant
	Listened  float64      `json:"listened_s"`
	Topics    []TopicSeen  `json:"topics"`
	PerSecond float64      `json:"messages_per_second"`
	Bytes     float64      `json:"bytes_per_second"`
	Limits    BrokerLimits `json:"limits"`
	Warnings  []string     `json:"warnings,omitempty"`
}

// TopicSeen is one topic from which messages came.
type TopicSeen struct {
	Topic    string `json:"topic"`
	Rule     string `json:"rule"` // its match
	Event    string `json:"event,omitempty"`
	Count    uint64 `json:"count"`
	Bytes    uint64 `json:"bytes"`
	Retained bool   `json:"retained,omitempty"`
	Value    string `json:"value"`             // of the last message, shortened
	Problem  string `json:"problem,omitempty"` // why the last one could not be read

	guess SniffedTopic // of one of the first messages
}

// BrokerLimits is what the broker tells of itself under $SYS.
type BrokerLimits struct {
	Readable bool   `json:"readable"` // the counter of dropped messages was shown
	Version  string `json:"version,omitempty"`
	Dropped  uint64 `json:"dropped"`
}

// listener collects what comes while check or sniff listen.
type listener struct {
	s  *Source
	mu sync.Mutex

	topics map[string]*TopicSeen
	limits BrokerLimits
	count  uint64
	bytes  uint64
}

const versionTopic = "$SYS/broker/version"

// Check connects with a client id of its own (a running agent keeps its session),
// listens for a while and reports. An error says why there is no connection.
func (s *Source) Check(ctx context.Context, listen time.Duration) (Report, error) {
	r := Report{Source: s.cfg.Name, Broker: endpoint(s.cfg.Broker), ClientID: s.clientID(), Filters: s.filters}
	if s.invalid != nil {
		return r, s.invalid
	}
	l := &listener{s: s, topics: map[string]*TopicSeen{}}
	want := map[string]byte{droppedTopic: 0, versionTopic: 0}
	for _, f := range s.filters {
		want[f] = 0
	}
	got, err := l.listen(ctx, want, listen)
	if err != nil {
		return r, fmt.Errorf("check mqtt %s: %w", s.cfg.Name, withRemedy(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Refused = slices.DeleteFunc(got.refused(), func(f string) bool { return strings.HasPrefix(f, "$SYS/") })
	r.Listened, r.Limits = listen.Seconds(), l.limits
	r.PerSecond, r.Bytes = float64(l.count)/r.Listened, float64(l.bytes)/r.Listened
	for _, t := range l.topics {
		r.Topics = append(r.Topics, *t)
	}
	slices.SortFunc(r.Topics, func(a, b TopicSeen) int { return cmp.Compare(a.Topic, b.Topic) })
	r.warn(s.rules)
	return r, nil
}

// listen subscribes with a clean session of its own and collects until the time is up.
func (l *listener) listen(ctx context.Context, want map[string]byte, d time.Duration) (got granted, err error) {
	var random [6]byte
	_, _ = rand.Read(random[:])
	link, client, _, err := l.s.connect(ctx, dialling{
		clientID: "lwcheck-" + hex.EncodeToString(random[:]), clean: true,
		handle: func(_ *link, m paho.Message) { l.message(m) },
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		client.Disconnect(250)
		link.end(nil)
	}()
	if got, err = subscribe(ctx, client, want); err != nil {
		return nil, err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return got, nil
	case <-link.done:
		return nil, fmt.Errorf("connection lost: %w", link.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) message(m paho.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	topic, payload := m.Topic(), m.Payload()
	switch topic {
	case droppedTopic:
		if n, err := strconv.ParseUint(strings.TrimSpace(string(payload)), 10, 64); err == nil {
			l.limits.Readable, l.limits.Dropped = true, n
		}
		return
	case versionTopic:
		l.limits.Version, _ = sample(payload[:min(len(payload), 100)])
		return
	}
	if !m.Retained() {
		l.count++
		l.bytes += uint64(len(payload))
	}
	t := l.topics[topic]
	if t == nil {
		if len(l.topics) >= maxTopics {
			return
		}
		t = &TopicSeen{Topic: topic}
		l.topics[topic] = t
	}
	t.Count++
	t.Bytes += uint64(len(payload))
	t.Retained = t.Retained || m.Retained()
	text, _ := sample(payload[:min(len(payload), 200)])
	t.Value = shorten(text, 120)
	if t.Count <= guessFrom { // payloads are not kept: a plant has thousands of topics
		t.guess = guess(payload)
	}
	if r := l.s.match(topic); r != nil {
		l.try(t, r, message{topic: topic, payload: payload, retained: m.Retained(), at: l.s.o.Now()})
	}
}

// try reads the message as the source would.
func (l *listener) try(t *TopicSeen, r *rule, m message) {
	t.Rule, t.Event, t.Problem = r.pattern.filter, r.event, ""
	out, quarantined := l.s.understand(r, m)
	switch {
	case quarantined:
		t.Problem, _ = out.Occurrence.Data["reason"].(string)
	case len(out.Problems) > 0:
		t.Problem = out.Problems[0].Field + ": " + out.Problems[0].Reason
	case out.Value != nil && r.hasValue:
		t.Value = shorten(fmt.Sprint(out.Value), 120)
	}
}

// warn says what would lose or spoil messages.
func (r *Report) warn(rules []*rule) {
	say := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	for _, f := range r.Refused {
		say("the broker refuses the subscription %s: check its access rules", f)
	}
	seen := map[string]bool{}
	for _, t := range r.Topics {
		seen[t.Rule] = true
		if t.Problem != "" {
			say("%s: %s", t.Topic, t.Problem)
		}
	}
	for i, a := range rules {
		if !seen[a.pattern.filter] {
			say("no message on %s within %.0f s", a.pattern.filter, r.Listened)
		}
		for _, b := range rules[i+1:] {
			if overlap(a.pattern, b.pattern) && !covers(a.pattern, b.pattern) && !covers(b.pattern, a.pattern) {
				say("%s and %s overlap: a broker may send such messages twice", a.pattern.filter, b.pattern.filter)
			}
		}
	}
	switch {
	case !r.Limits.Readable:
		say("the broker has not shown %s: it has dropped nothing yet, or its access rules hide the counter, and then messages that it drops while the agent is away go unnoticed", droppedTopic)
	case r.Limits.Dropped > 0:
		say("the broker has dropped %d messages of its clients since it started: raise max_queued_messages", r.Limits.Dropped)
	}
	if r.PerSecond > 0 {
		// MQTT 3.1.1 does not tell a broker's limits; this is what it means if they are the default.
		say("at %.1f messages/s Mosquitto's default queue of 1,000 covers an absence of %.0f s: set max_queued_messages to fit",
			r.PerSecond, 1000/r.PerSecond)
	}
}

// shorten cuts a text for a message to people.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
