package spc

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/linewatch/linewatch/shared/stats"
)

// What a chart has collected and where its runs stand survives a restart. A lost state
// costs the points of the next baseline, never a baseline: those are in the book.

const stateFormat = 1

type savedChart struct {
	Format int           `json:"format"`
	Every  time.Duration `json:"every"`
	Group  int           `json:"group"`
	Recipe string        `json:"recipe"`
	Tracks []savedTrack  `json:"tracks"`
}

type savedTrack struct {
	Recipe   string       `json:"recipe"`
	Points   []savedPoint `json:"points"`
	Version  int          `json:"version"` // of the baseline that the runs compare with
	Proposed bool         `json:"proposed"`
	Proposal *Entry       `json:"proposal,omitempty"` // the book writes only what people approved
	Tests    Tests        `json:"tests"`
	EWMA     EWMA         `json:"ewma"`
	CUSUM    CUSUM        `json:"cusum"`
	Quiet    []uint8      `json:"quiet"`
	LastSlot int64        `json:"lastSlot"`
}

type savedPoint struct {
	Point
	S2 float64 `json:"s2"`
}

// Save implements detect.Keeper.
func (c *Chart) Save() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := savedChart{Format: stateFormat, Every: c.cfg.Subgroup, Group: c.cfg.Values, Recipe: c.key.Recipe}
	for recipe, t := range c.tracks {
		if t.count == 0 {
			continue
		}
		st := savedTrack{
			Recipe: recipe, Proposed: t.proposed, Tests: t.tests, EWMA: t.ewma, CUSUM: t.cusum, Quiet: t.quiet[:],
			LastSlot: t.group.lastFull,
		}
		if t.active != nil {
			st.Version = t.active.Version
		}
		key := c.key
		key.Recipe = recipe
		if e, ok := c.book.newest(key, Proposed); ok && t.proposed {
			st.Proposal = &e
		}
		t.each(func(p closed) { st.Points = append(st.Points, savedPoint{p.Point, p.s2}) })
		s.Tracks = append(s.Tracks, st)
	}
	if len(s.Tracks) == 0 {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return text
}

// Restore implements detect.Keeper. Points of other subgroups than the configuration
// asks for now are of no use and are left out.
func (c *Chart) Restore(state []byte) error {
	var s savedChart
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("spc state of %s: %w", c.of.Name, err)
	}
	if s.Format != stateFormat {
		return fmt.Errorf("spc state of %s: format %d, this program knows %d", c.of.Name, s.Format, stateFormat)
	}
	if len(s.Tracks) > maxRecipes {
		return fmt.Errorf("spc state of %s: %w", c.of.Name, errState)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Every != c.cfg.Subgroup || s.Group != c.cfg.Values {
		return nil
	}
	tracks := map[string]*track{}
	for i := range s.Tracks {
		t, err := c.revive(&s.Tracks[i])
		if err != nil {
			return fmt.Errorf("spc state of %s: %w", c.of.Name, err)
		}
		tracks[s.Tracks[i].Recipe] = t
	}
	c.tracks = tracks
	c.key.Recipe = s.Recipe
	if c.cur = tracks[s.Recipe]; c.cur == nil {
		c.cur = c.newTrack()
		tracks[s.Recipe] = c.cur
		c.cur.refresh(c)
	}
	return nil
}

var errState = errors.New("is damaged")

func (c *Chart) revive(s *savedTrack) (*track, error) {
	t := c.newTrack()
	t.group.lastFull = s.LastSlot
	for _, p := range s.Points {
		if !stats.Finite(p.Value) || !stats.Finite(p.Range) || !stats.Finite(p.S2) || p.N < 1 || p.Range < 0 || p.S2 < 0 {
			return nil, errState
		}
		t.keep(closed{Point: p.Point, s2: p.S2})
	}
	key := c.key
	key.Recipe = s.Recipe
	t.refreshAs(c, key)
	t.proposed = s.Proposed && t.active == nil
	if _, ok := c.book.newest(key, Proposed, Approved); t.proposed && !ok {
		if t.proposed = s.Proposal != nil && s.Proposal.Key == key && c.fits(*s.Proposal) && s.Proposal.Baseline.valid() == nil; t.proposed {
			c.book.propose(*s.Proposal)
		}
	}
	if t.active == nil || t.active.Version != s.Version {
		return t, nil
	}
	if !stats.Finite(s.Tests.Last) || !stats.Finite(s.EWMA.Z) || !stats.Finite(s.CUSUM.High) || !stats.Finite(s.CUSUM.Low) ||
		s.EWMA.N < 0 || s.CUSUM.HighRuns < 0 || s.CUSUM.LowRuns < 0 || s.Tests.Points < 0 {
		return nil, errState
	}
	t.tests = s.Tests
	t.ewma.Z, t.ewma.N = s.EWMA.Z, s.EWMA.N
	t.cusum.High, t.cusum.Low, t.cusum.HighRuns, t.cusum.LowRuns = s.CUSUM.High, s.CUSUM.Low, s.CUSUM.HighRuns, s.CUSUM.LowRuns
	copy(t.quiet[:], s.Quiet)
	return t, nil
}
