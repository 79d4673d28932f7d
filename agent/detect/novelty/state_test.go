package novelty

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/detecttest"
	"github.com/linewatch/linewatch/shared/event"
)

func seal(payload []byte) []byte {
	return binary.LittleEndian.AppendUint32(payload, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
}

func TestARestartGoesOnWhereItStood(t *testing.T) {
	for _, scenario := range []string{"batch", "recipes", "daily"} {
		p := newPlayer(scenario, 1, 5, 1)
		p.until(2)
		state := p.d.Save()
		require.Less(t, len(state), 16<<10)
		q := newPlayer(scenario, 1, 5, 1)
		require.NoError(t, q.d.Restore(state))
		q.n, q.context = p.n, p.context
		q.d.context = p.context
		q.d.steps.start, q.d.steps.count, q.d.steps.lo, q.d.steps.hi, q.d.steps.mean = p.d.steps.start, p.d.steps.count, p.d.steps.lo, p.d.steps.hi, p.d.steps.mean
		q.d.settle = p.d.settle
		require.Equal(t, state, q.d.Save(), "saved again it is the same")
		p.found = nil
		for range int(24 * detecttest.Hour) {
			v := p.next()
			p.take(v)
			q.take(v)
		}
		require.Len(t, q.found, len(p.found))
		for i := range p.found {
			require.Equal(t, p.found[i].Data, q.found[i].Data)
		}
		require.Equal(t, p.d.settled, q.d.settled)
	}
}

func TestAWarmUpGoesOnAfterARestart(t *testing.T) {
	r := newRig(Options{}).normal(100)
	again := newRig(Options{})
	require.NoError(t, again.d.Restore(r.d.Save()))
	again.at = r.at
	again.normal(80)
	require.GreaterOrEqual(t, again.d.model.steps, uint64(warmUp))
	require.Empty(t, again.found, "the warm-up was announced already")
	require.Nil(t, newRig(Options{}).d.Save(), "nothing to keep")
	require.NoError(t, newRig(Options{}).d.Restore(nil))
}

func TestALostStateIsSaidAndMeansANewWarmUp(t *testing.T) {
	good := learnt(t, Options{}).d.Save()
	wrong := append([]byte(nil), good[:len(good)-4]...)
	wrong[4] = 9
	for name, state := range map[string][]byte{
		"empty file": {1}, "cut": good[:len(good)/2], "one bit": append(append([]byte(nil), good[:200]...), append([]byte{good[200] ^ 1}, good[201:]...)...),
		"other version": seal(wrong), "no length": seal([]byte("LWNV\x01\x00")), "longer": seal(append(append([]byte(nil), good[:len(good)-4]...), 0)),
	} {
		r := newRig(Options{})
		require.Error(t, r.d.Restore(state), name)
		r.normal(30)
		require.Equal(t, []string{"lost"}, r.states(), name)
		require.Contains(t, r.found[0].Data["explanation"], "could not be read (it", name)
	}
}

// TestTheFormatOfVersionOneStaysReadable reads a state that was written when the format
// was made.
func TestTheFormatOfVersionOneStaysReadable(t *testing.T) {
	state, err := os.ReadFile(filepath.Join("testdata", "state.v1"))
	require.NoError(t, err)
	d := New(Options{Signal: detect.Signal{Name: "press.temperature", Unit: "degC"}, Location: time.UTC})
	require.NoError(t, d.Restore(state))
	require.True(t, d.settled)
	require.Equal(t, state, d.Save())
	low, high, ok := d.Band()
	require.True(t, ok)
	require.InDelta(t, 67.4, low, 0.5)
	require.InDelta(t, 72.6, high, 0.5)
}

func FuzzNoStateStopsADetector(f *testing.F) {
	good := newRig(Options{}).normal(400).d.Save()
	f.Add(good[6 : len(good)-4])
	early := newRig(Options{}).normal(50).d.Save()
	f.Add(early[6 : len(early)-4])
	p := newPlayer("recipes", 2, 1, 0.1)
	p.until(1)
	many := p.d.Save()
	f.Add(many[6 : len(many)-4])
	f.Fuzz(func(t *testing.T, payload []byte) {
		state := seal(append([]byte("LWNV\x01\x00"), payload...))
		r := newRig(Options{})
		err := r.d.Restore(state)
		r.normal(40).take(1e300, -1e300, 0).normal(20)
		low, high, ok := r.d.Band()
		if ok && !(low <= high) {
			t.Fatalf("band from %v to %v after %v", low, high, err)
		}
		if again := r.d.Save(); len(again) > 0 {
			if err := New(Options{}).Restore(again); err != nil {
				t.Fatalf("what it saves can't be read: %v", err)
			}
		}
	})
}

// FuzzNoValuesStopADetector plays eight bytes as a value and its distance in time.
func FuzzNoValuesStopADetector(f *testing.F) {
	add := func(values ...float64) {
		var b []byte
		for range 200 {
			for _, v := range values {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
		f.Add(b, uint16(10_000))
	}
	add(1, 2)
	add(math.NaN(), 1, math.Inf(1), math.Inf(-1), 1e308, -1e308)
	add(0)
	add(9007199254740993, 9007199254740992, 1<<63)
	add(1e-320, 2e-320, 5)
	add(1, 1000, 1e6, 1e9, 1e12, 1e-12)
	f.Fuzz(func(t *testing.T, data []byte, pace uint16) {
		r := newRig(Options{})
		r.pace = time.Duration(pace) * time.Millisecond
		for i := 0; len(data) >= 8; i++ {
			v := math.Float64frombits(binary.LittleEndian.Uint64(data))
			if i%37 == 5 { // gaps of days, and back
				r.at = r.at.Add(time.Duration(int8(data[0])) * time.Hour)
			}
			data = data[8:]
			r.take(v)
		}
		check(t, r)
	})
}

// check that nothing in the detector is poisoned and everything it said can be written.
func check(t *testing.T, r *rig) {
	t.Helper()
	for _, found := range r.found {
		if _, err := event.Object(found.Data); err != nil {
			t.Fatalf("%v: %v", found.Data, err)
		}
	}
	if state := r.d.Save(); len(state) > 0 {
		if err := New(Options{}).Restore(state); err != nil {
			t.Fatalf("its state is not sound: %v", err)
		}
	}
	if low, high, ok := r.d.Band(); ok && !(low <= high) {
		t.Fatalf("band from %v to %v", low, high)
	}
}

// TestNoMemoryIsTakenPerValueAndLittlePerSignal measures the heap with everything that
// a signal may need: ageing, situations, a cycle, an open episode.
func TestNoMemoryIsTakenPerValueAndLittlePerSignal(t *testing.T) {
	p := newPlayer("recipes", 1, 1, 0.1)
	p.until(3)
	values := make([]float64, 1000)
	for i := range values {
		values[i] = p.next()
	}
	at := detecttest.Monday().Add(100 * 24 * time.Hour)
	p.d.Observe(detect.Sample{At: at, Value: values[0]})
	i := 0
	allocated := testing.AllocsPerRun(500, func() {
		i++
		at = at.Add(time.Second)
		p.d.Observe(detect.Sample{At: at, Value: 70 + values[i%len(values)]*1e-9})
	})
	require.Zero(t, allocated)
	require.Less(t, heapOf(t, 256), 16384.0)
}

// heapOf measures the heap of one detector, in bytes, as the mean of n.
func heapOf(tb testing.TB, n int) float64 {
	tb.Helper()
	p := newPlayer("recipes", 1, 1, 0.1)
	p.until(1.2)
	p.d.rhythm.begin(1) // all memory that the search for a cycle ever takes
	p.d.model.now[fPhase], p.d.model.now[fSpread] = 0.5, 1
	p.d.model.optional()
	state := p.d.Save()
	kept := make([]*Detector, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only marked
	runtime.ReadMemStats(&before)
	for i := range kept {
		kept[i] = New(p.d.o)
		if err := kept[i].Restore(state); err != nil {
			tb.Fatal(err)
		}
		kept[i].story.begin(kept[i].model, 1, 1, "")
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	runtime.KeepAlive(p)
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n)
}
