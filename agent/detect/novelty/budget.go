package novelty

import "math"

const (
	day          = 86400 * int64(1e9)
	marksPerDay  = 3
	raiseByMark  = 1.25
	mostRaised   = 4.0
	tellRaised   = 2.0 // from which the threshold is told to have moved
	tellReturned = 1.25
	memoryOfDays = 1.0 // in which a raised threshold comes back to 1/e
)

// budget keeps the marks of a signal at no more than three a day: each one raises the
// threshold for a while, and behind the third in 24 hours none is made.
type budget struct {
	marks    [marksPerDay]int64 // ns, oldest first
	raised   float64            // factor on the threshold at the time of at, at least 1
	at       int64
	told     bool   // that the threshold is raised
	withheld uint32 // since the last mark
	total    uint32
}

// factor is what the threshold is multiplied by.
func (b *budget) factor(at int64) float64 {
	if b.raised <= 1 {
		return 1
	}
	past := float64(max(at-b.at, 0)) / float64(day) / memoryOfDays
	return 1 + (b.raised-1)*math.Exp(-past)
}

// take asks for a mark; without one it is counted as withheld.
func (b *budget) take(at int64) bool {
	if b.marks[0] != 0 && at-b.marks[0] < day {
		b.withheld++
		return false
	}
	copy(b.marks[:], b.marks[1:])
	b.marks[marksPerDay-1] = at
	b.raised = min(b.factor(at)*raiseByMark, mostRaised)
	b.at = at
	b.total++
	return true
}

// moved reports a change of the threshold that should be told.
func (b *budget) moved(at int64) (factor float64, told bool) {
	factor = b.factor(at)
	switch {
	case !b.told && factor >= tellRaised:
		b.told = true
	case b.told && factor <= tellReturned:
		b.told = false
	default:
		return factor, false
	}
	return factor, true
}
