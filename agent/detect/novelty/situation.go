package novelty

import (
	"hash/fnv"
	"slices"

	"github.com/linewatch/linewatch/agent/detect"
)

// situation is one production state with its recipe, of which a signal has seen some.
type situation struct {
	hash  uint32
	steps uint32 // learnt in it
	used  uint32 // when it was the running one, counted in changes
}

// situations are the levels of a context: at most as many as a map has.
type situations struct {
	list    []situation
	running int
	changes uint32
}

// enter makes a context the running one and reports the level that must be forgotten
// because another situation had it, -1 for none.
func (s *situations) enter(c detect.Context) (forget int) {
	h := fnv.New32a()
	for _, text := range []string{c.State, "\x00", c.Recipe, "\x00", c.Phase} {
		h.Write([]byte(text))
	}
	s.changes++
	hash := h.Sum32()
	s.running = slices.IndexFunc(s.list, func(o situation) bool { return o.hash == hash })
	forget = -1
	if s.running < 0 {
		if len(s.list) < levels {
			s.list = append(s.list, situation{})
			s.running = len(s.list) - 1
		} else {
			s.running = s.oldest()
			forget = s.running
		}
		s.list[s.running] = situation{hash: hash}
	}
	s.list[s.running].used = s.changes
	return forget
}

func (s *situations) oldest() int {
	best := 0
	for i, o := range s.list {
		if o.used < s.list[best].used {
			best = i
		}
	}
	return best
}

// level is the running situation as a context, -1 when there was only ever one.
func (s *situations) level() float64 {
	if len(s.list) < 2 {
		return -1
	}
	return float64(s.running)
}

// learn counts a step; known reports whether enough were learnt to judge by.
func (s *situations) learn() {
	if len(s.list) > 0 && s.list[s.running].steps < warmUp {
		s.list[s.running].steps++
	}
}

func (s *situations) known() bool {
	return len(s.list) < 2 || s.list[s.running].steps >= warmUp
}
