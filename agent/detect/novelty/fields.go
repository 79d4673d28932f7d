package novelty

import "math"

// The fields of what is kept, in the order of the format. Each method writes or reads,
// as the codec is told.

func (d *Detector) fields(c *codec) {
	d.steps.fields(c)
	d.rhythm.fields(c)
	d.phase.fields(c)
	d.band.fields(c)
	d.where.fields(c)
	d.budget.fields(c)
	c.i64(&d.story.tell)
	c.flag(&d.seen.any, &d.settled, &d.paused)
	c.f64(&d.seen.low, &d.seen.high)
	c.u64(&d.news)
	c.i64(&d.began)
	c.u64(&d.learnt)
	if c.reading {
		d.model = NewModel(d.o.Seed, d.steps.length)
		d.model.paused = d.paused
	}
	d.model.fields(c)
}

func (s *stepper) fields(c *codec) {
	c.f64(&s.interval, &s.length)
	c.u32(&s.seen)
	c.i64(&s.last)
	c.u64(&s.values)
}

func (r *rhythm) fields(c *codec) {
	c.f64(&r.every, &r.fast, &r.slow, &r.middle, &r.swing)
	open := r.curve != nil
	c.flag(&open)
	n := c.count(len(r.curve), rhythmPoints-1)
	if c.reading && open {
		r.curve = make([]float32, n, rhythmPoints)
	}
	for i := range n {
		if i >= len(r.curve) {
			c.bad = true
			return
		}
		c.f32(&r.curve[i])
	}
}

func (p *phaser) fields(c *codec) {
	c.f64(&p.period, &p.low, &p.high)
	c.i64(&p.start)
	c.flag(&p.armed)
	c.u8(&p.good)
}

func (s *scale) fields(c *codec) { c.f64(&s.low, &s.width) }

func (b *band) fields(c *codec) {
	b.scale.fields(c)
	for i := range b.mass {
		c.f32(&b.mass[i])
	}
	c.f32(&b.total)
}

func (s *situations) fields(c *codec) {
	n := c.count(len(s.list), levels)
	if c.reading {
		s.list = make([]situation, n)
	}
	for i := range n {
		o := &s.list[i]
		c.u32(&o.hash, &o.steps, &o.used)
	}
	c.u32(&s.changes)
	running := uint32(s.running)
	c.u32(&running)
	s.running = int(running)
}

func (b *budget) fields(c *codec) {
	for i := range b.marks {
		c.i64(&b.marks[i])
	}
	c.f64(&b.raised)
	c.i64(&b.at)
	c.flag(&b.told)
	c.u32(&b.withheld, &b.total)
}

func (m *Model) fields(c *codec) {
	for i := range m.memory.ring {
		c.f64(&m.memory.ring[i])
	}
	c.u32(&m.memory.steps)
	c.f64(&m.memory.fast, &m.memory.middle, &m.memory.slow, &m.memory.noise)
	c.u64(&m.steps)
	c.f64(&m.length, &m.quiet, &m.last)
	c.u32(&m.lastAge)
	c.u64(&m.swapped)
	c.i64(&m.hourSeen)
	n := c.count(len(m.early), warmUp)
	if c.reading && n > 0 {
		m.early = make([]early, n, warmUp)
	}
	for i := range n {
		e := &m.early[i]
		c.i64(&e.at)
		c.f64(&e.min, &e.max, &e.mean, &e.hour, &e.situation, &e.phase)
	}
	for k := range m.grids {
		n := c.count(len(m.grids[k]), int(views[k].grids))
		if c.reading && n > 0 {
			m.grids[k] = make([]grid, n)
		}
		for i := range m.grids[k] {
			m.grids[k][i].fields(c)
		}
	}
}

func (g *grid) fields(c *codec) {
	g.value.fields(c)
	g.context.fields(c)
	g.prepare()
	c.f32(&g.rate)
	c.u8(&g.row, &g.level)
	for i := range generations {
		for k := range g.cells {
			c.u32(&g.cells[k][i])
		}
		for k := range g.visits {
			c.u8(&g.visits[k][i])
		}
	}
}

// sound reports whether what was read can be calculated with: a checksum tells damage,
// not what a program wrote.
func (d *Detector) sound() bool {
	s, m := &d.steps, d.model
	ok := s.interval > 0 && s.length >= 1 && s.length <= 2*longestStep && m.length >= 1 && d.rhythm.every <= longestRhythm && inTime(s.last) &&
		inTime(d.phase.start) && inTime(d.began) && inTime(m.hourSeen) && (d.band.width == 0 || d.band.sound()) &&
		(d.rhythm.every >= 1 || d.rhythm.every == 0 && d.rhythm.curve == nil) && d.rhythm.fast >= 0 && d.rhythm.slow >= 0 && d.phase.period >= 0 &&
		d.band.total >= 0 && d.budget.raised >= 0 && d.budget.raised <= mostRaised &&
		(len(d.where.list) == 0 || d.where.running < len(d.where.list)) &&
		m.quiet >= 0 && m.last >= 0 && len(m.early) == int(min(m.steps, warmUp))*boolean(m.steps < warmUp)
	for k := range m.grids {
		whole := len(m.grids[k]) == int(views[k].grids)
		if (!whole && len(m.grids[k]) != 0) || (k < alwaysThere && whole != (m.steps >= warmUp)) {
			return false
		}
		for i := range m.grids[k] {
			g := &m.grids[k][i]
			ok = ok && g.value.sound() && g.context.sound() && g.rate > 0 && g.rate <= 1 && g.row < levels && g.level < levels
		}
	}
	for _, e := range m.early {
		ok = ok && e.min <= e.max
	}
	return ok
}

func (s scale) sound() bool {
	return s.width >= smallest && s.width <= widest && math.Abs(s.low) <= 100*widest
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// inTime keeps differences of times from running over.
func inTime(ns int64) bool { return ns > -1<<62 && ns < 1<<62 }
