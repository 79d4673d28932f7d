package words

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumbersShowTheDigitsThatMatter(t *testing.T) {
	for _, c := range []struct {
		v, spread float64
		text      string
	}{
		{87.3124, 1.4, "87.3"},
		{87.3124, 14, "87"},
		{74.00118, .0098, "74.0012"},
		{5.92, 0, "5.92"},
		{0, 0, "0"},
		{-0.001, 5, "0"},
		{1200, 100, "1200"},
		{1e12, 1, "1e+12"},
		{0.00001234, 0, "1.234e-05"},
		{math.NaN(), 1, "no number"},
		{math.Inf(1), 1, "beyond all numbers"},
		{3, math.Inf(1), "3"},
		{2.5, math.NaN(), "2.5"},
	} {
		require.Equal(t, c.text, Number(c.v, c.spread), "%v", c)
	}
	require.Equal(t, "87.3 degC", With("87.3", "degC"))
	require.Equal(t, "87.3", With("87.3", ""))
}

func TestTimesAndListsReadAsSpoken(t *testing.T) {
	require.Equal(t, "40 s", Duration(40*time.Second))
	require.Equal(t, "6 minutes", Duration(6*time.Minute+10*time.Second))
	require.Equal(t, "3 hours", Duration(3*time.Hour))
	require.Equal(t, "2 days", Duration(50*time.Hour))
	require.Equal(t, "6 to 9 minutes", Between(6*time.Minute+5*time.Second, 8*time.Minute+20*time.Second))
	require.Equal(t, "20 to 60 s", Between(20*time.Second, time.Minute))
	require.Equal(t, "4 hours", Between(4*time.Hour, 4*time.Hour))
	require.Equal(t, "a, b and c", List([]string{"a", "b", "c"}))
	require.Equal(t, "a", List([]string{"a"}))
	require.Empty(t, List(nil))
	require.Equal(t, "42,000 values", Count(42000, "value", "values"))
	require.Equal(t, "1 value", Count(1, "value", "values"))
	require.Equal(t, "999 values", Count(999, "value", "values"))
}
