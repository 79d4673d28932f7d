package novelty

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/agent/detect/detecttest"
	"github.com/linewatch/linewatch/shared/event"
)

// rig plays values at a fixed pace and keeps the findings.
type rig struct {
	d     *Detector
	at    time.Time
	pace  time.Duration
	rng   *rand.Rand
	found []detect.Finding
}

func newRig(o Options) *rig {
	if o.Signal.Name == "" {
		o.Signal = detect.Signal{Name: "press.temperature", Unit: "degC"}
	}
	o.Location = time.UTC
	return &rig{d: New(o), at: detecttest.Monday(), pace: 10 * time.Second, rng: rand.New(rand.NewPCG(1, 2))}
}

func (r *rig) take(values ...float64) *rig {
	for _, v := range values {
		r.at = r.at.Add(r.pace)
		r.found = append(r.found, r.d.Observe(detect.Sample{At: r.at, Value: v})...)
	}
	return r
}

// normal plays n values about 70 with a deviation of 1.
func (r *rig) normal(n int) *rig {
	for range n {
		r.take(70 + r.rng.NormFloat64())
	}
	return r
}

func (r *rig) of(typ string) (list []detect.Finding) {
	for _, f := range r.found {
		if f.Type == typ {
			list = append(list, f)
		}
	}
	return list
}

func (r *rig) states() (list []string) {
	for _, f := range r.of(event.TypeSignalLearning) {
		list = append(list, f.Data["state"].(string))
	}
	return list
}

// learnt is a rig whose detector watches.
func learnt(t testing.TB, o Options) *rig {
	r := newRig(o).normal(3000)
	require.True(t, r.d.settled, r.d.detail())
	r.found = nil
	return r
}

func TestTheWarmUpIsAnnouncedWithItsEnd(t *testing.T) {
	r := newRig(Options{}).normal(3000)
	require.Equal(t, []string{"learning", "watching"}, r.states())
	list := r.of(event.TypeSignalLearning)
	require.Equal(t, "Learning begins: nothing is marked for 25 minutes, or longer while the signal still shows what it did not show before.", list[0].Data["explanation"])
	require.Regexp(t, `^Learnt enough in \d+ (minutes|hours) \([\d,]+ values\): what is new is marked from now on\.$`, list[1].Data["explanation"])
	require.Equal(t, "novelty", list[0].Data["detector"])
	require.Equal(t, "watching", r.d.Report().State)
	require.Equal(t, "learning", newRig(Options{}).normal(100).d.Report().State)
}

func TestAMarkSaysWhatIsUnusualComparedWithWhatAndHowRare(t *testing.T) {
	r := learnt(t, Options{})
	r.take(87.3)
	list := r.of(event.TypeAnomalyDetected)
	require.Len(t, list, 1)
	f := list[0]
	require.Equal(t, event.Manufacturing, f.Class)
	require.True(t, f.Curve)
	require.Nil(t, f.Severity, "the catalogue says info")
	require.Regexp(t, `87\.3 degC was never seen before \(\d\d\.\d to \d\d\.\d in [\d,]+ values\)`, f.Data["explanation"])
	require.Regexp(t, `mark (of|number)`, f.Data["explanation"])
	require.Equal(t, 87.3, f.Data["value"])
	require.Equal(t, "press.temperature", f.Data["metric"])
	require.Equal(t, false, f.Data[DataPersists])
	require.Len(t, f.Data["reasons"], mostReasons)
	expected := f.Data["expected"].(map[string]any)
	require.InDelta(t, 67.4, expected["low"], 0.8)
	require.InDelta(t, 72.6, expected["high"], 0.8)
	for _, name := range []string{"detector", "metric", "value", "expected", "score", "window"} { // the catalogue wants these
		require.Contains(t, f.Data, name)
	}
	require.Positive(t, f.Score)
	require.Equal(t, r.at.UnixNano(), f.At.UnixNano())
}

