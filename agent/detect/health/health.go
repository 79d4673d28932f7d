// Package health watches whether signals live: values that stand still, values
// that do not come any more, counters that began anew, state numbers that nobody
// expects. What is normal is learnt from each signal.
//
// The signals of one station are looked at together, because what stops together
// has stopped, and is not broken: when most of them stand still the line does,
// and when many give no values at once one thing is missing, not many.
package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/limits"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

const (
	// A signal is known after so many changes, its rhythm after so many values.
	learnChanges = 100
	learnValues  = 30
	// Standing still is unusual after this many times the mean time between
	// changes, and this many times the longest pause so far, and this long.
	flatMeans, flatLongest = 20, 3
	flatLeast              = time.Minute
	// No value is unusual after the same of the time between values.
	beatMeans, beatLongest = 3, 1.5
	beatLeast              = 10 * time.Second
	// More than this many at once are told as one.
	groupFrom = 3
	// maxNamed bounds the names in one event.
	maxNamed = 20

	severity = 500
	// All signals of a source at once: more likely switched off than broken.
	allSeverity = 300
	// A signal whose values come this late is being caught up: nothing is known of
	// how it stands now.
	caughtUp = 5 * time.Second
)

// Rule says when standing still, or silence, is an alarm.
type Rule struct {
	On    bool
	Fixed time.Duration // 0 = learnt
}

// Station watches the signals of one station and source.
type Station struct {
	beats      []*Beat
	suppressed bool
	silent     bool // the source itself has no connection, which is told elsewhere
	group      *group
	quietTold  time.Time // when a signal that hardly moves was told last
}

// Beat is one signal in it.
type Beat struct {
	of            detect.Signal
	flat, silence Rule

	last    float64
	seen    bool
	changed time.Time // when the value last moved
	came    time.Time // when the last value came
	at      time.Time // when it was true: long before, while a queue is emptied
	change  pace      // between changes
	value   pace      // between values
	flatNow alarm
	lost    alarm
	grouped bool // its loss is told by the group
	move    *movement
	coarse  bool // it was told that its integers are too large
}

// pace learns the time between occurrences.
type pace struct {
	N       uint32
	Mean    float64 // seconds
	Longest float64 // seconds, slowly forgotten
}

func (p *pace) add(d time.Duration) {
	s := d.Seconds()
	p.N = min(p.N+1, 1<<30)
	p.Mean += (s - p.Mean) / float64(min(p.N, 64))
	p.Longest = max(p.Longest*(1-1.0/2048), s)
}

// patience is how long a pause must last to be unusual.
func (p *pace) patience(means, longest float64, least time.Duration) time.Duration {
	return max(time.Duration(max(means*p.Mean, longest*p.Longest)*float64(time.Second)), least)
}

// alarm is one told state.
type alarm struct {
	told  bool
	since time.Time
}

// group is many signals lost at once.
type group struct {
	told    bool
	since   time.Time
	members int
}

// NewStation makes a Station.
func NewStation() *Station { return &Station{group: &group{}} }

// Add makes the Beat of a signal.
func (s *Station) Add(of detect.Signal, flat, silence Rule) *Beat {
	b := &Beat{of: of, flat: flat, silence: silence}
	if flat.On && flat.Fixed == 0 {
		b.move = newMovement()
	}
	s.beats = append(s.beats, b)
	return b
}

// Suppress stops all alarms by design while the line is off or in maintenance,
// and forgets pauses that reach into it.
func (s *Station) Suppress(on bool) { s.suppressed = on }

// Disconnect tells that the source has lost (true) or found its connection:
// silence then needs no alarm of its own.
func (s *Station) Disconnect(lost bool) { s.silent = lost }

// Steps tells that the signal is discrete: it may stand still for as long as it
// likes, unless a time is configured.
func (b *Beat) Steps() {
	b.flat.On = b.flat.On && b.flat.Fixed > 0
	b.move = nil
}

