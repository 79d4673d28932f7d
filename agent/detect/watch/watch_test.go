package watch

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

func at(s float64) time.Time {
	return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
}

var zero = time.Duration(0)

func standard() Options {
	return Options{
		Detection: config.Detection{MaxSignals: 100, Sensitivity: "normal", Chatter: config.Chatter{Raises: 3, Within: time.Minute}},
		Signals: map[string]config.Signal{
			"t": {Limits: &config.Limits{Hi: new(90.0), Deadband: new(1.0), OnDelay: &zero}},
		},
	}
}

func newWatcher(t testing.TB, o Options) *Watcher {
	t.Helper()
	w, err := New(o)
	require.NoError(t, err)
	return w
}

func point(name string) *source.Point {
	return &source.Point{Source: "uns", Kind: "mqtt", Endpoint: "tcp://b", Item: "topic/" + name, Station: "a/b/c", Signal: name, Unit: "degC"}
}

// give hands one value over as a live source does.
func give(w *Watcher, p *source.Point, s float64, v any) []Out {
	w.Begin()
	defer w.End()
	return w.Signal(p).Take(Value{Received: at(s), Source: at(s - 0.05), Value: v})
}

func ticks(w *Watcher, from, to float64) (out []Out) {
	for s := from; s < to; s++ {
		w.Begin()
		out = append(out, w.Tick("uns", at(s))...)
		w.End()
	}
	return out
}

func types(list []Out) (out []string) {
	for _, o := range list {
		text := o.Finding.Type
		for _, key := range []string{"condition", "problem", "state", "to"} {
			if v, ok := o.Finding.Data[key].(string); ok {
				text += " " + v
			}
		}
		out = append(out, text)
	}
	return out
}

func TestAnAlarmCarriesTheCurveBeforeItAndALinkedEventTheOneAfterIt(t *testing.T) {
	w := newWatcher(t, standard())
	p := point("t")
	for s := range 60 {
		require.Empty(t, give(w, p, float64(s), 20+float64(s%3)))
	}
	got := give(w, p, 60, 95.0)
	require.Equal(t, []string{"alarm.state High active"}, types(got))
	alarm := got[0]
	require.Equal(t, float32(95), alarm.Curve.Max[len(alarm.Curve.Max)-1])
	require.Greater(t, len(alarm.Curve.Max), 30)
	require.NotEmpty(t, alarm.Correlation)
	var more []Out
	for s := 61; s < 120; s++ {
		more = append(more, give(w, p, float64(s), 30.0)...)
		more = append(more, ticks(w, float64(s), float64(s)+1)...)
	}
	require.Equal(t, []string{"alarm.state High cleared", "signal.curve"}, types(more))
	for _, o := range more {
		require.Equal(t, alarm.Correlation, o.Correlation)
	}
	after := more[1]
	require.Equal(t, "High", after.Finding.Data["of"])
	require.False(t, after.Curve.Start.Before(at(59)))
	require.Contains(t, after.Curve.Max, float32(30))
}

func TestTheCurveAfterIsWrittenAtTheEndOfTheAgentAsFarAsItGot(t *testing.T) {
	w := newWatcher(t, standard())
	give(w, point("t"), 0, 20.0)
	give(w, point("t"), 1, 95.0)
	w.Begin()
	defer w.End()
	require.Equal(t, []string{"signal.curve"}, types(w.Flush("uns", at(2))))
	require.Empty(t, w.Flush("uns", at(3)))
}

func TestBadInputIsToldOnceAndPoisonsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		values []any
		want   string
	}{
		"NaN":       {[]any{math.NaN(), math.NaN()}, "signal.invalid not_a_number begun"},
		"infinity":  {[]any{math.Inf(1), math.Inf(-1)}, "signal.invalid infinite begun"},
		"text":      {[]any{"hello", "12.5"}, "signal.invalid text begun"},
		"an object": {[]any{[]any{int64(1)}, nil}, "signal.invalid no_scalar begun"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatcher(t, standard())
			p := point("t")
			for s := range 10 {
				require.Empty(t, give(w, p, float64(s), 20.0+float64(s)))
			}
			var got []Out
			for i, v := range c.values {
				got = append(got, give(w, p, 10+float64(i), v)...)
			}
			require.Equal(t, []string{c.want}, types(got))
			require.NotEmpty(t, got[0].Finding.Data["explanation"])
			got = nil
			for s := range 60 {
				got = append(got, give(w, p, 20+float64(s), 20.0+float64(s%5))...)
			}
			require.Equal(t, "signal.curve", got[0].Finding.Type)
			require.Len(t, got, 2)
			require.Equal(t, "over", got[1].Finding.Data["state"])
			require.Equal(t, got[0].Correlation, got[1].Correlation)
			require.EqualValues(t, len(c.values), got[1].Finding.Data["count"])
			require.Equal(t, 20.0+59%5, w.signals[key{"uns", "a/b/c", "t"}].last)
		})
	}
}

func TestIntegersThatCantBeToldApartAreToldOnceInTheLifeOfASignal(t *testing.T) {
	const first = int64(1<<53 + 1)
	for name, c := range map[string]struct {
		values []any
		told   bool
	}{
		"beyond 2^53":              {[]any{first, first + 1, first + 2}, true},
		"below -2^53":              {[]any{-first}, true},
		"of 64 bits":               {[]any{uint64(math.MaxUint64), uint64(math.MaxUint64 - 1)}, true},
		"as a leaf writes them":    {[]any{1.0, "9007199254740993", "12345678901234567890123", "-9007199254740993"}, true},
		"2^53 itself":              {[]any{int64(1 << 53), -int64(1 << 53), uint64(1 << 53)}, false},
		"floats of any size":       {[]any{1e300, -1e19, 9007199254740994.0}, false},
		"a state, by its digits":   {[]any{true, first, first + 1}, false},
		"texts that begin as such": {[]any{"9007199254740993", "9007199254740995"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := standard()
			o.File = filepath.Join(t.TempDir(), "learnt")
			w := newWatcher(t, o)
			var got []Out
			for i, v := range c.values {
				got = append(got, give(w, point("n"), float64(i), v)...)
			}
			if !c.told {
				require.Empty(t, types(got))
				return
			}
			require.Equal(t, []string{"signal.invalid integer_too_large noted"}, types(got))
			require.Contains(t, got[0].Finding.Data["explanation"], "can't be told apart")
			require.Zero(t, w.signals[key{"uns", "a/b/c", "n"}].View().Alarms, "nothing stands")
			require.NoError(t, w.Save(at(10)))
			require.Empty(t, give(newWatcher(t, o), point("n"), 20, first+7), "a restart is no new life")
		})
	}
}

func TestTimeRunningBackwardsIsToldAndAClockThatWasSetBackIsFollowed(t *testing.T) {
	w := newWatcher(t, standard())
	p := point("t")
	take := func(received, src, v float64) []Out {
		w.Begin()
		defer w.End()
		return w.Signal(p).Take(Value{Received: at(received), Source: at(src), Value: v})
	}
	for s := range 100 {
		require.Empty(t, take(float64(s), float64(s), 20+float64(s%4)))
	}
	require.Equal(t, []string{"signal.invalid time_backwards begun"}, types(take(100, 30, 20)))
	var got []Out
	for s := 101; s < 200; s++ { // the clock of the source is an hour behind now
		got = append(got, take(float64(s), float64(s)-3600, 20+float64(s%4))...)
	}
	require.ElementsMatch(t, []string{"signal.curve", "signal.invalid time_backwards over", "time.drift"}, types(got))
	require.EqualValues(t, -3600_000, got[2].Finding.Data["offsetMs"])
	require.True(t, w.signals[key{"uns", "a/b/c", "t"}].lastAt.Equal(at(199)))
}

