package agent

import (
	"encoding/json"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/control"
	"github.com/linewatch/linewatch/agent/pipeline"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// warm is a signal that swings, second by second, and ends with these values.
func warm(last ...float64) []source.Reading {
	p := &source.Point{Source: "good", Kind: "hand", Item: "t", Station: "hamburg/body/line3/st07", Signal: "press.temperature", Unit: "degC"}
	values := make([]float64, 0, 600+len(last))
	for i := range 600 {
		values = append(values, 60+3*math.Sin(float64(i)/20))
	}
	values = append(values, last...)
	out := make([]source.Reading, len(values))
	from := time.Now().Add(-time.Duration(len(values)) * time.Second)
	for i, v := range values {
		at := from.Add(time.Duration(i) * time.Second)
		out[i] = source.Reading{Point: p, Value: v, ReceivedAt: at, SourceTime: at}
	}
	return out
}

func TestDetectionIsOnForANamedSignalAndWorksWithoutTheAggregator(t *testing.T) {
	m := newMachine(t, true) // waits for approval: nothing is forwarded
	m.cfg.Signals = map[string]config.Signal{"press.temperature": {Limits: &config.Limits{Hi: new(90.0), OnDelay: new(2 * time.Second)}}}
	stop := m.start(&hand{name: "good", begin: warm(97, 97, 97, 97)})
	m.until("it records", func(s Status) bool { return s.Backlog > 0 })
	var list []pipeline.Signal
	require.Eventually(t, func() bool {
		return control.Get(t.Context(), m.cfg.DataDir, "/signals", nil, &list) == nil && len(list) == 1 && list[0].Watch != nil
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, list[0].Watch.Alarms)
	require.EqualValues(t, 604, list[0].Watch.Values)
	var names []string
	for _, d := range list[0].Watch.Detectors {
		names = append(names, d.Detector)
	}
	require.Equal(t, []string{"limits", "counter", "novelty", "trend", "health"}, names)

	// What people tell the detectors is done and recorded.
	done, err := control.Command(t.Context(), m.cfg.DataDir, "state", url.Values{"state": {"maintenance"}, "for": {"2h"}})
	require.NoError(t, err)
	require.Equal(t, "maintenance", done["state"])
	_, err = control.Command(t.Context(), m.cfg.DataDir, "state", url.Values{"state": {"lunch"}})
	require.ErrorContains(t, err, "none of production")
	_, err = control.Command(t.Context(), m.cfg.DataDir, "state", url.Values{"state": {"off"}, "for": {"later"}})
	require.ErrorContains(t, err, "no duration")
	done, err = control.Command(t.Context(), m.cfg.DataDir, "reset", url.Values{"signal": {"press.*"}})
	require.NoError(t, err)
	require.EqualValues(t, 1, done["signals"])
	_, err = control.Command(t.Context(), m.cfg.DataDir, "reset", url.Values{"signal": {"["}})
	require.ErrorContains(t, err, "no pattern")
	_, err = control.Command(t.Context(), m.cfg.DataDir, "pause", nil)
	require.NoError(t, err)
	require.NoError(t, stop())
	require.FileExists(t, filepath.Join(m.cfg.DataDir, "detect", "learnt"))
	seen := map[string]int{}
	for _, e := range m.recorded() {
		seen[e.Type]++
		if e.Type == event.TypeAlarmState && e.Metadata.Parser == "limits" {
			require.NotNil(t, e.Curve)
			require.NotEmpty(t, e.CorrelationID)
		}
	}
	require.Positive(t, seen[event.TypeAlarmState])
	require.Equal(t, 1, seen[event.TypeSignalCurve], "the curve after the alarm")
	require.Equal(t, 3, seen[event.TypeAlarmSettingsChange])
	require.Equal(t, 1, seen[event.TypeStationProduction])
}

// recorded are the events in the journal of a stopped agent.
func (m *machine) recorded() []*event.Event {
	m.t.Helper()
	j, err := OpenJournal(m.t.Context(), m.cfg, m.log)
	require.NoError(m.t, err)
	entries, err := j.Tail(m.t.Context(), 10_000)
	require.NoError(m.t, err)
	require.NoError(m.t, j.Close())
	var out []*event.Event
	for _, e := range entries {
		parsed, _, err := event.Parse(e.Leaf)
		require.NoError(m.t, err)
		out = append(out, parsed)
	}
	return out
}

func TestWhatWasLearntIsTakenUpAndItsLossIsSaid(t *testing.T) {
	m := newMachine(t, false)
	bands := func(values ...float64) (pauses bool) {
		stop := m.start(&hand{name: "good", begin: warm(values...)})
		var list []pipeline.Signal
		require.Eventually(t, func() bool {
			return control.Get(t.Context(), m.cfg.DataDir, "/signals", nil, &list) == nil && len(list) == 1 && list[0].Watch != nil
		}, 10*time.Second, 5*time.Millisecond)
		for _, d := range list[0].Watch.Detectors {
			pauses = pauses || d.State == "paused"
		}
		_, err := control.Command(t.Context(), m.cfg.DataDir, "pause", nil)
		require.NoError(t, err)
		require.NoError(t, stop())
		return pauses
	}
	require.False(t, bands(60))
	require.True(t, bands(60), "the pause lasts over a restart")

	file := filepath.Join(m.cfg.DataDir, "detect", "learnt")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data[:len(data)/2], 0o600))
	bands(60)
	lost := 0
	for _, e := range m.recorded() {
		if e.Type == event.TypeSignalLearning {
			var data struct{ State string }
			require.NoError(t, json.Unmarshal(e.Data, &data))
			if data.State == "lost" {
				lost++
			}
		}
	}
	require.Equal(t, 1, lost)
}
