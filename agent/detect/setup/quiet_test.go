package setup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/shared/event"
)

// TestAStopOfTheLineCallsNobody runs three days of a station whose signals stop over
// night and over a weekend, with nothing configured: standing still and silence of
// the whole station are no fault of a sensor.
func TestAStopOfTheLineCallsNobody(t *testing.T) {
	for name, silent := range map[string]bool{"values stand still": false, "no values come": true} {
		t.Run(name, func(t *testing.T) {
			d, err := New(parse(t, ""), "", nil)
			require.NoError(t, err)
			p := newPlant(t, d.Watch, 20, 5*time.Second)
			held := make([]float64, len(p.sig))
			calls := map[string]int{}
			const perHour = 720
			for n := range 5 * 24 * perHour {
				hour := n / perHour % 24
				running := hour < 16 && n/perHour/24 != 2 // two shifts, and a day off
				d.Watch.Begin()
				var out []watch.Out
				for i, s := range p.sig {
					if running {
						held[i] = p.value(i)
					}
					if running || !silent {
						out = append(out, s.Take(watch.Value{Received: p.now, Source: p.now, Value: held[i]})...)
					}
				}
				out = append(out, d.Watch.Tick("s", p.now)...)
				d.Watch.End()
				p.now, p.n = p.now.Add(p.every), p.n+1
				for _, o := range out {
					f := o.Finding
					_, severity := event.Defaults(f.Type)
					if f.Severity != nil {
						severity = *f.Severity
					}
					if severity >= event.SeverityMedium {
						calls[f.Type+" "+f.Condition]++
					}
				}
			}
			total := 0
			for _, n := range calls {
				total += n
			}
			t.Log(calls)
			require.LessOrEqual(t, total, 12, "%v: 5 days have 8 shifts", calls)
		})
	}
}