func TestValuesThatWaitedInAQueueKeepTheirDistancesAndNoDelayEndsMeanwhile(t *testing.T) {
	o := standard()
	o.Signals["t"] = config.Signal{Limits: &config.Limits{Hi: new(90.0), Deadband: new(1.0), OnDelay: new(30 * time.Second)}}
	w := newWatcher(t, o)
	p := point("t")
	for s := range 100 {
		give(w, p, float64(s), 20.0)
	}
	var got []Out
	for s := 100; s < 400; s++ { // five minutes come at once; 20 s of them are above the limit
		v := 20.0
		if s >= 200 && s < 220 {
			v = 95
		}
		w.Begin()
		got = append(got, w.Signal(p).Take(Value{Received: at(400), Source: at(float64(s) - 0.05), Value: v})...)
		got = append(got, w.Tick("uns", at(400))...)
		w.End()
	}
	require.Empty(t, got)
}

func TestARepeatIsNoValue(t *testing.T) {
	w := newWatcher(t, standard())
	s := func() *Signal { w.Begin(); defer w.End(); return w.Signal(point("t")) }()
	for range 3 {
		w.Begin()
		s.Take(Value{Received: at(1), Source: at(0), Value: 5.0})
		w.End()
	}
	c := s.ring.Curve(time.Time{}, time.Time{}, "")
	require.Len(t, c.Min, 1)
}

func TestAnotherUnitIsTold(t *testing.T) {
	w := newWatcher(t, standard())
	give(w, point("t"), 0, 20.0)
	w.Begin()
	defer w.End()
	got := w.Signal(point("t")).Unit("degF", at(1))
	require.Equal(t, []string{"signal.invalid unit begun degF"}, types(got))
	require.Empty(t, w.Signal(point("t")).Unit("degF", at(2)))
	require.Empty(t, w.Signal(point("t")).Unit("degC", at(3)), "two units in turn are told once an hour")
}

func TestTheStateOfThePlantSuppressesByDesignAndIsPartOfEachFinding(t *testing.T) {
	o := standard()
	o.Detection.Production = config.Production{Signal: "line.state", Map: map[string]string{"1": "production", "5": "maintenance"}, Recipe: "recipe"}
	w := newWatcher(t, o)
	give(w, point("recipe"), 0, "panel-7")
	require.Equal(t, []string{"station.production production"}, types(give(w, point("line.state"), 0, int64(1))))
	got := give(w, point("t"), 1, 95.0)
	require.Equal(t, []string{"alarm.state High active"}, types(got))
	require.Equal(t, "production", got[0].Finding.Data["production"])
	require.Equal(t, "panel-7", got[0].Finding.Data["recipe"])
	require.Equal(t, []string{"station.production maintenance"}, types(give(w, point("line.state"), 2, int64(5))))
	require.Equal(t, []string{"alarm.state High cleared"}, types(ticks(w, 3, 5)))
	require.Empty(t, give(w, point("t"), 5, 99.0))

	w.Begin()
	defer w.End()
	out, err := w.Command("", "production", time.Time{}, at(6))
	require.NoError(t, err)
	require.Equal(t, []string{"alarm.settings_change", "station.production production"}, types(out))
	_, err = w.Command("", "lunch", time.Time{}, at(6))
	require.Error(t, err)
}

func TestWhatPeopleSayBeforeTheFirstValueIsTakenAndRecorded(t *testing.T) {
	o := standard()
	o.Home = "a/b/home"
	w := newWatcher(t, o)
	w.Begin()
	out, err := w.Command("", "maintenance", at(3600), at(0))
	require.NoError(t, err)
	require.Equal(t, []string{"alarm.settings_change", "station.production maintenance"}, types(out))
	require.Equal(t, "a/b/home", out[0].Point.Station)
	require.Len(t, w.Learn(true, at(0)), 1, "also a pause of learning is on record")
	w.Learn(false, at(1))
	out, err = w.Command("a/b/nowhere", "off", time.Time{}, at(1))
	require.NoError(t, err)
	require.Empty(t, out)
	w.End()
	got := give(w, point("t"), 2, 95.0) // a/b/c begins in maintenance, too
	got = append(got, ticks(w, 3, 5)...)
	require.NotContains(t, types(got), "alarm.state High active")
	require.Contains(t, types(got), "station.production maintenance")
}