func TestEachViewHasItsSentence(t *testing.T) {
	r := learnt(t, Options{})
	m := r.d.model
	r.take(70)
	m.now[fSituation], m.now[fPhase] = 1, 0.4
	r.d.context = detect.Context{State: detect.Production, Recipe: "R2"}
	r.d.phase.period = 2400
	m.add(kindSituation)
	m.add(kindPhase)
	m.add(kindSpread)
	for k, want := range map[int]string{
		kindAtLevel:   "was never seen at this operating level (at a mean of ",
		kindValue:     "was never seen before, although it lies within ",
		kindHour:      "is unusual between ",
		kindNoise:     "than ever at this level (it moves by ",
		kindPast:      " within 80 s was never seen (from there: ",
		kindSlowHour:  "a mean of ",
		kindOff:       "is farther from the running mean of ",
		kindSituation: "was never seen with state production, recipe R2 (nothing like it until now)",
		kindPhase:     "was never seen at this point of the cycle (40 % of 40 minutes)",
		kindSpread:    "it varies more within 10 s than ever at this level",
	} {
		require.Contains(t, r.d.reason(k, 70).text, want)
	}
}

func TestWhatLastsIsToldOnceAndMarksKeepToTheirBudget(t *testing.T) {
	r := newRig(Options{}).normal(9000) // longer than a day
	require.True(t, r.d.settled)
	r.found = nil
	for range 300 {
		r.take(85 + r.rng.NormFloat64())
	}
	var lasting []detect.Finding
	for _, f := range r.of(event.TypeAnomalyDetected) {
		if f.Data[DataPersists] == true {
			lasting = append(lasting, f)
		}
	}
	require.Len(t, lasting, 1)
	require.Regexp(t, `^Unusual for 1[56] minutes now, in \d+ of 100 steps\. It began: .+$`, lasting[0].Data["explanation"])
	require.GreaterOrEqual(t, lasting[0].Data["lastedMs"], int64(15*60*1000))
	r.found = nil
	for i := range 600 { // wilder and wilder
		r.take(70 + float64(i)*r.rng.NormFloat64())
	}
	marks := 0
	for _, f := range r.of(event.TypeAnomalyDetected) {
		if f.Data[DataPersists] == false {
			marks++
		}
	}
	require.LessOrEqual(t, marks, marksPerDay)
}

func TestTheThresholdRisesWithMarksFallsWithTimeAndTellsBoth(t *testing.T) {
	var b budget
	at := detecttest.Monday().UnixNano()
	require.Equal(t, 1.0, b.factor(at))
	for i := range marksPerDay {
		require.True(t, b.take(at+int64(i)))
	}
	require.False(t, b.take(at+day-1))
	require.EqualValues(t, 1, b.withheld)
	require.InDelta(t, math.Pow(raiseByMark, marksPerDay), b.factor(at), 1e-6)
	require.True(t, b.take(at+day))
	b.raised, b.at = 2.5, at
	_, told := b.moved(at)
	require.True(t, told)
	_, told = b.moved(at + 1)
	require.False(t, told)
	factor, told := b.moved(at + 5*day)
	require.True(t, told)
	require.Less(t, factor, tellReturned)
	d := New(Options{})
	d.budget.told = true
	d.tellThreshold(2)
	require.Equal(t, "The threshold of this signal is raised to 2.0 times its usual one for about a day, to keep to 3 marks a day.", d.take()[0].Data["explanation"])
}

func TestALowerSensitivityMarksLess(t *testing.T) {
	count := func(sensitivity string) int {
		p := newPlayer("noisy", 4, 7, 0.1)
		p.d = New(Options{Sensitivity: sensitivity, Seed: 5, Location: time.UTC})
		p.until(10)
		return len(p.found)
	}
	low, normal, high := count("low"), count("normal"), count("high")
	require.LessOrEqual(t, low, normal)
	require.LessOrEqual(t, normal, high)
	require.Less(t, low, high)
}