// Saw takes a good value that was true at a time and came at another.
func (b *Beat) Saw(at, received time.Time, v float64) {
	b.Came(at, received)
	if b.move != nil {
		b.move.take(at, v)
	}
	if b.seen && v == b.last {
		return
	}
	if b.seen {
		b.change.add(max(at.Sub(b.changed), 0))
	}
	b.last, b.changed, b.seen = v, at, true
}

// Came takes a value of any kind: also a bad one is a sign of life.
func (b *Beat) Came(at, received time.Time) {
	if !b.came.IsZero() {
		b.value.add(max(at.Sub(b.at), 0))
	}
	b.at, b.came = at, received
}

// flatAfter is how long the value may stand still; ok is false while that is unknown.
func (b *Beat) flatAfter() (time.Duration, bool) {
	switch {
	case !b.flat.On || !b.seen || b.came.Sub(b.at) > caughtUp:
		return 0, false
	case b.flat.Fixed > 0:
		return b.flat.Fixed, true
	}
	return b.change.patience(flatMeans, flatLongest, flatLeast), b.change.N >= learnChanges
}

func (b *Beat) lostAfter() (time.Duration, bool) {
	switch {
	case !b.silence.On || b.came.IsZero():
		return 0, false
	case b.silence.Fixed > 0:
		return b.silence.Fixed, true
	}
	return b.value.patience(beatMeans, beatLongest, beatLeast), b.value.N >= learnValues
}

// Tick looks at all signals, about once a second.
func (s *Station) Tick(now time.Time) []detect.Finding {
	if s.suppressed {
		for _, b := range s.beats {
			b.came, b.changed = b.shift(now)
			b.at = b.came
			if b.move != nil {
				b.move.suspend(slotOf(now))
			}
		}
		return s.clear(now)
	}
	out := s.losses(now) // first: what gives no values does not stand still
	out = append(out, s.quiets(now)...)
	return append(out, s.flats(now)...)
}

// shift lets pauses begin anew, so that a stop ordered by people teaches nothing.
func (b *Beat) shift(now time.Time) (came, changed time.Time) {
	if !b.came.IsZero() {
		came = now
	}
	if b.seen {
		changed = now
	}
	return came, changed
}

// clear takes back what is told, by design.
func (s *Station) clear(now time.Time) (out []detect.Finding) {
	for _, b := range s.beats {
		if b.flatNow.told {
			out = append(out, b.told(&b.flatNow, "Flatline", false, now, ""))
		}
		if b.lost.told {
			out = append(out, b.told(&b.lost, "HeartbeatLost", false, now, ""))
		}
		b.grouped = false
	}
	if s.group.told {
		out = append(out, s.groupOver(now))
	}
	return out
}

// flats finds the signals that stand still while the others of the station move.
func (s *Station) flats(now time.Time) (out []detect.Finding) {
	known, still := 0, 0
	for _, b := range s.beats {
		if after, ok := b.flatAfter(); ok {
			known++
			if now.Sub(b.changed) > after/2 {
				still++
			}
		}
	}
	stopped := known > 1 && 2*still >= known && still > 1
	for _, b := range s.beats {
		after, ok := b.flatAfter()
		if !ok {
			continue
		}
		flat := now.Sub(b.changed) > after
		lost := b.lost.told || b.grouped || s.silent
		switch {
		case flat && !b.flatNow.told && !lost && (!stopped || b.flat.Fixed > 0):
			b.flatNow.since = b.changed
			out = append(out, b.told(&b.flatNow, "Flatline", true, now, fmt.Sprintf(
				"%s has stood at %.6g for %s; it otherwise moves every %s, and the longest pause so far was %s.",
				b.of.Name, b.last, words.Duration(now.Sub(b.changed)), seconds(b.change.Mean), seconds(b.change.Longest))))
		case !flat && b.flatNow.told && (b.move == nil || !b.move.told):
			out = append(out, b.told(&b.flatNow, "Flatline", false, now, b.ended()))
		}
	}
	return out
}

func seconds(s float64) string {
	const short = 10
	if s < short {
		return strconv.FormatFloat(s, 'g', 2, 64) + " s"
	}
	return words.Duration(time.Duration(s * float64(time.Second)))
}

