package nab

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// waves is a corpus of two series with one jump each.
func waves() []*Series {
	var corpus []*Series
	for n := range 2 {
		s := made(2000, Window{1200, 1400})
		for i := range s.Values {
			s.Values[i] = math.Sin(float64(i)/20) + 0.1*float64((i*7919+n)%13)
			if i >= 1250 && i < 1350 {
				s.Values[i] += 8
			}
		}
		corpus = append(corpus, s)
	}
	return corpus
}

func TestTheModelFindsAJumpAndEverySeedIsScored(t *testing.T) {
	seeds := 0
	r, err := Run(waves(), func(_ int, scores [][]float64) error {
		seeds++
		require.Len(t, scores[0], 2000)
		for _, v := range scores[0] {
			require.GreaterOrEqual(t, v, 0.0)
			require.LessOrEqual(t, v, 1.0)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, Seeds, seeds)
	require.Greater(t, r.Best[0].Mean, 80.0)
	require.Equal(t, 4000, r.Values)
	text := r.Text()
	require.Contains(t, text, "| standard profile, best threshold of all series")
	require.Contains(t, text, "≥ 70.1")
	document, err := Insert("a\n"+BeginMark+"\nold\n"+EndMark+"\nz\n", text)
	require.NoError(t, err)
	require.Equal(t, "a\n"+BeginMark+"\n"+text+EndMark+"\nz\n", document)
	_, err = Insert("no marks", text)
	require.ErrorContains(t, err, "nab: begin")
}

func TestASeedGivesTheSameScoresAgainAndAnotherOneOthers(t *testing.T) {
	corpus := waves()
	require.Equal(t, Scores(corpus, 3), Scores(corpus, 3))
	require.NotEqual(t, Scores(corpus, 3), Scores(corpus, 4))
}
