package limits

import (
	"time"

	"github.com/linewatch/linewatch/agent/config"
)

// verdict is what of a change is told.
type verdict int

const (
	silent   verdict = iota
	raised           // normal → active
	moved            // an exclusive alarm is in another limit now
	again            // still active after the re-alarm time
	returned         // active → normal
)

// Fold decides which changes of one alarm are told. The third raise within a
// minute (or as configured) is told as chattering; after it nothing is, until the
// alarm has been quiet for that time. What is told therefore always alternates:
// raised, returned, raised, ...
type Fold struct {
	max    int
	within time.Duration

	raises     []time.Time // the last max of them
	active     bool        // what is
	told       bool        // what was told
	chattering bool
	changed    time.Time // when active last changed
	count      int       // raises since chattering began, with those that led to it
}

// NewFold makes a Fold; raises 0 folds nothing.
func NewFold(cfg config.Chatter) Fold { return Fold{max: cfg.Raises, within: cfg.Within} }

// Next takes the state of the alarm at a time and tells what to say of it: raise
// for normal → active, clear for active → normal, at most one of them. Of a raise
// that begins chattering, and of the return that ends it, Chatter tells the count.
func (f *Fold) Next(at time.Time, active bool) (raise, clear bool) {
	if active != f.active {
		f.active, f.changed = active, at
		if active {
			f.record(at)
		}
	}
	if f.chattering {
		if at.Sub(f.changed) < f.within {
			return false, false
		}
		f.chattering = false
	}
	if active == f.told {
		return false, false
	}
	if f.told = active; !active {
		return false, true
	}
	if f.max > 0 && len(f.raises) == f.max && at.Sub(f.raises[0]) <= f.within {
		f.chattering, f.count = true, f.max
	}
	return true, false
}

// Told reports whether the alarm was told to be active.
func (f *Fold) Told() bool { return f.told }

// Chatter returns how often the alarm was raised while it chattered, 0 when it
// did not, and forgets it when clear.
func (f *Fold) Chatter(clear bool) int {
	n := f.count
	if clear {
		f.count = 0
	}
	return n
}

func (f *Fold) record(at time.Time) {
	if f.chattering {
		f.count++
	}
	if f.max <= 0 {
		return
	}
	if len(f.raises) == f.max {
		copy(f.raises, f.raises[1:])
		f.raises = f.raises[:f.max-1]
	}
	f.raises = append(f.raises, at)
}

// Restore takes up an alarm that was told before a restart.
func (f *Fold) Restore(told bool) { f.told, f.active = told, told }

// teller tells the changes of one condition.
type teller struct {
	condition string
	fold      Fold
	name      string    // of the limit told last
	last      time.Time // when active was last told
	times     int       // re-alarms
}

func newTeller(condition string, chatter config.Chatter) *teller {
	return &teller{condition: condition, fold: NewFold(chatter)}
}

// next decides what is told; name is the limit that the condition is in.
func (t *teller) next(at time.Time, active bool, name string, reAlarm time.Duration) verdict {
	wasTold := t.fold.told
	raise, clear := t.fold.Next(at, active)
	switch {
	case raise:
		t.last, t.times, t.name = at, 0, name
		return raised
	case clear:
		return returned
	case !active || !wasTold || t.fold.chattering:
		return silent
	case name != t.name:
		t.last, t.times, t.name = at, 0, name
		return moved
	case reAlarm > 0 && at.Sub(t.last) >= reAlarm:
		t.last = at
		t.times++
		return again
	}
	return silent
}

// describe adds what the fold knows to event_data.
func (t *teller) describe(data map[string]any, v verdict) {
	if n := t.fold.Chatter(v == returned); n > 0 {
		data["raises"] = n
		data["chattering"] = t.fold.chattering
	}
	if v == again {
		data["reAlarm"] = t.times
	}
}
