package spc

import "math"

// A Rule is one of the eight tests of L. S. Nelson, "The Shewhart Control Chart: Tests
// for Special Causes", Journal of Quality Technology 16 (1984) 237, by its number.
type Rule int

// The rules. Zones count from the centre line in standard deviations of a point.
const (
	RuleBeyond      Rule = 1 // one point beyond 3 σ
	RuleOneSide     Rule = 2 // 9 in a row on one side of the mean
	RuleTrend       Rule = 3 // 6 in a row steadily rising or falling
	RuleAlternating Rule = 4 // 14 in a row alternating up and down
	RuleTwoOfThree  Rule = 5 // 2 of 3 beyond 2 σ, same side
	RuleFourOfFive  Rule = 6 // 4 of 5 beyond 1 σ, same side
	RuleHugging     Rule = 7 // 15 in a row within 1 σ
	RuleAvoiding    Rule = 8 // 8 in a row with none within 1 σ, on both sides
)

// Rules is a set of rules.
type Rules uint16

// DefaultRules are 1, 2, 3, 5 and 6: the others find mixed or stratified samples, which
// a station's single stream rarely has.
const DefaultRules Rules = 1<<RuleBeyond | 1<<RuleOneSide | 1<<RuleTrend | 1<<RuleTwoOfThree | 1<<RuleFourOfFive

// Of makes a set; numbers that are no rule are left out.
func Of(numbers ...int) (set Rules) {
	for _, n := range numbers {
		if n >= 1 && n <= 8 {
			set |= 1 << n
		}
	}
	return set
}

// Has reports whether a rule is in the set.
func (s Rules) Has(r Rule) bool { return s&(1<<r) != 0 }

// numbers of the rules in the set.
func (s Rules) numbers() (out []int) {
	for r := RuleBeyond; r <= RuleAvoiding; r++ {
		if s.Has(r) {
			out = append(out, int(r))
		}
	}
	return out
}

// Lengths of the runs that the rules ask for, in points.
const (
	runSide      = 9
	runTrend     = 6
	runAlternate = 14
	runWithin    = 15
	runOutside   = 8
)

// Tests applies the rules to standardised points, one after the other. The zero value
// is ready. All of it is small counters: nothing depends on how many points there were.
type Tests struct {
	Points  int     `json:"points"`  // since the last Reset
	Last    float64 `json:"last"`    // standardised
	Side    int     `json:"side"`    // length of the run on one side, its sign the side
	Rise    int     `json:"rise"`    // points of the run that rises (+) or falls (-)
	Zigzag  int     `json:"zigzag"`  // points that alternate
	Up      int8    `json:"up"`      // direction of the last step
	Within  int     `json:"within"`  // run within 1 σ
	Outside int     `json:"outside"` // run without any within 1 σ
	OutHigh int     `json:"outHigh"` // points of that run since one was above
	OutLow  int     `json:"outLow"`  // and since one was below
	// The last 5 points, newest in bit 0: beyond 2 σ and beyond 1 σ, above and below.
	High2 uint8 `json:"high2"`
	Low2  uint8 `json:"low2"`
	High1 uint8 `json:"high1"`
	Low1  uint8 `json:"low1"`
}

// Reset forgets the runs: after a gap, a change of product, a new baseline.
func (t *Tests) Reset() { *t = Tests{} }

// Add takes the next point, (value − mean)/σ, and returns all rules that it breaks. NaN
// is no point and ends the runs.
func (t *Tests) Add(z float64) (broken Rules) {
	if math.IsNaN(z) {
		t.Reset()
		return 0
	}
	z = min(max(z, -1e6), 1e6) // infinity minus infinity would be none
	t.runs(z)
	t.zones(z)
	if math.Abs(z) > 3 {
		broken |= 1 << RuleBeyond
	}
	if t.Side >= runSide || t.Side <= -runSide {
		broken |= 1 << RuleOneSide
	}
	if t.Rise >= runTrend || t.Rise <= -runTrend {
		broken |= 1 << RuleTrend
	}
	if t.Zigzag >= runAlternate {
		broken |= 1 << RuleAlternating
	}
	if t.Within >= runWithin {
		broken |= 1 << RuleHugging
	}
	if t.Outside >= runOutside && t.OutHigh < runOutside && t.OutLow < runOutside {
		broken |= 1 << RuleAvoiding
	}
	// The newest point must itself be in the zone: it completes the pattern.
	if of(t.High2, 3) >= 2 || of(t.Low2, 3) >= 2 {
		broken |= 1 << RuleTwoOfThree
	}
	if of(t.High1, 5) >= 4 || of(t.Low1, 5) >= 4 {
		broken |= 1 << RuleFourOfFive
	}
	return broken
}

// runs counts sides, rises and alternations.
func (t *Tests) runs(z float64) {
	switch {
	case z > 0:
		t.Side = max(t.Side, 0) + 1
	case z < 0:
		t.Side = min(t.Side, 0) - 1
	default:
		t.Side = 0
	}
	first := t.Points == 0
	t.Points = min(t.Points+1, math.MaxInt32)
	last := t.Last
	t.Last = z
	if first {
		t.Rise, t.Zigzag, t.Up = 1, 1, 0
		return
	}
	switch {
	case z > last:
		t.turn(1)
	case z < last:
		t.turn(-1)
	default: // equal neighbours neither rise nor alternate
		t.Rise, t.Zigzag, t.Up = 1, 1, 0
	}
}

// turn counts a step up (1) or down (-1).
func (t *Tests) turn(step int8) {
	switch {
	case t.Up == -step:
		t.Zigzag++
		t.Rise = int(step) * 2
	case t.Up == step:
		t.Zigzag = 2
		t.Rise += int(step)
	default:
		t.Zigzag = 2
		t.Rise = int(step) * 2
	}
	t.Up = step
}

// zones notes in which zone the point lies.
func (t *Tests) zones(z float64) {
	t.High2, t.Low2 = shift(t.High2, z > 2), shift(t.Low2, z < -2)
	t.High1, t.Low1 = shift(t.High1, z > 1), shift(t.Low1, z < -1)
	if math.Abs(z) <= 1 {
		t.Within = min(t.Within+1, math.MaxInt32)
		t.Outside, t.OutHigh, t.OutLow = 0, runOutside, runOutside
		return
	}
	if t.Outside == 0 {
		t.OutHigh, t.OutLow = runOutside, runOutside
	}
	t.Within = 0
	t.Outside = min(t.Outside+1, math.MaxInt32)
	t.OutHigh, t.OutLow = min(t.OutHigh+1, runOutside), min(t.OutLow+1, runOutside)
	if z > 0 {
		t.OutHigh = 0
	} else {
		t.OutLow = 0
	}
}

func shift(bits uint8, in bool) uint8 {
	bits <<= 1
	if in {
		bits |= 1
	}
	return bits & 0b11111
}

// of counts the newest n bits, if the newest is set.
func of(bits uint8, n int) (count int) {
	if bits&1 == 0 {
		return 0
	}
	for i := range n {
		count += int(bits>>i) & 1
	}
	return count
}
