package demo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/replay"
)

// firstMinutes is what a station's signals do in the first three minutes.
func firstMinutes(station string, start time.Time) string {
	var b strings.Builder
	b.WriteString("time,signal,value\n")
	held := 0.0
	for step := range 360 {
		at := start.Add(time.Duration(step) * tick).UTC().Format(time.RFC3339Nano)
		v := simulate(step, held)
		if step < stuckFrom {
			held = v.pressure
		}
		line := func(name, value string) { fmt.Fprintf(&b, "%s,%s,%s\n", at, name, value) }
		if station == "st07" {
			line("press.temperature", fmt.Sprintf("%.1f", v.temperature))
			line("press.pressure", fmt.Sprintf("%.1f", v.pressure))
			line("press.oil", fmt.Sprintf("%.2f", v.oil))
			line("press.strokes", fmt.Sprintf("%.0f", v.strokes))
			continue
		}
		line("weld.current", fmt.Sprintf("%.0f", v.current))
		if !v.noForce {
			line("weld.force", fmt.Sprintf("%.2f", v.force))
		}
		if v.noGas {
			line("weld.gas", "sensor fault")
		} else {
			line("weld.gas", fmt.Sprintf("%.2f", v.gas))
		}
	}
	return b.String()
}

func TestTheFirstThreeMinutesShowEachKindOfDetectionOfASignal(t *testing.T) {
	for station, text := range map[string]string{"st07": pressConfig, "st08": weldConfig} {
		t.Run(station, func(t *testing.T) {
			dir, now := t.TempDir(), time.Now().Truncate(time.Second)
			cfg, err := config.Parse("agent.yaml", []byte(fmt.Sprintf(text, "opc.tcp://127.0.0.1:1", 1883)), dir)
			require.NoError(t, err)
			file := filepath.Join(dir, "shift.csv")
			require.NoError(t, recordShift(file, station, now))
			shift, err := os.ReadFile(file)
			require.NoError(t, err)
			learnt, err := replay.Run(t.Context(), bytes.NewReader(shift), replay.Options{Config: cfg, Dir: dir})
			require.NoError(t, err)
			for _, e := range learnt.Events {
				if e.Type == "signal.forecast" {
					t.Log("in the shift", e.At.Sub(now).Round(time.Second), e.Data["state"], e.Sentence())
				}
			}
			t.Logf("%d values of the shift, %d events", learnt.Values, len(learnt.Events))
			res, err := replay.Run(t.Context(), strings.NewReader(firstMinutes(station, now)), replay.Options{Config: cfg, Dir: dir})
			require.NoError(t, err)
			seen := map[string]bool{}
			for _, e := range res.Events {
				t.Log(e.At.Sub(now).Round(time.Second), e.Severity, e.Type, e.Signal, e.Condition, e.Data["state"], e.Sentence())
				key := e.Type
				if e.Type == "alarm.state" {
					key = e.Signal + " " + e.Condition
				}
				seen[key] = true
				if e.Data["chattering"] == true {
					seen["chatter"] = true
				}
			}
			want := []string{"press.pressure High", "press.temperature HighHigh", "press.pressure Flatline", "signal.counter_reset", "chatter", "signal.curve", "signal.forecast"}
			if station == "st08" {
				want = []string{"anomaly.detected", "anomaly.group", "weld.current Deviation.Low", "weld.force HeartbeatLost", "signal.invalid"}
			}
			for _, w := range want {
				if !seen[w] {
					t.Errorf("%s is missing", w)
				}
			}
		})
	}
}
