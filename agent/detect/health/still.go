package health

import (
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
	"github.com/linewatch/linewatch/shared/event"
)

// A sensor that is stuck often still shows a little noise, so its value doesn't stand
// still to the last digit. What gives it away is that it moves less than it ever did in
// such a time. So each signal learns how little it moves: its ups and downs are added up
// over windows of 160 seconds to 85 minutes, and the smallest sum of each length is kept.
// A signal with pauses has small sums in all windows that are shorter than its pauses, and
// is then judged by the longer ones alone: the longest still time is learnt with them.

const (
	stepTime = 10 * time.Second
	// Windows are twice 1<<k steps long; from shortWindow on they are judged.
	shortWindow, windows = 3, 9
	// Too still is less than this share of the smallest movement so far; it is over
	// at twice that.
	quietShare = 0.2
	// So many steps of every window had a movement: with fewer, none at all may be
	// chance, as of a value that moves by a digit now and then.
	quietMoves = 12
	// A length is known after so many windows, and a signal after a day: with its
	// breaks, and its night.
	quietWindows = 100
	quietKnown   = int64(24 * time.Hour / stepTime)
	// It lasts at least so long before it is told, so that the others of the station
	// have time to show whether they move.
	quietLeast = int64(10 * time.Minute / stepTime)
	// Another signal that was too still so shortly ago says that the line stands.
	quietTogether = int64(15 * time.Minute / stepTime)
	// After so long it counts as usual.
	quietAccepted = int64(8 * time.Hour / stepTime)
	// One of a station in so long calls people, further ones are only recorded.
	quietShift = 8 * time.Hour
	// The smallest movements are those of the last two to four weeks.
	quietMemory = int64(14 * 24 * time.Hour / stepTime)
	// More steps than these at once are a gap: nobody looked.
	mostSteps = 60
)

// movement is how much a signal moves.
type movement struct {
	slot      int64 // number of the open step: time / stepTime
	began     int64 // of the first step
	aged      int64 // when the generations changed
	begun     bool
	valued    bool // there was a value since the last gap
	fell      bool // it goes up and down: a counter is judged by its pauses alone
	low, high float64
	last      float64
	window    [windows]window

	quiet     uint16 // bits of the windows in which it is too still
	since     int64  // begin of the first of them
	lastQuiet int64
	held      bool // windows wait until it is known what they mean
	judged    bool
	told      bool
	fault     bool // an alarm stood meanwhile, this one or that of a value that stands still
	accepted  bool // it lasted so long that it counts as usual
}

// window is what is known of windows of one length.
type window struct {
	now, half count // of the running half window and of the one before
	least     [2]count
	n         [2]uint32
	wait      count // smallest that is not learnt yet
}

// count is how much a signal moved, and in how many steps it moved at all.
type count struct {
	Moved float64 // NaN behind a gap
	Steps uint32
}

func (c count) add(o count) count { return count{c.Moved + o.Moved, c.Steps + o.Steps} }

func (c count) least(o count) count { return count{min(c.Moved, o.Moved), min(c.Steps, o.Steps)} }

// none is more than any count.
func none() count { return count{math.Inf(1), math.MaxUint32} }

func newMovement() *movement {
	m := &movement{}
	for k := range m.window {
		m.window[k].least, m.window[k].wait = [2]count{none(), none()}, none()
	}
	return m
}

func slotOf(at time.Time) int64 { return at.UnixNano() / int64(stepTime) }

// take adds a value.
func (m *movement) take(at time.Time, v float64) {
	m.advance(slotOf(at))
	if !m.valued {
		m.low, m.high, m.last, m.valued = v, v, v, true
	}
	m.fell = m.fell || v < m.last
	m.low, m.high, m.last = min(m.low, v), max(m.high, v), v
}

// advance closes the steps before a time.
func (m *movement) advance(slot int64) {
	if !m.begun || slot-m.slot > mostSteps || m.slot-slot > mostSteps {
		m.gap(slot)
		return
	}
	for m.slot < slot {
		m.close()
	}
}

// gap begins anew with what only a gapless series can tell.
func (m *movement) gap(slot int64) {
	if !m.begun || slot < m.began {
		m.began, m.aged = slot, slot
	}
	m.begun, m.valued, m.slot = true, false, slot
	if !m.told && m.held { // nobody knows how it would have gone on
		m.settle(false)
		m.quiet, m.judged = 0, false
	}
	for k := range m.window {
		m.window[k].now, m.window[k].half = count{math.NaN(), 0}, count{math.NaN(), 0}
	}
}