func TestAStateOrRecipeIsLearntByItselfAndNothingWhileTheLineIsOff(t *testing.T) {
	r := newRig(Options{})
	play := func(recipe string, level float64, n int) {
		r.d.SetContext(detect.Context{State: detect.Production, Recipe: recipe})
		for range n {
			r.take(level + r.rng.NormFloat64())
		}
	}
	for range 12 {
		play("A", 70, 300)
		play("B", 80, 300)
	}
	require.True(t, r.d.settled)
	r.found = nil
	play("A", 70, 300)
	require.Empty(t, r.of(event.TypeAnomalyDetected), "a known product is no anomaly")
	play("C", 110, 140)
	require.Empty(t, r.of(event.TypeAnomalyDetected), "a product never made before is learnt first")
	play("B", 80, 60)
	r.found = nil
	play("A", 80, 60) // B's level while A is made
	list := r.of(event.TypeAnomalyDetected)
	require.NotEmpty(t, list)
	require.Contains(t, list[0].Data["explanation"], "was never seen with state production, recipe A")

	steps := r.d.model.steps
	r.found = nil
	r.d.SetContext(detect.Context{State: detect.Maintenance})
	require.Equal(t, "suppressed", r.d.Report().State)
	for range 200 {
		r.take(300)
	}
	require.Empty(t, r.found)
	require.Equal(t, steps, r.d.model.steps)
	play("A", 70, 100)
	require.Empty(t, r.of(event.TypeAnomalyDetected))
}

func TestMoreSituationsThanLevelsForgetTheOldest(t *testing.T) {
	var s situations
	for i := range levels {
		require.Equal(t, -1, s.enter(detect.Context{Recipe: string(rune('a' + i))}))
	}
	s.enter(detect.Context{Recipe: "a"})
	require.Equal(t, 1, s.enter(detect.Context{Recipe: "new"}))
	require.Len(t, s.list, levels)
	require.Equal(t, 2, s.enter(detect.Context{Recipe: "b"}), "b was forgotten")
}

func TestLearningIsPausedResumedAndReset(t *testing.T) {
	r := learnt(t, Options{})
	r.d.PauseLearning(true)
	r.d.PauseLearning(true)
	steps := r.d.model.steps
	r.take(90, 91, 92).normal(50)
	require.Equal(t, steps, r.d.model.steps)
	g := &r.d.model.grids[kindValue][0]
	g.place(91, 0, nil)
	require.Positive(t, g.novelty(), "nothing was learnt")
	require.NotEmpty(t, r.of(event.TypeAnomalyDetected), "watching goes on")
	require.Equal(t, "paused", r.d.Report().State)
	r.d.PauseLearning(false)
	r.d.Reset()
	r.normal(10)
	require.Equal(t, []string{"paused", "resumed", "reset"}, r.states())
	require.Equal(t, "learning", r.d.Report().State)
	_, _, ok := r.d.Band()
	require.False(t, ok)
}

func TestAGapIsNoAnomaly(t *testing.T) {
	r := learnt(t, Options{})
	r.at = r.at.Add(72 * time.Hour)
	r.take(73).normal(30)
	require.Empty(t, r.of(event.TypeAnomalyDetected))
	r.d.Tick(r.at.Add(time.Hour))
	r.take(70)
}

func TestOneWildValueSpoilsNothingAndAnotherUnitIsLearntAnew(t *testing.T) {
	r := learnt(t, Options{})
	width := r.d.model.grids[kindValue][0].value.width
	r.take(1e308)
	list := r.of(event.TypeAnomalyDetected)
	require.Len(t, list, 1)
	require.Equal(t, largest, list[0].Data["value"])
	r.normal(30)
	require.LessOrEqual(t, r.d.model.grids[kindValue][0].value.width, 4*width)
	require.NotContains(t, r.states(), "relearning")
	r.found = nil
	for range 200 { // kPa instead of bar
		r.take(7000 + 100*r.rng.NormFloat64())
	}
	require.Contains(t, r.states(), "relearning")
	require.Contains(t, r.of(event.TypeSignalLearning)[0].Data["explanation"], "Has its unit or its range changed?")
}

