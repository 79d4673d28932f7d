package replay

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/event"
)

func parse(t testing.TB, more string) config.Config {
	t.Helper()
	c, err := config.Parse("agent.yaml", []byte("station: a/b/c\ndata_dir: /x\n"+more), "/x")
	require.NoError(t, err)
	return c
}

// recorded is an hour of a temperature with a peak above 90 in the middle.
func recorded() string {
	var b strings.Builder
	b.WriteString("time,press.temperature,press.state\n")
	from := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for i := range 3600 {
		v := 60 + 3*math.Sin(float64(i)/40)
		if i >= 1800 && i < 1830 {
			v = 97
		}
		fmt.Fprintf(&b, "%s,%.2f,running\n", from.Add(time.Duration(i)*time.Second).Format(time.RFC3339), v)
	}
	return b.String()
}

func TestAReplayRaisesWhatTheLiveAgentWould(t *testing.T) {
	cfg := parse(t, "signals: {press.temperature: {limits: {hi: 90, deadband: 1, on_delay: 5s}}}")
	res, err := Run(t.Context(), strings.NewReader(recorded()), Options{Config: cfg, Figure: true})
	require.NoError(t, err)
	require.EqualValues(t, 7200, res.Values)
	var alarms []Event
	for _, e := range res.Events {
		if e.Type == event.TypeAlarmState && e.Detector == "limits" {
			alarms = append(alarms, e)
		}
	}
	require.Len(t, alarms, 2)
	require.Equal(t, "active", alarms[0].Data["state"])
	require.Equal(t, "08:30:05", alarms[0].At.Format(time.TimeOnly))
	require.Positive(t, alarms[0].Points)
	require.Equal(t, "cleared", alarms[1].Data["state"])
	require.Equal(t, alarms[0].Correlation, alarms[1].Correlation)

	var figure bytes.Buffer
	require.NoError(t, res.Plot(&figure, cfg.Signals))
	d := xml.NewDecoder(&figure)
	texts := ""
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if c, ok := tok.(xml.CharData); ok {
			texts += string(c)
		}
	}
	require.Contains(t, texts, "press.temperature is 97, above its High limit of 90")
}

func TestTheSameFileGivesTheSameEventsEachTime(t *testing.T) {
	cfg := parse(t, "")
	var first []string
	for range 2 {
		res, err := Run(t.Context(), strings.NewReader(recorded()), Options{Config: cfg})
		require.NoError(t, err)
		var list []string
		for _, e := range res.Events {
			list = append(list, fmt.Sprint(e.At, e.Type, e.Condition, e.Sentence()))
		}
		if first == nil {
			first = list
		}
		require.Equal(t, first, list)
	}
}

func TestFilesOfManyFormsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"time of day":      {"timestamp,value\n2026-11-22 08:00:00,1.5\n", []string{"08:00:00 t=1.5"}},
		"seconds":          {"t,a,b\n1795334400,1,2\n", []string{"08:00:00 a=1 b=2"}},
		"milliseconds":     {"t,a\n1795334400500,1\n", []string{"08:00:00 a=1"}},
		"long":             {"time,signal,value\n2026-11-22T08:00:00Z,x,3\n2026-11-22T08:00:01Z,y,true\n", []string{"08:00:00 x=3", "08:00:01 y=true"}},
		"gaps and texts":   {"time,a,s\n2026-11-22 08:00,,idle\n2026-11-22 08:01,7,\n2026-11-22 08:02,,\n", []string{"08:00:00 s=idle", "08:01:00 a=7"}},
		"lines in between": {"time,a\n# note,1\n2026-11-22 08:00:00,1\n\n2026-11-22 08:00:01,NaN\n", []string{"08:00:00 a=1", "08:00:01 a=NaN"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(c.text), map[string]string{"value": "t"}, time.UTC)
			if name == "long" {
				r, err = NewReader(strings.NewReader(c.text), nil, time.UTC)
			}
			require.NoError(t, err)
			var got []string
			for {
				row, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				line := row.At.Format(time.TimeOnly)
				for _, v := range row.Values {
					line += fmt.Sprintf(" %s=%v", v.Signal, v.Value)
				}
				got = append(got, line)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestAFileThatIsNoneSaysWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "no header",
		"time;a\n":                       "semicolons",
		"time\n":                         "one per signal",
		"2026-11-22 08:00:00,1\n":        "no header",
		"time,a\nyesterday,1\n":          "no values",
		"time,a\n2026-11-22 08:00:00,\n": "no values",
	} {
		_, err := Run(t.Context(), strings.NewReader(text), Options{Config: parse(t, "")})
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzAnyFileIsReadOrRefused(f *testing.F) {
	f.Add("time,a\n2026-11-22 08:00:00,1\n")
	f.Add("time,signal,value\n1,x,1e308\n2,x,-1e308\n3,x,inf\n")
	cfg := parse(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		res, err := Run(t.Context(), strings.NewReader(text), Options{Config: cfg, Figure: true})
		if err != nil {
			return
		}
		if err := res.Plot(io.Discard, nil); err != nil {
			t.Fatal(err)
		}
	})
}
