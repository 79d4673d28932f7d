package setup

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

func TestWhatIsFoundWithinSecondsInOneStationIsOneGroupUnderOneCorrelation(t *testing.T) {
	text := "signals:\n"
	for i := range 3 {
		text += fmt.Sprintf("  signal.%d: {limits: {hi: 90, on_delay: 0s}}\n", i)
	}
	d, err := New(parse(t, text), "", nil)
	require.NoError(t, err)
	var signals []*watch.Signal
	d.Watch.Begin()
	defer d.Watch.End()
	for i := range 3 {
		signals = append(signals, d.Watch.Signal(&source.Point{Source: "s", Kind: "mqtt", Station: "a/b/c", Signal: fmt.Sprintf("signal.%d", i)}))
	}
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	var out []watch.Out
	for second := range 120 {
		for i, s := range signals {
			v := 60 + float64((second+i)%5)
			if second >= 60 && i < 2 {
				v = 95
			}
			out = append(out, s.Take(watch.Value{Received: now, Source: now, Value: v})...)
		}
		now = now.Add(time.Second)
		out = append(out, d.Watch.Tick("s", now)...)
	}
	var alarms []watch.Out
	var groups []watch.Out
	for _, o := range out {
		switch o.Finding.Type {
		case event.TypeAlarmState:
			alarms = append(alarms, o)
		case event.TypeAnomalyGroup:
			groups = append(groups, o)
		}
	}
	require.Len(t, alarms, 2)
	require.Len(t, groups, 1)
	require.NotEmpty(t, groups[0].Correlation)
	for _, a := range alarms {
		require.Equal(t, groups[0].Correlation, a.Correlation)
	}
	require.Equal(t, "a/b/c", groups[0].Point.Station)
	require.Empty(t, groups[0].Signal)
	require.Equal(t, false, groups[0].Finding.Data["alert"], "limits speak for themselves")
	require.Contains(t, groups[0].Finding.Data["explanation"], "2 signals were unusual within 10 s: signal.0 and signal.1.")
}
