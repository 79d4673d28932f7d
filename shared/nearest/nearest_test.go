package nearest_test

import (
	"testing"

	"github.com/linewatch/linewatch/shared/nearest"
	"github.com/stretchr/testify/require"
)

func TestTheBeginningOfTwoWordsStandsForNeither(t *testing.T) {
	words := []string{"since_start", "since_end", "sinceritas"}
	require.Equal(t, "", nearest.To("sin", words))
	require.Equal(t, "sinceritas", nearest.To("sincer", words))
}

func TestTheMeantWordIsFoundAndAStrangeOneIsNot(t *testing.T) {
	words := []string{"station", "severity", "type", "id", "ip"}
	for typed, meant := range map[string]string{
		"statoin": "station", "Station": "station", "sevrity": "severity", "tpye": "type", "typ": "type",
		"sev": "severity", "sta": "station", "se": "", "i": "", "colour": "", "": "", "stationstation": "",
	} {
		require.Equal(t, meant, nearest.To(typed, words), "typed %q", typed)
	}
}
