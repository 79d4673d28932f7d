package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/linewatch/linewatch/shared/durable"
	"github.com/linewatch/linewatch/shared/evidence"
)

// saveEvery is the time between two states of a walk on the disk.
const saveEvery = 10 * time.Second

// state is how far a walk came through the agents' logs. The ledger's own logs are
// walked anew each time: they say what the others must be.
type state struct {
	Version int                 `json:"version"` // 1
	Rows    bool                `json:"rows"`    // the read model was compared
	Logs    map[string]logState `json:"logs"`    // by origin
	Report  Report              `json:"report"`  // of the agents' logs
}

type logState struct {
	Tree    []byte              `json:"tree"`
	Keys    []evidence.KeyRange `json:"keys"`
	Note    []byte              `json:"note"`    // of the last segment
	Receipt []byte              `json:"receipt"` // of the last segment
	Rows    uint64              `json:"rows"`
}

// load reads the state of a walk that was cut off; none is a walk from the begin.
func (w *walk) load() error {
	w.state = state{Version: 1, Rows: w.o.Project != nil, Logs: map[string]logState{}}
	if w.o.State == "" {
		return nil
	}
	text, err := os.ReadFile(w.o.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && (s.Version != 1 || s.Rows != w.state.Rows || s.Logs == nil) {
		err = errors.New("written by another kind of walk; remove it to begin anew")
	}
	if err != nil {
		return fmt.Errorf("verify: state %s: %w", w.o.State, err)
	}
	w.state, w.resumed = s, true
	return nil
}

// resume takes a log up where the walk before left it.
func (w *walk) resume(r *reading) {
	s, ok := w.state.Logs[r.Origin]
	if !ok || r.ledger {
		return
	}
	var tree evidence.Range
	if tree.UnmarshalBinary(s.Tree) != nil || len(s.Keys) == 0 || tree.End > r.Size {
		delete(w.state.Logs, r.Origin) // not the store that it was made of
		return
	}
	r.tree, r.keys = tree, s.Keys
	r.last.Note, r.last.Receipt = s.Note, s.Receipt
	w.rows[r.ID] = s.Rows
	for _, k := range s.Keys[1:] {
		w.enrolled[r.AgentID] = append(w.enrolled[r.AgentID], k.Key)
	}
	for size, x := range w.witnessed[r.Origin] {
		if size <= tree.End {
			x.met = true
			w.witnessed[r.Origin][size] = x
		}
	}
}

// passed remembers a log's place and saves it now and then; at the end of a log
// its witnessed sizes were all met, or are reported.
func (w *walk) passed(r *reading, now bool) error {
	if w.o.State == "" || r.ledger {
		return nil
	}
	if !now && time.Since(w.saved) < saveEvery {
		return nil
	}
	tree, err := r.tree.MarshalBinary()
	if err != nil {
		return fmt.Errorf("verify: state: %w", err)
	}
	// Sizes that were witnessed up to here and not met are found now: a resumed
	// walk takes them for met.
	for size, x := range w.witnessed[r.Origin] {
		if size <= r.tree.End && !x.met {
			w.missed(r.Origin, size, x)
			x.met = true
			w.witnessed[r.Origin][size] = x
		}
	}
	w.state.Logs[r.Origin] = logState{tree, r.keys, r.last.Note, r.last.Receipt, w.rows[r.ID]}
	w.state.Report = w.rep.since(w.base)
	text, err := json.Marshal(w.state)
	if err != nil {
		return fmt.Errorf("verify: state: %w", err)
	}
	if err := durable.WriteFile(w.o.State, text, 0o600); err != nil {
		return fmt.Errorf("verify: state: %w", err)
	}
	w.saved = time.Now()
	return nil
}

// forget removes the state of a walk that came to its end.
func (w *walk) forget() error {
	if w.o.State == "" {
		return nil
	}
	if err := os.Remove(w.o.State); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("verify: state: %w", err)
	}
	return nil
}

// since is what a report has beyond an earlier one of the same walk.
func (r Report) since(base Report) Report {
	r.Logs, r.Segments, r.Leaves, r.Lost = r.Logs-base.Logs, r.Segments-base.Segments, r.Leaves-base.Leaves, r.Lost-base.Lost
	r.DroppedLeaves, r.Roots, r.More = r.DroppedLeaves-base.DroppedLeaves, 0, r.More-base.More
	r.Findings, r.Dropped = r.Findings[len(base.Findings):], r.Dropped[len(base.Dropped):]
	r.SealedLeaves, r.ErasedLeaves = r.SealedLeaves-base.SealedLeaves, r.ErasedLeaves-base.ErasedLeaves
	r.KeyLostLeaves, r.KeyMissingLeaves = r.KeyLostLeaves-base.KeyLostLeaves, r.KeyMissingLeaves-base.KeyMissingLeaves
	r.Forked = nil // a log says it itself
	return r
}

// plus is a report continued by what an earlier walk had found. Logs are counted
// again by the walk that resumes.
func (r Report) plus(s Report) Report {
	r.Segments, r.Leaves, r.Lost = r.Segments+s.Segments, r.Leaves+s.Leaves, r.Lost+s.Lost
	r.DroppedLeaves, r.More = r.DroppedLeaves+s.DroppedLeaves, r.More+s.More
	r.SealedLeaves, r.ErasedLeaves = r.SealedLeaves+s.SealedLeaves, r.ErasedLeaves+s.ErasedLeaves
	r.KeyLostLeaves, r.KeyMissingLeaves = r.KeyLostLeaves+s.KeyLostLeaves, r.KeyMissingLeaves+s.KeyMissingLeaves
	r.Findings, r.Dropped = append(r.Findings, s.Findings...), append(r.Dropped, s.Dropped...)
	return r
}
