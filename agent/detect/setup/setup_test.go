package setup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
)

func parse(t testing.TB, more string) config.Config {
	t.Helper()
	c, err := config.Parse("agent.yaml", []byte("station: a/b/c\ndata_dir: /x\n"+more), "/x")
	require.NoError(t, err)
	return c
}

// plant is many signals of several kinds, at a rate.
type plant struct {
	w      *watch.Watcher
	points []*source.Point
	sig    []*watch.Signal
	now    time.Time
	every  time.Duration
	n      int
	noise  *rand.Rand
}

func newPlant(t testing.TB, w *watch.Watcher, signals int, every time.Duration) *plant {
	t.Helper()
	p := &plant{w: w, every: every, now: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), noise: rand.New(rand.NewPCG(1, 2))}
	w.Begin()
	defer w.End()
	for i := range signals {
		pt := &source.Point{Source: "s", Kind: "mqtt", Station: fmt.Sprintf("a/b/c%d", i/20), Signal: fmt.Sprintf("signal.%d", i), Unit: "degC"}
		p.points = append(p.points, pt)
		p.sig = append(p.sig, w.Signal(pt))
	}
	return p
}

// value is that of one signal: noise, a rhythm, a batch with steps, a slow drift.
func (p *plant) value(i int) float64 {
	x := float64(p.n)
	switch i % 4 {
	case 0:
		return 50 + p.noise.NormFloat64()
	case 1:
		return 80 + 10*math.Sin(x/300+float64(i)) + 0.2*p.noise.NormFloat64()
	case 2:
		return float64((p.n+i*7)%600/60)*10 + 0.5*p.noise.NormFloat64()
	}
	return 20 + 1e-5*x + 0.1*p.noise.NormFloat64()
}

// round gives each signal its next value; once a second detectors tick.
func (p *plant) round() (found int) {
	p.w.Begin()
	defer p.w.End()
	for i, s := range p.sig {
		found += len(s.Take(watch.Value{Received: p.now, Source: p.now, Value: p.value(i)}))
	}
	before := p.now
	p.now, p.n = p.now.Add(p.every), p.n+1
	if p.now.Second() != before.Second() {
		found += len(p.w.Tick("s", p.now))
	}
	return found
}

const everything = "detection: {sensitivity: normal}\nsignals:\n"

// limited gives every tenth signal limits.
func limited(signals int) string {
	text := everything
	for i := 0; i < signals; i += 10 {
		text += fmt.Sprintf("  signal.%d: {limits: {hihi: 1000, hi: 900, lo: -900, deadband: 1, on_delay: 2s}}\n", i)
	}
	return text
}

// BenchmarkAValueThroughAllDetectors is what the layers A and B cost for one value
// of 1,000 signals at 10 values a second, with the flight recorder and the ticks.
func BenchmarkAValueThroughAllDetectors(b *testing.B) {
	const signals = 1000
	d, err := New(parse(b, limited(signals)), "", nil)
	require.NoError(b, err)
	p := newPlant(b, d.Watch, signals, 100*time.Millisecond)
	for range 300 {
		p.round()
	}
	b.ReportAllocs()
	rounds := 0
	for b.Loop() {
		p.round()
		rounds++
	}
	perValue := float64(b.Elapsed().Nanoseconds()) / float64(rounds*signals)
	b.ReportMetric(perValue, "ns/value")
	b.ReportMetric(perValue*10_000/1e9*100, "%core@10k/s")
}

// BenchmarkMemoryOfASignal measures the heap of 200 signals after 10 hours at
// one value a second, with all detectors; the ring of the recorder is told apart.
func BenchmarkMemoryOfASignal(b *testing.B) {
	const signals = 200
	for b.Loop() {
		var before, after runtime.MemStats
		d, err := New(parse(b, limited(signals)), "", nil)
		require.NoError(b, err)
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := newPlant(b, d.Watch, signals, 10*time.Second)
		for range 3600 {
			p.round()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/signals/1024-8, "KiB/signal")
		runtime.KeepAlive(p)
	}
}

func TestOrdinarySignalsRaiseNextToNothing(t *testing.T) {
	d, err := New(parse(t, limited(20)), t.TempDir(), nil)
	require.NoError(t, err)
	p := newPlant(t, d.Watch, 20, time.Second)
	found := 0
	for range 2 * 3600 {
		found += p.round()
	}
	require.Less(t, found, 100, "two hours of 20 signals, with what is said of learning")
}

func TestADamagedBookOfBaselinesIsAnErrorAndADamagedStateIsNone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/learnt", []byte("x"), 0o600))
	d, err := New(parse(t, ""), dir, nil)
	require.NoError(t, err)
	require.Error(t, d.Lost)
	require.NoError(t, os.WriteFile(dir+"/baselines.json", []byte("x"), 0o600))
	_, err = New(parse(t, ""), dir, nil)
	require.ErrorContains(t, err, "baselines")
}
