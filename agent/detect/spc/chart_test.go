package spc

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

func start() time.Time { return time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC) }

func force() detect.Signal {
	return detect.Signal{Station: "hamburg/body/line3/st07", Name: "press.force", Unit: "kN", Source: "press"}
}

// rig feeds one chart a value per second.
type rig struct {
	t     *testing.T
	book  *Book
	chart *Chart
	now   time.Time
	r     *rand.Rand
}

func newRig(t *testing.T, cfg config.SPC) *rig {
	t.Helper()
	book, err := OpenBook(filepath.Join(t.TempDir(), "spc.json"))
	require.NoError(t, err)
	return &rig{t: t, book: book, chart: New(cfg, force(), book), now: start(), r: rand.New(rand.NewPCG(1, 2))}
}

// minutes feeds whole minutes of values about a mean.
func (g *rig) minutes(n int, mean float64) (out []detect.Finding) {
	for range n {
		level := mean + g.r.NormFloat64()*.5
		for range 60 {
			out = append(out, g.chart.Observe(detect.Sample{At: g.now, Value: level + g.r.NormFloat64()*.1})...)
			g.now = g.now.Add(time.Second)
			out = append(out, g.chart.Tick(g.now)...)
		}
	}
	return out
}

func (g *rig) freeze() {
	g.t.Helper()
	_, err := g.book.Do(Approve, "", "press.force", g.chart.recipe(), "anna", g.now)
	require.NoError(g.t, err)
	_, err = g.book.Do(Freeze, "", "press.force", g.chart.recipe(), "anna", g.now)
	require.NoError(g.t, err)
}

func explanation(f detect.Finding) string { return f.Data["explanation"].(string) }

func TestABaselineIsProposedApprovedFrozenAndThenWatched(t *testing.T) {
	g := newRig(t, config.SPC{})
	require.Empty(t, g.minutes(24, 42))
	require.Equal(t, "learning", g.chart.Report().State)
	got := g.minutes(2, 42)
	require.Len(t, got, 1)
	require.Equal(t, event.TypeSpcBaseline, got[0].Type)
	require.Equal(t, "proposed", got[0].Data["state"])
	require.Equal(t, 1, got[0].Data["version"])
	require.Equal(t, "waiting", g.chart.Report().State)
	require.Empty(t, g.minutes(5, 60), "nothing is compared with what nobody approved")

	_, err := g.book.Do(Freeze, "", "press.force", "", "anna", g.now)
	require.ErrorContains(t, err, "approve one first")
	ch, err := g.book.Do(Approve, "", "press.force", "", "anna", g.now)
	require.NoError(t, err)
	require.Equal(t, "anna", ch.Data["by"])
	require.Equal(t, "approved", ch.Data["state"])
	require.Empty(t, g.minutes(2, 60), "approved is not yet in force")
	ch, err = g.book.Do(Freeze, "", "press.force", "", "bert", g.now)
	require.NoError(t, err)
	require.Contains(t, explanation(detect.Finding{Data: ch.Data}), "Baseline 1 of press.force is in force: mean 4")

	g.minutes(10, 42)
	require.Equal(t, "watching", g.chart.Report().State)
	got = g.minutes(2, 48)
	require.NotEmpty(t, got)
	f := got[0]
	require.Equal(t, event.TypeQualityTrend, f.Type)
	require.Equal(t, "nelson 1", f.Data["rule"])
	require.Equal(t, event.Manufacturing, f.Class)
	require.True(t, f.Curve)
	require.Regexp(t, `^press\.force in the mean of 60 s is 4[789]\.?\d* kN, above the control limit of 4\d\.\d+ kN\. .*By chance that happens once in about 370 points\. Compared with baseline 1 of 25 subgroups, frozen on 2026-05-04\.$`, explanation(f))
}

func TestAnAlarmThatLastsIsToldOnce(t *testing.T) {
	g := newRig(t, config.SPC{Rules: []int{1}})
	g.minutes(27, 42)
	g.freeze()
	require.Len(t, g.minutes(30, 48), 1)
	require.Empty(t, g.minutes(10, 42))
	require.Len(t, g.minutes(3, 48), 1, "it fires again after it was quiet for a while")
}

