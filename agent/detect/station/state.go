package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/shared/stats"
)

// What is kept over a restart: the budget, what lasts, and how strong marks usually are.

const stateFormat = 1

type saved struct {
	Format  int                  `json:"format"`
	State   string               `json:"state"` // of production, that the marks are of
	Budget  budget               `json:"budget"`
	Marks   map[string]*marks    `json:"marks"`
	Usual   map[string]*mean     `json:"usual"`
	Waiting map[string]string    `json:"waiting"`
	Stopped map[string]time.Time `json:"stopped"`
}

// Save implements detect.Keeper.
func (w *Watch) Save() []byte {
	if w.budget.Clean == 0 && len(w.usual) == 0 && len(w.stopped) == 0 && len(w.waiting) == 0 {
		return nil
	}
	text, err := json.Marshal(saved{stateFormat, w.context.State, w.budget, w.marks, w.usual, w.waiting, w.stopped})
	if err != nil {
		return nil
	}
	return text
}

// Restore implements detect.Keeper.
func (w *Watch) Restore(state []byte) error {
	var s saved
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("state of station %s: %w", w.station, err)
	}
	if s.Format != stateFormat {
		return fmt.Errorf("state of station %s: format %d, this program knows %d", w.station, s.Format, stateFormat)
	}
	damaged := !s.Budget.valid() || len(s.Marks) > maxNames || len(s.Usual) > maxNames || len(s.Waiting) > maxNames || len(s.Stopped) > maxNames
	for _, m := range s.Marks {
		damaged = damaged || m == nil || m.Count < 0
	}
	for _, m := range s.Usual {
		damaged = damaged || m == nil || !stats.Finite(m.N) || m.N < 0 || !stats.Finite(m.Value)
	}
	if damaged {
		return fmt.Errorf("state of station %s: %w", w.station, errors.New("is damaged"))
	}
	w.budget, w.context.State = s.Budget, s.State
	for name, m := range s.Marks {
		w.marks[name] = m
	}
	for name, m := range s.Usual {
		w.usual[name] = m
	}
	for name, state := range s.Waiting {
		w.waiting[name] = state
	}
	for name, at := range s.Stopped {
		w.stopped[name] = at
		w.line.stop(w.station, name, at)
	}
	return nil
}
