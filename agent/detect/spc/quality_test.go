package spc

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/event"
)

func qualityOf(t *testing.T, text string) (*Quality, *Book) {
	t.Helper()
	var c struct {
		Quality map[string]config.Characteristic `yaml:"quality"`
	}
	require.NoError(t, conf.Parse("agent.yaml", []byte(text), &c, conf.Options{}))
	book, err := OpenBook(filepath.Join(t.TempDir(), "spc.json"))
	require.NoError(t, err)
	return NewQuality(c.Quality, "plant/st1", book), book
}

func check(i int, data string) detect.Event {
	return detect.Event{
		At: start().Add(time.Duration(i) * 30 * time.Second), Type: event.TypeQualityCheck, Station: "plant/st1", Data: json.RawMessage(data),
	}
}

func TestMeasuredCharacteristicsArePlottedPerPartAndNamed(t *testing.T) {
	q, book := qualityOf(t, `
quality:
  seal.width: {unit: mm, spc: {low: 4.5, high: 6.5}}
  seal.depth: {}
`)
	r := rand.New(rand.NewPCG(3, 3))
	n := 0
	feed := func(parts int, mean float64) (out []detect.Finding) {
		for range parts {
			out = append(out, q.Event(check(n, fmt.Sprintf(`{"productId":"p%d","characteristic":"seal.width","value":%.4f,"result":"pass"}`, n, mean+.2*r.NormFloat64())))...)
			n++
		}
		return out
	}
	got := feed(25, 5.3)
	require.Len(t, got, 1)
	require.Equal(t, "seal.width", got[0].Data["characteristic"])
	require.Equal(t, "seal.width/baseline", got[0].Condition)
	require.Contains(t, got[0].Data["explanation"], "Cpk 1.")
	for _, a := range []Action{Approve, Freeze} {
		_, err := book.Do(a, "", "seal.width", "", "anna", start())
		require.NoError(t, err)
	}
	require.Empty(t, feed(5, 5.3))
	got = feed(1, 6.6)
	require.Len(t, got, 1)
	require.False(t, got[0].Curve)
	curve := got[0].Recorded
	require.NotNil(t, curve, "the values of the parts before, and this one")
	require.Equal(t, "mm", curve.Unit)
	require.InDelta(t, 6.6, curve.Max[len(curve.Max)-1], .6)
	require.InDelta(t, 5.3, curve.Max[0], .6)
	require.Regexp(t, `^seal\.width is 6\.\d+ mm, above the control limit of \d\.\d+ mm\.`, explanation(got[0]))
	require.Len(t, book.Charts("seal.depth"), 1)
	require.Zero(t, book.Charts("seal.depth")[0].Collected, "events of another characteristic are not its own")
}

func TestTheShareOfFailedPartsIsWatched(t *testing.T) {
	q, book := qualityOf(t, `
quality:
  panel: {spc: {chart: p, values: 50, rules: [1, 2, 3, 5, 6]}}
`)
	r := rand.New(rand.NewPCG(4, 4))
	n := 0
	feed := func(parts int, bad float64) (out []detect.Finding) {
		for range parts {
			result := `"PASS"`
			if r.Float64() < bad {
				result = `"scrap"`
			}
			out = append(out, q.Event(check(n, `{"panel":1,"result":`+result+`}`))...)
			n++
		}
		return out
	}
	require.Len(t, feed(25*50, .06), 1)
	for _, a := range []Action{Approve, Freeze} {
		_, err := book.Do(a, "", "panel", "", "anna", start())
		require.NoError(t, err)
	}
	got := feed(50, .4)
	require.Len(t, got, 1)
	require.Regexp(t, `^The share of failed parts of panel \(50 parts\) is \d+ %, above the control limit of \d+\.?\d* %\.`, explanation(got[0]))
}

func TestAFieldOfItsOwnNameAndAProductAreTakenFromTheEvent(t *testing.T) {
	q, book := qualityOf(t, `
quality:
  width: {field: width_mm, recipe: variant}
`)
	for i := range 30 {
		q.Event(check(i, fmt.Sprintf(`{"variant":"left","width_mm":%d.%d,"ok":true}`, 5, i%7)))
		q.Event(check(i, fmt.Sprintf(`{"variant":"right","width_mm":"%d.%d"}`, 9, i%7)))
		q.Event(check(i, `{"variant":"right","width_mm":"none"}`))
		q.Event(check(i, `{"variant":"right"}`))
		q.Event(check(i, `[1,2]`))
	}
	list := book.Charts("width")
	require.Equal(t, "left", list[1].Recipe)
	require.Equal(t, 25, list[1].Collected)
	require.Equal(t, "right", list[2].Recipe)
	require.InDelta(t, 9.3, list[2].Versions[0].Baseline.Center, .1)
}

func TestMixedProductsFillTheirSubgroupsAndRunsInTurn(t *testing.T) {
	q, book := qualityOf(t, `
quality:
  bore: {field: bore, recipe: variant, spc: {chart: xbar, values: 4, rules: [2]}}
`)
	r := rand.New(rand.NewPCG(5, 5))
	n := 0
	feed := func(parts int, left float64) (out []detect.Finding) {
		for range parts {
			out = append(out, q.Event(check(n, fmt.Sprintf(`{"variant":"left","bore":%.4f}`, left+.1*r.NormFloat64())))...)
			out = append(out, q.Event(check(n, fmt.Sprintf(`{"variant":"right","bore":%.4f}`, 9+.1*r.NormFloat64())))...)
			n++
		}
		return out
	}
	require.Len(t, feed(100, 5), 2, "a proposal of each product")
	for _, recipe := range []string{"left", "right"} {
		for _, a := range []Action{Approve, Freeze} {
			_, err := book.Do(a, "", "bore", recipe, "anna", start())
			require.NoError(t, err)
		}
	}
	feed(12, 5)
	got := feed(44, 5.09)
	require.NotEmpty(t, got)
	for _, f := range got {
		require.Equal(t, "left", f.Data["recipe"])
		require.Contains(t, explanation(f), "points of bore in a row lie above the mean")
	}
}

func TestCharacteristicsSurviveARestart(t *testing.T) {
	text := "quality: {a: {field: a}, b: {field: b}}"
	q, _ := qualityOf(t, text)
	for i := range 12 {
		q.Event(check(i, fmt.Sprintf(`{"a":%d,"b":%d}`, i, -i)))
	}
	again, book := qualityOf(t, text)
	require.NoError(t, again.Restore(q.Save()))
	require.Equal(t, 12, book.Charts("a")[0].Collected)
	require.Equal(t, 12, book.Charts("b")[0].Collected)
	require.Error(t, again.Restore([]byte(`{"a":{"format":9}}`)))
	require.Error(t, again.Restore([]byte(`x`)))
}

func FuzzQualityEvents(f *testing.F) {
	f.Add(`{"characteristic":"w","value":1.5}`)
	f.Add(`{"value":"1e999","result":null}`)
	f.Add(`{"value":{"value":[1]}}`)
	f.Fuzz(func(t *testing.T, data string) {
		if !json.Valid([]byte(data)) {
			return // the pipeline hands over what it has written itself
		}
		q, _ := qualityOf(t, "quality: {w: {recipe: r}, p: {spc: {chart: p, values: 2}}}")
		for i := range 4 {
			q.Event(check(i, data))
		}
	})
}
