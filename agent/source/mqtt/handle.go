package mqtt

import (
	"strconv"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/linewatch/linewatch/agent/source"
)

// handle is called by the library for each message, in the broker's order. It
// parses and queues; it blocks only when the queue is full.
func (s *Source) handle(l *link, m paho.Message) {
	now := s.o.Now()
	s.lastData.Store(now.UnixNano())
	topic, payload := m.Topic(), m.Payload()
	it := item{link: l, id: m.MessageID(), qos: m.Qos(), size: len(topic) + len(payload) + 256}
	it.hash = contentHash(topic, payload)
	msg := message{
		topic: topic, payload: payload, retained: m.Retained(), dup: m.Duplicate(), at: now,
		truncated: 2+len(topic)+len(payload)+2*btoi(m.Qos() > 0) >= s.o.MaxMessage,
	}
	switch r := s.match(topic); {
	case r != nil:
		it.reading, it.quarantined = s.understand(r, msg)
		if r.event != "" || it.quarantined {
			it.topic = contentHash(topic, nil)
		}
	case topic == droppedTopic:
		n, err := strconv.ParseUint(strings.TrimSpace(string(payload)), 10, 64)
		if err != nil {
			return
		}
		it.dropped, it.isDropped, it.kept = n, true, m.Retained()
	default:
		s.unmatched.Add(1) // a subscription of an earlier configuration: acknowledged, not kept
	}
	s.q.put(it, l.done)
}

// match returns the first rule whose filter fits.
func (s *Source) match(topic string) *rule {
	for _, r := range s.rules {
		if r.pattern.match(topic) {
			return r
		}
	}
	return nil
}

func (s *Source) understand(r *rule, m message) (source.Reading, bool) {
	s.parse.Lock()
	defer s.parse.Unlock()
	return r.reading(m, first(s.cfg.Station, s.o.Station))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
