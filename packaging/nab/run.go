package nab

import (
	"runtime"
	"sync"

	"github.com/linewatch/linewatch/agent/detect/novelty"
)

// StepSeconds is the step that the benchmark's values are: nearly all come every five
// minutes.
const StepSeconds = 300

// Scores runs a fresh model of learnt novelty over each series, every value a step. It
// sees a value only when it comes: no length, minimum or maximum in advance.
func Scores(corpus []*Series, seed uint64) [][]float64 {
	scores := make([][]float64, len(corpus))
	var all sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, s := range corpus {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			scores[i] = score(s, seed<<16+uint64(i))
		})
	}
	all.Wait()
	return scores
}

// score runs a fresh model over one series.
func score(s *Series, seed uint64) []float64 {
	m := novelty.NewModel(seed, StepSeconds)
	list := make([]float64, len(s.Values))
	for row, v := range s.Values {
		list[row] = m.Step(s.Times[row], v)
	}
	return list
}
