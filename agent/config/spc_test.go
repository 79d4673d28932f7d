package config

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/conf"
)

const anyStation = "station: a/b/c\ndata_dir: /x\n"

func TestControlChartsHaveDefaultsThatDoNotFlood(t *testing.T) {
	c, err := Parse("agent.yaml", []byte(anyStation+"signals: {f: {spc: {}}}\nquality: {w: {}}\n"), "/x")
	require.NoError(t, err)
	s := c.Signals["f"].SPC
	require.Equal(t, "individuals", s.Chart)
	require.Equal(t, []int{1, 2, 3, 5, 6}, s.Rules)
	require.Equal(t, 25, s.Baseline)
	q := c.Quality["w"]
	require.Equal(t, "quality.check", q.Event)
	require.Equal(t, []string{"pass", "ok", "good", "io", "true", "1"}, q.Pass)
	require.Equal(t, 1, c.Alerting.PerShift)
	require.Equal(t, 8*time.Hour, c.Alerting.Shift)
}

func TestControlChartsThatWouldFloodOrMeanNothingAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"signals: {f: {spc: {subgroup: 1s}}}":                "must be at least 10s",
		"signals: {f: {spc: {values: 1}}}":                   "neighbours hang together",
		"signals: {f: {spc: {chart: p, values: 50}}}":        "belongs below quality",
		"signals: {f: {spc: {chart: xbar}}}":                 "2 to 25 parts",
		"signals: {f: {spc: {chart: xbar, values: 26}}}":     "2 to 25 parts",
		"signals: {f: {spc: {subgroup: 60s, values: 5}}}":    "not by both",
		"signals: {f: {spc: {rules: [1, 9]}}}":               "no rule 9",
		"signals: {f: {spc: {baseline: 3}}}":                 "10 to 200",
		"signals: {f: {spc: {low: 5, high: 5}}}":             "below high",
		"quality: {w: {spc: {with: [shewhart]}}}":            "none of ewma, cusum",
		"quality: {w: {spc: {chart: range}}}":                "none of individuals",
		"quality: {w: {spc: {values: -1}}}":                  "1 to 1000000",
		"alerting: {within: 0s}":                             "above 0",
		"alerting: {per_shift: -1}":                          "not negative",
		"signals: {f: {spc: {chart: individuals, rule: 3}}}": "rule",
	} {
		_, err := Parse("agent.yaml", []byte(anyStation+text+"\n"), "/x")
		var mistakes conf.Errors
		require.True(t, errors.As(err, &mistakes), text)
		require.ErrorContains(t, err, want, text)
	}
}