func TestASmallLastingShiftIsFoundWithTheTimeOfItsBegin(t *testing.T) {
	g := newRig(t, config.SPC{Rules: []int{}, With: []string{"cusum", "ewma"}})
	g.minutes(27, 42)
	g.freeze()
	g.minutes(20, 42)
	got := g.minutes(30, 42.7)
	require.NotEmpty(t, got)
	var texts strings.Builder
	for _, f := range got {
		texts.WriteString(explanation(f) + "\n")
	}
	require.Regexp(t, `press\.force has shifted from 4\d\.?\d* kN to about 4[23]\.\d+ kN, \d+ minutes ago\.`, texts.String())
	require.Contains(t, texts.String(), "The moving average of press.force has drifted to 4")
}

func TestEachRecipeHasABaselineOfItsOwn(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.chart.SetContext(detect.Context{State: detect.Production, Recipe: "A"})
	g.minutes(27, 42)
	g.freeze()
	g.chart.SetContext(detect.Context{State: detect.Production, Recipe: "B"})
	got := g.minutes(27, 80)
	require.Len(t, got, 1, "a change of product is no alarm, but the product's first baseline is proposed")
	require.Equal(t, "B", got[0].Data["recipe"])
	g.freeze()
	g.chart.SetContext(detect.Context{State: detect.Production, Recipe: "A"})
	require.Empty(t, g.minutes(5, 42))
	require.NotEmpty(t, g.minutes(3, 80))
	require.Len(t, g.book.Charts("press.force"), 3) // A, B and none
}

func TestNothingIsTakenInWhileTheLineIsOffOrInService(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	g.freeze()
	for _, state := range []string{detect.Off, detect.Maintenance, detect.Break, detect.Changeover} {
		g.chart.SetContext(detect.Context{State: state})
		require.Empty(t, g.minutes(5, 99))
		require.Equal(t, "suppressed", g.chart.Report().State)
	}
	g.chart.SetContext(detect.Context{State: detect.Production})
	require.NotEmpty(t, g.minutes(3, 99))
}

func TestBaselinesRunsAndCollectedPointsSurviveARestart(t *testing.T) {
	g := newRig(t, config.SPC{With: []string{"cusum"}})
	g.minutes(27, 42)
	g.freeze()
	g.minutes(4, 43)
	state := g.chart.Save()
	require.NotNil(t, state)
	before := g.book.Charts("")[0]

	book, err := OpenBook(g.book.path)
	require.NoError(t, err)
	again := New(config.SPC{With: []string{"cusum"}}, force(), book)
	require.NoError(t, again.Restore(state))
	after := book.Charts("")[0]
	require.Equal(t, before.Active, after.Active)
	require.Equal(t, before.Points, after.Points)
	require.Equal(t, g.chart.cur.tests, again.cur.tests)
	require.Equal(t, g.chart.cur.cusum, again.cur.cusum)
}

func TestAProposalIsToldOnceAndSurvivesARestart(t *testing.T) {
	g := newRig(t, config.SPC{})
	require.Len(t, g.minutes(27, 42), 1)
	state := g.chart.Save()
	before := g.book.Charts("")[0].Versions
	g.book, _ = OpenBook(g.book.path)
	g.chart = New(config.SPC{}, force(), g.book)
	require.NoError(t, g.chart.Restore(state))
	require.Empty(t, g.minutes(5, 42), "the proposal still waits")
	require.Equal(t, before, g.book.Charts("")[0].Versions)
	g.freeze()
	require.NotEmpty(t, g.minutes(3, 99))
}

func TestAnAlarmThatComesAndGoesIsToldOnce(t *testing.T) {
	g := newRig(t, config.SPC{Rules: []int{1}})
	g.minutes(27, 42)
	g.freeze()
	g.minutes(2, 42)
	told := 0
	for range 10 {
		told += len(g.minutes(1, 48)) + len(g.minutes(2, 42))
	}
	require.Equal(t, 1, told)
}

