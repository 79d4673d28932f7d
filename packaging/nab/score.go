package nab

import (
	"cmp"
	"math"
	"slices"
)

// Profile says what a mistake costs.
type Profile struct {
	Name          string
	Alarm, Missed float64 // weight of a false alarm, of a window that was not found
}

// Profiles are the three of the benchmark (config/profiles.json of NAB): a true
// positive counts 1, a false alarm and a missed window as given.
func Profiles() [3]Profile {
	return [3]Profile{
		{"standard", 0.11, 1},
		{"reward_low_FP_rate", 0.22, 1},
		{"reward_low_FN_rate", 0.11, 2},
	}
}

// farAway is the distance behind a window, in widths of it, from which a false alarm
// counts in full.
const farAway = 3

// sigma is the scaled sigmoid of NAB: 1 far before the end of a window, 0 at it, -1
// far behind it.
func sigma(y float64) float64 { return 2/(1+math.Exp(5*y)) - 1 }

// hit is a row with a score, and what it is worth when it is detected.
type hit struct {
	score  float64
	window int     // number of the window in the whole corpus, -1 for none
	worth  float64 // in a window 0 to 1, outside -1 to 0
}

// worths gives each row of a series its worth, and the window that it lies in (-1 for
// none, counted from first).
func worths(s *Series, first int) (window []int, worth []float64) {
	window, worth = make([]int, len(s.Values)), make([]float64, len(s.Values))
	next, before := 0, -1 // windows
	for i := range s.Values {
		for next < len(s.Windows) && i > s.Windows[next].Last {
			before, next = next, next+1
		}
		if next < len(s.Windows) && i >= s.Windows[next].First {
			w := s.Windows[next]
			width := float64(w.Last - w.First + 1)
			window[i] = first + next
			worth[i] = sigma(-float64(w.Last-i+1)/width) / sigma(-1)
			continue
		}
		window[i], worth[i] = -1, -1
		if before >= 0 {
			w := s.Windows[before]
			// A window of one row has no width to measure a distance by.
			if y := float64(i-w.Last) / float64(w.Last-w.First); y <= farAway {
				worth[i] = sigma(y)
			}
		}
	}
	return window, worth
}

// hits collects the rows with a score above 0 behind the probation, highest first, and
// the number of windows.
func hits(corpus []*Series, scores [][]float64, use func(i int) bool) (list []hit, windows int) {
	for i, s := range corpus {
		if use != nil && !use(i) {
			continue
		}
		window, worth := worths(s, windows)
		windows += len(s.Windows)
		for row := s.Probation(); row < len(s.Values); row++ {
			if v := scores[i][row]; v > 0 {
				list = append(list, hit{v, window[row], worth[row]})
			}
		}
	}
	slices.SortFunc(list, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	return list, windows
}

// total is the sum of what is detected, for one profile.
type total struct {
	p    Profile
	sum  float64
	best []float64 // by window; below 0 = not found
}

func newTotal(p Profile, windows int) *total {
	t := &total{p: p, sum: -p.Missed * float64(windows), best: make([]float64, windows)}
	for i := range t.best {
		t.best[i] = -1
	}
	return t
}

// add counts one more detected row; of a window only the best row counts.
func (t *total) add(h hit) {
	switch {
	case h.window < 0:
		t.sum += t.p.Alarm * h.worth
	case t.best[h.window] < 0:
		t.sum += t.p.Missed + h.worth
		t.best[h.window] = h.worth
	case h.worth > t.best[h.window]:
		t.sum += h.worth - t.best[h.window]
		t.best[h.window] = h.worth
	}
}

// Normal is the final score of a sum of a profile: 0 for a detector that detects
// nothing, 100 for a perfect one.
func Normal(p Profile, sum float64, windows int) float64 {
	nothing := -p.Missed * float64(windows)
	return 100 * (sum - nothing) / (float64(windows) - nothing)
}

// Sum is what a detector reaches at a threshold, not normalised; a row is detected when
// its score is not below it. use selects the series, nil for all.
func Sum(corpus []*Series, scores [][]float64, p Profile, threshold float64, use func(i int) bool) (sum float64, windows int) {
	list, windows := hits(corpus, scores, use)
	t := newTotal(p, windows)
	for _, h := range list {
		if h.score < threshold {
			break
		}
		t.add(h)
	}
	return t.sum, windows
}

// Best is the result with the one threshold that suits a profile best.
type Best struct {
	Score     float64 // 0 to 100
	Threshold float64 // above 1 when it is best to detect nothing
}

// Optimum searches the best threshold of each profile for all series at once, as the
// original does.
func Optimum(corpus []*Series, scores [][]float64, use func(i int) bool) (best [3]Best) {
	list, windows := hits(corpus, scores, use)
	for k, p := range Profiles() {
		t := newTotal(p, windows)
		top := t.sum
		best[k].Threshold = 1.1
		for i := 0; i < len(list); {
			at := list[i].score
			for ; i < len(list) && list[i].score == at; i++ {
				t.add(list[i])
			}
			if t.sum > top {
				top, best[k].Threshold = t.sum, at
			}
		}
		best[k].Score = Normal(p, top, windows)
	}
	return best
}

// Folded is the score when the threshold of each fold of the series is the best one of
// the other folds: what a threshold is worth on series that it was not chosen on. A
// series belongs to the fold of its place in the corpus modulo folds.
func Folded(corpus []*Series, scores [][]float64, folds int) (result [3]float64) {
	var sums [3]float64
	all := 0
	for fold := range folds {
		others := Optimum(corpus, scores, func(i int) bool { return i%folds != fold })
		windows := 0
		for k, p := range Profiles() {
			var sum float64
			sum, windows = Sum(corpus, scores, p, others[k].Threshold, func(i int) bool { return i%folds == fold })
			sums[k] += sum
		}
		all += windows
	}
	for k, p := range Profiles() {
		result[k] = Normal(p, sums[k], all)
	}
	return result
}
