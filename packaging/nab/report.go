package nab

import (
	"fmt"
	"math"
	"strings"

	"github.com/linewatch/linewatch/agent/detect/novelty"
	"github.com/linewatch/linewatch/packaging/bench"
)

// Seeds is how many seeds a result is the mean of: one alone is off by about a point.
const Seeds = 10

// folds is in how many parts the corpus is cut for a threshold of other series.
const folds = 5

// Report is what the benchmark says.
type Report struct {
	Best, Folded, Shipped [3]Spread // by profile: best threshold, of other folds, at the default
	Thresholds            Spread    // best ones of the standard profile
	Nanoseconds           float64   // of processor time per value
	Values                int
}

// Spread is a mean and the standard deviation of single seeds.
type Spread struct{ Mean, Deviation float64 }

func spread(list []float64) (s Spread) {
	for _, v := range list {
		s.Mean += v / float64(len(list))
	}
	for _, v := range list {
		s.Deviation += (v - s.Mean) * (v - s.Mean) / float64(len(list)-1)
	}
	s.Deviation = math.Sqrt(s.Deviation)
	return s
}

// Run scores the shipped model with all seeds. each is told the scores of a seed, nil
// for none.
func Run(corpus []*Series, each func(seed int, scores [][]float64) error) (r Report, err error) {
	var best, folded, shipped [3][]float64
	var thresholds []float64
	for seed := 1; seed <= Seeds; seed++ {
		scores := Scores(corpus, uint64(seed))
		if each != nil {
			if err := each(seed, scores); err != nil {
				return r, err
			}
		}
		others := Folded(corpus, scores, folds)
		for k, b := range Optimum(corpus, scores, nil) {
			p := Profiles()[k]
			best[k], folded[k] = append(best[k], b.Score), append(folded[k], others[k])
			sum, windows := Sum(corpus, scores, p, novelty.Threshold("normal"), nil)
			shipped[k] = append(shipped[k], Normal(p, sum, windows))
			if k == 0 {
				thresholds = append(thresholds, b.Threshold)
			}
		}
	}
	for k := range best {
		r.Best[k], r.Folded[k], r.Shipped[k] = spread(best[k]), spread(folded[k]), spread(shipped[k])
	}
	r.Thresholds = spread(thresholds)
	r.Nanoseconds, r.Values = pace(corpus)
	return r, nil
}

// pace measures the processor time of one value.
func pace(corpus []*Series) (nanoseconds float64, values int) {
	began := processor()
	for i, s := range corpus {
		score(s, uint64(i))
		values += len(s.Values)
	}
	return float64((processor() - began).Nanoseconds()) / float64(values), values
}

// Text is the report as Markdown, with its budgets.
func (r Report) Text() string {
	const group, name = "Learnt novelty on the Numenta Anomaly Benchmark", "nab"
	values := map[string]float64{
		"best": r.Best[0].Mean, "lowFP": r.Best[1].Mean, "lowFN": r.Best[2].Mean, "folded": r.Folded[0].Mean,
		"foldedLowFP": r.Folded[1].Mean, "foldedLowFN": r.Folded[2].Mean,
		"shipped": r.Shipped[0].Mean, "shippedLowFP": r.Shipped[1].Mean, "shippedLowFN": r.Shipped[2].Mean, "ns": r.Nanoseconds,
	}
	of := func(unit string) bench.Ref { return bench.Ref{Benchmark: name, Unit: unit} }
	figures := []bench.Figure{
		{Group: group, What: "standard profile, best threshold of all series", Of: of("best"), Plus: 70.1, AtLeast: true},
		{Group: group, What: "reward low FP, best threshold", Of: of("lowFP")},
		{Group: group, What: "reward low FN, best threshold", Of: of("lowFN")},
		{Group: group, What: "standard profile, threshold from other folds", Of: of("folded"), Plus: 69, AtLeast: true},
		{Group: group, What: "reward low FP, threshold from other folds", Of: of("foldedLowFP")},
		{Group: group, What: "reward low FN, threshold from other folds", Of: of("foldedLowFN")},
		{Group: group, What: fmt.Sprintf("standard profile at the shipped threshold of %.2f", novelty.Threshold("normal")), Of: of("shipped")},
		{Group: group, What: "reward low FP at the shipped threshold", Of: of("shippedLowFP")},
		{Group: group, What: "reward low FN at the shipped threshold", Of: of("shippedLowFN")},
		{Group: group, What: "processor time of a value, every value a step", Of: of("ns"), Unit: "ns", Plus: 1000},
	}
	rows := bench.Rows(figures, bench.Results{Values: map[string]map[string]float64{name: values}})
	var out strings.Builder
	out.WriteString(bench.Table(rows))
	fmt.Fprintf(&out, "\nMean of %d seeds on %d values; one seed is off by ±%.1f (standard), ±%.1f (low FP), ±%.1f (low FN),\nthreshold of other folds ±%.1f; the best threshold is %.3f ± %.3f.\n",
		Seeds, r.Values, r.Best[0].Deviation, r.Best[1].Deviation, r.Best[2].Deviation, r.Folded[0].Deviation, r.Thresholds.Mean, r.Thresholds.Deviation)
	return out.String()
}

// The lines of a document between which the report stands.
const (
	BeginMark = "<!-- nab: begin (make bench-nab writes what follows) -->"
	EndMark   = "<!-- nab: end -->"
)

// Insert puts text between the marks of a document.
func Insert(document, text string) (string, error) {
	before, rest, ok := strings.Cut(document, BeginMark)
	_, after, closed := strings.Cut(rest, EndMark)
	if !ok || !closed {
		return "", fmt.Errorf("the document lacks the line %q or, behind it, %q", BeginMark, EndMark)
	}
	return before + BeginMark + "\n" + text + EndMark + after, nil
}