// losses finds the signals that give no values any more.
func (s *Station) losses(now time.Time) (out []detect.Finding) {
	var fresh []*Beat
	grouped := 0
	for _, b := range s.beats {
		after, ok := b.lostAfter()
		lost := ok && now.Sub(b.came) > after
		switch {
		case lost && !b.lost.told && !b.grouped && !s.silent:
			fresh = append(fresh, b)
		case !lost && b.lost.told:
			out = append(out, b.told(&b.lost, "HeartbeatLost", false, now, b.of.Name+" gives values again."))
		case !lost:
			b.grouped = false
		}
		if b.grouped {
			grouped++
		}
	}
	switch {
	case s.group.told && grouped == 0 && len(fresh) == 0:
		out = append(out, s.groupOver(now))
	case len(fresh) > groupFrom || s.group.told:
		out = append(out, s.groupLost(fresh, now)...)
	default:
		for _, b := range fresh {
			b.lost.since = b.came
			out = append(out, b.told(&b.lost, "HeartbeatLost", true, now, fmt.Sprintf(
				"%s has given no value for %s; it otherwise comes every %s.", b.of.Name, words.Duration(now.Sub(b.came)), seconds(b.value.Mean))))
		}
	}
	return out
}

// told makes the event of an alarm of one signal.
func (b *Beat) told(a *alarm, name string, active bool, now time.Time, text string) detect.Finding {
	a.told = active
	f := alarmState(name, active, a.since, now)
	f.Signal = b.of.Name
	f.Data["value"] = b.last
	if text == "" {
		text = "Suppressed by design: the line is off or in maintenance."
	}
	f.Data["explanation"] = text
	return f
}

// groupLost tells many losses as one.
func (s *Station) groupLost(fresh []*Beat, now time.Time) []detect.Finding {
	if len(fresh) == 0 {
		return nil
	}
	names := make([]string, 0, maxNamed)
	first := fresh[0]
	for _, b := range fresh {
		b.grouped = true
		if b.came.Before(first.came) {
			first = b
		}
		if len(names) < maxNamed {
			names = append(names, b.of.Name)
		}
	}
	s.group.members += len(fresh)
	if s.group.told { // more of the same
		return nil
	}
	s.group.told, s.group.since = true, first.came
	f := alarmState("HeartbeatLost", true, first.came, now)
	if len(fresh) == s.known() { // everything is off: the line, or what stands between
		low := limits.Severity(allSeverity)
		f.Severity, f.Data["severity"] = &low, allSeverity
	}
	f.Condition, f.Data["signals"], f.Data["count"] = "HeartbeatLost."+first.of.Source, names, len(fresh)
	f.Data["explanation"] = fmt.Sprintf("%d signals of %s give no values any more, since %s: %s.",
		len(fresh), first.of.Source, first.came.UTC().Format("15:04:05Z"), strings.Join(names, ", "))
	return []detect.Finding{f}
}

// known counts the signals whose silence would be noticed.
func (s *Station) known() (n int) {
	for _, b := range s.beats {
		if _, ok := b.lostAfter(); ok {
			n++
		}
	}
	return n
}

func (s *Station) groupOver(now time.Time) detect.Finding {
	f := alarmState("HeartbeatLost", false, s.group.since, now)
	f.Condition, f.Data["count"] = "HeartbeatLost."+s.beats[0].of.Source, s.group.members
	f.Data["explanation"] = fmt.Sprintf("All %d signals of %s give values again.", s.group.members, s.beats[0].of.Source)
	*s.group = group{}
	return f
}

// alarmState makes an alarm event in the words of OPC UA Part 9.
func alarmState(name string, active bool, since, now time.Time) detect.Finding {
	sev := limits.Severity(severity)
	data := map[string]any{
		"condition": name, "alarmType": "InstrumentDiagnosticAlarmType", "state": "active", "severity": severity, "since": since.Round(0),
	}
	if !active {
		sev, data["state"], data["activeMs"] = event.SeverityInfo, "cleared", now.Sub(since).Milliseconds()
	}
	return detect.Finding{
		Type: event.TypeAlarmState, Severity: &sev, Condition: name, Data: data, At: now, Detector: "health", Curve: active,
	}
}
