package health

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/limits"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// maxStates bounds the values of a signal that are told apart; one with more
	// has no states.
	maxStates = 32
	// learnStates is how many changes must have been seen before a new value is
	// worth a mark.
	learnStates = 200
)

// States watches a discrete signal: a value that nobody expects, one that lasts
// too long, and changes that are too many.
type States struct {
	sig detect.Signal
	cfg config.States

	now     string
	since   time.Time
	seen    bool
	changes []time.Time // the last cfg.Changes+1
	known   []string    // values so far, for signals without expected
	count   int         // changes so far

	odd, long, many limits.Fold
	longLimit       time.Duration
	found, values   uint64
	suppressed      bool
}

var _ detect.Keeper = (*States)(nil)

// NewStates makes a States of a configuration; the zero one only marks values
// that were never seen before.
func NewStates(sig detect.Signal, cfg config.States, chatter config.Chatter) *States {
	f := limits.NewFold(chatter)
	return &States{sig: sig, cfg: cfg, odd: f, long: f, many: f}
}

// Name implements detect.Named.
func (s *States) Name() string { return "states" }

// SetContext implements detect.Contextual.
func (s *States) SetContext(c detect.Context) { s.suppressed = c.Suppressed() }

// See takes the value as a text.
func (s *States) See(at time.Time, value string) []detect.Finding {
	s.values++
	if s.seen && value == s.now {
		return s.Tick(at)
	}
	first := !s.seen
	previous := s.now
	s.now, s.since, s.seen = value, at, true
	if first {
		s.learn(value)
		return s.Tick(at)
	}
	s.count++
	if s.cfg.Changes > 0 {
		if len(s.changes) > s.cfg.Changes {
			s.changes = slices.Delete(s.changes, 0, 1)
		}
		s.changes = append(s.changes, at)
	}
	return append(s.novel(at, previous), s.Tick(at)...)
}

// novel marks a value that was never seen before, where nothing is configured.
func (s *States) novel(at time.Time, previous string) []detect.Finding {
	if s.cfg.Expected != nil || slices.Contains(s.known, s.now) || len(s.known) >= maxStates {
		return nil
	}
	seen := strings.Join(s.known, ", ")
	s.learn(s.now)
	if s.count < learnStates || s.suppressed {
		return nil
	}
	s.found++
	return []detect.Finding{{
		Type: event.TypeAnomalyDetected, Class: event.Manufacturing, Condition: "NewState", At: at, Detector: "states", Curve: true,
		Data: map[string]any{
			"detector": "states", "metric": s.sig.Name, "value": s.now, "expected": seen, "score": 1, "window": s.count, "previous": previous,
			"explanation": fmt.Sprintf("%s is %s, which it never was in %d changes before; it was %s.", s.sig.Name, s.now, s.count, seen),
		},
	}}
}

func (s *States) learn(value string) {
	if len(s.known) < maxStates && !slices.Contains(s.known, value) {
		s.known = append(s.known, value)
	}
}

// Tick tells what time alone changes.
func (s *States) Tick(now time.Time) (out []detect.Finding) {
	if !s.seen {
		return nil
	}
	watch := !s.suppressed
	odd := watch && s.cfg.Expected != nil && !slices.Contains(s.cfg.Expected, s.now)
	limit, limited := s.cfg.Longest[s.now]
	long := watch && limited && now.Sub(s.since) > limit
	many := watch && s.cfg.Changes > 0 && len(s.changes) > s.cfg.Changes && now.Sub(s.changes[0]) <= s.cfg.Within
	if long {
		s.longLimit = limit
	}
	for _, c := range [...]struct {
		fold *limits.Fold
		name string
		on   bool
	}{{&s.odd, "UnexpectedState", odd}, {&s.long, "StateTooLong", long}, {&s.many, "TooManyChanges", many}} {
		raise, clear := c.fold.Next(now, c.on)
		if raise || clear {
			s.found++
			out = append(out, s.alarm(c.name, raise, now, c.fold))
		}
	}
	return out
}

func (s *States) alarm(name string, active bool, now time.Time, fold *limits.Fold) detect.Finding {
	f := alarmState(name, active, s.since, now)
	delete(f.Data, "activeMs")
	f.Detector, f.Data["alarmType"], f.Data["value"] = "states", "OffNormalAlarmType", s.now
	if n := fold.Chatter(!active); n > 0 {
		f.Data["raises"], f.Data["chattering"] = n, active
	}
	text := "is " + s.now + " now"
	switch {
	case !active:
	case name == "UnexpectedState":
		text = fmt.Sprintf("is %s; expected is %s", s.now, strings.Join(s.cfg.Expected, " or "))
	case name == "StateTooLong":
		text = fmt.Sprintf("has been %s for longer than %s", s.now, words.Duration(s.longLimit))
	default:
		text = fmt.Sprintf("changed %d times within %s", len(s.changes), words.Duration(s.cfg.Within))
	}
	f.Data["explanation"] = s.sig.Name + " " + text + "."
	return f
}

// keptStates is what States remembers.
type keptStates struct {
	Known []string `json:"known"`
	Count int      `json:"count"`
	Told  [3]bool  `json:"told"`
}

// Save implements detect.Keeper.
func (s *States) Save() []byte {
	out, err := json.Marshal(keptStates{s.known, s.count, [3]bool{s.odd.Told(), s.long.Told(), s.many.Told()}})
	if err != nil {
		return nil
	}
	return out
}

// Restore implements detect.Keeper.
func (s *States) Restore(state []byte) error {
	var k keptStates
	if err := json.Unmarshal(state, &k); err != nil {
		return fmt.Errorf("states of %s: %w", s.sig.Name, err)
	}
	s.known, s.count = k.Known[:min(len(k.Known), maxStates)], k.Count
	for i, f := range []*limits.Fold{&s.odd, &s.long, &s.many} {
		f.Restore(k.Told[i])
	}
	return nil
}

// Report implements detect.Reporter.
func (s *States) Report() detect.Report {
	r := detect.Report{Detector: "states", State: "watching", Detail: fmt.Sprintf("%d values so far", len(s.known)), Values: s.values, Found: s.found}
	if s.suppressed {
		r.State = "suppressed"
	}
	return r
}