// learner is a detector that shows what it is told to do.
type learner struct {
	paused bool
	reset  int
	state  string
	asked  int // values and ticks
}

func (l *learner) Name() string { return "learner" }

func (l *learner) Observe(detect.Sample) []detect.Finding { l.asked++; return nil }
func (l *learner) Tick(time.Time) []detect.Finding        { l.asked++; return nil }
func (l *learner) PauseLearning(p bool)                   { l.paused = p }
func (l *learner) Reset()                                 { l.reset++ }
func (l *learner) Save() []byte                           { return []byte(l.state) }
func (l *learner) Restore(s []byte) error {
	if string(s) == "bad" {
		return fmt.Errorf("damaged")
	}
	l.state = string(s)
	return nil
}

func TestACounterIsNotLearnt(t *testing.T) {
	l := &learner{}
	o := standard()
	o.Make = func(detect.Signal, config.Signal, string) []detect.Detector { return []detect.Detector{l} }
	w := newWatcher(t, o)
	for s := range 100 {
		give(w, point("parts"), float64(s), int64(s))
	}
	before := l.asked
	require.Positive(t, before, "nobody knows at first that it counts")
	for s := 100; s < 200; s++ {
		give(w, point("parts"), float64(s), int64(s))
		ticks(w, float64(s), float64(s)+1)
	}
	require.Equal(t, before, l.asked, "neither its values nor the time may make it learn")
}

func TestLearningIsPausedAndResetByCommandWhichIsRecorded(t *testing.T) {
	l := &learner{}
	o := standard()
	o.Make = func(detect.Signal, config.Signal, string) []detect.Detector { return []detect.Detector{l} }
	w := newWatcher(t, o)
	give(w, point("t"), 0, 20.0)
	w.Begin()
	defer w.End()
	require.Equal(t, []string{"alarm.settings_change"}, types(w.Learn(true, at(1))))
	require.True(t, l.paused)
	out, n := w.Reset(func(_, signal string) bool { return signal == "t" }, at(2))
	require.Equal(t, 1, n)
	require.Equal(t, 1, l.reset)
	require.Len(t, out, 1)
	_, n = w.Reset(func(_, signal string) bool { return signal == "other" }, at(2))
	require.Zero(t, n)
}

func TestWhatWasLearntIsTakenUpAfterARestartAndADamagedFileIsOnlyANewBeginning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "learnt")
	var l *learner
	o := standard()
	o.File = file
	o.Make = func(detect.Signal, config.Signal, string) []detect.Detector {
		l = &learner{}
		return []detect.Detector{l}
	}
	w := newWatcher(t, o)
	got := give(w, point("t"), 0, 95.0)
	require.Equal(t, []string{"alarm.state High active"}, types(got))
	l.state = "knows a lot"
	w.Learn(true, at(0))
	require.NoError(t, w.Save(at(1)))

	again := newWatcher(t, o)
	require.True(t, again.paused)
	require.Empty(t, give(again, point("t"), 10, 95.0), "the alarm is active already")
	require.Equal(t, "knows a lot", l.state)
	require.True(t, l.paused)

	// A state that was written with an event counts when it is younger.
	third := newWatcher(t, o)
	third.Recall(map[string][]byte{got[0].Key: stamp(at(5), []byte("[]"))})
	require.Equal(t, []string{"alarm.state High active"}, types(give(third, point("t"), 10, 95.0)))
	old := newWatcher(t, o)
	old.Recall(map[string][]byte{got[0].Key: stamp(at(0.5), []byte("[]")), "x": {1}})
	require.Empty(t, give(old, point("t"), 10, 95.0))

	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data[:len(data)/2], 0o600))
	damaged, err := New(o)
	require.ErrorContains(t, err, "begin anew")
	require.NotNil(t, damaged)
	require.NotNil(t, damaged.Began(err))
	require.NotPanics(t, func() { give(damaged, point("t"), 0, 1.0) })
}

