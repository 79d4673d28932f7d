package novelty

// phaser tells the phase of a cycle from its begin: where the signal rises through the
// middle of its swing. A phase counted from a period alone would drift away.
type phaser struct {
	period    float64 // seconds, running mean; 0 = there is no cycle
	low, high float64 // what it must fall below and rise above
	start     int64   // ns, begin of the running cycle
	armed     bool    // was below
	good      uint8   // cycles in a row that were as long as expected
}

const (
	goodCycles = 3
	longPhase  = 1.2 // a cycle that takes too long stays here
)

// begin expects cycles of about so many seconds.
func (p *phaser) begin(period, middle, swing float64) {
	*p = phaser{period: period, low: middle - swing/5, high: middle + swing/5}
}

// next gives the phase of a step, 0 to longPhase, -1 while it is not known.
func (p *phaser) next(at int64, v float64) float64 {
	if p.period <= 0 {
		return -1
	}
	if v < p.low {
		p.armed = true
	}
	if p.armed && v > p.high {
		p.armed = false
		p.turn(at)
	}
	if p.good < goodCycles {
		return -1
	}
	return min(float64(at-p.start)/1e9/p.period, longPhase)
}

func (p *phaser) turn(at int64) {
	took := float64(at-p.start) / 1e9
	switch ratio := took / p.period; {
	case p.start == 0:
	case ratio > 0.7 && ratio < 1.3:
		p.good = min(p.good+1, goodCycles)
		p.period += 0.1 * (took - p.period)
	case ratio <= 0.7: // more than one rise in a cycle: there is no telling
		p.good = 0
	}
	p.start = at
}

// again forgets where the cycle stands, behind a gap.
func (p *phaser) again() { p.start, p.armed, p.good = 0, false, 0 }
