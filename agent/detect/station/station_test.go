package station

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
)

const here = "hamburg/body/line3/st07"

func settings(t testing.TB) config.Alerting {
	t.Helper()
	var c struct {
		Alerts config.Alerting `yaml:"alerts"`
	}
	require.NoError(t, conf.Parse("agent.yaml", []byte("alerts: {}"), &c, conf.Options{}))
	require.Equal(t, 8*time.Hour, c.Alerts.Shift)
	return c.Alerts
}

// rig is a station on event time.
type rig struct {
	t   testing.TB
	w   *Watch
	now time.Time
	out []detect.Finding
}

func newRig(t testing.TB, cfg config.Alerting) *rig {
	w := New(cfg, here, NewLines())
	w.SetContext(detect.Context{State: detect.Production})
	return &rig{t: t, w: w, now: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)}
}

func (g *rig) pass(d time.Duration) {
	for end := g.now.Add(d); g.now.Before(end); {
		g.now = g.now.Add(time.Second)
		g.out = append(g.out, g.w.Tick(g.now)...)
	}
}

func (g *rig) found(signal, typ string, score float64, data map[string]any) *detect.Finding {
	if data == nil {
		data = map[string]any{}
	}
	if data["explanation"] == nil {
		data["explanation"] = signal + " was never seen so."
	}
	f := &detect.Finding{Type: typ, Condition: "Novelty", Data: data, Score: score, Detector: "novelty"}
	g.out = append(g.out, g.w.Found(detect.Signal{Station: here, Name: signal}, g.now, f)...)
	return f
}

func (g *rig) novel(signal string) *detect.Finding {
	return g.found(signal, event.TypeAnomalyDetected, .3, nil)
}

func (g *rig) event(typ, equipment, data string) {
	g.out = append(g.out, g.w.Event(detect.Event{At: g.now, Type: typ, Station: here, Equipment: equipment, Data: json.RawMessage(data)})...)
}

// groups takes what was grouped so far.
func (g *rig) groups() (list []detect.Finding) {
	for _, f := range g.out {
		if f.Type == event.TypeAnomalyGroup {
			list = append(list, f)
		}
	}
	g.out = nil
	return list
}

func TestOneSignalAloneOnceAlertsNobody(t *testing.T) {
	g := newRig(t, settings(t))
	g.novel("press.force")
	g.pass(time.Minute)
	require.Empty(t, g.groups())
}

func TestSeveralSignalsWithinSecondsAreOneEventWithItsPartsStrongestFirst(t *testing.T) {
	g := newRig(t, settings(t))
	a := g.found("press.force", event.TypeAnomalyDetected, .3, nil)
	g.pass(2 * time.Second)
	b := g.found("oil.temperature", event.TypeAnomalyDetected, .6, nil)
	g.novel("press.force") // again: the same part
	g.pass(time.Minute)
	list := g.groups()
	require.Len(t, list, 1)
	f := list[0]
	require.Equal(t, "oil.temperature and press.force", f.Data["signals"])
	require.Equal(t, true, f.Data["alert"])
	require.Equal(t, event.SeverityMedium, *f.Severity)
	parts := f.Data["parts"].([]any)
	require.Len(t, parts, 2)
	require.Equal(t, "oil.temperature", parts[0].(map[string]any)["name"])
	require.Equal(t, 2, parts[1].(map[string]any)["count"])
	require.Equal(t, "2 signals were unusual within 10 s: oil.temperature and press.force. Strongest: oil.temperature was never seen so. Alert: 2 signals at once.", f.Data["explanation"])
	require.Equal(t, f.Data["group"], a.Data["group"])
	require.Equal(t, f.Data["group"], b.Data["group"])
}

func TestWhatWaitedInAQueueIsGroupedByItsOwnTime(t *testing.T) {
	g := newRig(t, settings(t))
	for i := range 3 { // all before the next tick
		g.novel(fmt.Sprint("a", i))
		g.now = g.now.Add(2 * time.Second)
		g.novel("b")
		g.now = g.now.Add(time.Minute)
	}
	g.pass(time.Minute)
	list := g.groups()
	require.Len(t, list, 3)
	for i := 1; i < 3; i++ {
		require.Equal(t, 62*time.Second, list[i].At.Sub(list[i-1].At))
	}
}

func TestTheSameSignalsAreToldOnceAnHour(t *testing.T) {
	g := newRig(t, settings(t))
	for range 40 {
		g.found("b", event.TypeAlarmState, 0, map[string]any{"state": "active"})
		g.found("a", event.TypeAlarmState, 0, map[string]any{"state": "active"})
		g.pass(2 * time.Minute)
	}
	list := g.groups()
	require.Len(t, list, 2)
	require.Equal(t, 29, list[1].Data["repeats"])
}

