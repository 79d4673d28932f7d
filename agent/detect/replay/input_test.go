package replay

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
)

// file writes recorded curves with faults in them.
type file struct {
	b  strings.Builder
	at time.Time
	n  int
}

func (f *file) row(v string) { fmt.Fprintf(&f.b, "%s,%s\n", f.at.Format(time.RFC3339), v) }

// usual adds so many seconds of ordinary values.
func (f *file) usual(seconds int) {
	for range seconds {
		f.at = f.at.Add(time.Second)
		f.n++
		f.row(fmt.Sprintf("%.3f", 60+3*math.Sin(float64(f.n)/40)+float64(f.n*7919%13)/20))
	}
}

func (f *file) next(v string) {
	f.at = f.at.Add(time.Second)
	f.row(v)
}

// TestEachKindOfBadInputIsToldAndTheDetectorsGoOnBehindIt replays an hour and a half of
// ordinary values, one kind of bad input, an hour of ordinary ones, and a passed limit.
func TestEachKindOfBadInputIsToldAndTheDetectorsGoOnBehindIt(t *testing.T) {
	times := func(n int, v string) func(f *file) {
		return func(f *file) {
			for range n {
				f.next(v)
			}
		}
	}
	for name, c := range map[string]struct {
		bad  func(f *file)
		want []string // events that must come
		only bool     // and no others of the input, of health and of limits
	}{
		"NaN":                  {times(30, "NaN"), []string{"signal.invalid not_a_number begun", "signal.invalid not_a_number over"}, true},
		"infinite":             {times(30, "-inf"), []string{"signal.invalid infinite begun", "signal.invalid infinite over"}, true},
		"beyond float64":       {times(30, "1e999"), []string{"signal.invalid infinite begun", "signal.invalid infinite over"}, true},
		"text":                 {times(30, "sensor fault"), []string{"signal.invalid text begun", "signal.invalid text over"}, true},
		"1e308":                {times(3, "1e308"), []string{"alarm.state High active", "alarm.state High cleared"}, true},
		"a constant":           {times(300, "60"), []string{"alarm.state Flatline active", "alarm.state Flatline cleared"}, true},
		"integers beyond 2^53": {times(3, "9007199254740993"), []string{"signal.invalid integer_too_large noted", "alarm.state High active"}, false},
		"another range":        {times(60, "60000"), []string{"signal.learning relearning", "alarm.state High active"}, false},
		"duplicates": {func(f *file) {
			for range 60 {
				f.usual(1)
				line := f.b.String()[strings.LastIndex(strings.TrimSpace(f.b.String()), "\n")+1:]
				f.b.WriteString(line + line)
			}
		}, nil, true},
		"time backwards": {func(f *file) {
			back := f.at
			f.at = f.at.Add(-3 * time.Hour)
			f.row("61")
			f.at = back
		}, []string{"signal.invalid time_backwards begun", "signal.invalid time_backwards over"}, true},
		"a gap of days": {func(f *file) { f.at = f.at.Add(5 * 24 * time.Hour) }, []string{"alarm.state HeartbeatLost active", "alarm.state HeartbeatLost cleared"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &file{at: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
			f.b.WriteString("time,x\n")
			f.usual(5400)
			c.bad(f)
			f.usual(3600)
			f.next("5000")
			res, err := Run(t.Context(), strings.NewReader(f.b.String()), Options{
				Config: parse(t, "signals: {x: {limits: {hi: 1000, deadband: 1, on_delay: 0s, off_delay: 0s}}}"), Figure: true,
			})
			require.NoError(t, err)
			got := told(t, res)
			require.NotEmpty(t, got)
			require.Equal(t, "alarm.state High active", got[len(got)-1], "what comes later is seen as before: %v", got)
			got = got[:len(got)-1]
			for _, w := range c.want {
				require.Contains(t, got, w)
			}
			if c.only {
				got = slices.DeleteFunc(got, func(text string) bool { return strings.HasPrefix(text, "signal.learning") })
				require.ElementsMatch(t, c.want, got)
			}
		})
	}
}

// told lists what was said of the input, by health, by limits and of learning.
func told(t *testing.T, res *Result) (out []string) {
	t.Helper()
	for _, e := range res.Events {
		_, err := event.Object(e.Data)
		require.NoError(t, err, "%+v", e)
		switch e.Type {
		case event.TypeSignalInvalid, event.TypeAlarmState, event.TypeSignalLearning:
			text := e.Type
			for _, key := range []string{"condition", "problem", "state"} {
				if v, ok := e.Data[key].(string); ok {
					text += " " + v
				}
			}
			out = append(out, text)
		default:
			require.NotEqual(t, event.TypeSystemError, e.Type)
		}
	}
	return out
}