func TestNoMoreSignalsAreWatchedThanConfigured(t *testing.T) {
	o := standard()
	o.Detection.MaxSignals = 3
	w := newWatcher(t, o)
	w.Begin()
	defer w.End()
	for i := range 10 {
		s := w.Signal(point(fmt.Sprint("s", i)))
		require.Equal(t, i < 3, s != nil)
	}
	require.Equal(t, []string{"signal.learning off"}, types(w.Tick("uns", at(1))), "told once")
	require.Empty(t, w.Tick("uns", at(2)))
	require.Nil(t, w.Signal(point("")))
	var none *Signal
	_, _, ok := none.Band()
	require.False(t, ok)
	require.Nil(t, none.View())
}

func TestTheViewOfASignalNamesItsDetectors(t *testing.T) {
	w := newWatcher(t, standard())
	give(w, point("t"), 0, 20.0)
	give(w, point("t"), 1, 95.0)
	v := w.signals[key{"uns", "a/b/c", "t"}].View()
	require.Equal(t, 1, v.Alarms)
	var names []string
	for _, d := range v.Detectors {
		names = append(names, d.Detector)
	}
	require.Equal(t, "limits counter health", strings.Join(names, " "))
}

func FuzzAnyFileOfStatesIsReadOrRefused(f *testing.F) {
	w := newWatcher(f, standard())
	give(w, point("t"), 0, 95.0)
	good, err := w.encode(at(1))
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		into := map[string]savedState{}
		_ = decode(data, into)
		next := newWatcher(t, standard())
		next.saved = into
		give(next, point("t"), 0, 95.0)
	})
}

func FuzzNoSequenceOfValuesDisturbsTheWatcher(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 128, 3, 3, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWatcher(t, standard())
		p := point("t")
		now, src := 0.0, 0.0
		for i, b := range data {
			now += float64(b % 7)
			src += float64(int(b)%50 - 10)
			var v any = float64(b)
			switch b % 11 {
			case 0:
				v = math.NaN()
			case 1:
				v = "text"
			case 2:
				v = math.MaxFloat64
			case 3:
				v = uint64(math.MaxUint64)
			case 4:
				v = nil
			case 5:
				v = b%2 == 0
			}
			w.Begin()
			out := w.Signal(p).Take(Value{Received: at(now), Source: at(src), Value: v, Quality: uint32(b%5) << 30, Old: i%9 == 0})
			out = append(out, w.Tick("uns", at(now))...)
			w.End()
			for _, o := range out {
				if !event.Known(o.Finding.Type) || o.Finding.Type == event.TypeSystemError || o.At.IsZero() {
					t.Fatalf("%+v", o)
				}
			}
		}
	})
}

func TestWhatWasLearntInAnotherUnitIsForgottenAndSaid(t *testing.T) {
	o := standard()
	o.File = filepath.Join(t.TempDir(), "learnt")
	o.Make = func(detect.Signal, config.Signal, string) []detect.Detector {
		return []detect.Detector{&learner{state: "x"}}
	}
	w := newWatcher(t, o)
	give(w, point("u"), 0, 20.0)
	require.NoError(t, w.Save(at(1)))
	again := newWatcher(t, o)
	other := point("u")
	other.Unit = "degF"
	give(again, other, 2, 68.0)
	got := ticks(again, 3, 4)
	require.Contains(t, types(got), "signal.learning lost")
	require.Contains(t, got[0].Finding.Data["explanation"], "u comes in degF now and was learnt in degC")
}