func TestSignalsFarApartAreNoGroup(t *testing.T) {
	g := newRig(t, settings(t))
	g.novel("a")
	g.pass(30 * time.Second)
	g.novel("b")
	g.pass(time.Minute)
	require.Empty(t, g.groups())
}

func TestNoveltyAlertsTogetherWithWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		know         func(g *rig)
	}{
		{"a limit", "(limit)", func(g *rig) {
			g.found("oil.temperature", event.TypeAlarmState, 0, map[string]any{"state": "active", "condition": "High"})
		}},
		{"a trend", "(forecast)", func(g *rig) {
			g.found("oil.temperature", event.TypeSignalForecast, 0, map[string]any{"state": "expected"})
		}},
		{"a control chart", "(control chart)", func(g *rig) { g.found("", event.TypeQualityTrend, 3, map[string]any{"characteristic": "seal.width"}) }},
		{"an alarm of the equipment", "(limit)", func(g *rig) {
			g.event(event.TypeAlarmState, "press", `{"source":"hydraulics","condition":"OilLow","state":"active","severity":700,"message":"oil is low"}`)
		}},
		{"a stop in PackML's words", "(stop)", func(g *rig) { g.event(event.TypeEquipmentStatus, "press", `{"state":"Aborted"}`) }},
		{"a stop", "(stop)", func(g *rig) { g.event(event.TypeEquipmentStatus, "press", `{"status":"fault","previous":"running"}`) }},
		{"a fault", "(stop)", func(g *rig) {
			g.event(event.TypeEquipmentFault, "press", `{"code":"F12","text":"no air","state":"active"}`)
		}},
		{"a failed part", "(quality)", func(g *rig) { g.event(event.TypeQualityCheck, "tester", `{"characteristic":"width","result":"fail"}`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, settings(t))
			g.novel("press.force")
			c.know(g)
			g.pass(time.Minute)
			list := g.groups()
			require.Len(t, list, 1)
			require.Equal(t, true, list[0].Data["alert"])
			require.Contains(t, list[0].Data["reason"], c.reason)
			require.NotEqual(t, "press.force", list[0].Data["parts"].([]any)[0].(map[string]any)["name"], "facts come before surmises")
		})
	}
}

func TestWhatIsKnownAlertsByItselfAndIsOnlyGrouped(t *testing.T) {
	g := newRig(t, settings(t))
	for _, signal := range []string{"a", "b"} {
		g.found(signal, event.TypeAlarmState, 0, map[string]any{"state": "active"})
	}
	g.found("c", event.TypeAlarmState, 0, map[string]any{"state": "cleared"})
	g.pass(time.Minute)
	list := g.groups()
	require.Len(t, list, 1)
	require.Equal(t, false, list[0].Data["alert"])
	require.Equal(t, event.SeverityInfo, *list[0].Severity)
	require.Equal(t, 2, list[0].Data["count"])
}

func TestAlarmsThatStoodBeforeAreNoNews(t *testing.T) {
	g := newRig(t, settings(t))
	g.novel("press.force")
	g.event(event.TypeAlarmState, "press", `{"source":"hydraulics","condition":"OilLow","state":"active","refresh":true}`)
	g.event(event.TypeAlarmState, "press", `{"source":"hydraulics","condition":"OilHot","state":"cleared"}`)
	g.pass(time.Minute)
	require.Empty(t, g.groups())
}

func TestNoveltyThatLastsMayAlertByItself(t *testing.T) {
	g := newRig(t, settings(t))
	for range 3 {
		g.novel("press.force")
		g.pass(8 * time.Minute)
	}
	list := g.groups()
	require.Len(t, list, 1)
	require.Equal(t, true, list[0].Data["alert"])
	require.Contains(t, list[0].Data["explanation"], "press.force has been unusual for 16 minutes (3 marks). Last: press.force was never seen so. Alert: it lasts.")
	for range 5 {
		g.novel("press.force")
		g.pass(8 * time.Minute)
	}
	require.Empty(t, g.groups(), "what lasts is told once")
}

func TestADetectorMaySayThatItLasts(t *testing.T) {
	g := newRig(t, settings(t))
	g.found("press.force", event.TypeAnomalyDetected, .3, map[string]any{"persists": true, "lastedMs": int64(1_800_000)})
	list := g.groups()
	require.Len(t, list, 1)
	require.Contains(t, list[0].Data["explanation"], "for 30 minutes")
}

