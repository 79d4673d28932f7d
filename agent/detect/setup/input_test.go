package setup

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// stream feeds one signal of a fully equipped Watcher.
type stream struct {
	t     testing.TB
	w     *watch.Watcher
	sig   *watch.Signal
	now   time.Time
	types map[string]int
}

func newStream(t testing.TB) *stream {
	t.Helper()
	d, err := New(parse(t, "signals: {x: {limits: {hi: 1000, lo: -1000, deadband: 1}, rate: {hi: 1000000}, deviation: {setpoint: '0', hi: 2000}, spc: {}}}\n"), "", nil)
	require.NoError(t, err)
	s := &stream{t: t, w: d.Watch, now: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), types: map[string]int{}}
	s.w.Begin()
	s.sig = s.w.Signal(&source.Point{Source: "s", Kind: "mqtt", Station: "a/b", Signal: "x", Unit: "bar"})
	s.w.End()
	return s
}

func (s *stream) give(v any, after time.Duration, src time.Time) {
	s.now = s.now.Add(after)
	s.w.Begin()
	out := s.sig.Take(watch.Value{Received: s.now, Source: src, Value: v})
	out = append(out, s.w.Tick("s", s.now)...)
	s.w.End()
	for _, o := range out {
		s.types[o.Finding.Type]++
		if o.Finding.Type == event.TypeSystemError {
			s.t.Fatalf("a detector failed: %v", o.Finding.Data)
		}
		if _, err := event.Object(o.Finding.Data); err != nil {
			s.t.Fatalf("%s: %v: %+v", o.Finding.Type, err, o.Finding.Data)
		}
	}
}

// usual gives an hour and more of ordinary values.
func (s *stream) usual(n int) {
	for i := range n {
		s.give(100+10*math.Sin(float64(i)/30)+float64(i%7)/5, time.Second, time.Time{})
	}
}

// TestNoInputPoisonsWhatWasLearnt lets a signal learn, disturbs it, and looks at it
// again: no panic, events that can be written, a finite band, and the detectors see
// a later fault as before.
func TestNoInputPoisonsWhatWasLearnt(t *testing.T) {
	disturb := map[string]func(s *stream, i int){
		"NaN and infinities": func(s *stream, i int) {
			s.give([]any{math.NaN(), math.Inf(1), math.Inf(-1)}[i%3], time.Second, time.Time{})
		},
		"texts":                  func(s *stream, _ int) { s.give("fault", time.Second, time.Time{}) },
		"the largest numbers":    func(s *stream, i int) { s.give([]any{1e308, -1e308, math.MaxFloat64}[i%3], time.Second, time.Time{}) },
		"integers beyond 2^53":   func(s *stream, i int) { s.give(uint64(1<<53+i), time.Second, time.Time{}) },
		"the same value":         func(s *stream, _ int) { s.give(100.0, time.Second, time.Time{}) },
		"time running backwards": func(s *stream, i int) { s.give(100.0, time.Second, s.now.Add(-time.Duration(i)*time.Hour)) },
		"duplicates":             func(s *stream, _ int) { s.give(100.0, 0, s.now) },
		"gaps of days":           func(s *stream, _ int) { s.give(100.0, 50*time.Hour, time.Time{}) },
		"nothing":                func(s *stream, _ int) { s.give(nil, time.Second, time.Time{}) },
		"the smallest numbers":   func(s *stream, i int) { s.give(math.SmallestNonzeroFloat64*float64(i), time.Second, time.Time{}) },
	}
	for name, f := range disturb {
		t.Run(name, func(t *testing.T) {
			s := newStream(t)
			s.usual(4000)
			for i := range 60 {
				f(s, i)
			}
			s.now = s.now.Add(time.Minute)
			s.usual(3000)
			v := s.sig.View()
			_, err := json.Marshal(v)
			require.NoError(t, err)
			if v.Low != nil {
				require.False(t, math.IsNaN(*v.Low) || math.IsInf(*v.Low, 0) || math.IsNaN(*v.High) || math.IsInf(*v.High, 0))
			}
			s.types = map[string]int{}
			for range 120 { // a limit is passed: that must still be seen
				s.give(5000.0, time.Second, time.Time{})
			}
			require.Positive(t, s.types[event.TypeAlarmState], "%v", v)
		})
	}
}

// FuzzAnyValuesAtAnyTimes is the same for whatever the fuzzer thinks of.
func FuzzAnyValuesAtAnyTimes(f *testing.F) {
	f.Add([]byte{1, 2, 3, 250, 0, 9, 77, 254, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStream(t)
		s.usual(400)
		for i, b := range data {
			var v any = math.Float64frombits(uint64(b)<<56 | uint64(i)<<40)
			switch b % 5 {
			case 1:
				v = float64(b)
			case 2:
				v = fmt.Sprint(b)
			case 3:
				v = int64(b) << (b % 60)
			}
			src := time.Time{}
			if b%3 == 0 {
				src = s.now.Add(time.Duration(int(b)-100) * time.Minute)
			}
			s.give(v, time.Duration(b%50)*time.Second<<(b%12), src)
		}
		s.usual(50)
		if _, err := json.Marshal(s.sig.View()); err != nil {
			t.Fatal(err)
		}
	})
}
