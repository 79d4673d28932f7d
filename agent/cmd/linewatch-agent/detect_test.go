package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/cli"
)

// curve is ten minutes of a temperature that passes 90 for half a minute.
func curve() string {
	var b strings.Builder
	b.WriteString("time,temperature\n")
	from := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i := range 600 {
		v := 60 + math.Sin(float64(i)/9)
		if i >= 400 && i < 430 {
			v = 97
		}
		fmt.Fprintf(&b, "%s,%.2f\n", from.Add(time.Duration(i)*time.Second).Format("2006-01-02 15:04:05"), v)
	}
	return b.String()
}

func TestARecordedCurveIsRunThroughTheConfigurationAndDrawn(t *testing.T) {
	s := newStation(t)
	s.file("agent.yaml", common+"signals: {press.temperature: {limits: {hi: 90, deadband: 1, on_delay: 5s}}}\n")
	file := s.file("curve.csv", curve())
	out := s.ok("detect", "replay", file, "--as", "temperature=press.temperature", "--plot", s.path("curve.svg"))
	require.Contains(t, out, "2026-11-22 08:06:45  medium    alarm.state        press.temperature is 97, above its High limit of 90 for longer than 5s.")
	require.Contains(t, out, "600 values over 9m59s")
	svg, err := os.ReadFile(s.path("curve.svg"))
	require.NoError(t, err)
	require.Contains(t, string(svg), "</svg>")

	for line := range strings.SplitSeq(strings.TrimSpace(s.ok("detect", "replay", file, "--json", "--all")), "\n") {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.NoDirExists(t, s.path("data"), "nothing is recorded")
}

func TestWhatIsWrongWithAReplayIsSaid(t *testing.T) {
	s := newStation(t)
	file := s.file("curve.csv", curve())
	s.fails(cli.ExitFailed, []string{"detect", "replay", s.path("none.csv")}, "none.csv")
	s.fails(cli.ExitFailed, []string{"detect", "replay", s.file("x.csv", "a;b\n1;2\n")}, "x.csv", "semicolons")
	s.fails(cli.ExitUsage, []string{"detect", "replay", file, "--as", "temperature"}, "COLUMN=SIGNAL")
	s.fails(cli.ExitUsage, []string{"detect", "replay", file, "--zone", "Mars"}, "Europe/Berlin")
	s.fails(cli.ExitUsage, []string{"detect", "replay", file, "--plot", "x.png"}, "x.svg")
	s.fails(cli.ExitUsage, []string{"detect", "state", "lunch"}, "production, break")
	s.fails(cli.ExitFailed, []string{"detect", "state", "off"}, "not running")
	s.fails(cli.ExitFailed, []string{"detect", "pause"}, "not running")
	s.fails(cli.ExitFailed, []string{"detect", "reset", "x"}, "not running")
	require.Contains(t, s.ok("detect"), "replay")
}