// close ends the open step. Halves of windows begin at multiples of their length, so
// that all signals of a station are judged at the same moments.
func (m *movement) close() {
	moved := count{Moved: m.high - m.low}
	switch {
	case !m.valued:
		moved.Moved = math.NaN()
	case moved.Moved > 0:
		moved.Steps = 1
	}
	m.low, m.high = m.last, m.last
	m.slot++
	if m.slot-m.aged > quietMemory {
		m.age()
	}
	for k := range m.window {
		w := &m.window[k]
		w.now = w.now.add(moved)
		if m.slot&(1<<k-1) != 0 {
			return
		}
		moved = w.now
		if k >= shortWindow {
			m.look(k, w.half.add(w.now))
		}
		w.half, w.now = w.now, count{}
	}
}

// look compares the movement in a window with the smallest so far, and learns it.
func (m *movement) look(k int, c count) {
	if math.IsNaN(c.Moved) {
		return
	}
	w := &m.window[k]
	switch limit := quietShare * w.least[0].Moved; {
	case !m.knows(k), c.Moved >= 2*limit:
		m.quiet &^= 1 << k
	case c.Moved < limit:
		if m.quiet == 0 {
			m.since = m.slot - 2<<k
		}
		m.quiet |= 1 << k
	}
	if m.quiet != 0 {
		m.lastQuiet, m.held = m.slot, true
		w.wait = w.wait.least(c)
		return
	}
	w.learn(c)
}

func (w *window) learn(c count) {
	for i := range w.least {
		w.least[i] = w.least[i].least(c)
		w.n[i] = min(w.n[i]+1, 1<<30)
	}
}

// knows reports whether windows of a length can be judged.
func (m *movement) knows(k int) bool {
	w := &m.window[k]
	least := w.least[0]
	return m.fell && w.n[0] >= quietWindows && m.slot-m.began >= quietKnown &&
		least.Moved > 0 && least.Moved <= math.MaxFloat64 && least.Steps >= quietMoves
}

// able reports whether any can.
func (m *movement) able() bool {
	for k := shortWindow; k < windows; k++ {
		if m.knows(k) {
			return true
		}
	}
	return false
}

// settle ends the wait: what was too still is learnt, or was a fault and is dropped.
func (m *movement) settle(learn bool) {
	for k := range m.window {
		w := &m.window[k]
		if learn && w.wait.Steps != math.MaxUint32 {
			w.learn(w.wait)
		}
		w.wait = none()
	}
	m.held = false
}

// over ends a time in which the signal was too still.
func (m *movement) over() {
	if m.held {
		m.settle(!m.fault)
	}
	m.judged, m.told, m.fault = false, false, false
}

// ended says why the alarm of a signal is over.
func (b *Beat) ended() string {
	if b.move != nil && b.move.accepted {
		b.move.accepted = false
		return fmt.Sprintf("%s has moved little for so long that it counts as usual now: %.6g.", b.of.Name, b.last)
	}
	return fmt.Sprintf("%s moves again: %.6g.", b.of.Name, b.last)
}

// suspend stops judging while the line is off or in service.
func (m *movement) suspend(slot int64) {
	m.gap(slot)
	m.settle(false)
	m.quiet, m.judged, m.told, m.fault, m.accepted = 0, false, false, false, false
}

// age makes the younger generation the one that is judged by.
func (m *movement) age() {
	m.aged = m.slot
	for k := range m.window {
		w := &m.window[k]
		w.least = [2]count{w.least[1], none()}
		w.n = [2]uint32{w.n[1], 0}
	}
}

// Forget forgets how much the signal moves: it comes in another unit, or a person says
// so.
func (b *Beat) Forget() {
	if b.move != nil {
		b.move = newMovement()
	}
}

// pass lets time pass for a signal without values: where a server tells changes only
// nothing has changed; where values should come it is a gap.
func (s *Station) pass(b *Beat, now time.Time) {
	switch {
	case b.move == nil || !b.seen || b.came.Sub(b.at) > caughtUp:
	case b.lost.told || b.grouped || s.silent:
		b.move.gap(slotOf(now))
	case slotOf(now) > b.move.slot:
		b.move.advance(slotOf(now))
	}
}

