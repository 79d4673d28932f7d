package mqtt

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFiltersMatchAsTheStandardSays(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"sport/#", "sport", true},
		{"sport/#", "sport/a/b", true},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"a/b", "a/b/c", false},
		{"a/{x}/c", "a/b/c", true},
		{"a/{x}/c", "a/b/d", false},
		{"#", "a", true},
	} {
		p, err := parsePattern(c.filter)
		require.NoError(t, err, c.filter)
		require.Equal(t, c.want, p.match(c.topic), "%s on %s", c.filter, c.topic)
	}
	for _, bad := range []string{"", "a/#/b", "a+/b", "{a}/{a}", "{}", "a/{b", "a\x00"} {
		_, err := parsePattern(bad)
		require.Error(t, err, bad)
	}
}

func TestNamedLevelsAndTheStationsLevelsAreFilledIn(t *testing.T) {
	levels := []string{"site", "area", "line", "cell"}
	text, err := expandStation("plant/${station.line}/press/{signal}", "hamburg/body/line3/st07", levels)
	require.NoError(t, err)
	p, err := parsePattern(text)
	require.NoError(t, err)
	require.Equal(t, "plant/line3/press/+", p.filter)
	require.Equal(t, map[string]string{"signal": "force"}, p.values("plant/line3/press/force"))
	tpl, err := parseTemplate("press.{signal}!", p.named)
	require.NoError(t, err)
	require.Equal(t, "press.force!", tpl.fill(p.values("plant/line3/press/force")))
	_, err = parseTemplate("{other}", p.named)
	require.ErrorContains(t, err, "{other}")
	_, err = expandStation("${station.building}", "a/b", levels)
	require.ErrorContains(t, err, "site, area, line, cell")
	_, err = expandStation("${station.site}", "line3/st07", levels)
	require.ErrorContains(t, err, "no level site")
}

func TestSubscriptionsThatAnotherCoversAreLeftOut(t *testing.T) {
	var list []pattern
	for _, f := range []string{"a/#", "a/{x}/c", "b/+", "b/c", "b/+", "d"} {
		p, err := parsePattern(f)
		require.NoError(t, err)
		list = append(list, p)
	}
	require.Equal(t, []string{"a/#", "b/+", "d"}, filters(list))
	require.True(t, overlap(list[0], list[1]))
	require.False(t, overlap(list[2], list[5]))
}

func FuzzFiltersNeverFail(f *testing.F) {
	f.Add("a/+/#", "a/b/c")
	f.Add("{x}/y", "$SYS/y")
	f.Fuzz(func(t *testing.T, filter, topic string) {
		p, err := parsePattern(filter)
		if err != nil {
			return
		}
		if p.match(topic) && !strings.HasPrefix(topic, "$") {
			all, _ := parsePattern("#")
			if !covers(all, p) || !overlap(all, p) {
				t.Fatalf("# does not cover %s", filter)
			}
		}
		p.values(topic)
	})
}

func TestTimesAreReadAsTextAndAsEpochInAnyUnit(t *testing.T) {
	want := time.Date(2026, 11, 22, 4, 43, 26, 500_000_000, time.UTC)
	for _, v := range []any{
		"2026-11-22T04:43:26.5Z", "2026-11-22T05:43:26.5+01:00", "2026-11-22 04:43:26.5Z",
		int64(1795322606500), float64(1795322606.5), "1795322606.5", int64(1795322606500000), int64(1795322606500000000),
	} {
		got, zone, err := parseTime(v, "auto")
		require.NoError(t, err, v)
		require.True(t, zone)
		require.Equal(t, want, got, v)
	}
	got, _, err := parseTime(int64(1795322606), "s")
	require.NoError(t, err)
	require.Equal(t, want.Truncate(time.Second), got)
	_, zone, err := parseTime("2026-11-22T04:43:26", "auto")
	require.NoError(t, err)
	require.False(t, zone)
	got, _, err = parseTime("1601-01-01T00:00:00Z", "auto")
	require.NoError(t, err)
	require.Equal(t, 1601, got.Year())
	for _, bad := range []any{"yesterday", true, nil, 1e300} {
		_, _, err := parseTime(bad, "auto")
		require.Error(t, err, bad)
	}
}
