package nab

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// published are the totals that the benchmark publishes (results/final_results.json)
// for detectors whose scores of each row it publishes too.
func published() map[string][3]float64 {
	return map[string][3]float64{
		"numenta":          {70.10, 63.21, 74.32},
		"windowedGaussian": {39.65, 20.87, 47.41},
	}
}

// Prove scores the published scores below dir (reference_scores/<detector>.csv with the
// columns file, row, anomaly_score, plain or with .gz) and compares with the published
// totals, to two digits. The error says what differs.
func Prove(dir string, corpus []*Series) error {
	for name, want := range published() {
		scores, err := reference(filepath.Join(dir, "reference_scores", name+".csv"), corpus)
		if err != nil {
			return fmt.Errorf("published scores of %s: %w", name, err)
		}
		for k, best := range Optimum(corpus, scores, nil) {
			if math.Abs(best.Score-want[k]) > 0.005+1e-9 {
				return fmt.Errorf("published scores of %s give %.2f in the profile %s, published is %.2f",
					name, best.Score, Profiles()[k].Name, want[k])
			}
		}
	}
	return nil
}

// reference reads the scores of each row, in the order of the corpus.
func reference(path string, corpus []*Series) ([][]float64, error) {
	place := map[string]int{}
	for i, s := range corpus {
		place[s.Name] = i
	}
	scores := make([][]float64, len(corpus))
	err := lines(path, func(line string) error {
		cells := strings.Split(line, ",")
		i, ok := place[cells[0]]
		if !ok || len(cells) != 3 {
			return fmt.Errorf("%q is no row of the corpus", line)
		}
		v, err := strconv.ParseFloat(cells[2], 64)
		scores[i] = append(scores[i], v)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, s := range corpus {
		if len(scores[i]) != len(s.Values) {
			return nil, fmt.Errorf("%s has %d scores for %d rows", s.Name, len(scores[i]), len(s.Values))
		}
	}
	return scores, nil
}
