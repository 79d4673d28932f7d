package trend

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/stats"
)

// What is kept over a restart: the steps of each scale and how forecasts did so far.

const stateFormat = 1

type saved struct {
	Format int           `json:"format"`
	State  string        `json:"state"`
	Recipe string        `json:"recipe"`
	Record record        `json:"record"`
	Scales []savedScale  `json:"scales"`
	Steps  time.Duration `json:"step"` // the shortest
}

type savedScale struct {
	Slot   int64      `json:"slot"`
	Moved  float64    `json:"moved"` // usual movement of a window
	Moves  int        `json:"moves"`
	Values []*float64 `json:"values"` // oldest first, null for none
}

// Save implements detect.Keeper.
func (f *Forecast) Save() []byte {
	s := saved{Format: stateFormat, State: f.context.State, Recipe: f.context.Recipe, Record: f.track, Steps: steps[0]}
	any := f.track.CameTrue+f.track.Failed > 0
	for i := range f.scale {
		sc := &f.scale[i]
		var room [window]float64
		ss := savedScale{Slot: sc.slot, Moved: sc.moved, Moves: sc.moves}
		for _, v := range sc.ordered(&room) {
			if stats.Finite(v) {
				ss.Values = append(ss.Values, new(v))
				any = true
			} else {
				ss.Values = append(ss.Values, nil)
			}
		}
		s.Scales = append(s.Scales, ss)
	}
	if !any {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return text
}

// Restore implements detect.Keeper.
func (f *Forecast) Restore(state []byte) error {
	var s saved
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("trend state of %s: %w", f.of.Name, err)
	}
	if s.Format != stateFormat || len(s.Scales) != scales {
		return fmt.Errorf("trend state of %s: format %d with %d scales is not known", f.of.Name, s.Format, len(s.Scales))
	}
	r := s.Record
	if !stats.Finite(r.Hits) || !stats.Finite(r.Misses) || r.Hits < 0 || r.Misses < 0 {
		return fmt.Errorf("trend state of %s: is damaged", f.of.Name)
	}
	f.track = r
	f.context.State, f.context.Recipe = s.State, s.Recipe
	f.suppressed = s.State != "" && s.State != detect.Production
	for i, ss := range s.Scales {
		sc := &f.scale[i]
		sc.restart()
		if stats.Finite(ss.Moved) && ss.Moved >= 0 && ss.Moves >= 0 {
			sc.moved, sc.moves = ss.Moved, min(ss.Moves, math.MaxInt32)
		}
		if s.Steps != steps[0] || len(ss.Values) != window {
			continue
		}
		for _, v := range ss.Values {
			if v != nil && stats.Finite(*v) {
				sc.push(*v)
			} else {
				sc.push(math.NaN())
			}
		}
		sc.slot, sc.begun = ss.Slot, sc.have > 0
	}
	return nil
}
