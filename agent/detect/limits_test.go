package detect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/event"
)

func at(s float64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
}

func names(list []Finding) (out []string) {
	for _, f := range list {
		out = append(out, f.Condition+" "+f.Data["state"].(string))
	}
	return out
}

func TestALimitIsPassedAtOnceAndLeftOnlyBehindTheDeadband(t *testing.T) {
	l := NewLimits(config.Limits{Hi: new(90.0), HiHi: new(95.0), Lo: new(10.0), Deadband: 1})
	require.Empty(t, l.Observe(Sample{at(0), 90}))
	require.Equal(t, []string{"High active"}, names(l.Observe(Sample{at(1), 91})))
	require.Empty(t, l.Observe(Sample{at(2), 89.5}))
	got := l.Observe(Sample{at(3), 96})
	require.Equal(t, []string{"HighHigh active"}, names(got))
	require.Equal(t, event.SeverityHigh, *got[0].Severity)
	require.Equal(t, []string{"HighHigh cleared"}, names(l.Observe(Sample{at(4), 93.9})))
	got = l.Observe(Sample{at(5), 9})
	require.Equal(t, []string{"High cleared", "Low active"}, names(got))
	require.Equal(t, 96.0, got[0].Data["extreme"])
}

func TestAShortPeakIsSilentAndADelayEndsWithoutANewValue(t *testing.T) {
	l := NewLimits(config.Limits{Hi: new(90.0), OnDelay: 2 * time.Second, OffDelay: 3 * time.Second})
	require.Empty(t, l.Observe(Sample{at(0), 95}))
	require.Empty(t, l.Observe(Sample{at(1), 80}))
	require.Empty(t, l.Observe(Sample{at(2), 95}))
	require.Empty(t, l.Tick(at(3.9)))
	require.Equal(t, []string{"High active"}, names(l.Tick(at(4))))
	require.Empty(t, l.Tick(at(10)))
	require.Empty(t, l.Observe(Sample{at(11), 80}))
	require.Empty(t, l.Observe(Sample{at(12), 91}))
	require.Empty(t, l.Observe(Sample{at(13), 80}))
	require.Equal(t, []string{"High cleared"}, names(l.Tick(at(16))))
}

func FuzzLimitsAlternate(f *testing.F) {
	f.Add([]byte{1, 200, 3, 90, 255, 0})
	f.Fuzz(func(t *testing.T, values []byte) {
		l := NewLimits(config.Limits{Hi: new(100.0), LoLo: new(20.0), Deadband: 5, OnDelay: 2 * time.Second})
		active := map[string]bool{}
		for i, v := range values {
			for _, f := range l.Observe(Sample{at(float64(i)), float64(v)}) {
				level, on := f.Condition, f.Data["state"] == "active"
				if active[level] == on {
					t.Fatalf("%s %v twice", level, on)
				}
				active[level] = on
			}
		}
	})
}