func TestAtMostOneAlertFromNoveltyInAShiftOfCleanHours(t *testing.T) {
	g := newRig(t, settings(t))
	alert := func() bool {
		g.novel("a")
		g.novel("b")
		g.pass(time.Minute)
		list := g.groups()
		require.Len(t, list, 1)
		return list[0].Data["alert"].(bool)
	}
	require.True(t, alert())
	g.pass(3 * time.Hour)
	require.False(t, alert(), "the second in a shift")
	g.w.SetContext(detect.Context{State: detect.Off})
	g.pass(24 * time.Hour)
	g.w.SetContext(detect.Context{State: detect.Production})
	require.False(t, alert(), "hours in which the line was off do not count")
	g.pass(5*time.Hour + 30*time.Minute)
	g.found("a", event.TypeAnomalyDetected, 3, nil)
	g.found("b", event.TypeAnomalyDetected, 3, nil)
	g.pass(time.Minute)
	list := g.groups()
	require.Equal(t, true, list[0].Data["alert"], "%v", list[0].Data["reason"])
}

func TestTheThresholdAdaptsToKeepTheBudgetAndSaysSo(t *testing.T) {
	g := newRig(t, settings(t))
	var told []detect.Finding
	for range 40 { // two signals that are new together every 2 hours
		g.novel("a")
		g.novel("b")
		g.pass(2 * time.Hour)
		for _, f := range g.out {
			if f.Type == event.TypeAnomalyBudget {
				told = append(told, f)
			}
		}
	}
	require.NotEmpty(t, told)
	require.Greater(t, g.w.budget.Threshold, lowest)
	require.Regexp(t, `^The threshold for alerts from unusual signals went from 2\.0 to \d\.\d: \d alerts? more than the budget in the last 8 hours of production\.$`, told[0].Data["explanation"])
	before := g.w.budget.Threshold
	g.out = nil
	g.pass(40 * time.Hour)
	require.Less(t, g.w.budget.Threshold, before, "quiet shifts bring it back")
}

func TestNobodyIsCalledWhileTheLineIsOffInServiceOrAtABreak(t *testing.T) {
	for _, state := range []string{detect.Off, detect.Maintenance, detect.Break, detect.Changeover} {
		g := newRig(t, settings(t))
		g.w.SetContext(detect.Context{State: state})
		g.novel("a")
		g.novel("b")
		g.pass(time.Minute)
		list := g.groups()
		require.Len(t, list, 1)
		require.Equal(t, false, list[0].Data["alert"], state)
	}
}

func TestAStationThatWaitsDoesNotAlarmByItselfAndIsAttachedToTheFirstStopOfTheLine(t *testing.T) {
	lines := NewLines()
	g := newRig(t, settings(t))
	g.w.line = lines
	before := New(settings(t), "hamburg/body/line3/st05", lines)
	other := New(settings(t), "hamburg/body/line4/st01", lines)
	stop := func(w *Watch, at time.Time) {
		w.Event(detect.Event{At: at, Type: event.TypeEquipmentStatus, Station: w.station, Equipment: "robot", Data: json.RawMessage(`{"status":"fault"}`)})
	}
	stop(other, g.now.Add(-time.Hour)) // another line
	stop(before, g.now)
	g.pass(30 * time.Second)
	g.event(event.TypeEquipmentStatus, "press", `{"status":"starved","previous":"running"}`)
	f := g.novel("press.force")
	require.Equal(t, event.SeverityInfo, *f.Severity)
	require.Equal(t, "press starved", f.Data["waiting"])
	require.Equal(t, "hamburg/body/line3/st05", f.Data["firstStop"].(map[string]any)["station"])
	limit := g.found("oil.temperature", event.TypeAlarmState, 0, map[string]any{"state": "active"})
	require.Nil(t, limit.Severity, "a passed limit still alarms")
	g.pass(time.Minute)
	list := g.groups()
	require.Len(t, list, 1)
	require.Equal(t, false, list[0].Data["alert"])
	require.Contains(t, list[0].Data["reason"], "the station waits (press starved)")
	require.Equal(t, "hamburg/body/line3/st05", list[0].Data["firstStop"].(map[string]any)["station"])

	before.Event(detect.Event{At: g.now, Type: event.TypeEquipmentStatus, Equipment: "robot", Data: json.RawMessage(`{"status":"running"}`)})
	_, ok := lines.first(here)
	require.False(t, ok)
	g.event(event.TypeEquipmentStatus, "press", `{"status":"running","previous":"starved"}`)
	g.novel("a")
	g.novel("b")
	g.pass(time.Minute)
	require.Equal(t, true, g.groups()[0].Data["alert"])
}