func TestBaselinesAreShownAlsoBeforeTheFirstValueOfTheDay(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	g.freeze()
	book, err := OpenBook(g.book.path)
	require.NoError(t, err)
	list := book.Charts("press.force")
	require.Len(t, list, 1)
	require.Equal(t, "idle", list[0].State)
	require.Equal(t, "1m0s", list[0].Subgroup)
	require.Equal(t, 1, list[0].Active.Version)
	require.Empty(t, book.Charts("other"))
}

func TestABaselineOfOtherSubgroupsIsNotUsed(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	g.freeze()
	g.chart = New(config.SPC{Subgroup: 30 * time.Second}, force(), g.book)
	require.Equal(t, "learning", g.chart.Report().State)
	require.Empty(t, g.minutes(5, 99))
	shown := g.book.Charts("press.force")
	require.Contains(t, strings.Join(shown[0].Remarks, " "), "other subgroups, in another unit or of another source than the configuration asks for")
}

func TestTwoSourcesWithASignalOfOneNameNeverShareABaseline(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	g.freeze()
	other := force()
	other.Source = "press2"
	book, err := OpenBook(g.book.path)
	require.NoError(t, err)
	g.chart = New(config.SPC{}, other, book) // after a restart the other one comes first
	require.Empty(t, g.minutes(5, 99))
	require.Equal(t, "learning", g.chart.Report().State)
}

func TestABaselineInAnotherUnitIsNotUsed(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	g.freeze()
	pounds := force()
	pounds.Unit = "lbf"
	g.chart = New(config.SPC{}, pounds, g.book)
	require.Empty(t, g.minutes(5, 9442))
	require.Equal(t, "learning", g.chart.Report().State)
}

func TestAProposalSaysWhatAPersonShouldLookAt(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(10, 42)
	g.minutes(1, 52)
	got := g.minutes(16, 42)
	require.Len(t, got, 1)
	require.Contains(t, explanation(got[0]), "lie outside of their own limits: something happened")
	// A person waits until it is gone, and proposes anew.
	g.minutes(26, 42)
	ch, err := g.book.Do(Propose, "", "press.force", "", "anna", g.now)
	require.NoError(t, err)
	require.Empty(t, ch.Remarks)
	require.Equal(t, 1, ch.Entry.Version, "a proposal that nobody approved is replaced")
}

func TestAskingForWhatIsNotThereNamesTheRemedy(t *testing.T) {
	g := newRig(t, config.SPC{})
	_, err := g.book.Do(Approve, "", "nosuch", "", "anna", g.now)
	require.ErrorIs(t, err, ErrNoChart)
	_, err = g.book.Do(Approve, "", "press.force", "", "anna", g.now)
	require.ErrorContains(t, err, "propose one first")
	_, err = g.book.Do(Propose, "", "press.force", "", "anna", g.now)
	require.ErrorContains(t, err, "only 0 of 25 subgroups")
	_, err = g.book.Do("burn", "", "press.force", "", "anna", g.now)
	require.ErrorContains(t, err, "unknown action")
	New(config.SPC{}, detect.Signal{Station: "other", Name: "press.force"}, g.book)
	_, err = g.book.Do(Approve, "", "press.force", "", "anna", g.now)
	require.ErrorIs(t, err, ErrSeveral)
}

func TestWhatCannotBeWrittenIsNotInForce(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.minutes(27, 42)
	require.NoError(t, os.Mkdir(g.book.path, 0o700)) // a folder where the file should be
	_, err := g.book.Do(Approve, "", "press.force", "", "anna", g.now)
	require.Error(t, err)
	require.NoError(t, os.Remove(g.book.path))
	_, err = g.book.Do(Freeze, "", "press.force", "", "anna", g.now)
	require.ErrorContains(t, err, "approve one first")
}

func TestADamagedBookIsNamedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spc.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"format":1,"entries":[{"name":"x","version":1,"state":"frozen","baseline":{"base":"p","center":7,"sigma":1,"subgroups":25}}]}`), 0o600))
	_, err := OpenBook(path)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "a share outside of 0 to 1")
	require.FileExists(t, path)
}

func TestAConstantSignalGivesNoBaselineAndNoAlarm(t *testing.T) {
	g := newRig(t, config.SPC{})
	for range 40 * 60 {
		require.Empty(t, g.chart.Observe(detect.Sample{At: g.now, Value: 5}))
		g.now = g.now.Add(time.Second)
	}
	_, err := g.book.Do(Propose, "", "press.force", "", "anna", g.now)
	require.True(t, errors.Is(err, ErrConstant), err)
}

func TestAMinuteThatBeganBeforeListeningIsNoPoint(t *testing.T) {
	g := newRig(t, config.SPC{})
	g.now = start().Add(40 * time.Second)
	g.minutes(3, 42) // ends 40 s into a minute
	shown := g.book.Charts("")[0]
	require.Equal(t, 2, shown.Collected)
	require.Equal(t, start().Add(2*time.Minute), shown.Points[0].At)
	require.Equal(t, 60, shown.Points[0].N)
}

func TestWildInputIsHarmless(t *testing.T) {
	g := newRig(t, config.SPC{With: []string{"ewma", "cusum"}, Rules: []int{1, 2, 3, 4, 5, 6, 7, 8}})
	g.minutes(27, 42)
	g.freeze()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324, 1 << 53} {
		for range 130 {
			g.chart.Observe(detect.Sample{At: g.now, Value: v})
			g.now = g.now.Add(time.Second)
		}
	}
	for _, jump := range []time.Duration{-time.Hour, 72 * time.Hour, -240 * time.Hour, 24 * 365 * 200 * time.Hour} {
		g.now = g.now.Add(jump)
		g.minutes(2, 42)
	}
	require.NoError(t, g.chart.Restore(g.chart.Save()))
	require.NotPanics(t, func() { g.minutes(30, 42) })
	require.Equal(t, "watching", g.chart.Report().State)
}

func TestAValueCostsNoMemory(t *testing.T) {
	g := newRig(t, config.SPC{With: []string{"ewma", "cusum"}})
	g.minutes(27, 42)
	g.freeze()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		g.chart.Observe(detect.Sample{At: g.now, Value: 42})
		g.now = g.now.Add(100 * time.Millisecond)
	}))
}

func FuzzRestore(f *testing.F) {
	book, _ := OpenBook("")
	c := New(config.SPC{}, force(), book)
	for i := range 200 {
		c.Observe(detect.Sample{At: start().Add(time.Duration(i) * 20 * time.Second), Value: float64(i % 7)})
	}
	f.Add(c.Save())
	f.Add([]byte(`{"format":1,"every":60000000000,"tracks":[{"points":[{"n":-1}]}]}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		book, _ := OpenBook("")
		c := New(config.SPC{With: []string{"cusum", "ewma"}}, force(), book)
		if c.Restore(state) != nil {
			return
		}
		for i := range 100 {
			c.Observe(detect.Sample{At: start().Add(time.Duration(i) * time.Minute), Value: float64(i)})
		}
		if s := c.Save(); s != nil && c.Restore(s) != nil {
			t.Fatalf("what was saved can't be restored: %s", s)
		}
	})
}

func FuzzBook(f *testing.F) {
	f.Add([]byte(`{"format":1,"entries":[{"station":"a","name":"x","version":1,"state":"frozen","baseline":{"base":"individuals","center":7,"sigma":1,"subgroups":25}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseBook(text)
		if err != nil {
			return
		}
		for _, e := range entries {
			if z := e.Baseline.Z(Point{Value: 1, N: 1}); math.IsNaN(z) {
				t.Fatalf("NaN of %+v", e.Baseline)
			}
		}
	})
}

func BenchmarkChart(b *testing.B) {
	book, _ := OpenBook("")
	c := New(config.SPC{With: []string{"ewma", "cusum"}}, force(), book)
	at := start()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Observe(detect.Sample{At: at.Add(time.Duration(i) * time.Second), Value: float64(i % 97)})
	}
}