// quiets finds signals that move less than they ever did while the others go on.
func (s *Station) quiets(now time.Time) (out []detect.Finding) {
	still, some := 0, false
	for _, b := range s.beats {
		s.pass(b, now)
		m := b.move
		if m == nil {
			continue
		}
		some = some || m.held || m.told
		if m.quiet != 0 || m.lastQuiet != 0 && slotOf(now)-m.lastQuiet <= quietTogether {
			still++
		}
	}
	if !some {
		return nil
	}
	for _, b := range s.beats {
		m := b.move
		if m == nil {
			continue
		}
		m.fault = m.fault || b.flatNow.told
		switch {
		case m.quiet == 0:
			m.over()
		case m.slot-m.since > quietAccepted:
			m.settle(true) // the next window finds it usual
			m.accepted = true
		case m.judged || m.fault || m.slot-m.since < quietLeast:
		case still > 1: // one sensor may fail; two at once are a stop, and teach
			m.judged = true
			m.settle(true)
		default:
			m.judged, m.told, m.fault = true, true, true
			out = append(out, s.tooStill(b, now))
		}
	}
	return out
}

// tooStill makes the alarm of a signal that hardly moves.
func (s *Station) tooStill(b *Beat, now time.Time) detect.Finding {
	m, k := b.move, 0
	for m.quiet>>k&1 == 0 {
		k++
	}
	w := &m.window[k]
	long := time.Duration(2<<k) * stepTime
	b.flatNow.since = time.Unix(0, m.since*int64(stepTime)).UTC()
	f := b.told(&b.flatNow, "Flatline", true, now, fmt.Sprintf(
		"%s has moved by only %.3g in %s, and stands at %.6g; in such a time it otherwise moves by %.3g or more, up and down together.",
		b.of.Name, w.wait.Moved, words.Duration(long), b.last, w.least[0].Moved))
	f.Data["moved"], f.Data["usuallyMoved"], f.Data["windowMs"] = w.wait.Moved, w.least[0].Moved, long.Milliseconds()
	if !s.quietTold.IsZero() && now.Sub(s.quietTold) < quietShift {
		info := event.SeverityInfo
		f.Severity, f.Data["reason"] = &info, "no alarm: one of these in a shift calls people"
		return f
	}
	s.quietTold = now
	return f
}

// keptWindow is what is kept of the windows of one length.
type keptWindow struct {
	Least [2]float64 `json:"least"` // -1 for none
	Steps [2]uint32  `json:"steps"`
	N     [2]uint32  `json:"n"`
}

// keptMovement is what a movement remembers over a restart.
type keptMovement struct {
	Began   int64        `json:"began"`
	Aged    int64        `json:"aged"`
	Slot    int64        `json:"slot"`
	Fell    bool         `json:"fell"`
	Quiet   uint16       `json:"quiet,omitempty"`
	Since   int64        `json:"since,omitempty"`
	Told    bool         `json:"told,omitempty"`
	Windows []keptWindow `json:"windows"`
}

func (m *movement) keep() *keptMovement {
	if m == nil || !m.begun {
		return nil
	}
	k := &keptMovement{Began: m.began, Aged: m.aged, Slot: m.slot, Fell: m.fell, Quiet: m.quiet, Since: m.since, Told: m.told}
	for i := range m.window {
		w := keptWindow{N: m.window[i].n}
		for g, c := range m.window[i].least {
			if w.Least[g], w.Steps[g] = c.Moved, c.Steps; !(c.Moved <= math.MaxFloat64) {
				w.Least[g] = -1
			}
		}
		k.Windows = append(k.Windows, w)
	}
	return k
}

// restore takes up what was kept; what can't be is left out.
func (m *movement) restore(k *keptMovement) {
	const horizon = int64(1) << 50 // steps: keeps differences from running over
	if k == nil || len(k.Windows) != windows || max(k.Began, k.Aged, k.Slot, k.Since) > horizon || min(k.Began, k.Aged, k.Slot, k.Since) < -horizon {
		return
	}
	m.began, m.aged, m.fell, m.begun = k.Began, k.Aged, k.Fell, true
	m.gap(k.Slot)
	for i, w := range k.Windows {
		for g := range w.Least {
			if w.Least[g] >= 0 {
				m.window[i].least[g], m.window[i].n[g] = count{w.Least[g], w.Steps[g]}, w.N[g]
			}
		}
	}
	const judgedWindows = 1<<windows - 1<<shortWindow
	if quiet := k.Quiet & judgedWindows; quiet != 0 && k.Told {
		m.quiet, m.since, m.lastQuiet, m.told, m.judged, m.fault = quiet, k.Since, k.Slot, true, true, true
	}
}
