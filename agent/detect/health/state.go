package health

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/words"
)

// kept is what a Beat remembers over a restart. Times of the last value are not
// kept: nobody knows what happened while the agent was away.
type kept struct {
	Change    pace      `json:"change"`
	Value     pace      `json:"value"`
	Flat      bool      `json:"flat"`
	FlatSince time.Time `json:"flat_since,omitzero"`
	Lost      bool      `json:"lost"`
	LostSince time.Time `json:"lost_since,omitzero"`
	Last      float64   `json:"last"`
	Coarse    bool      `json:"coarse,omitempty"`

	Move *keptMovement `json:"move,omitempty"`
}

// Save implements detect.Keeper.
func (b *Beat) Save() []byte {
	out, err := json.Marshal(kept{b.change, b.value, b.flatNow.told, b.flatNow.since, b.lost.told, b.lost.since, b.last, b.coarse, b.move.keep()})
	if err != nil {
		return nil
	}
	return out
}

// Restore implements detect.Keeper.
func (b *Beat) Restore(state []byte) error {
	var k kept
	if err := json.Unmarshal(state, &k); err != nil {
		return fmt.Errorf("health of %s: %w", b.of.Name, err)
	}
	b.change, b.value = k.Change, k.Value
	b.flatNow, b.lost = alarm{k.Flat, k.FlatSince}, alarm{k.Lost, k.LostSince}
	b.coarse = k.Coarse
	if b.move != nil {
		b.move.restore(k.Move)
	}
	b.last, b.seen = k.Last, k.Flat // a value other than the flat one is a change
	b.changed = k.FlatSince
	return nil
}

// Report tells what the Beat has learnt.
func (b *Beat) Report() detect.Report {
	r := detect.Report{Detector: "health", State: "learning", Values: uint64(b.value.N)}
	if after, ok := b.flatAfter(); ok {
		r.State, r.Detail = "watching", "flat after "+words.Duration(after)
	}
	if b.move != nil && b.move.able() {
		r.Detail += ", or when it moves much less than it ever did"
	}
	if after, ok := b.lostAfter(); ok {
		if r.Detail != "" {
			r.Detail += ", "
		}
		r.State, r.Detail = "watching", r.Detail+"lost after "+words.Duration(after)
	}
	if !b.flat.On && !b.silence.On {
		r.State = "off"
	}
	return r
}
