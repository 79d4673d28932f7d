package nab

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// made is a series of n rows with the given windows, none of them in the probation.
func made(n int, windows ...Window) *Series {
	s := &Series{Name: "made/one.csv", Windows: windows, Values: make([]float64, n), Times: make([]time.Time, n)}
	for i := range s.Times {
		s.Times[i] = time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)
	}
	return s
}

// scored gives scores of 0 but for the named rows.
func scored(s *Series, at map[int]float64) [][]float64 {
	list := make([]float64, len(s.Values))
	for i, v := range at {
		list[i] = v
	}
	return [][]float64{list}
}

func TestWhoDetectsNothingScoresZeroAndTheFirstRowOfEachWindowAHundred(t *testing.T) {
	s := made(1000, Window{300, 399}, Window{600, 699})
	for _, best := range Optimum([]*Series{s}, scored(s, nil), nil) {
		require.InDelta(t, 0, best.Score, 1e-9)
		require.Greater(t, best.Threshold, 1.0)
	}
	for _, best := range Optimum([]*Series{s}, scored(s, map[int]float64{300: .7, 600: .9}), nil) {
		require.InDelta(t, 100, best.Score, 1e-9)
		require.Equal(t, .7, best.Threshold)
	}
}

func TestOnlyTheBestDetectedRowOfAWindowCounts(t *testing.T) {
	s := made(1000, Window{300, 399})
	early := Optimum([]*Series{s}, scored(s, map[int]float64{320: .5}), nil)[0].Score
	late := Optimum([]*Series{s}, scored(s, map[int]float64{390: .5}), nil)[0].Score
	both := Optimum([]*Series{s}, scored(s, map[int]float64{390: .6, 320: .5, 395: .9}), nil)[0].Score
	require.Equal(t, early, both)
	require.Greater(t, early, late)
	// sigma(-(b-i+1)/w)/sigma(-1) with b 399, i 390, w 100; the final score of one
	// window is 100 × (value + 1 - 1 + 1)/2.
	worth := (2/(1+math.Exp(-.5)) - 1) / (2/(1+math.Exp(-5)) - 1)
	require.InDelta(t, 100*(worth+1)/2, late, 1e-9)
}

func TestAFalseAlarmCostsMoreTheFartherItIsBehindAWindow(t *testing.T) {
	s := made(1000, Window{300, 399})
	sum := func(row int) float64 {
		v, windows := Sum([]*Series{s}, scored(s, map[int]float64{row: .5}), Profiles()[0], .5, nil)
		require.Equal(t, 1, windows)
		return v + 1 // of it the missed window
	}
	require.InDelta(t, -.11, sum(200), 1e-9, "before any window")
	require.InDelta(t, -.11, sum(900), 1e-9, "far behind")
	require.InDelta(t, .11*(2/(1+math.Exp(5*50./99))-1), sum(449), 1e-9)
	require.Greater(t, sum(401), sum(410))
	require.Zero(t, sum(100), "in the probation, which is 150 rows here")
	low, _ := Sum([]*Series{s}, scored(s, map[int]float64{200: .5}), Profiles()[1], .5, nil)
	require.InDelta(t, -1.22, low, 1e-9)
	missed, _ := Sum([]*Series{s}, scored(s, nil), Profiles()[2], .5, nil)
	require.InDelta(t, -2, missed, 1e-9)
}

func TestTheBestThresholdLeavesOutWhatCostsMoreThanItBrings(t *testing.T) {
	s := made(1000, Window{300, 399})
	at := map[int]float64{300: .8}
	for i := range 30 {
		at[500+10*i] = .4
	}
	best := Optimum([]*Series{s}, scored(s, at), nil)[0]
	require.Equal(t, .8, best.Threshold)
	require.InDelta(t, 100, best.Score, 1e-9)
	sum, windows := Sum([]*Series{s}, scored(s, at), Profiles()[0], .4, nil)
	require.Less(t, Normal(Profiles()[0], sum, windows), 0.0)
}

func TestAThresholdFromOtherFoldsIsNotChosenOnItsOwn(t *testing.T) {
	good, noisy := made(1000, Window{300, 399}), made(1000, Window{300, 399})
	corpus := []*Series{good, noisy}
	scores := [][]float64{scored(good, map[int]float64{300: .2})[0], scored(noisy, map[int]float64{300: .9, 600: .2, 700: .2, 800: .2})[0]}
	// The noisy one's threshold is .9, so that the good one is missed; the good one's is
	// .2, which costs the noisy one three false alarms.
	require.InDelta(t, 100*(0+2-3*.11*1)/4, Folded(corpus, scores, 2)[0], .5)
	require.InDelta(t, 100*(4-3*.11)/4, Optimum(corpus, scores, nil)[0].Score, .5)
}

func TestTheProbationIsFifteenOfAHundredRowsAndAtMost750(t *testing.T) {
	require.Equal(t, 150, made(1000).Probation())
	require.Equal(t, 149, made(999).Probation())
	require.Equal(t, 750, made(20000).Probation())
}

func TestTheExportIsTheOriginalsFormat(t *testing.T) {
	s, dir := made(7, Window{1, 2}), t.TempDir()
	s.Values[1] = 2.5
	require.NoError(t, Export(dir, "linewatch", []*Series{s}, scored(s, map[int]float64{1: .25})))
	raw, err := os.ReadFile(filepath.Join(dir, "linewatch", "made", "linewatch_one.csv"))
	require.NoError(t, err)
	require.Contains(t, string(raw), "timestamp,value,anomaly_score,label\n2026-01-01 00:00:00,0,0,0\n2026-01-01 00:01:00,2.5,0.25,1\n2026-01-01 00:02:00,0,0,1\n2026-01-01 00:03:00,0,0,0\n")
}

func TestACorpusIsReadPlainAndWhatIsMissingIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Load("")
	require.ErrorContains(t, err, "NAB_DIR")
	_, err = Load(dir)
	require.ErrorContains(t, err, "combined_windows.json")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "labels"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data", "a"), 0o755))
	labels := `{"a/b.csv": [["2014-01-01 00:05:00.000000", "2014-01-01 00:10:00.000000"]]}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labels", "combined_windows.json"), []byte(labels), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "read a/b.csv")
	rows := "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:05:00,2e3\n2014-01-01 00:10:00,-3\n2014-01-01 00:15:00,4\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "a", "b.csv"), []byte(rows), 0o600))
	corpus, err := Load(dir)
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2000, -3, 4}, corpus[0].Values)
	require.Equal(t, []Window{{1, 2}}, corpus[0].Windows)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "a", "b.csv"), []byte(rows+"2014-01-01 00:20:00,x\n"), 0o600))
	_, err = Load(dir)
	require.ErrorContains(t, err, "line 6")
}
