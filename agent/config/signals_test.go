package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDetectionIsConfiguredStrictly(t *testing.T) {
	const head = "station: a/b\ndata_dir: /x\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":          {head + "signals: {a: {limts: {hi: 1}}}", "did you mean limits"},
		"no limit":             {head + "signals: {a: {limits: {deadband: 1}}}", "signals.a.limits: names no limit"},
		"negative delay":       {head + "signals: {a: {limits: {hi: 1, on_delay: -1s}}}", "must not be negative"},
		"each of no limit":     {head + "signals: {a: {limits: {hi: 1, each: {lo: {}}}}}", "there is no limit lo"},
		"each misspelt":        {head + "signals: {a: {limits: {hi: 1, each: {high: {}}}}}", "none of hihi, hi, lo, lolo"},
		"each severity":        {head + "signals: {a: {limits: {hi: 1, each: {hi: {severity: 1001}}}}}", "must be 1 to 1000"},
		"deadband too wide":    {head + "signals: {a: {limits: {hi: 10, lo: 5, deadband: 3}}}", "might never return"},
		"range upside down":    {head + "signals: {a: {range: [5, 1]}}", "[smallest, largest]"},
		"own setpoint":         {head + "signals: {a: {deviation: {setpoint: a, hi: 1}}}", "is the signal itself"},
		"no setpoint":          {head + "signals: {a: {deviation: {hi: 1}}}", "signals.a.deviation.setpoint: is missing"},
		"rate over nothing":    {head + "signals: {a: {rate: {hi: 1, over: 0s}}}", "longer than nothing"},
		"flatline":             {head + "signals: {a: {flatline: never}}", "auto, off, or a duration"},
		"heartbeat":            {head + "signals: {a: {heartbeat: 0s}}", "auto, off, or a duration"},
		"sensitivity":          {head + "signals: {a: {sensitivity: hig}}", "did you mean high"},
		"without":              {head + "signals: {a: {without: [noveltie]}}", "did you mean novelty"},
		"states":               {head + "signals: {a: {states: {changes: -1}}}", "must not be negative"},
		"save too often":       {head + "detection: {save: 5s}", "at least 1m"},
		"production state":     {head + "detection: {production: {signal: s, map: {1: productoin}}}", "did you mean production"},
		"map without signal":   {head + "detection: {production: {map: {1: production}}}", "needs signal"},
		"zone":                 {head + "detection: {production: {zone: Mars/Base}}", "no time zone"},
		"days":                 {head + "detection: {production: {calendar: [{days: mo-fr, from: '06:00', to: '14:00'}]}}", "no list of days"},
		"time of day":          {head + "detection: {production: {calendar: [{from: '6', to: '25:00'}]}}", "no time of day"},
		"guard rule":           {head + "detection: {guard: {off: [first_seen]}}", "is no rule"},
		"maintenance window":   {head + "detection: {guard: {windows: [{to: '08:00'}]}}", "from: is missing"},
		"chatter out of range": {head + "detection: {chatter: {raises: 1000}}", "raises must be 0 to 100"},
	} {
		_, err := Parse("agent.yaml", []byte(c.text), "/x")
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestTimesOfTheWeekAreRead(t *testing.T) {
	days, err := Weekdays("sat-mon, wed")
	require.NoError(t, err)
	require.Equal(t, [7]bool{true, true, false, true, false, false, true}, days)
	at, err := Clock("06:30")
	require.NoError(t, err)
	require.Equal(t, 390*time.Minute, at)
	_, err = Clock("24:01")
	require.Error(t, err)
	on, fixed, err := Auto("90s")
	require.NoError(t, err)
	require.True(t, on)
	require.Equal(t, 90*time.Second, fixed)
}

func FuzzTimesOfTheWeek(f *testing.F) {
	f.Add("mon-fri")
	f.Add("24:00")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := Clock(text); err == nil && (at < 0 || at > 24*time.Hour) {
			t.Fatal(at)
		}
		if days, err := Weekdays(text); err == nil && days == [7]bool{} {
			t.Fatal("no day")
		}
	})
}