func TestTheStepFollowsTheRateAndTheRhythm(t *testing.T) {
	for _, c := range []struct{ interval, length float64 }{{0.1, 10}, {1, 10}, {10, 10}, {60, 60}, {300, 300}, {86400, longestStep}} {
		var s stepper
		at, steps, from := int64(0), 0, int64(0)
		for n := range 2000 {
			at += int64(c.interval * 1e9)
			if s.overdue(at) {
				s.cut()
				steps++
			}
			if s.take(at, float64(n)) {
				s.cut()
				steps++
			}
			if s.length == 0 {
				from = at
			}
		}
		require.InDelta(t, c.length, s.length, c.length*0.01, "%v", c)
		expected := float64(at-from) / 1e9 / max(c.length, c.interval)
		require.InDelta(t, expected, steps, expected*0.11+2, "%v", c)
	}
	r := newRig(Options{}) // a press that needs 7 s for a stroke
	r.pace = 100 * time.Millisecond
	for i := range 60_000 {
		r.take(50 + 20*math.Sin(2*math.Pi*float64(i)/70) + 0.1*r.rng.NormFloat64())
	}
	require.InDelta(t, 14, r.d.steps.length, 0.3, "two strokes")
}

func TestTheCycleOfABatchIsFoundAndItsPhaseToldInSpiteOfJitter(t *testing.T) {
	p := newPlayer("batch", 1, 3, 0.1)
	p.until(4)
	require.InDelta(t, 2400, p.d.rhythm.slow, 150)
	require.EqualValues(t, goodCycles, p.d.phase.good)
	require.NotEmpty(t, p.d.model.grids[kindPhase])
	p = newPlayer("noisy", 0, 3, 0.1)
	p.until(4)
	require.Zero(t, p.d.rhythm.slow)
	require.Zero(t, p.d.rhythm.fast)
	require.Nil(t, p.d.rhythm.curve, "looked long enough")
}

func TestTheBandHoldsNearlyAllValues(t *testing.T) {
	r := newRig(Options{}).normal(9000)
	low, high, ok := r.d.Band()
	require.True(t, ok)
	inside := 0
	for range 10_000 {
		if v := 70 + r.rng.NormFloat64(); v >= low && v <= high {
			inside++
		}
	}
	require.InDelta(t, 9900, inside, 60)
	_, _, ok = newRig(Options{}).normal(100).d.Band()
	require.False(t, ok)
}

func TestAgeingForgetsWhatWasNotSeenForTwoGenerations(t *testing.T) {
	m := NewModel(1, 400)
	rng := rand.New(rand.NewPCG(4, 4))
	at := detecttest.Monday()
	next := func(v float64) {
		at = at.Add(400 * time.Second)
		m.Step(at, v)
	}
	for i := range generation + 200 {
		if i == 4000 {
			next(90)
			continue
		}
		next(70 + rng.NormFloat64())
	}
	g := &m.grids[kindValue][0]
	g.place(90, 0, nil)
	require.Zero(t, g.novelty(), "one generation remembers")
	for range generation {
		next(70 + rng.NormFloat64())
	}
	g.place(90, 0, nil)
	require.Equal(t, 1.0, g.novelty(), "forgotten")
	g.place(70, 0, nil)
	require.Zero(t, g.novelty())
}

func TestConstantSignalsAreQuietUntilTheyMove(t *testing.T) {
	r := newRig(Options{})
	for range 2000 {
		r.take(5)
	}
	require.Empty(t, r.of(event.TypeAnomalyDetected))
	require.True(t, r.d.settled)
	r.take(6)
	require.Len(t, r.of(event.TypeAnomalyDetected), 1)
}

func TestValuesAtTheSameTimeAndTimeRunningBackwardsDoNoHarm(t *testing.T) {
	r := learnt(t, Options{})
	for range 100 {
		r.at = r.at.Add(-r.pace)
		r.take(70)
	}
	r.at = r.at.Add(-365 * 24 * time.Hour)
	steps := r.d.model.steps
	r.normal(100)
	require.Greater(t, r.d.model.steps, steps+50, "it goes on from there")
	require.Empty(t, r.of(event.TypeAnomalyDetected))
}