// TestAMonthOfCleanDataCallsNobodyOutMoreThanOnceAShift plays marks as a learner makes
// them: 20 signals, up to 3 marks a day each, some of them at the same moment because one
// cause reaches several signals.
func TestAMonthOfCleanDataCallsNobodyOutMoreThanOnceAShift(t *testing.T) {
	g := newRig(t, settings(t))
	r := rand.New(rand.NewPCG(1, 1))
	alerts, groups := []time.Time{}, 0
	const days, signals = 14, 20
	for range days * 24 {
		for range 2 { // some 48 marks a day, every third a pair or more
			g.pass(time.Duration(r.IntN(1700)+60) * time.Second)
			n := 1
			if r.IntN(3) == 0 {
				n = 2 + r.IntN(3)
			}
			for range n {
				g.found(fmt.Sprint("signal", r.IntN(signals)), event.TypeAnomalyDetected, .2+r.ExpFloat64()*.2, nil)
			}
		}
		g.pass(time.Minute)
		for _, f := range g.groups() {
			groups++
			if f.Data["alert"] == true {
				alerts = append(alerts, f.At)
			}
		}
	}
	t.Logf("%d groups, %d alerts in %.0f hours, threshold %.1f", groups, len(alerts), g.w.budget.Clean.Hours(), g.w.budget.Threshold)
	for i := 1; i < len(alerts); i++ {
		require.GreaterOrEqual(t, alerts[i].Sub(alerts[i-1]), 8*time.Hour-time.Minute)
	}
	require.NotEmpty(t, alerts)
	require.Less(t, float64(len(alerts))/(g.w.budget.Clean.Hours()/8), 1.0)
}

func TestTheBudgetSurvivesARestart(t *testing.T) {
	g := newRig(t, settings(t))
	g.novel("a")
	g.novel("b")
	g.event(event.TypeEquipmentStatus, "press", `{"status":"blocked"}`)
	g.event(event.TypeEquipmentStatus, "robot", `{"status":"stopped"}`)
	g.pass(time.Minute)
	again := New(settings(t), here, NewLines())
	require.NoError(t, again.Restore(g.w.Save()))
	require.Equal(t, g.w.budget.Alerts, again.budget.Alerts)
	require.Equal(t, g.w.waiting, again.waiting)
	require.Equal(t, g.w.Save(), again.Save())
	require.Error(t, again.Restore([]byte(`{"format":1,"budget":{"threshold":0}}`)))
	require.Error(t, again.Restore([]byte(`{"format":4}`)))
	require.Error(t, again.Restore([]byte(`[]`)))
	require.Nil(t, New(settings(t), here, nil).Save())
}

func FuzzStation(f *testing.F) {
	f.Add([]byte("abcdefgh"), `{"status":"fault","result":"nok","code":[1],"text":null}`)
	f.Add([]byte{0, 255, 3, 9, 27}, `{"status":{"a":1}}`)
	f.Fuzz(func(t *testing.T, moves []byte, data string) {
		if !json.Valid([]byte(data)) {
			return
		}
		g := newRig(t, settings(t))
		types := []string{event.TypeAnomalyDetected, event.TypeAlarmState, event.TypeQualityTrend, event.TypeSignalForecast, "x.y"}
		for _, m := range moves {
			switch m % 5 {
			case 0:
				g.now = g.now.Add(-time.Hour)
			case 1:
				g.event([]string{event.TypeEquipmentStatus, event.TypeEquipmentFault, event.TypeQualityCheck}[m%3], string(rune(m)), data)
			case 2:
				g.pass(time.Duration(m) * time.Second / 8)
			default:
				g.found(string(rune(m)), types[int(m)%len(types)], []float64{math.NaN(), math.Inf(1), -1, 1e308, .2}[m%5], map[string]any{"state": "active"})
				g.out = append(g.out, g.w.Found(detect.Signal{}, g.now, &detect.Finding{Type: types[int(m)%len(types)]})...)
			}
		}
		for _, f := range g.out {
			for _, v := range f.Data {
				if x, ok := v.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
					t.Fatalf("%v", f.Data)
				}
			}
		}
		if s := g.w.Save(); s != nil {
			if err := New(settings(t), here, nil).Restore(s); err != nil {
				t.Fatalf("%v: %s", err, s)
			}
		}
	})
}

func FuzzRestore(f *testing.F) {
	g := newRig(f, settings(f))
	g.novel("a")
	g.event(event.TypeEquipmentStatus, "press", `{"status":"blocked"}`)
	g.pass(time.Minute)
	f.Add(g.w.Save())
	f.Add([]byte(`{"format":1,"budget":{"threshold":2,"told":2,"alerts":[-1,9e18]},"marks":{"x":null}}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		g := newRig(t, settings(t))
		if g.w.Restore(state) != nil {
			return
		}
		for range 4 {
			g.novel("a")
			g.novel("b")
			g.pass(30 * time.Second)
		}
		if s := g.w.Save(); New(settings(t), here, nil).Restore(s) != nil {
			t.Fatalf("what was saved can't be restored: %s", s)
		}
	})
}
