package nab

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func curve(n int, value func(i int) float64) *Series {
	s := &Series{Name: "made"}
	for i := range n {
		s.Times = append(s.Times, time.Unix(int64(i)*60, 0))
		s.Values = append(s.Values, value(i))
	}
	return s
}

func TestForecastsAreCountedAgainstWhatCame(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	tooth := curve(4000, func(i int) float64 { return float64(i%500) + noise.NormFloat64() })
	o := Forecast([]*Series{tooth})
	require.GreaterOrEqual(t, o.Told, 5, "a ramp that comes again and again is told")
	require.Positive(t, o.Inside)
	require.LessOrEqual(t, o.Inside, o.CameTrue)
	require.LessOrEqual(t, o.CameTrue, o.Told)
	require.Contains(t, o.Text(), "told")
	still := curve(4000, func(int) float64 { return noise.NormFloat64() })
	require.LessOrEqual(t, Forecast([]*Series{still}).Told, 1, "noise has no trend")
	require.Zero(t, Forecast([]*Series{curve(100, func(int) float64 { return 7 })}).Told)
	require.False(t, math.IsNaN(o.days))
}
