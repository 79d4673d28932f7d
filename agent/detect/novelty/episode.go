package novelty

const (
	episodeShare   = 0.1 // of the newest step in the running share of unusual steps
	episodeOver    = 0.3 // share below which an episode is over
	episodeLasting = 0.6 // share from which it lasts
	episodeSteps   = 10  // it has at least so many
	episodeNews    = 0.4 // what a step must still be new by
	accepted       = 8 * 3600 * int64(1e9)
)

// episode is a time in which a signal is unusual. What it does meanwhile is learnt, but
// remembered as learnt in the episode, so that it can be told whether it lasts.
type episode struct {
	open  bool
	told  bool
	since int64 // ns
	steps uint32
	share float64 // running share of steps that are still unusual
	why   string  // explanation of its first step
	score float64
	tell  int64 // ns, when an episode was told last
}

// begin opens an episode with the step that was just learnt.
func (e *episode) begin(m *Model, at int64, score float64, why string) {
	*e = episode{open: true, since: at, share: 1, why: why, score: score, tell: e.tell}
	m.hold()
}

// next follows an episode; still says whether this step is unusual too. It returns true
// once when the episode has lasted as long as asked for (ns).
func (e *episode) next(m *Model, at int64, still bool, lasting int64) bool {
	if !e.open {
		return false
	}
	e.steps++
	e.share *= 1 - episodeShare
	if still {
		e.share += episodeShare
	}
	if (e.steps >= episodeSteps && e.share < episodeOver) || at-e.since > accepted {
		e.close(m)
		return false
	}
	if e.told || e.share < episodeLasting || at-e.since < lasting || (e.tell != 0 && at-e.tell < accepted) {
		return false
	}
	e.told, e.tell = true, at
	return true
}

func (e *episode) close(m *Model) {
	e.open = false
	if m != nil {
		m.release()
	}
}

// hold begins to remember what is learnt; what the last step learnt counts as new.
func (m *Model) hold() {
	m.held = new([kinds]held)
	for k := range m.grids {
		if len(m.grids[k]) > 0 && m.parts[k] > 0 {
			g := &m.grids[k][0]
			m.held[k][g.row] |= 1 << g.level
		}
	}
}

func (m *Model) release() { m.held = nil }

// stillNew is the novelty that the last step would have without what was learnt since
// hold.
func (m *Model) stillNew() float64 {
	sum, active, alone := 0.0, 0, true
	for k := range m.grids {
		if !m.active(k) {
			continue
		}
		active++
		if g := &m.grids[k][0]; g.still(m.holds(k, 0)) {
			sum += g.weight()
			alone = alone && views[k].context == fHour
		}
	}
	if active == 0 || alone { // another hour of the day is too little to call people
		return 0
	}
	return sum / float64(active)
}
