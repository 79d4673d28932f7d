package pipeline

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/setup"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// TestEachKindOfBadInputOfASourceIsAnEventInTheJournal hands values over as sources do,
// with all detectors at work, ends with a passed limit, and looks at what is durable.
func TestEachKindOfBadInputOfASourceIsAnEventInTheJournal(t *testing.T) {
	fill := func(n int, v any) (list []any) {
		for range n {
			list = append(list, v)
		}
		return list
	}
	left := func(reason string) func(r *source.Reading) {
		return func(r *source.Reading) {
			if r.Value == nil {
				r.Problems = []event.Problem{{Field: "value", Reason: reason}}
			}
		}
	}
	for name, c := range map[string]struct {
		values []any
		change func(r *source.Reading)
		want   string // "" for nothing
	}{
		"NaN":                             {fill(5, math.NaN()), nil, "not_a_number"},
		"infinite":                        {fill(5, math.Inf(-1)), nil, "infinite"},
		"NaN that the source left out":    {fill(5, nil), left("NaN"), "not_a_number"},
		"infinity that it left out":       {fill(5, nil), left("+Inf"), "infinite"},
		"minus infinity that it left out": {fill(5, nil), left("-Inf"), "infinite"},
		"nothing":                         {fill(5, nil), nil, "no_scalar"},
		"text":                            {fill(5, "fault"), nil, "text"},
		"an object":                       {fill(5, json.RawMessage(`{"a":1}`)), nil, "no_scalar"},
		"integers beyond 2^53":            {fill(5, uint64(math.MaxUint64)), nil, "integer_too_large"},
		"the same as text":                {fill(5, "18446744073709551615"), nil, "integer_too_large"},
		"the largest numbers":             {[]any{1e308, -1e308, math.MaxFloat64}, nil, ""},
		"a constant":                      {fill(5, 20.0), nil, ""},
		"time running backwards":          {fill(1, 20.0), func(r *source.Reading) { r.SourceTime = r.SourceTime.Add(-time.Hour) }, "time_backwards"},
		"duplicates":                      {fill(5, 24.0), func(r *source.Reading) { r.SourceTime = clock.Add(time.Minute) }, ""},
		"a gap of days": {fill(1, 20.0), func(r *source.Reading) {
			r.SourceTime, r.ReceivedAt = r.SourceTime.Add(99*time.Hour), r.ReceivedAt.Add(99*time.Hour)
		}, ""},
		"another unit": {fill(1, 20.0), func(r *source.Reading) { p := *r.Point; p.Unit = "degF"; r.Point = &p }, "unit"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Parse("agent.yaml", []byte("station: a/b/c\ndata_dir: /x\nsignals: {x: {limits: {hi: 90, deadband: 1, on_delay: 0s}}}\n"), "/x")
			require.NoError(t, err)
			d, err := setup.New(cfg, "", nil)
			require.NoError(t, err)
			p, j := newTest(t, func(o *Options) { o.Signals, o.Watch = cfg.Signals, d.Watch })
			point := mqttPoint("")
			point.Signal, point.Unit = "x", "degC"
			second := 0.0
			for range 60 {
				second++
				take(t, p, live(point, second, 20+math.Mod(second, 7)))
			}
			j.events(t)
			for _, v := range c.values {
				second++
				r := live(point, second, v)
				if c.change != nil {
					c.change(&r)
				}
				take(t, p, r)
			}
			second += 100 * 3600
			take(t, p, live(point, second, 20.0), live(point, second+1, 95.0))
			require.NoError(t, p.Sink("s").(*sink).summarise(t.Context()))
			require.Equal(t, c.want, strings.Join(problems(t, j), ", "))
		})
	}
}

// problems are what was told of the input; the passed limit behind it must be there, and
// nothing may have failed.
func problems(t *testing.T, j *memoryJournal) (out []string) {
	t.Helper()
	alarm := false
	for _, e := range j.events(t) {
		require.NotEqual(t, event.TypeSystemError, e.Type, string(e.Data))
		require.NotEqual(t, event.TypeIngestQuarantined, e.Type, string(e.Data))
		var data struct{ Problem, State, Explanation string }
		require.NoError(t, json.Unmarshal(e.Data, &data))
		switch {
		case e.Type == event.TypeSignalInvalid && data.State != "over":
			require.NotEmpty(t, data.Explanation)
			out = append(out, data.Problem)
		case e.Type == event.TypeAlarmState && data.State == "active":
			alarm = true
		}
	}
	require.True(t, alarm, "a limit passed later is still seen")
	return out
}
