package demo

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/linewatch/linewatch/agent/detect/spc"
	"github.com/linewatch/linewatch/shared/stats"
)

// Detection needs to know what is usual before it can say what is not. So the demo
// begins with a recorded shift: eight hours of the same line, replayed into the
// agents before they start, and a baseline that stands for one approved by a person.
const (
	shiftHours = 8
	shiftSteps = shiftHours * 3600 * int(time.Second/tick)
	baseline   = 40 // parts behind the approved baseline
)

// What happens to the line in its first three minutes, in steps after the start.
// Each is there for one kind of detection.
const (
	oilFrom                    = -780     // the oil began to warm up: a forecast
	flutterFrom, flutterTo     = 40, 90   // the pressure passes its limit again and again: chatter
	shiftFrom, shiftTo         = 100, 220 // the torque is off: control chart
	strangeFrom, strangeTo     = 120, 150 // two signals of the cell do what they never did: novelty, a group
	stuckFrom, stuckTo         = 150, 330 // the pressure stands still: flatline
	strokesReset               = 200      // the counter of strokes begins anew
	garbledFrom, garbledTo     = 230, 234 // the gas flow is a text: invalid values
	silentFrom, silentTo       = 270, 330 // the force gives no value: heartbeat
	strangerAt                 = 90       // somebody signs in who never did: a rule
	usualTemperature, oilUsual = 61.5, 52.0
	usualPressure              = 180.0
)

// plantValues are the values of all signals at one step. A part of it that gives no
// value is left out.
type plantValues struct {
	temperature, pressure, oil, strokes float64
	current, force, gas                 float64
	noForce, noGas                      bool
}

// simulate is the line at one step; steps below 0 are the recorded shift.
func simulate(step int, held float64) (v plantValues) {
	phase := ((step % cycle) + cycle) % cycle
	x := float64(step)
	v.temperature = usualTemperature + 2*math.Sin(x/9) + rand.Float64()
	if phase >= 40 && phase < 66 {
		v.temperature += float64(min(phase-39, 18)) * 1.9 // the drift before the fault
	}
	v.pressure = usualPressure + 3*math.Sin(x/5) + rand.Float64()
	switch {
	case step >= flutterFrom && step < flutterTo && step%10 < 2:
		v.pressure = 192
	case step >= stuckFrom && step < stuckTo:
		v.pressure = held
	}
	v.oil = oilUsual + 1.2*math.Sin(x/4000) + 0.15*rand.NormFloat64()
	if step > oilFrom {
		v.oil += min(float64(step-oilFrom)/120*0.7, 9) // 0.7 °C a minute
	}
	v.strokes = float64((step + shiftSteps + 300_000) / 3)
	if step >= strokesReset {
		v.strokes = float64((step - strokesReset) / 3)
	}
	v.current, v.force, v.gas = 210+6*rand.NormFloat64(), 3.2+0.1*rand.NormFloat64(), 12+0.3*rand.NormFloat64()
	if step >= strangeFrom && step < strangeTo {
		v.current, v.force = v.current-60, v.force+1.4
	}
	v.noForce = step >= silentFrom && step < silentTo
	v.noGas = step >= garbledFrom && step < garbledTo
	return v
}

// torque is that of the part made at a step.
func torque(step, phase int) (value float64, result string) {
	value, result = 42+rand.NormFloat64()*0.6, "pass"
	if step >= shiftFrom && step < shiftTo {
		value += 1.1
	}
	if phase > 44 && rand.IntN(9) == 0 || rand.IntN(60) == 0 {
		value, result = 44.6+rand.Float64(), "fail"
	}
	return math.Round(value*10) / 10, result
}

// learn replays the recorded shift into the folder of a station, as
// linewatch-agent detect replay --learnt does it for people.
func (p *plant) learn(ctx context.Context, s *station) error {
	dir := filepath.Dir(s.config)
	file := filepath.Join(dir, "shift.csv")
	if err := recordShift(file, s.name, time.Now()); err != nil {
		return fmt.Errorf("recorded shift: %w", err)
	}
	learnt := filepath.Join(dir, "data", "detect")
	if _, err := runTool(ctx, "", p.tool("linewatch-agent"), "detect", "replay", file, "--config", s.config, "--learnt", learnt, "--json"); err != nil {
		return err
	}
	return approved(filepath.Join(learnt, "baselines.json"), "hamburg/body/line3/"+s.name)
}

// recordShift writes what a station's signals did in the shift before now.
func recordShift(file, station string, now time.Time) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	defer func() {
		if e := w.Flush(); err == nil {
			err = e
		}
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	head := "time,press.temperature,press.pressure,press.oil,press.strokes\n"
	if station == "st08" {
		head = "time,weld.current,weld.force,weld.gas\n"
	}
	fmt.Fprint(w, head)
	for step := -shiftSteps; step < 0; step++ {
		at := now.Add(time.Duration(step) * tick).UTC().Format(time.RFC3339Nano)
		v := simulate(step, 0)
		if station == "st08" {
			fmt.Fprintf(w, "%s,%.0f,%.2f,%.2f\n", at, v.current, v.force, v.gas)
			continue
		}
		fmt.Fprintf(w, "%s,%.1f,%.1f,%.2f,%.0f\n", at, v.temperature, v.pressure, v.oil, v.strokes)
	}
	return nil
}

// approved writes a baseline of the torque that counts as approved and frozen.
func approved(file, station string) error {
	var points []spc.Point
	var all stats.Welford
	now := time.Now().UTC()
	for i := range baseline {
		v := 42 + rand.NormFloat64()*0.6
		all.Add(v)
		points = append(points, spc.Point{At: now.Add(time.Duration(i-baseline) * time.Minute), Value: v, N: 1})
	}
	b, err := spc.NewBaseline(spc.Individuals, points, all)
	if err != nil {
		return err
	}
	book, err := spc.OpenBook(file)
	if err != nil {
		return err
	}
	return book.Seed([]spc.Entry{{
		Key: spc.Key{Station: station, Name: "torque"}, Version: 1, State: spc.Frozen, Group: 1, Baseline: b, Proposed: now, Approved: now, Frozen: now,
	}})
}
