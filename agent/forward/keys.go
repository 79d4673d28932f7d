package forward

import (
	"encoding/base64"
	"slices"

	"github.com/linewatch/linewatch/agent/journal"
)

// maxKnown bounds what is remembered of data keys; when it is forgotten they are
// sent once more, which does no harm.
const maxKnown = 50_000

// keys puts the wrapped data keys of a segment into its header: those that the
// aggregator is not known to have, and the ids of those that are lost.
func (f *Forwarder) keys(s *journal.Segment) {
	s.Header.Keys, s.Header.Lost = nil, slices.Clone(s.Lost)
	for id, blob := range s.Keys {
		if f.known[id] {
			continue
		}
		if s.Header.Keys == nil {
			s.Header.Keys = map[string]string{}
		}
		s.Header.Keys[id] = base64.StdEncoding.EncodeToString(blob)
	}
	for id := range f.lost {
		if _, there := s.Keys[id]; !there && !slices.Contains(s.Header.Lost, id) && len(s.Header.Lost) < maxLost {
			s.Header.Lost = append(s.Header.Lost, id)
		}
	}
	slices.Sort(s.Header.Lost)
}

// maxLost bounds the lost ids of one header.
const maxLost = 1000

// stored remembers that the aggregator has the keys of a segment.
func (f *Forwarder) stored(s *journal.Segment) {
	if len(f.known)+len(s.Header.Keys) > maxKnown {
		clear(f.known)
	}
	for id := range s.Header.Keys {
		f.known[id] = true
	}
	for _, id := range s.Header.Lost {
		delete(f.lost, id)
	}
}

// wanted handles keys_wanted: the next attempt brings the keys, or says that they
// are lost. It is false when all of them came with this one already.
func (f *Forwarder) wanted(s *journal.Segment, ids []string) bool {
	news := false
	for _, id := range ids {
		_, sent := s.Header.Keys[id]
		switch _, have := s.Keys[id]; {
		case have && !sent:
			delete(f.known, id)
			news = true
		case !have && !slices.Contains(s.Header.Lost, id) && len(f.lost) < maxLost:
			f.lost[id] = true
			news = true
		}
	}
	return news
}
