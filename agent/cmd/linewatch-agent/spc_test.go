package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/spc"
	"github.com/linewatch/linewatch/shared/cli"
)

// charts serves the baselines of one chart with so many minutes of values on the control
// channel of a station.
func (s *station) charts(minutes int) (by func() []string) {
	s.t.Helper()
	book, err := spc.OpenBook("")
	require.NoError(s.t, err)
	chart := spc.New(config.SPC{With: []string{"ewma"}, Low: new(38.0), High: new(46.0)}, detect.Signal{Station: "hamburg/body/line3/st07", Name: "press.force", Unit: "kN"}, book)
	at := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	for i := range minutes * 60 {
		chart.Observe(detect.Sample{At: at.Add(time.Duration(i) * time.Second), Value: 42 + float64(i/60*7%11)/5 + float64(i%10)/20})
	}
	var mu sync.Mutex
	names := []string{}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- control.Serve(ctx, s.path("data"), control.Views{Baselines: control.Baselines{
			Show: func(_ context.Context, name string) (any, error) { return book.Charts(name), nil },
			Change: func(_ context.Context, c control.BaselineChange) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				names = append(names, c.By)
				return book.Do(spc.Action(c.Action), c.Station, c.Name, c.Recipe, c.By, at)
			},
		}}, slog.New(slog.DiscardHandler))
	}()
	s.t.Cleanup(func() { stop(); require.NoError(s.t, <-done) })
	require.Eventually(s.t, func() bool {
		var v any
		return control.Get(ctx, s.path("data"), "/spc/baselines", nil, &v) == nil
	}, 10*time.Second, 2*time.Millisecond)
	return func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(names) }
}

func TestABaselineIsLookedAtApprovedAndFrozenOnTheCommandLine(t *testing.T) {
	s := newStation(t)
	require.NoError(t, os.MkdirAll(s.path("data"), 0o700))
	by := s.charts(27)
	require.Regexp(t, `press\.force +- +individuals +1m0s +25/25 +none \(1 proposed\) +waiting +a baseline waits for approval`, s.ok("spc", "baseline", "show"))
	s.fails(cli.ExitFailed, []string{"spc", "baseline", "freeze", "press.force"}, "press.force", "approve one first")
	require.Contains(t, s.ok("spc", "baseline", "approve", "press.force", "--by", "anna"), "baseline 1 of press.force is approved\nput it in force: linewatch-agent spc baseline freeze press.force")
	require.Equal(t, "baseline 1 of press.force is frozen\n", s.ok("spc", "baseline", "freeze", "press.force", "--by", "bert"))
	require.Equal(t, []string{"anna", "bert"}, by()[1:])
	out := s.ok("spc", "baseline", "show", "press.force")
	require.Regexp(t, `press\.force of hamburg/body/line3/st07: individuals of 1m0s, rules 1 2 3 5 6, with ewma; 25 of 25 points`, out)
	require.Regexp(t, `1 +frozen +43\.\d+ kN +\d+\.?\d* kN +\d+\.?\d* kN +25 +0`, out)
	require.Contains(t, out, "Ppk")
	require.Contains(t, out, "expect about 7 events in 8 hours by chance")
	require.Contains(t, s.ok("spc", "baseline", "propose", "press.force"), "baseline 2 of press.force is proposed\n")
	require.NotEmpty(t, by()[3], "without --by it is the user of the system")
	var list []spc.Shown
	require.NoError(t, json.Unmarshal([]byte(s.ok("--json", "spc", "baseline", "show")), &list))
	require.Len(t, list, 1)
	require.Equal(t, 1, list[0].Active.Version)
	s.fails(cli.ExitFailed, []string{"spc", "baseline", "show", "nosuch"}, "no chart of this name")
	s.fails(cli.ExitUsage, []string{"spc", "baseline", "approve"}, "arg")
}

func TestBaselinesNeedARunningAgent(t *testing.T) {
	s := newStation(t)
	s.fails(cli.ExitFailed, []string{"spc", "baseline", "show"}, "not running", "linewatch-agent start")
	s.fails(cli.ExitFailed, []string{"spc", "baseline", "approve", "x", "--by", "anna"}, "not running")
}
